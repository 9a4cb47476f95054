//! The slots of a part on their way from the threads that fill them to the disk.
//!
//! ```text
//!          claim              commit             write
//! empty ----------> filling ----------> full ----------> empty
//!          a worker           a worker        the scribe
//! ```
//!
//! A worker fills a slot in memory that is there from the start, and a thread beside the workers,
//! the scribe, writes it to its place in the file. So the workers never meet the kernel: a store
//! into a mapped file faults whenever its page is not there yet, or was written back meanwhile and
//! so made read-only, and a page written back takes its neighbours in the same folio with it. It is
//! also the shorter way: where the file system allows it a slot goes to the disk past the page
//! cache, which would copy it once more and turn all other files out.
//!
//! Only who finds no empty buffer waits, since the disk is then slower than the workers.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;

use super::error::Error;
use super::slot_writer::SlotWriter;
use super::writer::PartWriter;
use crate::limits::{STAGED_BYTES_MAX, STAGED_SLOTS_MAX};
use crate::sys::staging::StagingMemory;

/// How often the scribe looks for full slots when it found none: two fast workers fill about one in
/// the meantime.
const SCRIBE_PERIOD: Duration = Duration::from_millis(2);

/// How long who waits for an empty buffer waits without looking again.
const WAIT: Duration = Duration::from_millis(1);

/// The buffers of the slots under way.
pub struct Stage<'m> {
    part: &'m PartWriter,
    empty: ArrayQueue<&'m mut [u8]>,
    full: ArrayQueue<Filled<'m>>,
    is_closed: AtomicBool,
    lock: Mutex<()>,
    was_emptied: Condvar,
}

/// A slot as it will stand in the file.
#[derive(Debug)]
pub(super) struct Filled<'m> {
    /// Among the slots that were missing.
    pub(super) position: usize,
    pub(super) slot: u64,
    pub(super) rows: usize,
    pub(super) bytes: &'m mut [u8],
}

impl<'m> Stage<'m> {
    /// How much memory the stage of `part` needs, when `workers` threads fill it.
    ///
    /// Enough for a disk that stalls for a tenth of a second, unless slots are very large; a slot
    /// each and one more at least.
    #[must_use]
    pub fn memory_bytes(part: &PartWriter, workers: usize) -> usize {
        let slot = part.layout().slot.bytes;
        let slots =
            (STAGED_BYTES_MAX / slot).clamp(workers + 1, (workers + 1).max(STAGED_SLOTS_MAX));
        slot * slots.min(part.missing_slots().len())
    }

    /// A stage for `part` with all of `memory` for its buffers.
    #[must_use]
    pub fn new(part: &'m PartWriter, memory: &'m mut StagingMemory) -> Self {
        let buffers = memory.bytes().chunks_exact_mut(part.layout().slot.bytes);
        let (empty, full) =
            (ArrayQueue::new(buffers.len().max(1)), ArrayQueue::new(buffers.len().max(1)));
        for buffer in buffers {
            let _there_is_room_for_all = empty.push(buffer);
        }
        Self {
            part,
            empty,
            full,
            is_closed: AtomicBool::new(false),
            lock: Mutex::new(()),
            was_emptied: Condvar::new(),
        }
    }

    /// Takes the next slot that is not committed, in ascending order; each goes to one caller.
    /// `None` if there is none, or the stage was closed.
    pub fn claim(&self) -> Option<SlotWriter<'_, 'm>> {
        if self.part.slots_claimed() == self.part.missing_slots().len() {
            return None;
        }
        let buffer = self.empty_buffer()?;
        let Some((position, slot)) = self.part.claim() else {
            self.give_back(buffer);
            return None;
        };
        Some(SlotWriter::new(self, position, slot, buffer))
    }

    fn empty_buffer(&self) -> Option<&'m mut [u8]> {
        while !self.is_closed.load(Ordering::Acquire) {
            if let Some(buffer) = self.empty.pop() {
                return Some(buffer);
            }
            let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            let _looks_again = self.was_emptied.wait_timeout(lock, WAIT);
        }
        None
    }

    /// Rows that were missing when the part was opened.
    #[must_use]
    pub fn rows_missing(&self) -> u64 {
        self.part.layout().rows() - self.part.rows_resumed()
    }

    /// The part that is filled.
    pub(super) const fn part(&self) -> &'m PartWriter {
        self.part
    }

    /// Hands a whole slot to the scribe.
    pub(super) fn put(&self, filled: Filled<'m>) {
        let _there_is_room_for_all = self.full.push(filled);
    }

    /// Takes back a buffer whose slot is written, or given up.
    pub(super) fn give_back(&self, buffer: &'m mut [u8]) {
        let _there_is_room_for_all = self.empty.push(buffer);
    }

    /// Writes the slots that are full; says how many.
    ///
    /// # Errors
    ///
    /// What the disk says: [`Error::DiskFull`] or [`Error::Io`]. The stage is then closed.
    pub fn write(&self) -> Result<usize, Error> {
        let mut slots = 0;
        while let Some(filled) = self.full.pop() {
            if let Err(error) = self.part.write(&filled) {
                self.close();
                return Err(error);
            }
            self.give_back(filled.bytes);
            self.was_emptied.notify_one();
            slots += 1;
        }
        Ok(slots)
    }

    /// The work of the scribe: writes slots until the stage is closed and nothing is left.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_until_closed(&self) -> Result<(), Error> {
        loop {
            // Asked before the last look: what was put there before the end is found by it.
            let is_last = self.is_closed.load(Ordering::Acquire);
            let slots = self.write()?;
            if is_last {
                return Ok(());
            }
            if slots == 0 {
                thread::sleep(SCRIBE_PERIOD);
            }
        }
    }

    /// Lets nobody claim any more, and the scribe come to its end.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.was_emptied.notify_all();
    }
}

impl fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("full", &self.full.len()).finish_non_exhaustive()
    }
}
