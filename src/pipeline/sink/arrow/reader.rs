//! `PartFile`: a part as it is found on the disk, published or not, whole or not.
//!
//! Opening needs only the schema message; what is missing or damaged behind it is told slot by
//! slot. Arrow readers can open a published part too; this one also knows the checksums, and
//! opens what a killed run left.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::description::{MetadataError, PartDescription};
use super::error::{Damage, Error};
use super::frame::{self, FrameFault};
use super::layout::Layout;
use super::message::{self, CONTINUATION, FILE_START, SchemaError, SchemaFound};
use super::slot::{Identity, SlotFault, SlotRows, SlotState, examine};
use super::trailer::read_u32;
use crate::limits::{PAGE_BYTES, PART_PREFIX_BYTES_MAX};
use crate::sys::file::LockedFile;
use crate::sys::mapping::ReadMapping;

/// A part, open for reading.
#[derive(Debug)]
pub struct PartFile {
    path: PathBuf,
    source: Source,
    description: PartDescription,
    generator: String,
    layout: Layout,
    identity: Identity,
    frame: Result<(), FrameFault>,
    /// Of the slots that lie in the file at least in part; found out when first needed.
    states: Vec<OnceLock<SlotState>>,
}

#[derive(Debug)]
enum Source {
    Mapped(ReadMapping),
    Held(Vec<u8>),
}

impl Source {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Held(bytes) => bytes,
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The row's number in the job.
    pub index: u64,
    /// Name and text of every manifest column, in order.
    pub columns: Vec<(&'a str, &'a str)>,
    /// DER `SubjectPublicKeyInfo`.
    pub public_key: &'a [u8],
    /// The wrapped private key.
    pub blob: &'a [u8],
}

impl PartFile {
    /// Opens a published part or the temporary file of a killed run, read-only.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] while a run writes it, [`Error::NotOurs`], [`Error::Damaged`] if the
    /// schema message cannot be read, [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::io(path, "open", source);
        let file = LockedFile::open_shared(path).map_err(io)?;
        Self::parse(path, Source::Mapped(ReadMapping::new(file).map_err(io)?))
    }

    /// Reads a part from memory.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); the path in them is empty.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        Self::parse(Path::new(""), Source::Held(bytes))
    }

    fn parse(path: &Path, source: Source) -> Result<Self, Error> {
        let bytes = source.bytes();
        let start = parse_start(bytes).map_err(|fault| match fault {
            Some(what) => Error::Damaged { path: path.to_owned(), what },
            None => Error::NotOurs { path: path.to_owned() },
        })?;
        let (layout, description) = (start.layout, start.schema.description);
        let prefix_crc = crc32c::crc32c(&bytes[..start.prefix_bytes]);
        let identity = Identity { job_id: description.job_id, prefix_crc };
        let slots = usize::try_from(layout.slots()).unwrap_or(usize::MAX);
        let slots_begun = (bytes.len() - start.prefix_bytes).div_ceil(layout.slot.bytes).min(slots);
        Ok(Self {
            path: path.to_owned(),
            frame: frame::check(bytes, &layout, &description, prefix_crc),
            generator: start.schema.generator,
            states: (0..slots_begun).map(|_| OnceLock::new()).collect(),
            description,
            layout,
            identity,
            source,
        })
    }

    /// What the part holds.
    #[must_use]
    pub const fn description(&self) -> &PartDescription {
        &self.description
    }

    /// The program and version that wrote it.
    #[must_use]
    pub fn generator(&self) -> &str {
        &self.generator
    }

    /// Where the slots lie. Its file size leaves out the footer.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file as found.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.source.bytes().len() as u64
    }

    /// How many rows the part has when it is whole.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.description.rows
    }

    /// Whether the footer is there and right: true for every published part.
    ///
    /// Says nothing of the slots; see [`slot_state`](Self::slot_state) and
    /// [`check`](Self::check).
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.frame.is_ok()
    }

    /// What is wrong with the footer.
    pub const fn frame(&self) -> Result<(), FrameFault> {
        self.frame
    }

    /// What became of `slot`. The first call reads all of it.
    #[must_use]
    pub fn slot_state(&self, slot: u64) -> SlotState {
        let state = usize::try_from(slot).ok().and_then(|slot| self.states.get(slot));
        let Some(state) = state else { return SlotState::Torn(SlotFault::Truncated) };
        *state.get_or_init(|| match self.slot_bytes(slot) {
            Some(bytes) => examine(bytes, slot, &self.layout, self.identity),
            None => SlotState::Torn(SlotFault::Truncated),
        })
    }

    /// The states of all slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = (u64, SlotState)> {
        (0..self.layout.slots()).map(|slot| (slot, self.slot_state(slot)))
    }

    /// How many slots lie in the file at least in part.
    pub(super) const fn slots_begun(&self) -> u64 {
        self.states.len() as u64
    }

    /// All bytes of `slot`, if they are there.
    pub(super) fn slot_bytes(&self, slot: u64) -> Option<&[u8]> {
        self.source.bytes().get(self.layout.slot_range(slot))
    }

    /// The rows of `slot`, if it is committed.
    pub(super) fn slot_rows(&self, slot: u64) -> Option<SlotRows<'_>> {
        let is_committed = self.slot_state(slot) == SlotState::Committed;
        let bytes = self.slot_bytes(slot).filter(|_| is_committed)?;
        Some(SlotRows { bytes, layout: &self.layout.slot })
    }

    /// Row `row`, counted from the first of this file.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchRow`], or [`Error::RowDamaged`] if its slot is not committed.
    pub fn row(&self, row: u64) -> Result<Row<'_>, Error> {
        if row >= self.rows() {
            return Err(Error::NoSuchRow { row, rows: self.rows() });
        }
        let slot_rows = self.layout.slot.rows as u64;
        let slot = self.slot_rows(row / slot_rows).ok_or(Error::RowDamaged { row })?;
        let within = usize::try_from(row % slot_rows).unwrap_or(usize::MAX);
        self.read_row(&slot, within).ok_or(Error::RowDamaged { row })
    }

    /// Row `row` of a slot; `None` if its bytes are no row.
    fn read_row<'a>(&'a self, slot: &SlotRows<'a>, row: usize) -> Option<Row<'a>> {
        let names = self.description.columns.iter().map(|column| column.name.as_str());
        let columns = names.enumerate().map(|(column, name)| {
            Some((name, core::str::from_utf8(slot.value(column, row)?).ok()?))
        });
        let count = self.description.columns.len();
        Some(Row {
            index: slot.index(row)?,
            columns: columns.collect::<Option<_>>()?,
            public_key: slot.value(count, row)?,
            blob: slot.value(count + 1, row)?,
        })
    }
}

