//! Filling one slot, on one thread, without a lock, an allocation or a system call.

use core::ops::Range;

use super::error::PushError;
use super::layout::BinaryPlace;
use super::stage::{Filled, Stage};
use super::trailer::{Trailer, read_u32};

/// A slot in the hands of the thread that fills it.
///
/// Dropped before [`commit`](Self::commit), it leaves the slot uncommitted: the part cannot be
/// finished by this [`PartWriter`](super::PartWriter), but by the next that resumes it.
#[derive(Debug)]
pub struct SlotWriter<'s, 'm> {
    stage: &'s Stage<'m>,
    /// Among the slots that were missing.
    position: usize,
    slot: u64,
    rows: usize,
    row: usize,
    /// Empty once it is committed.
    bytes: &'m mut [u8],
}

impl<'s, 'm> SlotWriter<'s, 'm> {
    /// Takes a buffer with another slot in it, or zeros, and writes what does not depend on keys:
    /// `Index`, and the offsets of columns whose values are all equally long.
    pub(super) fn new(
        stage: &'s Stage<'m>,
        position: usize,
        slot: u64,
        bytes: &'m mut [u8],
    ) -> Self {
        let layout = stage.part().layout();
        let rows = layout.rows_in(slot);
        if rows < layout.slot.rows {
            bytes.fill(0);
        }
        let index = &mut bytes[layout.slot.index.range()];
        for (word, row) in index.chunks_exact_mut(8).zip(layout.slot_row_range(slot)) {
            word.copy_from_slice(&row.to_le_bytes());
        }
        for BinaryPlace { offsets, width, .. } in &layout.slot.binaries {
            let Some(width) = width else { continue };
            let words = bytes[offsets.range()].chunks_exact_mut(4);
            for (row, word) in words.take(rows + 1).enumerate() {
                word.copy_from_slice(&offset(row * width));
            }
        }
        Self { stage, position, slot, rows, row: 0, bytes }
    }

    /// The slot's number.
    #[must_use]
    pub const fn slot(&self) -> u64 {
        self.slot
    }

    /// The rows of the slot by their `Index`.
    #[must_use]
    pub fn rows(&self) -> Range<u64> {
        self.stage.part().layout().slot_row_range(self.slot)
    }

    /// How many rows are still to be pushed.
    #[must_use]
    pub const fn rows_left(&self) -> usize {
        self.rows - self.row
    }

