//! `PartWriter`: one part from its first byte to its publication, through any number of kills.
//!
//! ```text
//! create  open NAME.tmp, lock, reserve all space, write prefix, sync file and directory
//! resume  lock, compare prefix, keep committed slots, clear torn ones
//! fill    threads claim slots and commit them
//! finish  write tail, sync, link NAME.tmp as NAME, unlink NAME.tmp, sync directory
//! ```
//!
//! Until the link nobody may use a key of the part, so that rows of a lost slot can be made anew.
//! After it the file never changes.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::path::Path;

use super::description::PartDescription;
use super::error::Error;
use super::layout::Layout;
use super::message;
use super::plan::{Plan, Summary};
use super::slot::{Identity, SlotState, examine};
use super::slot_writer::SlotWriter;
use crate::limits::PAGE_BYTES;
use crate::sys::file::{self, LockedFile};
use crate::sys::mapping::{Lease, SlotMapping};

/// What [`PartWriter::open_or_resume`] found.
#[derive(Debug)]
pub enum Opened {
    /// The part is published: nothing to do.
    AlreadyComplete(Summary),
    /// There are rows to make.
    Writer(Box<PartWriter>),
}

/// A slot's header with the checksum of all but its marker.
#[derive(Debug)]
pub(super) struct SlotHeader {
    pub(super) bytes: Vec<u8>,
    pub(super) crc: u32,
}

impl SlotHeader {
    fn new(layout: &Layout, rows: usize) -> Self {
        let bytes = message::slot_header(&layout.slot, rows);
        let crc = crc32c::crc32c(&bytes[4..]);
        Self { bytes, crc }
    }
}

/// A part being written. Shared by the threads that fill it.
#[derive(Debug)]
pub struct PartWriter {
    mapping: SlotMapping,
    plan: Plan,
    full: SlotHeader,
    /// Of the last slot, if it has fewer rows.
    short: SlotHeader,
    /// Slots to fill, in order.
    missing: Vec<u64>,
    /// Position in `missing` of the next slot to claim.
    next: AtomicUsize,
    /// Whether the slot at each position of `missing` has been committed since.
    committed: Vec<AtomicBool>,
    rows_committed: AtomicU64,
    rows_resumed: u64,
}

impl PartWriter {
    /// Opens the part at `path`: begins it, resumes it, or finds it complete.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if another process writes it, [`Error::DiskFull`] if it does not fit,
    /// [`Error::OtherJob`], [`Error::NotOurs`] or [`Error::Damaged`] if something else is there,
    /// [`Error::Layout`], [`Error::Io`].
    pub fn open_or_resume(path: &Path, description: &PartDescription) -> Result<Opened, Error> {
        let plan = Plan::new(path, description)?;
        if let Some(summary) = plan.published()? {
            plan.tidy()?;
            return Ok(Opened::AlreadyComplete(summary));
        }
        let file = LockedFile::open_exclusive(&plan.temporary)
            .map_err(|source| Error::io(&plan.temporary, "open", source))?;
        if std::fs::symlink_metadata(path).is_ok() {
            return Self::published_meanwhile(&plan, file);
        }
        let is_resumed = plan.is_resumable(&file)?;
        prepare(&plan, &file, is_resumed)?;
        let mapping = SlotMapping::new(file, plan.layout.grid())
            .map_err(|source| Error::io(&plan.temporary, "map", source))?;
        Ok(Opened::Writer(Box::new(Self::new(mapping, plan, is_resumed))))
    }

    /// Another run published the part between our first look and our lock.
    fn published_meanwhile(plan: &Plan, file: LockedFile) -> Result<Opened, Error> {
        let io = |source| Error::io(&plan.temporary, "read", source);
        let is_new = file.bytes().map_err(io)? == 0;
        if is_new {
            plan.remove_temporary()?;
        }
        // The published file may be the very one we hold the lock of.
        drop(file);
        match plan.published()? {
            Some(summary) => {
                plan.tidy()?;
                Ok(Opened::AlreadyComplete(summary))
            }
            None => Err(Error::Busy { path: plan.path.clone() }),
        }
    }

    fn new(mapping: SlotMapping, plan: Plan, is_resumed: bool) -> Self {
        let last = plan.layout.rows_in(plan.layout.slots().saturating_sub(1));
        let mut part = Self {
            full: SlotHeader::new(&plan.layout, plan.layout.slot.rows),
            short: SlotHeader::new(&plan.layout, last),
            missing: Vec::new(),
            next: AtomicUsize::new(0),
            committed: Vec::new(),
            rows_committed: AtomicU64::new(0),
            rows_resumed: 0,
            mapping,
            plan,
        };
        for slot in 0..part.layout().slots() {
            if is_resumed && part.keep_or_clear(slot) {
                part.rows_resumed += part.layout().rows_in(slot) as u64;
            } else {
                part.missing.push(slot);
            }
        }
        part.committed = part.missing.iter().map(|_| AtomicBool::new(false)).collect();
        part.rows_committed = AtomicU64::new(part.rows_resumed);
        part
    }

