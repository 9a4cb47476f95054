//! Page work of a part, done by one thread beside those that fill it.
//!
//! Ahead of the slots being filled it makes pages present, so that filling causes no fault;
//! behind them it starts writing committed slots to the disk, so that the last sync finds little
//! left to do. Whole slots only: a page that is written back faults at its next store.

use super::writer::PartWriter;

/// How far ahead pages are made present, in bytes: what two fast workers fill in a tenth of a
/// second, and a small part of any machine's memory.
const AHEAD_BYTES: u64 = 64 << 20;

/// The page work of one part.
#[derive(Debug)]
pub struct Pager<'w> {
    part: &'w PartWriter,
    /// Slots ahead of the last claimed whose pages are kept present.
    window: usize,
    /// Positions among the missing slots below which pages were made present, or are too late.
    pub(super) present: usize,
    /// Positions below which writeback was started.
    pub(super) behind: usize,
}

impl<'w> Pager<'w> {
    /// A pager that has done nothing yet.
    #[must_use]
    pub fn new(part: &'w PartWriter) -> Self {
        let window = (AHEAD_BYTES / part.layout().slot_bytes()).max(1);
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        Self { part, window, present: 0, behind: 0 }
    }

    /// Does what has become due since the last turn. To be called every few milliseconds.
    pub fn turn(&mut self) {
        let missing = self.part.missing_slots();
        loop {
            // Asked anew for every slot: the workers go on while pages are made present.
            let claimed = self.part.slots_claimed();
            self.present = self.present.max(claimed);
            if self.present >= missing.len().min(claimed.saturating_add(self.window)) {
                break;
            }
            self.part.prefault(missing[self.present]);
            self.present += 1;
        }
        while self.behind < missing.len() && self.part.is_committed(self.behind) {
            self.part.written(missing[self.behind]);
            self.behind += 1;
        }
    }
}
