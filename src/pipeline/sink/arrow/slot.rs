//! One slot as it is found in a file: whether it is whole, and its rows.
//!
//! Nothing found is believed: the state comes from checksums, and every offset is checked again
//! when a row is read, so that no content of a file can lead outside its slot.

use core::fmt;

use super::layout::{BinaryPlace, Layout, SlotLayout};
use super::message::{self, CONTINUATION};
use super::trailer::{Trailer, read_u32};

/// What every trailer of a part repeats, so that no slot of another file passes for one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) job_id: [u8; 32],
    pub(super) prefix_crc: u32,
}

/// What became of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// Written, checked, whole.
    Committed,
    /// Never touched: all zero.
    Empty,
    /// Begun and not finished, or damaged.
    Torn(SlotFault),
}

/// Why a slot is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotFault {
    /// It is not committed, but something was written to it.
    Uncommitted,
    /// The first word is neither zero nor the marker.
    Marker,
    /// The trailer is missing or its own checksum fails.
    Trailer,
    /// The trailer belongs to another slot, job or file.
    Stranger,
    /// The header's checksum fails, or it describes another layout.
    Header,
    /// The body's checksum fails.
    Body,
    /// The file ends inside or before it.
    Truncated,
}

impl fmt::Display for SlotFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uncommitted => "it was begun and never committed",
            Self::Marker => "its first word is no commit marker",
            Self::Trailer => "its trailer is damaged",
            Self::Stranger => "its trailer names another slot or file",
            Self::Header => "its header is damaged",
            Self::Body => "its rows do not match their checksum",
            Self::Truncated => "the file ends before it does",
        })
    }
}

/// Finds out what became of the slot numbered `number`, of which `slot` is all bytes.
pub(super) fn examine(slot: &[u8], number: u64, layout: &Layout, identity: Identity) -> SlotState {
    match read_u32(slot, 0) {
        Some(CONTINUATION) => match check(slot, number, layout, identity) {
            Ok(()) => SlotState::Committed,
            Err(fault) => SlotState::Torn(fault),
        },
        Some(0) if slot.iter().all(|&byte| byte == 0) => SlotState::Empty,
        Some(0) => SlotState::Torn(SlotFault::Uncommitted),
        Some(_) => SlotState::Torn(SlotFault::Marker),
        None => SlotState::Torn(SlotFault::Truncated),
    }
}

fn check(bytes: &[u8], number: u64, layout: &Layout, identity: Identity) -> Result<(), SlotFault> {
    let slot = &layout.slot;
    let rows = layout.rows_in(number);
    let place = bytes.get(slot.trailer.range()).ok_or(SlotFault::Truncated)?;
    let trailer = Trailer::decode(place).ok_or(SlotFault::Trailer)?;
    let header = &bytes[..slot.header_bytes];
    if trailer.header_crc != crc32c::crc32c(&header[4..])
        || !message::is_slot_header(header, slot, rows)
    {
        return Err(SlotFault::Header);
    }
    let is_ours = u64::from(trailer.slot) == number
        && trailer.rows as usize == rows
        && trailer.job_id == identity.job_id
        && trailer.prefix_crc == identity.prefix_crc;
    if !is_ours {
        return Err(SlotFault::Stranger);
    }
    if trailer.body_crc != crc32c::crc32c(&bytes[slot.body()]) {
        return Err(SlotFault::Body);
    }
    Ok(())
}

/// The rows of a committed slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotRows<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layout: &'a SlotLayout,
}

impl<'a> SlotRows<'a> {
    /// `Index` of `row`.
    pub(super) fn index(&self, row: usize) -> Option<u64> {
        let at = self.layout.index.start + 8 * row;
        let word = self.bytes.get(at..at + 8)?;
        Some(u64::from_le_bytes(word.try_into().ok()?))
    }

    /// The byte string of column `column` in `row`, counted after `Index`.
    pub(super) fn value(&self, column: usize, row: usize) -> Option<&'a [u8]> {
        let BinaryPlace { offsets, values, width } = *self.layout.binaries.get(column)?;
        let start = read_u32(self.bytes, offsets.start + 4 * row)? as usize;
        let end = read_u32(self.bytes, offsets.start + 4 * (row + 1))? as usize;
        let is_width = width.is_none_or(|width| start == row * width && end == start + width);
        let value = self.bytes[values.range()].get(start..end)?;
        is_width.then_some(value)
    }

    /// Whether column `column`'s offsets start at zero; with each row's being in order, that
    /// makes them as the format wants them.
    pub(super) fn starts_at_zero(&self, column: usize) -> bool {
        read_u32(self.bytes, self.layout.binaries[column].offsets.start) == Some(0)
    }
}
