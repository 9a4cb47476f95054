//! Files mapped into memory: one to read, one that several threads fill slot by slot.
//!
//! A [`SlotMapping`] hands each slot to at most one holder at a time, as a [`Lease`] through
//! which it is an ordinary mutable slice. The lease can store the slot's first word with release
//! ordering, which is how a slot is committed: whoever sees that word sees all bytes written
//! before it, also in the page cache of a process killed one instruction later.
//!
//! # What soundness rests on
//!
//! Mapped bytes change under a reference if another process writes the file, and vanish (SIGBUS)
//! if it truncates it. Both mappings own a [`LockedFile`]: no other copy of this program writes
//! or truncates the file meanwhile, and mode 0600 keeps other users out. A program of the same
//! user that ignores the lock is outside what any mapping can defend against.

#![expect(unsafe_code, reason = "mapping a file and lending disjoint parts of it to threads")]

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::io;
use std::os::fd::AsRawFd;

use memmap2::{Mmap, MmapOptions, MmapRaw};

use crate::limits::PAGE_BYTES;
use crate::sys::file::LockedFile;

/// A whole file, for reading.
#[derive(Debug)]
pub struct ReadMapping {
    /// Before the file: unmapped first, unlocked second.
    bytes: Mmap,
    _file: LockedFile,
}

impl ReadMapping {
    /// Maps all of `file`.
    pub fn new(file: LockedFile) -> io::Result<Self> {
        // SAFETY: the lock in `file`, kept as long as the mapping, excludes writers (see above).
        let bytes = unsafe { MmapOptions::new().map(file.file())? };
        Ok(Self { bytes, _file: file })
    }
}

impl Deref for ReadMapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Where the slots lie in a file: equal, without gaps, on page boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotGrid {
    /// Offset of slot 0.
    pub first: usize,
    /// Bytes of each.
    pub slot_bytes: usize,
    /// How many.
    pub slots: usize,
}

impl SlotGrid {
    /// End of the last slot, if the grid is one: on page boundaries and within the address space.
    fn end(self) -> Option<usize> {
        let on_pages =
            self.first.is_multiple_of(PAGE_BYTES) && self.slot_bytes.is_multiple_of(PAGE_BYTES);
        let end = self.slot_bytes.checked_mul(self.slots)?.checked_add(self.first)?;
        (on_pages && self.slot_bytes > 0 && end <= isize::MAX.cast_unsigned()).then_some(end)
    }
}

/// A whole file, mapped for writing, whose slots threads lease.
pub struct SlotMapping {
    /// Before the file: unmapped first, unlocked second.
    raw: MmapRaw,
    grid: SlotGrid,
    leased: Vec<AtomicBool>,
    file: LockedFile,
}

impl SlotMapping {
    /// Maps all of `file`, which must have room for `grid`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the file is not exclusively locked or the grid does not
    /// lie inside it, or what the system says.
    pub fn new(file: LockedFile, grid: SlotGrid) -> io::Result<Self> {
        let raw = MmapOptions::new().map_raw(file.file())?;
        let fits = grid.end().is_some_and(|end| end <= raw.len());
        if !file.is_writable() || !fits {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let leased = (0..grid.slots).map(|_| AtomicBool::new(false)).collect();
        Ok(Self { raw, grid, leased, file })
    }

    /// The file behind the mapping.
    #[must_use]
    pub const fn file(&self) -> &LockedFile {
        &self.file
    }

    /// All bytes, while no slot is leased.
    #[must_use]
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `len` bytes long and writable; `&mut self` means that no lease,
        // which borrows the mapping, is alive; other processes are kept out by the lock.
        unsafe { core::slice::from_raw_parts_mut(self.raw.as_mut_ptr(), self.raw.len()) }
    }

    /// Lends `slot`, unless it is lent already or does not exist.
    #[must_use]
    pub fn lease(&self, slot: usize) -> Option<Lease<'_>> {
        let was_leased = self.leased.get(slot)?.swap(true, Ordering::Acquire);
        (!was_leased).then_some(Lease { mapping: self, slot })
    }

    /// Asks the kernel to make the pages of `slot` present and writable now, so that filling it
    /// causes no fault. Only a hint: old kernels refuse, and nothing depends on it.
    pub fn populate(&self, slot: usize) {
        #[cfg(target_os = "linux")]
        if slot < self.grid.slots {
            let advice = memmap2::Advice::PopulateWrite;
            let _hint = self.raw.advise_range(advice, self.start(slot), self.grid.slot_bytes);
        }
    }

    /// Starts to write `slot` to the disk and does not wait. For slots that nobody touches again:
    /// a page written back faults at the next store. Only a hint: errors show up at the sync.
    pub fn start_writeback(&self, slot: usize) {
        #[cfg(target_os = "linux")]
        if slot < self.grid.slots {
            let fd = self.file.file().as_raw_fd();
            let start = self.start(slot).cast_signed() as i64;
            let bytes = self.grid.slot_bytes.cast_signed() as i64;
            // SAFETY: plain system call on a file that is open as long as `self` lives.
            unsafe { libc::sync_file_range(fd, start, bytes, libc::SYNC_FILE_RANGE_WRITE) };
        }
    }

    const fn start(&self, slot: usize) -> usize {
        self.grid.first + slot * self.grid.slot_bytes
    }
}

