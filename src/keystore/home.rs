//! The home directory: two files, and how they come to be without a moment of half-made state.
//!
//! ```text
//! home/            0700
//!   keystore.redb  0600   keys, aliases, sealed material
//!   root.key       0600   the root key, unless it comes from a passphrase
//!   *.new                 a file in the making; never read, removed by the next creation
//! ```
//!
//! A file is written under its `.new` name, brought to the disk, and only then renamed; creation
//! as a whole runs under an advisory lock on the directory itself, which leaves no file behind. A
//! kill at any moment leaves nothing, or a root key without a database. The next creation uses
//! such a key.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;

const POLL: Duration = Duration::from_millis(20);

/// The paths of one keystore.
#[derive(Clone, Debug)]
pub(super) struct Home {
    dir: PathBuf,
}

/// Held while a keystore is created.
#[derive(Debug)]
pub(super) struct CreationLock {
    _dir: File,
}

impl Home {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.dir.join("keystore.redb")
    }

    /// The database in the making.
    pub(super) fn database_new(&self) -> PathBuf {
        self.dir.join("keystore.redb.new")
    }

    /// The root key file.
    pub(super) fn root_key(&self) -> PathBuf {
        self.dir.join("root.key")
    }

    /// Whether there is a database. A path that cannot be looked at counts as there, so that
    /// opening it says why.
    pub(super) fn has_database(&self) -> bool {
        self.database().try_exists().unwrap_or(true)
    }

    /// Makes the directory, its parents too, if it is not there.
    pub(super) fn make(&self) -> Result<(), Error> {
        if self.dir.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(Error::io("create", &self.dir))?;
        self.dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
    }

    /// Waits up to `wait` for the right to create files here, and removes what an earlier
    /// creation left unfinished.
    pub(super) fn lock_for_creation(&self, wait: Duration) -> Result<CreationLock, Error> {
        let dir = File::open(&self.dir).map_err(Error::io("open", &self.dir))?;
        retry_while_busy(wait, || match dir.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(Error::Busy(self.dir.clone())),
            Err(TryLockError::Error(source)) => Err(Error::io("lock", &self.dir)(source)),
        })?;
        for unfinished in [self.database_new(), with_new(&self.root_key())] {
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &unfinished)(error));
                }
                _ => {}
            }
        }
        Ok(CreationLock { _dir: dir })
    }

    /// Writes the root key file in one step: it is there whole, or not at all.
    pub(super) fn write_root_key(&self, bytes: &[u8], _: &CreationLock) -> Result<(), Error> {
        let path = self.root_key();
        let unfinished = with_new(&path);
        let write = || -> io::Result<()> {
            let mut file = new_private_file(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(Error::io("write", &path))?;
        sync_dir(&self.dir)
    }

    /// Gives the finished database its name.
    pub(super) fn publish_database(&self, _: &CreationLock) -> Result<(), Error> {
        let (unfinished, path) = (self.database_new(), self.database());
        let publish = || -> io::Result<()> {
            File::open(&unfinished)?.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        publish().map_err(Error::io("write", &path))?;
        sync_dir(&self.dir)
    }
}

fn with_new(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

/// Makes a file that only its owner can read. It must not exist.
pub(super) fn new_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Brings the names in a directory to the disk.
fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}

/// Runs `attempt` until it is no longer busy, for at most `wait`.
pub(super) fn retry_while_busy<T>(
    wait: Duration,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(Error::Busy(_)) if start.elapsed() < wait => thread::sleep(POLL),
            outcome => return outcome,
        }
    }
}
