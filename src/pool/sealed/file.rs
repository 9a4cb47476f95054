//! The file of a sealed pool, as takers use it: records are read, and erased.

use core::ops::Range;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, open};

use super::error::Error;
use super::header::{HEADER_BYTES, Header};
use super::record::record_bytes;
use crate::spec::{KeyPairSpec, PoolId};

/// An open pool.
#[derive(Debug)]
pub struct SealedPool {
    path: PathBuf,
    file: File,
    header: Header,
}

impl SealedPool {
    /// Where the pool of `spec` lies in `folder`.
    #[must_use]
    pub fn path_in(folder: &Path, spec: KeyPairSpec) -> PathBuf {
        folder.join(format!("{spec}.pool"))
    }

    /// Opens the pool of `spec` in `folder`.
    ///
    /// # Errors
    ///
    /// That [is missing](Error::is_missing) if there is none.
    pub fn open_in(folder: &Path, spec: KeyPairSpec) -> Result<Self, Error> {
        let path = Self::path_in(folder, spec);
        // NONBLOCK, so that opening a pipe by mistake does not wait for its other end.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open(&path, flags, Mode::empty());
        let file = file.map_err(|errno| Error::io("open", &path)(errno.into()))?;
        let pool = Self::of(path, file.into())?;
        if pool.spec() == spec {
            Ok(pool)
        } else {
            Err(Error::Misnamed { path: pool.path, spec: pool.header.spec })
        }
    }

    /// The pool that lies in `file`.
    pub(super) fn of(path: PathBuf, file: File) -> Result<Self, Error> {
        let meta = file.metadata().map_err(Error::io("read", &path))?;
        if !meta.is_file() || meta.len() < HEADER_BYTES as u64 {
            return Err(Error::Foreign(path));
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).map_err(Error::io("read", &path))?;
        let header = Header::decode(&header).map_err(Error::header(&path))?;
        Ok(Self { path, file, header })
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which pool it is.
    #[must_use]
    pub const fn id(&self) -> PoolId {
        self.header.id
    }

    /// What it holds.
    #[must_use]
    pub const fn spec(&self) -> KeyPairSpec {
        self.header.spec
    }

    /// Records that were appended so far, claimed ones counted.
    pub fn records(&self) -> Result<u64, Error> {
        let bytes = self.file.metadata().map_err(Error::io("read", &self.path))?.len();
        let records = bytes.saturating_sub(HEADER_BYTES as u64) / self.record_bytes();
        Ok(records)
    }

    /// Bytes that the file takes on the disk.
    pub fn disk_bytes(&self) -> Result<u64, Error> {
        use std::os::unix::fs::MetadataExt;
        Ok(self.file.metadata().map_err(Error::io("read", &self.path))?.blocks() * 512)
    }

    /// Reads the records of `numbers`, sealed as they are.
    ///
    /// # Errors
    ///
    /// Also if there are not so many.
    pub fn read(&self, numbers: Range<u64>) -> Result<Vec<u8>, Error> {
        let bytes = usize::try_from((numbers.end - numbers.start) * self.record_bytes());
        let mut records = vec![0; bytes.unwrap_or(usize::MAX)];
        let start = self.offset(numbers.start);
        self.file.read_exact_at(&mut records, start).map_err(Error::io("read", &self.path))?;
        Ok(records)
    }

    /// Gives the place of the records of `numbers` back to the file system, which then reads as
    /// zeros; or overwrites it where the file system takes nothing back. Best effort: neither
    /// reaches copies, snapshots and flash cells that were set aside.
    pub fn erase(&self, numbers: Range<u64>) {
        let (start, end) = (self.offset(numbers.start), self.offset(numbers.end));
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if start < end && fallocate(&self.file, hole, start, end - start).is_err() {
            let zeros = vec![0; usize::try_from(end - start).unwrap_or_default()];
            let _nothing_better_to_do = self.file.write_all_at(&zeros, start);
        }
    }

    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Where record `number` stands.
    pub(super) const fn offset(&self, number: u64) -> u64 {
        HEADER_BYTES as u64 + number * self.record_bytes()
    }

    const fn record_bytes(&self) -> u64 {
        record_bytes(self.header.spec) as u64
    }
}
