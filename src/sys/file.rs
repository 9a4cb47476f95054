//! Files of which one process at a time is the owner, and their publication under a name.
//!
//! The lock is `flock(2)`: advisory, tied to the open file, gone with the process however it ends.
//! Whoever writes a file holds it exclusively, whoever maps one for reading holds it shared; no
//! file is truncated by this program while somebody holds its lock.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, fcntl_getfl, fcntl_setfl,
};
use rustix::io::Errno;

/// An open regular file whose lock is held until it is dropped.
#[derive(Debug)]
pub struct LockedFile {
    file: File,
    writable: bool,
}

impl LockedFile {
    /// Opens `path` for reading, beside other readers but no writer.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if a writer holds the file, [`io::ErrorKind::InvalidInput`]
    /// if it is no regular file, or what the system says.
    pub fn open_shared(path: &Path) -> io::Result<Self> {
        // NONBLOCK, so that opening a pipe by mistake does not wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        lock(&file, FlockOperation::NonBlockingLockShared)?;
        Ok(Self { file, writable: false })
    }

    /// Opens `path` for writing as its only user; makes it, with mode 0600, if it is not there.
    ///
    /// # Errors
    ///
    /// As [`open_shared`](Self::open_shared).
    pub fn open_exclusive(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let fd = rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::RUSR | Mode::WUSR)?;
            let file = Self { file: File::from(fd), writable: true };
            lock(&file.file, FlockOperation::NonBlockingLockExclusive)?;
            // Between open and lock the former owner may have taken the name away.
            if file.has_name(path)? {
                return Ok(file);
            }
        }
    }

    /// Whether `path` names this very file.
    pub fn has_name(&self, path: &Path) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(named) => Ok(same_file(&own, &named)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Length in bytes.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Whether the lock excludes everybody else and the file may be written.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// Gives the file `bytes` bytes that lie on the disk, new ones zero: writing to them later
    /// cannot run out of space. Copy-on-write file systems make this promise less firmly.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`], [`io::ErrorKind::QuotaExceeded`], or what the system says.
    pub fn reserve(&self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.extend_with_zeros(bytes),
            done => Ok(done?),
        }
    }

    /// The slow way of file systems without `fallocate`.
    fn extend_with_zeros(&self, bytes: u64) -> io::Result<()> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        let mut end = self.bytes()?;
        while end < bytes {
            let left = usize::try_from(bytes - end).unwrap_or(ZEROS.len());
            let written = self.file.write_at(&ZEROS[..left.min(ZEROS.len())], end)?;
            end += written as u64;
        }
        Ok(())
    }

    /// The first bytes of the file, at most `bytes_max`.
    pub fn read_start(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(self.bytes()?.min(bytes_max)).unwrap_or(usize::MAX);
        let mut start = vec![0; bytes];
        self.file.read_exact_at(&mut start, 0)?;
        Ok(start)
    }

    /// Whether all bytes from `start` on are zero.
    pub fn is_zero_from(&self, start: u64) -> io::Result<bool> {
        let mut chunk = vec![0; 1 << 16];
        let mut at = start;
        loop {
            let bytes = self.file.read_at(&mut chunk, at)?;
            if bytes == 0 || chunk[..bytes].iter().any(|&byte| byte != 0) {
                return Ok(bytes == 0);
            }
            at += bytes as u64;
        }
    }

    /// Overwrites the first bytes of the file.
    pub fn write_start(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, 0)
    }

    /// Reads `bytes` from `at` on.
    pub fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }

    /// Writes `bytes` to `at`.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    /// Lets writes go from the caller's memory to the disk, past the page cache, or through it
    /// again (`O_DIRECT`, open(2)). A write then has to begin and end on pages, in memory and in
    /// the file. Only faster: where the file system has no such way, nothing changes.
    pub fn bypass_cache(&self, bypass: bool) {
        if let Ok(mut flags) = fcntl_getfl(&self.file) {
            flags.set(OFlags::DIRECT, bypass);
            let _through_the_cache_if_not = fcntl_setfl(&self.file, flags);
        }
    }

    /// Writes whole pages to `at`, past the page cache if that was asked for and if it goes.
    pub fn write_pages(&self, pages: &[u8], at: u64) -> io::Result<()> {
        match self.file.write_all_at(pages, at) {
            // A file system may grant the way and then want blocks larger than pages.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.bypass_cache(false);
                self.file.write_all_at(pages, at)
            }
            done => done,
        }
    }

    /// Drops all content. Only the sole owner may, and only before the file is mapped.
    pub fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Waits until content and length are on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The open file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for LockedFile {
    /// Closing would unlock too, but not while a child process that is being started still has
    /// the descriptor.
    fn drop(&mut self) {
        let _unlocked_at_the_latest_by_close =
            rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

fn lock(file: &File, operation: FlockOperation) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(rustix::fs::flock(file, operation)?)
}

fn same_file(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Whether both paths name one file, following no link; false if either is missing.
pub fn are_same_file(a: &Path, b: &Path) -> io::Result<bool> {
    match (std::fs::symlink_metadata(a), std::fs::symlink_metadata(b)) {
        (Ok(a), Ok(b)) => Ok(same_file(&a, &b)),
        (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(false),
    }
}

/// `path` with `.tmp` behind its name.
#[must_use]
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".tmp");
    path.with_file_name(name)
}

/// Gives the file at `temporary` the name `path`, if that is free.
///
/// A hard link is atomic on local and on network file systems, and unlike a rename it never
/// replaces what another process published first.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] if the name is taken, or what the system says.
pub fn publish(temporary: &Path, path: &Path) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, temporary, CWD, path, AtFlags::empty())?)
}

/// Waits until the names in `path`'s directory are on the disk.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

/// Whether `error` says that the disk, or the user's share of it, is full.
#[must_use]
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

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