    /// Whether `slot` is committed; if not, it is zero afterwards.
    fn keep_or_clear(&self, slot: u64) -> bool {
        let Some(mut bytes) = self.lease(slot) else { return false };
        match examine(&bytes, slot, self.layout(), self.identity()) {
            SlotState::Committed => true,
            SlotState::Empty => false,
            SlotState::Torn(_) => {
                // The marker first: a kill in between must not leave it over half a slot.
                bytes.commit(0);
                for page in bytes.chunks_mut(PAGE_BYTES) {
                    if page.iter().any(|&byte| byte != 0) {
                        page.fill(0);
                    }
                }
                false
            }
        }
    }

    fn lease(&self, slot: u64) -> Option<Lease<'_>> {
        self.mapping.lease(usize::try_from(slot).ok()?)
    }

    /// Where everything lies.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    /// What the part holds.
    #[must_use]
    pub const fn description(&self) -> &PartDescription {
        &self.plan.description
    }

    pub(super) const fn identity(&self) -> Identity {
        self.plan.identity
    }

    pub(super) fn slot_header(&self, rows: usize) -> &SlotHeader {
        if rows == self.layout().slot.rows { &self.full } else { &self.short }
    }

    /// Notes that the slot at `position` of the missing ones is committed.
    pub(super) fn count_committed(&self, position: usize, rows: usize) {
        self.committed[position].store(true, Ordering::Release);
        self.rows_committed.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Takes the next slot that is not committed, in ascending order; each goes to one caller.
    pub fn claim(&self) -> Option<SlotWriter<'_>> {
        let position = self.next.fetch_add(1, Ordering::Relaxed);
        let slot = *self.missing.get(position)?;
        Some(SlotWriter::new(self, position, slot, self.lease(slot)?))
    }

    /// The slots still to be filled when the part was opened, in the order they are claimed.
    #[must_use]
    pub fn missing_slots(&self) -> &[u64] {
        &self.missing
    }

    /// How many slots have been claimed.
    #[must_use]
    pub fn slots_claimed(&self) -> usize {
        self.next.load(Ordering::Relaxed).min(self.missing.len())
    }

    /// Whether the slot at `position` of the missing ones has been committed since the opening.
    #[must_use]
    pub fn is_committed(&self, position: usize) -> bool {
        self.committed.get(position).is_some_and(|slot| slot.load(Ordering::Acquire))
    }

    /// Makes the pages of `slot` present before it is claimed, so that filling it faults never.
    pub fn prefault(&self, slot: u64) {
        if let Ok(slot) = usize::try_from(slot) {
            self.mapping.populate(slot);
        }
    }

    /// Starts to write the committed `slot` to the disk, without waiting.
    pub fn written(&self, slot: u64) {
        if let Ok(slot) = usize::try_from(slot) {
            self.mapping.start_writeback(slot);
        }
    }

    /// Rows committed so far, by this run and earlier ones.
    #[must_use]
    pub fn rows_committed(&self) -> u64 {
        self.rows_committed.load(Ordering::Relaxed)
    }

    /// Rows found committed by an earlier run.
    #[must_use]
    pub const fn rows_resumed(&self) -> u64 {
        self.rows_resumed
    }

    /// Writes the footer, waits for the disk, and publishes the part.
    ///
    /// # Errors
    ///
    /// [`Error::Unfinished`] if a slot is not committed, [`Error::OtherJob`] if another job took
    /// the name meanwhile, [`Error::Io`]. The temporary file stays and can be resumed.
    pub fn finish(mut self) -> Result<Summary, Error> {
        let slots = (0..self.missing.len()).filter(|slot| !self.is_committed(*slot)).count();
        if slots > 0 {
            return Err(Error::Unfinished { path: self.plan.temporary.clone(), slots });
        }
        let Self { plan, mapping, rows_resumed, .. } = &mut self;
        let start = mapping.bytes().len() - plan.tail.len();
        mapping.bytes()[start..].copy_from_slice(&plan.tail);
        mapping.file().sync().map_err(|source| Error::io(&plan.temporary, "sync", source))?;
        let is_first = match file::publish(&plan.temporary, &plan.path) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(source) => return Err(Error::io(&plan.path, "publish", source)),
        };
        if !is_first && plan.published()?.is_none() {
            return Err(Error::Busy { path: plan.path.clone() });
        }
        // Ours is published, or lost the race to an equal: its keys must never be used then.
        plan.remove_temporary()?;
        Ok(plan.summary(plan.layout.file_bytes(), *rows_resumed, is_first))
    }
}

/// Brings the locked temporary file to its full length with the prefix in front.
fn prepare(plan: &Plan, file: &LockedFile, is_resumed: bool) -> Result<(), Error> {
    let bytes = plan.layout.file_bytes();
    let io = |source| Error::io(&plan.temporary, "write", source);
    if !is_resumed {
        file.clear().map_err(io)?;
    }
    if let Err(source) = file.reserve(bytes) {
        if !is_resumed {
            // Half a reservation only keeps the disk full; that it fails too changes nothing.
            let _freed = file.clear().and_then(|()| std::fs::remove_file(&plan.temporary));
        }
        return Err(Error::space(&plan.temporary, bytes, source));
    }
    if !is_resumed {
        file.write_start(&plan.prefix).map_err(io)?;
        file.sync().map_err(io)?;
        file::sync_directory_of(&plan.path).map_err(io)?;
    }
    Ok(())
}