    /// Writes the next row: its manifest columns in their order, public key and blob.
    ///
    /// # Errors
    ///
    /// [`PushError`] if something does not fit; the row is then not there and may be pushed
    /// anew.
    pub fn push<'t>(
        &mut self,
        columns: impl IntoIterator<Item = &'t str>,
        public_key: &[u8],
        blob: &[u8],
    ) -> Result<(), PushError> {
        if self.row == self.rows {
            return Err(PushError::SlotFull);
        }
        let count = self.stage.part().layout().slot.binaries.len() - 2;
        let mut column = 0;
        for text in columns {
            if column == count {
                return Err(PushError::ColumnCount);
            }
            self.put(column, self.row, text.as_bytes()).ok_or(PushError::ColumnFull { column })?;
            column += 1;
        }
        if column != count {
            return Err(PushError::ColumnCount);
        }
        let bytes = public_key.len();
        self.put(count, self.row, public_key).ok_or(PushError::PublicKeyLength { bytes })?;
        let bytes = blob.len();
        self.put(count + 1, self.row, blob).ok_or(PushError::BlobLength { bytes })?;
        self.row += 1;
        Ok(())
    }

    /// Writes all rows at once, where every blob is as long as the spec's longest: the manifest
    /// columns row by row, then the public keys and blobs, each back to back.
    ///
    /// # Errors
    ///
    /// [`PushError`] if these are not all rows of the slot, or something does not fit.
    pub fn push_all<'t>(
        &mut self,
        columns: impl IntoIterator<Item = &'t str>,
        public_keys: &[u8],
        blobs: &[u8],
    ) -> Result<(), PushError> {
        let count = self.stage.part().layout().slot.binaries.len() - 2;
        let mut texts = columns.into_iter();
        for row in 0..self.rows {
            for column in 0..count {
                let text = texts.next().ok_or(PushError::ColumnCount)?;
                self.put(column, row, text.as_bytes()).ok_or(PushError::ColumnFull { column })?;
            }
        }
        if texts.next().is_some() {
            return Err(PushError::ColumnCount);
        }
        let bytes = public_keys.len();
        self.put_all(count, public_keys).ok_or(PushError::PublicKeyLength { bytes })?;
        let bytes = blobs.len();
        self.put_all(count + 1, blobs).ok_or(PushError::BlobLength { bytes })?;
        self.row = self.rows;
        Ok(())
    }

    /// Copies the values of a column of equal lengths to their place.
    fn put_all(&mut self, column: usize, values: &[u8]) -> Option<()> {
        let BinaryPlace { values: place, width, .. } =
            *self.stage.part().layout().slot.binaries.get(column)?;
        let bytes = width? * self.rows;
        (values.len() == bytes).then(|| self.bytes[place.range()][..bytes].copy_from_slice(values))
    }

    /// Copies `value` to the place of `row` in column `column`, if there is room.
    fn put(&mut self, column: usize, row: usize, value: &[u8]) -> Option<()> {
        let BinaryPlace { offsets, values, width } =
            *self.stage.part().layout().slot.binaries.get(column)?;
        if let Some(width) = width {
            let room = &mut self.bytes[values.range()][row * width..][..width];
            return (value.len() == width).then(|| room.copy_from_slice(value));
        }
        let at = offsets.start + 4 * row;
        let start = read_u32(self.bytes, at)? as usize;
        let end = start + value.len();
        self.bytes[values.range()].get_mut(start..end)?.copy_from_slice(value);
        self.bytes[at + 4..at + 8].copy_from_slice(&offset(end));
        Some(())
    }

    /// Makes the slot valid and hands it on, to be written to its place in the file.
    ///
    /// # Errors
    ///
    /// [`PushError::RowsMissing`]; the slot is then given up.
    pub fn commit(mut self) -> Result<(), PushError> {
        if self.row != self.rows {
            return Err(PushError::RowsMissing { rows: self.rows - self.row });
        }
        self.clear_slack();
        let part = self.stage.part();
        let layout = &part.layout().slot;
        let header = part.slot_header(self.rows);
        let identity = part.identity();
        let trailer = Trailer {
            slot: u32::try_from(self.slot).unwrap_or(u32::MAX),
            rows: u32::try_from(self.rows).unwrap_or(u32::MAX),
            job_id: identity.job_id,
            prefix_crc: identity.prefix_crc,
            header_crc: header.crc,
            body_crc: crc32c::crc32c(&self.bytes[layout.body()]),
        };
        self.bytes[layout.trailer.range()].copy_from_slice(&trailer.encode());
        self.bytes[..layout.header_bytes].copy_from_slice(&header.bytes);
        let bytes = core::mem::take(&mut self.bytes);
        let Self { position, slot, rows, .. } = self;
        self.stage.put(Filled { position, slot, rows, bytes });
        Ok(())
    }

    /// Zeroes what values of different lengths leave over, where others stood before.
    fn clear_slack(&mut self) {
        for BinaryPlace { offsets, values, width } in &self.stage.part().layout().slot.binaries {
            if width.is_none()
                && let Some(end) = read_u32(self.bytes, offsets.start + 4 * self.rows)
            {
                self.bytes[values.range()][end as usize..].fill(0);
            }
        }
    }
}

impl Drop for SlotWriter<'_, '_> {
    fn drop(&mut self) {
        let bytes = core::mem::take(&mut self.bytes);
        if !bytes.is_empty() {
            self.stage.give_back(bytes);
        }
    }
}

/// An offset as the format stores it; slots are below 2^31 bytes.
fn offset(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}
