//! Files that only grow.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::staging::StagingMemory;
use crate::limits::PAGE_BYTES;

/// From so many bytes on, a piece goes past the page cache.
const DIRECT_BYTES_MIN: usize = 64 << 10;

/// Most bytes that go there at once.
const DIRECT_BYTES_MAX: usize = 1 << 20;

/// A file to whose end bytes are written.
///
/// Of a large piece the whole pages of the file go from memory to the disk (`O_DIRECT`, open(2)),
/// which spares the processor the upkeep of the page cache. What is left, less than a page, waits in
/// memory for what follows, or until it is told to [`settle`](Self::settle) for the cache.
///
/// Nothing goes past the cache before all that is in front of it has been written, so that a power cut
/// leaves no holes that the cache alone would not leave: a page that is there in part is written once
/// more with what follows it, and the kernel writes the part first; what else is there is waited for.
/// Who reads where the file just ends may, for an instant, see zeros there.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    /// The way past the page cache, if there is one.
    direct: Option<Direct>,
    bytes: u64,
    /// What the last page has of the file, if it is not full.
    end: Vec<u8>,
    /// Whether that is in memory only.
    is_held: bool,
    /// Whether pages in front of the last may be in the cache only.
    is_cached: bool,
}

#[derive(Debug)]
struct Direct {
    file: File,
    /// Where a piece begins on a page, as the device wants it.
    room: StagingMemory,
}

impl AppendFile {
    /// Makes the file, with mode 0600.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if there is one, or what the system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let direct = Direct::open(path).ok();
        let end = Vec::with_capacity(PAGE_BYTES);
        Ok(Self { file, direct, bytes: 0, end, is_held: false, is_cached: false })
    }

    /// Bytes that were appended, be they in the file yet or not.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether all that was appended is in the file.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !self.is_held
    }

    /// Writes `piece` behind the others, but for the end of a large one.
    ///
    /// # Errors
    ///
    /// What the system says; nothing counts as appended then, and the next attempt writes over what
    /// is there of it.
    pub fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        let in_last_page = self.end.len() + piece.len();
        let is_direct = piece.len() >= DIRECT_BYTES_MIN && self.append_pages(piece)?;
        if !is_direct {
            self.settle()?;
            self.file.write_all_at(piece, self.bytes)?;
            self.is_cached |= in_last_page >= PAGE_BYTES;
        }
        self.bytes += piece.len() as u64;
        let fresh = piece.len().min(in_last_page % PAGE_BYTES);
        if in_last_page >= PAGE_BYTES {
            self.end.clear();
        }
        self.end.extend_from_slice(&piece[piece.len() - fresh..]);
        self.is_held = is_direct && !self.end.is_empty();
        Ok(())
    }

    /// Writes what is left of a large piece.
    ///
    /// # Errors
    ///
    /// What the system says; it is still left then.
    pub fn settle(&mut self) -> io::Result<()> {
        if self.is_held {
            self.file.write_all_at(&self.end, self.bytes - self.end.len() as u64)?;
            self.is_held = false;
        }
        Ok(())
    }

    /// Writes as much of `piece` as fills pages past the cache; whether that went.
    fn append_pages(&mut self, piece: &[u8]) -> io::Result<bool> {
        let Some(direct) = &mut self.direct else { return Ok(false) };
        if self.is_cached {
            self.file.sync_data()?;
            self.is_cached = false;
        }
        let bytes = (self.end.len() + piece.len()) / PAGE_BYTES * PAGE_BYTES - self.end.len();
        let at = self.bytes - self.end.len() as u64;
        match direct.write(&self.end, &piece[..bytes], at) {
            Ok(()) => Ok(true),
            // A file system may grant the way and then refuse it: from then on all goes through the
            // cache.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.direct = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn sync(&mut self) -> io::Result<()> {
        self.settle()?;
        self.file.sync_data()?;
        self.is_cached = false;
        Ok(())
    }
}

