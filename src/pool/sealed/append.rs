//! A sealed pool in the hands of the one process that fills it.

use std::fs::{File, remove_file};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::Error;
use super::file::SealedPool;
use super::header::Header;
use super::record::{RecordKey, text_bytes};
use crate::crypto::drbg::Drbg;
use crate::limits::POOL_RECORDS_MAX;
use crate::secret::Secret;
use crate::spec::{KeyPairSpec, PoolId};
use crate::sys::file::{LockedFile, publish, sync_directory_of, temporary_path};

/// A pool that has no name yet: it gets one when the keystore knows it.
#[derive(Debug)]
pub struct NewPool {
    path: PathBuf,
    file: LockedFile,
    id: PoolId,
}

impl NewPool {
    /// Begins the pool of `spec` in `folder`, with a random id.
    pub fn create_in(folder: &Path, spec: KeyPairSpec) -> Result<Self, Error> {
        let path = SealedPool::path_in(folder, spec);
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| {
            Error::io("make an id for", &path)(io::Error::other(error.to_string()))
        })?;
        let id = PoolId::from_random(random);
        let create = || -> io::Result<LockedFile> {
            let file = LockedFile::open_exclusive(&temporary_path(&path))?;
            // What an earlier, interrupted creation left was never known by this name.
            file.clear()?;
            file.write_start(&Header { id, spec }.encode())?;
            file.sync()?;
            Ok(file)
        };
        let file = create().map_err(Error::io("create", &path))?;
        Ok(Self { path, file, id })
    }

    /// Which pool it will be.
    #[must_use]
    pub const fn id(&self) -> PoolId {
        self.id
    }

    /// Gives the pool its name. Another process may have been quicker: its pool is the one then.
    pub fn publish(self) -> Result<(), Error> {
        let temporary = temporary_path(&self.path);
        let give_name = || match publish(&temporary, &self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => {
                remove_file(&temporary)?;
                sync_directory_of(&self.path)
            }
        };
        let published = give_name().map_err(Error::io("create", &self.path));
        // Unlocked only now: until here the unnamed file was nobody else's.
        drop(self.file);
        published
    }
}

/// Appends records to a pool; no other process does as long as it lives.
#[derive(Debug)]
pub struct Appender {
    pool: SealedPool,
    key: RecordKey,
    /// Number of the next record.
    next: u64,
    /// Records, sealed and not yet written; kept for its memory.
    sealed: Vec<u8>,
}

impl Appender {
    /// Locks `pool`, of which all records below `claimed` were claimed, for appending under `key`.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if another process appends.
    pub fn new(pool: SealedPool, key: &Secret<[u8; 32]>, claimed: u64) -> Result<Self, Error> {
        flock(pool.file(), FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| Error::io("lock", pool.path())(errno.into()))?;
        let key = RecordKey::new(key, pool.id(), pool.spec());
        // Behind a record that was cut off, which is overwritten, and behind what was claimed of
        // a longer file: what is written there nobody would ever get.
        let next = pool.records()?.max(claimed);
        Ok(Self { pool, key, next, sealed: Vec::new() })
    }

    /// The pool.
    #[must_use]
    pub const fn pool(&self) -> &SealedPool {
        &self.pool
    }

    /// Number of the next record.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Seals `texts`, one after the other, and writes them behind the last record. They are safe
    /// from a kill then, and from a power cut after [`sync`](Self::syncer).
    ///
    /// # Errors
    ///
    /// Then none of `texts`, or some from the front, were written, and the pool is as good as
    /// before; no more must be appended.
    pub fn append(&mut self, drbg: &mut Drbg, texts: &[u8]) -> Result<(), Error> {
        self.sealed.clear();
        let mut number = self.next;
        for text in texts.chunks_exact(text_bytes(self.pool.spec())) {
            if number >= POOL_RECORDS_MAX {
                return Err(Error::Exhausted(self.pool.path().to_owned()));
            }
            self.key.seal(drbg, number, text, &mut self.sealed);
            number += 1;
        }
        let start = self.pool.offset(self.next);
        let written = self.pool.file().write_all_at(&self.sealed, start);
        written.map_err(Error::io("write", self.pool.path()))?;
        self.next = number;
        Ok(())
    }

    /// A handle by which everything written is brought to the disk, beside the appending.
    pub fn syncer(&self) -> Result<File, Error> {
        self.pool.file().try_clone().map_err(Error::io("open", self.pool.path()))
    }
}
