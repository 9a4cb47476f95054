//! What can be wrong with a sealed pool.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::header::HeaderFault;
use crate::pool::MakeError;
use crate::spec::KeyPairSpec;
use crate::sys::file::is_disk_full;

/// Why a sealed pool cannot be used or filled.
#[derive(Debug)]
pub enum Error {
    /// The file is no pool, or cut off in its header.
    Foreign(PathBuf),
    /// The header was altered.
    Damaged(PathBuf),
    /// The file has the name of a pool of another spec.
    Misnamed {
        /// The file.
        path: PathBuf,
        /// What it holds.
        spec: KeyPairSpec,
    },
    /// The pool was written by a newer keymill.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format version.
        version: u32,
    },
    /// Another process fills the pool.
    Busy(PathBuf),
    /// The disk is full.
    DiskFull(PathBuf),
    /// The pool has as many records as it may have.
    Exhausted(PathBuf),
    /// A file operation failed.
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No more pairs could be made.
    Make(MakeError),
}

impl Error {
    /// Wraps what the system said; made for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::WouldBlock => Self::Busy(path.to_owned()),
            _ if is_disk_full(&source) => Self::DiskFull(path.to_owned()),
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }

    pub(super) fn header(path: &Path) -> impl FnOnce(HeaderFault) -> Self {
        let path = path.to_owned();
        move |fault| match fault {
            HeaderFault::Foreign => Self::Foreign(path),
            HeaderFault::Damaged => Self::Damaged(path),
            HeaderFault::Newer(version) => Self::Newer { path, version },
        }
    }

    /// Whether the file is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(path) => {
                write!(f, "{}: not a pool of key pairs, or cut off", path.display())
            }
            Self::Damaged(path) => {
                write!(f, "{}: the header of the pool is damaged", path.display())
            }
            Self::Misnamed { path, spec } => {
                write!(f, "{}: this is a pool of {spec} key pairs", path.display())
            }
            Self::Newer { path, version } => write!(
                f,
                "{}: pool format {version} is newer than this program; update keymill",
                path.display()
            ),
            Self::Busy(path) => {
                write!(f, "{}: another process fills this pool", path.display())
            }
            Self::DiskFull(path) => write!(f, "{}: the disk is full", path.display()),
            Self::Exhausted(path) => {
                write!(f, "{}: the pool can have no more records", path.display())
            }
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            Self::Make(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Make(error) => Some(error),
            _ => None,
        }
    }
}

impl From<MakeError> for Error {
    fn from(error: MakeError) -> Self {
        Self::Make(error)
    }
}