impl fmt::Debug for SlotMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotMapping").field("grid", &self.grid).finish_non_exhaustive()
    }
}

/// One slot, in the hands of one thread; given back when dropped.
#[derive(Debug)]
pub struct Lease<'a> {
    mapping: &'a SlotMapping,
    slot: usize,
}

impl Lease<'_> {
    /// Stores the first four bytes of the slot after everything written to it so far.
    pub fn commit(&mut self, word: u32) {
        let first: *mut u32 = self.as_mut_ptr().cast();
        // SAFETY: the slot is at least a page long and starts on one, so the word is inside and
        // aligned; the lease excludes every other access from this process.
        unsafe { AtomicU32::from_ptr(first) }.store(word, Ordering::Release);
    }

    fn as_mut_ptr(&self) -> *mut u8 {
        // SAFETY: `lease` gave out a slot of the grid, and `new` found the grid inside the mapping.
        unsafe { self.mapping.raw.as_mut_ptr().add(self.mapping.start(self.slot)) }
    }
}

impl Deref for Lease<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as for `deref_mut`; `&self` excludes a mutable slice from this lease.
        unsafe { core::slice::from_raw_parts(self.as_mut_ptr(), self.mapping.grid.slot_bytes) }
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the slot lies inside the mapping, which outlives the lease; the flag in
        // `leased` makes this the only lease of it, slots do not overlap, and `bytes` needs the
        // mapping without leases.
        unsafe { core::slice::from_raw_parts_mut(self.as_mut_ptr(), self.mapping.grid.slot_bytes) }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.mapping.leased[self.slot].store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(directory: &tempfile::TempDir, slots: usize) -> SlotMapping {
        let file = LockedFile::open_exclusive(&directory.path().join("mapped")).unwrap();
        file.reserve(((slots + 1) * PAGE_BYTES) as u64).unwrap();
        SlotMapping::new(file, SlotGrid { first: PAGE_BYTES, slot_bytes: PAGE_BYTES, slots })
            .unwrap()
    }

    #[test]
    fn a_slot_is_lent_once_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let mapping = mapping(&directory, 2);
        let first = mapping.lease(0).unwrap();
        assert!(mapping.lease(0).is_none());
        assert!(mapping.lease(1).is_some());
        assert!(mapping.lease(2).is_none());
        drop(first);
        assert!(mapping.lease(0).is_some());
    }

    #[test]
    fn threads_write_disjoint_slots() {
        let directory = tempfile::tempdir().unwrap();
        let mut mapping = mapping(&directory, 16);
        std::thread::scope(|scope| {
            for slot in 0..16_u8 {
                let mapping = &mapping;
                scope.spawn(move || {
                    mapping.populate(slot.into());
                    let mut lease = mapping.lease(slot.into()).unwrap();
                    lease.fill(slot);
                    lease.commit(u32::MAX);
                    mapping.start_writeback(slot.into());
                });
            }
        });
        let bytes = mapping.bytes();
        assert!(bytes[..PAGE_BYTES].iter().all(|&b| b == 0));
        for (slot, page) in bytes[PAGE_BYTES..].chunks(PAGE_BYTES).enumerate() {
            assert_eq!(page[..4], [0xff; 4]);
            assert!(page[4..].iter().all(|&b| usize::from(b) == slot));
        }
    }

    #[test]
    fn a_grid_outside_the_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mapped");
        let page = PAGE_BYTES;
        for (first, slot_bytes, slots) in
            [(0, page, 2), (1, page, 0), (0, 0, 1), (0, 100, 1), (page, usize::MAX - 4095, 9)]
        {
            let file = LockedFile::open_exclusive(&path).unwrap();
            file.reserve(page as u64).unwrap();
            let grid = SlotGrid { first, slot_bytes, slots };
            assert!(SlotMapping::new(file, grid).is_err(), "{grid:?}");
        }
    }

    #[test]
    fn locks_exclude() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("locked");
        let owner = LockedFile::open_exclusive(&path).unwrap();
        for second in [LockedFile::open_exclusive(&path), LockedFile::open_shared(&path)] {
            assert_eq!(second.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        drop(owner);
        let reader = LockedFile::open_shared(&path).unwrap();
        LockedFile::open_shared(&path).unwrap();
        assert!(LockedFile::open_exclusive(&path).is_err());
        drop(reader);
    }
}
