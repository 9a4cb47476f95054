//! Memory that two processes share: a sealed `memfd`, reached through atomics only.
//!
//! # What soundness rests on
//!
//! The other process may write anything at any time. Everything here is therefore read and written
//! through atomics, which take whatever bits there are and assume nothing about who else writes.
//! It cannot take pages away, at which this process would be killed: the file is sealed against
//! shrinking, its maker sees to it before anybody else has it, and who gets it looks.

#![expect(unsafe_code, reason = "seeing mapped memory as atomics")]

use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::io;
use std::os::fd::OwnedFd;

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create,
};
use rustix::thread::futex;
use rustix::time::Timespec;

use crate::limits::PAGE_BYTES;

/// A mapping shared with another process. Its first page is words of 32 bits, on which threads of
/// both can wait; the rest is bytes.
pub struct SharedMemory {
    map: MmapRaw,
}

impl SharedMemory {
    /// Makes a first page and `bytes` more, all zero; the file is for the other process.
    pub fn create(name: &str, bytes: usize) -> io::Result<(Self, OwnedFd)> {
        let file = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, (PAGE_BYTES + bytes) as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let memory = Self::attach(&file)?;
        Ok((memory, file))
    }

    /// Maps what another process made.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if the file could shrink or has no first page, or what the
    /// system says.
    pub fn attach(file: &OwnedFd) -> io::Result<Self> {
        let is_sealed = fcntl_get_seals(file)?.contains(SealFlags::SHRINK);
        let map = MmapOptions::new().map_raw(file)?;
        if !is_sealed || map.len() < PAGE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { map })
    }

    /// Memory of this process alone, for tests under Miri, which knows no files in memory.
    #[cfg(test)]
    pub(crate) fn alone(bytes: usize) -> io::Result<Self> {
        Ok(Self { map: memmap2::MmapMut::map_anon(PAGE_BYTES + bytes)?.into() })
    }

    /// Bytes behind the first page.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len() - PAGE_BYTES
    }

    /// Whether there is nothing behind the first page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Word `number` of the first page.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn word(&self, number: usize) -> &AtomicU32 {
        assert!(number < PAGE_BYTES / 4, "a word of the first page");
        let start: *const AtomicU32 = self.map.as_ptr().cast();
        // SAFETY: the mapping is writable, starts on a page, and `attach` found it at least one
        // long; it lives as long as `self` and cannot shrink. Any bits are a u32, and this process
        // reaches the first page through such atomics alone.
        unsafe { &*start.add(number) }
    }

    fn body(&self) -> &[AtomicU64] {
        // SAFETY: as in `word`, for the whole words behind the first page.
        unsafe {
            let start: *const AtomicU64 = self.map.as_ptr().add(PAGE_BYTES).cast();
            core::slice::from_raw_parts(start, self.len() / 8)
        }
    }

    /// Copies bytes from behind the first page, each once.
    ///
    /// # Panics
    ///
    /// If `at` is no multiple of 8, or the bytes do not lie inside.
    pub fn read(&self, at: usize, out: &mut [u8]) {
        let words = &self.body()[place(at, out.len())];
        for (bytes, word) in out.chunks_mut(8).zip(words) {
            let word = word.load(Ordering::Relaxed).to_ne_bytes();
            bytes.copy_from_slice(&word[..bytes.len()]);
        }
    }

    /// Copies `bytes` behind the first page; zeros fill the last word.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn write(&self, at: usize, bytes: &[u8]) {
        let words = &self.body()[place(at, bytes.len())];
        for (bytes, word) in bytes.chunks(8).zip(words) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
    }
}

/// The words in which `bytes` bytes from `at` on lie.
fn place(at: usize, bytes: usize) -> core::ops::Range<usize> {
    assert!(at.is_multiple_of(8), "copies begin on a word");
    at / 8..at / 8 + bytes.div_ceil(8)
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory").field("len", &self.len()).finish()
    }
}

/// Sleeps while `word` is `seen`, until somebody calls [`wake`], at most `patience`; may also
/// return for no reason.
pub fn wait(word: &AtomicU32, seen: u32, patience: Duration) {
    let patience = Timespec {
        tv_sec: patience.as_secs().cast_signed(),
        tv_nsec: patience.subsec_nanos().into(),
    };
    // Another value, a signal, the end of patience: whatever it was, the caller looks again.
    let _woken = futex::wait(word, futex::Flags::empty(), seen, Some(&patience));
}

/// Wakes whoever sleeps on `word`, in this process or another.
pub fn wake(word: &AtomicU32) {
    let _how_many = futex::wake(word, futex::Flags::empty(), i32::MAX.cast_unsigned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_bytes_come_back_up_to_the_ends() {
        let memory = SharedMemory::alone(24).unwrap();
        memory.write(0, &[1; 24]);
        memory.write(8, &[2; 3]);
        let mut seen = [0xff; 24];
        memory.read(0, &mut seen);
        assert_eq!(seen, [[1; 8], [2, 2, 2, 0, 0, 0, 0, 0], [1; 8]].concat()[..]);
        memory.word(1023).store(7, Ordering::Relaxed);
        assert_eq!((memory.word(1023).load(Ordering::Relaxed), memory.len()), (7, 24));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no files in memory")]
    fn both_mappings_see_every_byte() {
        let (here, file) = SharedMemory::create("test", 64).unwrap();
        let there = SharedMemory::attach(&file).unwrap();
        assert_eq!((here.len(), there.len()), (64, 64));
        let bytes: Vec<u8> = (1..=13).collect();
        here.write(16, &bytes);
        let mut seen = [0xff; 21];
        there.read(8, &mut seen);
        assert_eq!((&seen[..8], &seen[8..]), (&[0; 8][..], &*bytes));
        here.word(1023).store(7, Ordering::Relaxed);
        assert_eq!(there.word(1023).load(Ordering::Relaxed), 7);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no files in memory")]
    fn the_file_keeps_its_length() {
        let (_memory, file) = SharedMemory::create("test", 4096).unwrap();
        assert!(ftruncate(&file, 0).is_err());
        assert!(ftruncate(&file, 1 << 20).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no files in memory")]
    fn a_file_that_could_shrink_is_refused() {
        let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&file, 8192).unwrap();
        assert_eq!(SharedMemory::attach(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no files in memory")]
    fn a_sleeper_is_woken_through_the_other_mapping() {
        let (here, file) = SharedMemory::create("test", 0).unwrap();
        let there = SharedMemory::attach(&file).unwrap();
        let begun = std::time::Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while here.word(0).load(Ordering::Acquire) == 0 {
                    wait(here.word(0), 0, Duration::from_mins(1));
                }
            });
            std::thread::sleep(Duration::from_millis(20));
            there.word(0).store(1, Ordering::Release);
            wake(there.word(0));
        });
        assert!(begun.elapsed() < Duration::from_secs(50));
    }
}
