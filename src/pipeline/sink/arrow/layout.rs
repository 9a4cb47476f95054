//! Where every byte of a part lies: arithmetic only, from the description alone.
//!
//! The drawing is in the [module](super). All slots have the same places, also the last one when
//! it holds fewer rows, so that one offset decides where a row is.

use core::fmt;
use core::ops::Range;

use super::description::PartDescription;
use super::message;
use super::trailer::TRAILER_BYTES;
use crate::crypto::seal::{HEADER_BYTES, TAG_BYTES};
use crate::limits::{
    PAGE_BYTES, PART_COLUMNS_MAX, PART_PREFIX_BYTES_MAX, PART_SLOTS_MAX, SLOT_BYTES_MAX,
};
use crate::spec::KeyPairSpec;

/// Alignment of every buffer, as the Arrow format recommends.
const BUFFER_ALIGNMENT: u64 = 64;

/// Columns of every part, besides the manifest's.
pub const INDEX: &str = "Index";
/// Column of the DER `SubjectPublicKeyInfo`.
pub const PUBLIC_KEY: &str = "PublicKey";
/// Column of the ciphertext blob.
pub const CIPHERTEXT_BLOB: &str = "PrivateKeyCiphertextBlob";

/// A stretch of a slot, counted from the slot's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) bytes: usize,
}

impl Place {
    pub(super) const fn range(self) -> Range<usize> {
        self.start..self.start + self.bytes
    }
}

/// The two buffers of a column of byte strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BinaryPlace {
    /// 32-bit offsets, one more than rows.
    pub(super) offsets: Place,
    /// The strings, back to back.
    pub(super) values: Place,
    /// Length of each string, if they are all equal.
    pub(super) width: Option<usize>,
}

/// The places inside a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlotLayout {
    /// Rows of a full slot.
    pub(super) rows: usize,
    /// Marker, metadata length, flatbuffer and padding.
    pub(super) header_bytes: usize,
    /// The `Index` column.
    pub(super) index: Place,
    /// The manifest's columns, then public key, then blob.
    pub(super) binaries: Vec<BinaryPlace>,
    /// The checksum record at the end.
    pub(super) trailer: Place,
    /// All of it: whole pages.
    pub(super) bytes: usize,
}

impl SlotLayout {
    /// The places for a description.
    pub(super) fn new(description: &PartDescription) -> Result<Self, LayoutError> {
        check(description)?;
        let columns = description.columns.len();
        let rows = description.slot_rows;
        let header_bytes = header_bytes(columns);
        let mut cursor = Cursor(header_bytes);
        let index = cursor.place(8 * rows as u64);
        let (public, blob, width) = key_widths(description.spec);
        let texts = description.columns.iter().map(|c| (c.slot_bytes_max as u64, None));
        let keys = [(rows as u64 * public, Some(public)), (rows as u64 * blob, width)];
        let binaries = texts
            .chain(keys)
            .map(|(bytes, width)| BinaryPlace {
                offsets: cursor.place(4 * (rows as u64 + 1)),
                values: cursor.place(bytes),
                width: width.map(to_usize),
            })
            .collect();
        let bytes = (cursor.0 + TRAILER_BYTES as u64).next_multiple_of(PAGE_BYTES as u64);
        if bytes > SLOT_BYTES_MAX {
            return Err(LayoutError::SlotTooLarge { bytes });
        }
        let start = to_usize(bytes) - TRAILER_BYTES;
        Ok(Self {
            rows,
            header_bytes: to_usize(header_bytes),
            index,
            binaries,
            trailer: Place { start, bytes: TRAILER_BYTES },
            bytes: to_usize(bytes),
        })
    }

    /// What lies between header and trailer.
    pub(super) const fn body(&self) -> Range<usize> {
        self.header_bytes..self.trailer.start
    }

    /// The body as the Arrow message counts it: up to the end of the slot.
    pub(super) const fn body_bytes(&self) -> usize {
        self.bytes - self.header_bytes
    }
}

/// Bytes before the body: room for any flatbuffer of a record batch of so many columns.
///
/// A bound by number of nodes and buffers, not the length of what today's encoder writes, so
/// that places never depend on the encoder.
const fn header_bytes(columns: usize) -> u64 {
    let nodes = 16 * (columns as u64 + 3);
    let buffers = 16 * (2 + 3 * (columns as u64 + 2));
    (8 + 184 + nodes + buffers).next_multiple_of(BUFFER_ALIGNMENT)
}

/// Length of a public key, longest blob, and the blobs' length if all are equal.
fn key_widths(spec: KeyPairSpec) -> (u64, u64, Option<u64>) {
    let blob = (HEADER_BYTES + spec.private_key_bytes_max() + TAG_BYTES) as u64;
    (spec.public_key_bytes() as u64, blob, spec.private_key_is_fixed_size().then_some(blob))
}

struct Cursor(u64);

impl Cursor {
    /// Takes the next aligned `bytes`.
    fn place(&mut self, bytes: u64) -> Place {
        let start = self.0;
        self.0 = (start + bytes).next_multiple_of(BUFFER_ALIGNMENT);
        Place { start: to_usize(start), bytes: to_usize(bytes) }
    }
}