impl Direct {
    fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECT.bits().cast_signed();
        let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
        Ok(Self { file, room: StagingMemory::new(DIRECT_BYTES_MAX)? })
    }

    /// Writes `start` and `pages` behind it, which are whole pages together, to `at`.
    fn write(&mut self, mut start: &[u8], mut pages: &[u8], mut at: u64) -> io::Result<()> {
        while !pages.is_empty() {
            let (first, others) = self.room.bytes().split_at_mut(start.len());
            let count = others.len().min(pages.len());
            first.copy_from_slice(start);
            others[..count].copy_from_slice(&pages[..count]);
            let bytes = start.len() + count;
            self.file.write_all_at(&self.room.bytes()[..bytes], at)?;
            (start, pages, at) = (&[], &pages[count..], at + bytes as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_all_sizes_follow_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = AppendFile::create(&path).unwrap();
        let refused = AppendFile::create(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        let mut expected = Vec::new();
        let (min, max) = (DIRECT_BYTES_MIN, DIRECT_BYTES_MAX);
        let small = [1, PAGE_BYTES - 1, PAGE_BYTES, 7, min - 1];
        let large = [min, max - 1, max * 2 + 5, min + 1, min + PAGE_BYTES - 1];
        // Every size behind every other, settled in between in every second round.
        let sizes = small.into_iter().chain(large).chain([0, 9]);
        for (number, bytes) in sizes
            .clone()
            .flat_map(|one| sizes.clone().flat_map(move |other| [one, other]))
            .enumerate()
        {
            let byte = |at: usize| u8::try_from((at / 3 + number * 31) % 251).unwrap();
            let piece: Vec<u8> = (0..bytes).map(byte).collect();
            file.append(&piece).unwrap();
            expected.extend_from_slice(&piece);
            assert_eq!(file.bytes(), expected.len() as u64);
            let there = std::fs::metadata(&path).unwrap().len();
            let left = file.bytes() - there;
            assert!(left < PAGE_BYTES as u64 && file.is_settled() == (left == 0), "{left} left");
            if number % 2 == 0 {
                file.settle().unwrap();
            }
        }
        file.sync().unwrap();
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    /// A descriptor that may only read refuses every write, as a full disk does.
    #[test]
    fn a_failed_attempt_is_written_over_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = AppendFile::create(&path).unwrap();
        let reading = || {
            let room = StagingMemory::new(DIRECT_BYTES_MAX).unwrap();
            Some(Direct { file: File::open(&path).unwrap(), room })
        };
        file.append(b"start").unwrap();
        let direct = core::mem::replace(&mut file.direct, reading());
        let piece = vec![7; DIRECT_BYTES_MIN + 100];
        for _ in 0..2 {
            assert!(file.append(&piece).is_err());
            assert_eq!(file.bytes(), 5);
        }
        file.direct = direct;
        file.append(&piece).unwrap();
        file.settle().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [b"start", &*piece].concat());
    }

    /// What the cache has is written before anything goes past it.
    #[test]
    fn pages_of_the_cache_are_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AppendFile::create(&folder.path().join("log")).unwrap();
        if file.direct.is_none() {
            println!("no way past the cache here");
            return;
        }
        let large = vec![7; DIRECT_BYTES_MIN];
        for (piece, is_cached) in
            [(&large[..9], false), (&large[..PAGE_BYTES], true), (&large, false)]
        {
            file.append(piece).unwrap();
            assert_eq!(file.is_cached, is_cached, "{} bytes", piece.len());
        }
        file.append(&large[..PAGE_BYTES]).unwrap();
        assert!(file.is_cached && file.is_settled());
        file.sync().unwrap();
        assert!(!file.is_cached);
    }

    /// Where the way past the cache is refused, everything is written all the same.
    #[test]
    fn a_refused_way_is_not_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = AppendFile::create(&path).unwrap();
        // What is no number is no valid argument there.
        let picky = OpenOptions::new().write(true).open("/proc/self/oom_score_adj").unwrap();
        let room = StagingMemory::new(DIRECT_BYTES_MAX).unwrap();
        file.direct = Some(Direct { file: picky, room });
        let piece = vec![7; DIRECT_BYTES_MIN + 100];
        file.append(b"start").unwrap();
        file.append(&piece).unwrap();
        assert!(file.direct.is_none() && file.is_settled());
        assert_eq!(std::fs::read(&path).unwrap(), [b"start", &*piece].concat());
    }
}
