//! Files mapped into memory, to be read.
//!
//! # What soundness rests on
//!
//! Mapped bytes change under a reference if another process writes the file, and vanish (SIGBUS)
//! if it truncates it. A mapping owns a [`LockedFile`]: no other copy of this program writes
//! or truncates the file meanwhile, and mode 0600 keeps other users out. A program of the same
//! user that ignores the lock is outside what any mapping can defend against.

#![expect(unsafe_code, reason = "mapping a file")]

use core::ops::Deref;
use std::io;

use memmap2::{Mmap, MmapOptions};

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
