//! `PartWriter`: one part from its first byte to its publication, through any number of kills.
//!
//! ```text
//! create  open NAME.tmp, lock, reserve all space, write prefix, sync file and directory
//! resume  lock, compare prefix, keep committed slots, clear torn ones
//! fill    threads claim slots and commit them, one beside them writes them to the file
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
use super::stage::Filled;
use crate::limits::PAGE_BYTES;
use crate::sys::file::{self, LockedFile};

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
    file: LockedFile,
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
        Ok(Opened::Writer(Box::new(Self::new(file, plan, is_resumed)?)))
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

    fn new(file: LockedFile, plan: Plan, is_resumed: bool) -> Result<Self, Error> {
        let last = plan.layout.rows_in(plan.layout.slots().saturating_sub(1));
        let mut part = Self {
            full: SlotHeader::new(&plan.layout, plan.layout.slot.rows),
            short: SlotHeader::new(&plan.layout, last),
            missing: Vec::new(),
            next: AtomicUsize::new(0),
            committed: Vec::new(),
            rows_committed: AtomicU64::new(0),
            rows_resumed: 0,
            file,
            plan,
        };
        let mut bytes = vec![0; if is_resumed { part.layout().slot.bytes } else { 0 }];
        for slot in 0..part.layout().slots() {
            if is_resumed && part.keep_or_clear(slot, &mut bytes)? {
                part.rows_resumed += part.layout().rows_in(slot) as u64;
            } else {
                part.missing.push(slot);
            }
        }
        part.committed = part.missing.iter().map(|_| AtomicBool::new(false)).collect();
        part.rows_committed = AtomicU64::new(part.rows_resumed);
        part.file.bypass_cache(true);
        Ok(part)
    }

    /// Whether `slot` is committed; if not, it is zero afterwards. It is read into `bytes`.
    fn keep_or_clear(&self, slot: u64, bytes: &mut [u8]) -> Result<bool, Error> {
        let at = self.place(slot);
        self.file
            .read_at(bytes, at)
            .map_err(|source| Error::io(&self.plan.temporary, "read", source))?;
        let state = examine(bytes, slot, self.layout(), self.identity());
        if let SlotState::Torn(_) = state {
            bytes.fill(0);
            // The marker first: a kill in between must not leave it over half a slot.
            let write = |pages, at| self.file.write_at(pages, at);
            write(&bytes[..PAGE_BYTES], at)
                .and_then(|()| write(&bytes[PAGE_BYTES..], at + PAGE_BYTES as u64))
                .map_err(|source| Error::io(&self.plan.temporary, "write", source))?;
        }
        Ok(state == SlotState::Committed)
    }

    /// Where in the file `slot` begins.
    fn place(&self, slot: u64) -> u64 {
        self.layout().slot_range(slot).start as u64
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

    /// Takes position and number of the next slot that is not committed.
    pub(super) fn claim(&self) -> Option<(usize, u64)> {
        let position = self.next.fetch_add(1, Ordering::Relaxed);
        Some((position, *self.missing.get(position)?))
    }

    /// Brings a slot to its place, in the order that survives a kill between any two steps: the
    /// page with its marker last.
    pub(super) fn write(&self, filled: &Filled<'_>) -> Result<(), Error> {
        let (at, (first, rest)) = (self.place(filled.slot), filled.bytes.split_at(PAGE_BYTES));
        let write = |pages: &[u8], at| match pages {
            [] => Ok(()),
            pages => self.file.write_pages(pages, at),
        };
        write(rest, at + PAGE_BYTES as u64).and_then(|()| write(first, at)).map_err(|source| {
            Error::space(&self.plan.temporary, "write", self.layout().file_bytes(), source)
        })?;
        self.committed[filled.position].store(true, Ordering::Release);
        self.rows_committed.fetch_add(filled.rows as u64, Ordering::Relaxed);
        Ok(())
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
    pub fn finish(self) -> Result<Summary, Error> {
        let slots = (0..self.missing.len()).filter(|slot| !self.is_committed(*slot)).count();
        if slots > 0 {
            return Err(Error::Unfinished { path: self.plan.temporary.clone(), slots });
        }
        let Self { plan, file, rows_resumed, .. } = &self;
        let io = |what| move |source| Error::io(&plan.temporary, what, source);
        file.bypass_cache(false);
        file.write_at(&plan.tail, plan.layout.slots_end()).map_err(io("write"))?;
        file.sync().map_err(io("sync"))?;
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
        return Err(Error::space(&plan.temporary, "reserve space for", bytes, source));
    }
    if !is_resumed {
        file.write_start(&plan.prefix).map_err(io)?;
        file.sync().map_err(io)?;
        file::sync_directory_of(&plan.path).map_err(io)?;
    }
    Ok(())
}