/// What the beginning of a file says.
struct Start {
    schema: SchemaFound,
    layout: Layout,
    prefix_bytes: usize,
}

/// Reads the file up to slot 0; `None` in the error if it is not ours at all.
fn parse_start(bytes: &[u8]) -> Result<Start, Option<Damage>> {
    if !bytes.starts_with(&FILE_START) {
        return Err(None);
    }
    let metadata_bytes = match (read_u32(bytes, 8), read_u32(bytes, 12)) {
        (Some(CONTINUATION), Some(length)) => length,
        // Other writers leave more room before their first message.
        (Some(_), Some(_)) => return Err(None),
        (None, _) | (_, None) => return Err(Some(Damage::Start)),
    };
    let prefix_bytes = 16 + metadata_bytes as usize;
    if prefix_bytes as u64 > PART_PREFIX_BYTES_MAX {
        return Err(Some(Damage::Schema));
    }
    let flatbuffer = bytes.get(16..prefix_bytes).ok_or(Some(Damage::Start))?;
    let schema = message::read_schema_message(flatbuffer).map_err(|error| match error {
        SchemaError::Message => Some(Damage::Schema),
        SchemaError::Foreign => None,
        SchemaError::Metadata(error) => Some(Damage::Metadata(error)),
    })?;
    let layout = Layout::with_prefix(&schema.description, prefix_bytes as u64);
    let layout = layout.ok().filter(|layout| layout.slot_bytes() == schema.slot_bytes);
    let misfit = Some(Damage::Metadata(MetadataError { key: "SlotBytes" }));
    match layout {
        Some(layout) if prefix_bytes.is_multiple_of(PAGE_BYTES) => {
            Ok(Start { schema, layout, prefix_bytes })
        }
        _ => Err(misfit),
    }
}