/// Everything that is counted here stays far below 2^63 by [`check`].
fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Refuses what cannot be laid out, before any arithmetic could overflow.
fn check(description: &PartDescription) -> Result<(), LayoutError> {
    let rows = description.slot_rows as u64;
    if rows == 0 || rows > SLOT_BYTES_MAX / 8 {
        return Err(LayoutError::SlotRows { rows });
    }
    if description.first_row.checked_add(description.rows).is_none() {
        return Err(LayoutError::Rows);
    }
    if description.part >= description.parts {
        return Err(LayoutError::Part);
    }
    if description.columns.len() > PART_COLUMNS_MAX {
        return Err(LayoutError::TooManyColumns { columns: description.columns.len() });
    }
    let mut names = vec![INDEX, PUBLIC_KEY, CIPHERTEXT_BLOB];
    for column in &description.columns {
        let name = column.name.as_str();
        if names.contains(&name) {
            return Err(LayoutError::ColumnName { name: name.to_owned() });
        }
        if column.slot_bytes_max as u64 > SLOT_BYTES_MAX {
            return Err(LayoutError::SlotTooLarge { bytes: column.slot_bytes_max as u64 });
        }
        names.push(name);
    }
    Ok(())
}

/// The size and division of one part.
///
/// ```text
/// prefix | slot 0 | slot 1 | ... | tail
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) slot: SlotLayout,
    first_row: u64,
    rows: u64,
    slots: u64,
    prefix_bytes: u64,
    tail_bytes: u64,
}

impl Layout {
    /// Lays out a part. Touches no file.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] if no such file can be made.
    pub fn new(description: &PartDescription) -> Result<Self, LayoutError> {
        let mut layout = Self::with_prefix(description, 0)?;
        let schema = message::schema(description, layout.slot_bytes());
        layout.prefix_bytes = message::prefix(&schema).len() as u64;
        if layout.prefix_bytes > PART_PREFIX_BYTES_MAX {
            return Err(LayoutError::PrefixTooLarge { bytes: layout.prefix_bytes });
        }
        let prefix_crc = 0;
        layout.tail_bytes = message::tail(&schema, &layout, prefix_crc).len() as u64;
        Ok(layout)
    }

    /// The layout of a file whose schema message was found to end at `prefix_bytes`. It has no
    /// tail yet.
    pub(super) fn with_prefix(
        description: &PartDescription,
        prefix_bytes: u64,
    ) -> Result<Self, LayoutError> {
        let slot = SlotLayout::new(description)?;
        let slots = description.rows.div_ceil(slot.rows as u64);
        if slots > PART_SLOTS_MAX {
            return Err(LayoutError::TooManySlots { slots });
        }
        let (first_row, rows) = (description.first_row, description.rows);
        Ok(Self { slot, first_row, rows, slots, prefix_bytes, tail_bytes: 0 })
    }

    /// Size of the whole file.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.slots_end() + self.tail_bytes
    }

    /// Size of one slot.
    #[must_use]
    pub const fn slot_bytes(&self) -> u64 {
        self.slot.bytes as u64
    }

    /// How many slots.
    #[must_use]
    pub const fn slots(&self) -> u64 {
        self.slots
    }

    /// How many rows.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows of `slot` by their `Index`; empty for a slot that does not exist.
    #[must_use]
    pub fn slot_row_range(&self, slot: u64) -> Range<u64> {
        let row = |slot: u64| slot.saturating_mul(self.slot.rows as u64).min(self.rows);
        self.first_row + row(slot)..self.first_row + row(slot.saturating_add(1))
    }

    /// How many rows `slot` has.
    pub(super) fn rows_in(&self, slot: u64) -> usize {
        let range = self.slot_row_range(slot);
        to_usize(range.end - range.start)
    }

    /// Where the last slot ends.
    pub(super) const fn slots_end(&self) -> u64 {
        self.prefix_bytes + self.slots * self.slot_bytes()
    }

    /// Where `slot` lies in the file.
    pub(super) fn slot_range(&self, slot: u64) -> Range<usize> {
        let start = to_usize(self.prefix_bytes + slot * self.slot_bytes());
        start..start + self.slot.bytes
    }
}

/// Why no file can be laid out for a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// No rows in a slot, or absurdly many.
    SlotRows {
        /// How many.
        rows: u64,
    },
    /// The last row has no number.
    Rows,
    /// The part's number is not below the number of parts.
    Part,
    /// More manifest columns than [`PART_COLUMNS_MAX`].
    TooManyColumns {
        /// How many.
        columns: usize,
    },
    /// A manifest column twice, or with a name that the output uses itself.
    ColumnName {
        /// The name.
        name: String,
    },
    /// A slot over [`SLOT_BYTES_MAX`].
    SlotTooLarge {
        /// How large.
        bytes: u64,
    },
    /// More slots than [`PART_SLOTS_MAX`].
    TooManySlots {
        /// How many.
        slots: u64,
    },
    /// Column names and template over [`PART_PREFIX_BYTES_MAX`].
    PrefixTooLarge {
        /// How large.
        bytes: u64,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlotRows { rows } => write!(f, "a slot cannot have {rows} rows"),
            Self::Rows => f.write_str("the last row's number does not fit in 64 bits"),
            Self::Part => f.write_str("the part's number is not below the number of parts"),
            Self::TooManyColumns { columns } => {
                write!(f, "the manifest has {columns} columns, at most {PART_COLUMNS_MAX} fit")
            }
            Self::ColumnName { name } => write!(
                f,
                "the output would have two columns {name:?}; rename the manifest's ({INDEX}, \
                 {PUBLIC_KEY} and {CIPHERTEXT_BLOB} are taken)"
            ),
            Self::SlotTooLarge { bytes } => write!(
                f,
                "{bytes} bytes of one column or slot, at most {SLOT_BYTES_MAX} fit; take fewer \
                 rows a slot"
            ),
            Self::TooManySlots { slots } => write!(
                f,
                "a part of {slots} slots, at most {PART_SLOTS_MAX} are allowed; make more parts"
            ),
            Self::PrefixTooLarge { bytes } => write!(
                f,
                "column names and template make a schema of {bytes} bytes, at most \
                 {PART_PREFIX_BYTES_MAX} are allowed"
            ),
        }
    }
}

impl core::error::Error for LayoutError {}
