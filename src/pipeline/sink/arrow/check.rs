//! The structural check of a part: every byte is covered, by value or by checksum.

use core::fmt;

use super::frame::FrameFault;
use super::reader::PartFile;
use super::slot::{SlotFault, SlotRows, SlotState};

/// Something wrong with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Around the slots.
    Frame(FrameFault),
    /// A slot without any row yet.
    SlotEmpty {
        /// Which.
        slot: u64,
    },
    /// A slot that is not whole.
    Slot {
        /// Which.
        slot: u64,
        /// Why not.
        fault: SlotFault,
    },
    /// The first wrong row of a slot that is whole by its checksums: written wrong, not damaged.
    Row {
        /// Which, counted from the file's first.
        row: u64,
        /// What is wrong.
        fault: RowFault,
    },
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// The `Index` is not the one that belongs here.
    Index,
    /// A column's offsets are out of order or out of bounds, or the length is not the spec's.
    Offsets {
        /// Which, counted after `Index`.
        column: usize,
    },
    /// A manifest column is not UTF-8.
    Text {
        /// Which, from 0.
        column: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(fault) => write!(f, "the file: {fault}"),
            Self::SlotEmpty { slot } => write!(f, "slot {slot}: it was never written"),
            Self::Slot { slot, fault } => write!(f, "slot {slot}: {fault}"),
            Self::Row { row, fault } => write!(f, "row {row}: {fault}"),
        }
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => f.write_str("its Index is not in sequence"),
            Self::Offsets { column } => {
                write!(f, "its column {} has impossible offsets", column + 1)
            }
            Self::Text { column } => write!(f, "its column {} is not UTF-8", column + 1),
        }
    }
}

impl PartFile {
    /// Everything wrong with the part, in file order, the frame last; nothing for a good one.
    ///
    /// Reads the whole file. Finds any changed, missing or added byte, and rows that a faulty
    /// writer made. Of slots beyond the end of the file only the first is told.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let slots_told = self.layout().slots().min(self.slots_begun() + 1);
        let slots = (0..slots_told).filter_map(|slot| match self.slot_state(slot) {
            SlotState::Committed => self.check_rows(slot),
            SlotState::Empty => Some(Finding::SlotEmpty { slot }),
            SlotState::Torn(fault) => Some(Finding::Slot { slot, fault }),
        });
        slots.chain(self.frame().err().map(Finding::Frame)).collect()
    }

    fn check_rows(&self, slot: u64) -> Option<Finding> {
        let rows = self.slot_rows(slot)?;
        let first = slot * self.layout().slot.rows as u64;
        let fault = |row: usize, fault| Finding::Row { row: first + row as u64, fault };
        let columns = self.layout().slot.binaries.len();
        if let Some(column) = (0..columns).find(|&column| !rows.starts_at_zero(column)) {
            return Some(fault(0, RowFault::Offsets { column }));
        }
        (0..self.layout().rows_in(slot))
            .find_map(|row| Some(fault(row, self.check_row(slot, &rows, row)?)))
    }

    fn check_row(&self, slot: u64, rows: &SlotRows<'_>, row: usize) -> Option<RowFault> {
        if !self.is_index_right(slot, rows, row) {
            return Some(RowFault::Index);
        }
        let texts = self.description().columns.len();
        (0..self.layout().slot.binaries.len()).find_map(|column| match rows.value(column, row) {
            None => Some(RowFault::Offsets { column }),
            Some(text) if column < texts && core::str::from_utf8(text).is_err() => {
                Some(RowFault::Text { column })
            }
            Some(_) => None,
        })
    }

    /// In a repaired part slots are missing, so that there only the order inside one is known.
    fn is_index_right(&self, slot: u64, rows: &SlotRows<'_>, row: usize) -> bool {
        let start = match self.description().repaired {
            None => Some(self.layout().slot_row_range(slot).start),
            Some(_) => rows.index(0),
        };
        start.and_then(|start| start.checked_add(row as u64)) == rows.index(row)
    }
}
