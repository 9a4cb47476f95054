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
/// which costs the processor half of what the page cache does; what is left of a page at either end
/// goes through the cache, so that all of a piece is in the file, for every reader, when it is
/// written. No page of the file is written in both ways.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    /// The way past the page cache, if there is one.
    direct: Option<Direct>,
    bytes: u64,
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
        Ok(Self { file, direct: Direct::open(path).ok(), bytes: 0 })
    }

    /// Bytes that were appended.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes `piece` behind the others.
    ///
    /// # Errors
    ///
    /// What the system says; nothing counts as appended then, and the next attempt writes over what
    /// is there of it.
    pub fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        let direct = self.direct.take_if(|_| piece.len() >= DIRECT_BYTES_MIN);
        let (mut rest, mut at) = (piece, self.bytes);
        if let Some(mut direct) = direct {
            let to_page = at.next_multiple_of(PAGE_BYTES as u64) - at;
            let (start, behind) = piece.split_at(usize::try_from(to_page).unwrap_or_default());
            let (pages, end) = behind.split_at(behind.len() / PAGE_BYTES * PAGE_BYTES);
            self.file.write_all_at(start, at)?;
            // A file system may grant the way and then refuse it: what follows goes through the
            // cache.
            if direct.write(pages, at + to_page).is_ok() {
                self.direct = Some(direct);
                (rest, at) = (end, at + to_page + pages.len() as u64);
            }
        }
        self.file.write_all_at(rest, at)?;
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Direct {
    fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECT.bits().cast_signed();
        let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
        Ok(Self { file, room: StagingMemory::new(DIRECT_BYTES_MAX)? })
    }

    fn write(&mut self, pages: &[u8], mut at: u64) -> io::Result<()> {
        for piece in pages.chunks(DIRECT_BYTES_MAX) {
            let room = &mut self.room.bytes()[..piece.len()];
            room.copy_from_slice(piece);
            self.file.write_all_at(room, at)?;
            at += piece.len() as u64;
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
        let sizes = [1, PAGE_BYTES - 1, PAGE_BYTES, 7, DIRECT_BYTES_MIN - 1, DIRECT_BYTES_MIN];
        let large = [DIRECT_BYTES_MAX - 1, 3, DIRECT_BYTES_MAX * 2 + 5, DIRECT_BYTES_MIN + 1, 0, 9];
        for (number, bytes) in sizes.into_iter().chain(large).enumerate() {
            let byte = |at: usize| u8::try_from((at / 3 + number * 31) % 251).unwrap();
            let piece: Vec<u8> = (0..bytes).map(byte).collect();
            file.append(&piece).unwrap();
            expected.extend_from_slice(&piece);
            assert_eq!(file.bytes(), expected.len() as u64);
            assert!(std::fs::read(&path).unwrap() == expected, "after piece {number}");
        }
        file.sync().unwrap();
    }

    /// Where the way past the cache is refused, everything is written all the same.
    #[test]
    fn a_refused_way_is_not_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = AppendFile::create(&path).unwrap();
        // A descriptor that may only read refuses every write.
        let reading = File::open(&path).unwrap();
        let room = StagingMemory::new(DIRECT_BYTES_MAX).unwrap();
        file.direct = Some(Direct { file: reading, room });
        let piece = vec![7; DIRECT_BYTES_MIN + 100];
        file.append(b"start").unwrap();
        file.append(&piece).unwrap();
        assert!(file.direct.is_none());
        assert_eq!(std::fs::read(&path).unwrap(), [b"start", &*piece].concat());
    }
}
