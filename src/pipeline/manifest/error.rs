//! What can be wrong with a manifest, and where.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::spec::encryption_context::EncryptionContextError;
use crate::spec::key_pair_spec::UnknownKeyPairSpec;

/// A row of a manifest, as a person would look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Number of the row among the data rows, from 1; 0 for the header.
    pub row: u64,
    /// Line of the file, from 1; 0 if it is not known.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match self.row {
            0 => f.write_str("header")?,
            row => write!(f, "row {row}")?,
        }
        if self.line > 0 { write!(f, " (line {})", self.line) } else { Ok(()) }
    }
}

/// A row being read; becomes a [`Place`] when it turns out to be faulty.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'p> {
    /// The file.
    pub(super) path: &'p Path,
    /// Number of the row, from 1; 0 for the header.
    pub(super) row: u64,
}

impl At<'_> {
    /// The row with its line, 0 if it is not known.
    pub(super) fn line(self, line: u64) -> Place {
        Place { path: self.path.to_owned(), row: self.row, line }
    }
}

/// Why a manifest cannot be used.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are the places and names the messages speak of")]
pub enum ManifestError {
    /// The file could not be read.
    Io { path: PathBuf, error: io::Error },
    /// A folder or device.
    NotAFile { path: PathBuf },
    /// The name's ending says nothing of the format.
    UnknownFormat { path: PathBuf },
    /// No header, or an empty first object.
    NoColumns { path: PathBuf },
    /// A header and nothing else.
    NoRows { path: PathBuf },
    /// A column without a name.
    UnnamedColumn { path: PathBuf, column: usize },
    /// Two columns of one name.
    RepeatedColumn { path: PathBuf, name: String },
    /// A column called as one of the output's own.
    ReservedColumn { path: PathBuf, name: String },
    /// A column that was asked for is not there.
    UnknownColumn { path: PathBuf, name: String, flag: &'static str, columns: Vec<String> },
    /// The file was written to between check and use.
    Changed { path: PathBuf },
    /// A column of a type that has no plain text form.
    ColumnType { path: PathBuf, name: String, kind: String },
    /// A whole-file format that its reader refuses.
    Unreadable { path: PathBuf, reason: String },
    /// A row with too few or too many values.
    Ragged { place: Place, values: usize, columns: usize },
    /// Bytes that are no UTF-8.
    NotUtf8 { place: Place, column: usize },
    /// A line that cannot be parsed.
    Malformed { place: Place, reason: String },
    /// A JSON object without one of the columns.
    MissingMember { place: Place, name: String },
    /// A JSON object with a member no other row has, or with one twice.
    ExtraMember { place: Place, name: String },
    /// A JSON object, array or null for a value.
    NotScalar { place: Place, name: String },
    /// A value that must be unique stands in an earlier row too.
    Duplicate { place: Place, column: String, value: String, first_row: u64 },
    /// A value that is needed is empty.
    MissingValue { place: Place, column: String },
    /// The row's spec is none of the twelve.
    Spec { place: Place, value: String, error: UnknownKeyPairSpec },
    /// The row's encryption context breaks a rule.
    Context { place: Place, error: EncryptionContextError },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Self::NotAFile { path } => write!(f, "{} is not a file", path.display()),
            Self::UnknownFormat { path } => {
                write!(f, "{}: cannot tell the manifest's format from its name", path.display())
            }
            Self::NoColumns { path } => write!(f, "{} has no columns", path.display()),
            Self::NoRows { path } => write!(f, "{} has no rows", path.display()),
            Self::UnnamedColumn { path, column } => {
                write!(f, "{}: column {column} has no name", path.display())
            }
            Self::RepeatedColumn { path, name } => {
                write!(f, "{}: two columns are called {name:?}", path.display())
            }
            Self::ReservedColumn { path, name } => {
                write!(f, "{}: {name:?} is the name of an output column", path.display())
            }
            Self::UnknownColumn { path, name, flag, columns } => write!(
                f,
                "{}: no column {name:?} ({flag}); the manifest has {}",
                path.display(),
                columns.join(", ")
            ),
            Self::Changed { path } => {
                write!(f, "{} was changed while the job was running", path.display())
            }
            Self::ColumnType { path, name, kind } => {
                write!(
                    f,
                    "{}: column {name:?} is of type {kind}, not text or a number",
                    path.display()
                )
            }
            Self::Unreadable { path, reason } => write!(f, "{}: {reason}", path.display()),
            row_fault => row_fault.fmt_row(f),
        }
    }
}

impl ManifestError {
    /// The faults that belong to a row.
    fn fmt_row(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ragged { place, values, columns } => {
                write!(f, "{place}: {values} values, but the header has {columns}")
            }
            Self::NotUtf8 { place, column: 0 } => write!(f, "{place}: not UTF-8"),
            Self::NotUtf8 { place, column } => write!(f, "{place}, column {column}: not UTF-8"),
            Self::Malformed { place, reason } => write!(f, "{place}: {reason}"),
            Self::MissingMember { place, name } => write!(f, "{place}: no member {name:?}"),
            Self::ExtraMember { place, name } => write!(
                f,
                "{place}: the member {name:?} is not in the first row, or stands here twice"
            ),
            Self::NotScalar { place, name } => {
                write!(f, "{place}: {name:?} is not a string, number or boolean")
            }
            Self::Duplicate { place, column, value, first_row } => {
                write!(f, "{place}, {column} {value:?}: duplicate of row {first_row}")
            }
            Self::MissingValue { place, column } => write!(f, "{place}: {column:?} is empty"),
            Self::Spec { place, value, error } => {
                write!(f, "{place}: key pair spec {value:?}: {error}")
            }
            Self::Context { place, error } => write!(f, "{place}: {error}"),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for ManifestError {}
