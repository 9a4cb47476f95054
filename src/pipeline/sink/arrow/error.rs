//! What can go wrong with a part, and what to do about it.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::description::MetadataError;
use super::layout::LayoutError;
use crate::sys::file;

/// Why a part cannot be written, read or repaired.
#[derive(Debug)]
pub enum Error {
    /// The description describes no file.
    Layout(LayoutError),
    /// Another process has the file open.
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The disk has no room for the part.
    DiskFull {
        /// The file.
        path: PathBuf,
        /// How large it would be.
        bytes: u64,
    },
    /// The file belongs to another job.
    OtherJob {
        /// The file.
        path: PathBuf,
        /// The schema metadata in which they differ.
        field: &'static str,
        /// Its value in the file.
        found: String,
        /// Its value in this job.
        wanted: String,
    },
    /// The file was not written by this program, or is none.
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file is ours and damaged where nothing can be concluded from it.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        what: Damage,
    },
    /// The name is taken.
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The name belongs to the finished part, not to a repaired one.
    Reserved {
        /// The name.
        path: PathBuf,
    },
    /// Slots are not committed yet.
    Unfinished {
        /// The temporary file.
        path: PathBuf,
        /// How many.
        slots: usize,
    },
    /// The file has no such row.
    NoSuchRow {
        /// Which.
        row: u64,
        /// How many there are.
        rows: u64,
    },
    /// The row's slot is not committed, or its bytes are no row.
    RowDamaged {
        /// Which, counted from the file's first.
        row: u64,
    },
    /// The system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// To do what.
        action: &'static str,
        /// Its reason.
        source: io::Error,
    },
}

/// Where a file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file is shorter than its schema message.
    Start,
    /// The schema message is not valid.
    Schema,
    /// The schema message is ours, with a value that cannot be right.
    Metadata(MetadataError),
    /// The end of stream, footer or length of a published file.
    Footer,
    /// The beginning of a file whose making was interrupted, with something behind it.
    Creation,
    /// The file is longer than the part.
    Length,
    /// Somewhere in a published file; its check says where.
    Content,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("it ends inside its schema message"),
            Self::Schema => f.write_str("its schema message is not valid"),
            Self::Metadata(error) => error.fmt(f),
            Self::Footer => f.write_str("its footer is missing or damaged"),
            Self::Creation => f.write_str("its beginning is missing"),
            Self::Length => f.write_str("it is longer than it should be"),
            Self::Content => f.write_str("it was published whole and is so no longer"),
        }
    }
}

impl Error {
    /// Sorts what the system said about `path`.
    pub(super) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::WouldBlock => Self::Busy { path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            io::ErrorKind::InvalidInput => Self::NotOurs { path },
            _ => Self::Io { path, action, source },
        }
    }

    /// As [`io`](Self::io), where the disk may have no room for the file of `bytes` bytes.
    pub(super) fn space(path: &Path, action: &'static str, bytes: u64, source: io::Error) -> Self {
        if file::is_disk_full(&source) {
            return Self::DiskFull { path: path.to_owned(), bytes };
        }
        Self::io(path, action, source)
    }

    /// Whether the same command may succeed later with no change to it.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::DiskFull { .. })
    }
}

impl From<LayoutError> for Error {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(error) => error.fmt(f),
            Self::Busy { path } => {
                write!(f, "{}: another process is at work on it; wait for it", path.display())
            }
            Self::DiskFull { path, bytes } => write!(
                f,
                "{}: the disk has no room for {bytes} bytes; free some and repeat the command",
                path.display()
            ),
            Self::OtherJob { path, field, found, wanted } => write!(
                f,
                "{}: belongs to another job: its {field} is {found:?}, here it is {wanted:?}; \
                 choose another path, or finish that job first",
                path.display()
            ),
            Self::NotOurs { path } => write!(
                f,
                "{}: is not a file of wrapped key pairs; choose another path",
                path.display()
            ),
            Self::Damaged { path, what } => {
                write!(f, "{}: is damaged: {what}; move it away to start again", path.display())
            }
            Self::Exists { path } => {
                write!(f, "{}: exists already; choose another path", path.display())
            }
            Self::Reserved { path } => write!(
                f,
                "{}: is where the finished job will be; choose another path for what is repaired",
                path.display()
            ),
            Self::Unfinished { path, slots } => write!(
                f,
                "{}: {slots} slots are not committed; repeat the command to finish",
                path.display()
            ),
            Self::NoSuchRow { row, rows } => {
                write!(f, "there is no row {row}; the file has {rows}, counted from 0")
            }
            Self::RowDamaged { row } => {
                write!(f, "row {row} is missing or damaged; verify says how much is")
            }
            Self::Io { path, action, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Layout(error) => Some(error),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a row does not fit into its slot. The slot is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// All rows of the slot are there.
    SlotFull,
    /// Not as many texts as the part has manifest columns.
    ColumnCount,
    /// The column's texts outgrow the room that was described for them.
    ColumnFull {
        /// Which manifest column, from 0.
        column: usize,
    },
    /// The public key has not the spec's length.
    PublicKeyLength {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The blob has not the spec's length, or is longer than its longest.
    BlobLength {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The slot was committed before all its rows were there.
    RowsMissing {
        /// How many.
        rows: usize,
    },
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlotFull => f.write_str("the slot has all its rows"),
            Self::ColumnCount => f.write_str("the row has another number of columns than the part"),
            Self::ColumnFull { column } => {
                write!(f, "manifest column {column} is longer than was planned")
            }
            Self::PublicKeyLength { bytes } => {
                write!(f, "a public key of {bytes} bytes does not fit the spec")
            }
            Self::BlobLength { bytes } => {
                write!(f, "a blob of {bytes} bytes does not fit the spec")
            }
            Self::RowsMissing { rows } => write!(f, "{rows} rows of the slot are missing"),
        }
    }
}

impl core::error::Error for PushError {}
