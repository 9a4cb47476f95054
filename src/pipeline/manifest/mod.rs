//! Stage 1: the list of devices, one row in, one row out.
//!
//! A manifest is a CSV file with a header or a file of JSON objects, one a line; other formats
//! are turned into CSV first (see `spool`). It is read twice: once from end to end before the
//! first key is made, where every fault is found ([`check`]), and once slot by slot by the workers
//! that make the keys. In between only the place of each slot in the file is kept, so that
//! memory does not grow with the width of the rows.

pub mod check;
mod csv_records;
mod error;
mod ndjson_records;
mod row;
mod spool;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use sha2::{Digest, Sha256};

use error::At;
pub use error::{ManifestError, Place};
pub use row::{Row, Rows};

use check::SlotPlace;
use csv_records::CsvRecords;
use ndjson_records::NdjsonRecords;

/// How the rows are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header row (RFC 4180).
    Csv,
    /// One JSON object of scalars a line.
    Ndjson,
    /// An Arrow IPC file.
    Arrow,
}

impl Format {
    /// The format a file name's ending stands for.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "arrow" | "ipc" | "feather" => Some(Self::Arrow),
            _ => None,
        }
    }
}

/// An opened manifest: its columns are known, its rows not yet looked at.
#[derive(Debug)]
pub struct Manifest {
    path: PathBuf,
    file: File,
    format: Format,
    columns: Vec<String>,
    stamp: Stamp,
    /// Of the file it was made from, if that was of another format.
    sha256: Option<[u8; 32]>,
}

/// What changes when a file is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified_ns: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        Ok(Self { bytes: meta.len(), modified_ns: (meta.mtime(), meta.mtime_nsec()) })
    }
}

/// One row as it stands in the file.
#[derive(Debug, Default)]
pub struct Record {
    values: StringRecord,
    /// First byte of the row.
    start: u64,
    /// First byte behind the row.
    end: u64,
    /// Line of the file, from 1.
    line: u64,
}

impl Manifest {
    /// Opens `path`, or standard input for `-`, and reads its header.
    pub fn open(path: &Path, format: Option<Format>) -> Result<Self, ManifestError> {
        let from_input = path == Path::new("-");
        let Some(format) = format.or_else(|| Format::of_path(path)) else {
            return Err(ManifestError::UnknownFormat { path: path.to_owned() });
        };
        let io = |error| ManifestError::Io { path: path.to_owned(), error };
        let file = if from_input { spool::standard_input().map_err(io)? } else { open_file(path)? };
        let (file, format, sha256) = match format {
            Format::Arrow => {
                let (copy, sha256) = spool::arrow_as_csv(&file, path)?;
                (copy, Format::Csv, Some(sha256))
            }
            text => (file, text, None),
        };
        let stamp = Stamp::of(&file).map_err(io)?;
        let mut manifest =
            Self { path: path.to_owned(), file, format, columns: Vec::new(), stamp, sha256 };
        manifest.columns = manifest.read_columns()?;
        manifest.check_columns()?;
        Ok(manifest)
    }

    /// Where it came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The place of the column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    fn read_columns(&self) -> Result<Vec<String>, ManifestError> {
        let whole = self.window(0..self.stamp.bytes);
        match self.format {
            Format::Ndjson => NdjsonRecords::new(whole, 0, None).columns(&self.path),
            _ => CsvRecords::with_header(whole).columns(&self.path),
        }
    }

    fn check_columns(&self) -> Result<(), ManifestError> {
        let path = || self.path.clone();
        if self.columns.is_empty() {
            return Err(ManifestError::NoColumns { path: path() });
        }
        for (place, name) in self.columns.iter().enumerate() {
            if name.is_empty() {
                return Err(ManifestError::UnnamedColumn { path: path(), column: place + 1 });
            }
            if self.columns[..place].contains(name) {
                return Err(ManifestError::RepeatedColumn { path: path(), name: name.clone() });
            }
            if super::OWN_COLUMNS.contains(&name.as_str()) {
                return Err(ManifestError::ReservedColumn { path: path(), name: name.clone() });
            }
        }
        Ok(())
    }

    /// Hands every row in order to `visit`; returns the SHA-256 of the whole file as it was given.
    ///
    /// # Errors
    ///
    /// The first row that cannot be read, or whatever `visit` returns.
    pub fn scan(
        &self,
        mut visit: impl FnMut(&Record) -> Result<(), ManifestError>,
    ) -> Result<[u8; 32], ManifestError> {
        let input = self.window(0..self.stamp.bytes);
        let mut hashed = Hashed { input, hash: Sha256::new(), quotes: 0 };
        let mut records = match self.format {
            Format::Ndjson => {
                Records::Ndjson(NdjsonRecords::new(&mut hashed, 0, Some(&self.columns)))
            }
            _ => Records::Csv(CsvRecords::with_header(&mut hashed)),
        };
        let mut record = Record::default();
        let mut row = 0;
        while records.read(&mut record, self.columns.len(), self.at(row))? {
            visit(&record)?;
            row += 1;
        }
        drop(records);
        self.check_unchanged()?;
        // An open quote swallows all rows behind it without a word from the parser; in a sound
        // file (RFC 4180) quotes come in pairs.
        if self.format == Format::Csv && hashed.quotes % 2 == 1 {
            let place = self.at(row.saturating_sub(1)).line(0);
            let reason = "a quote in this row or an earlier one is not closed".to_owned();
            return Err(ManifestError::Malformed { place, reason });
        }
        Ok(self.sha256.unwrap_or_else(|| hashed.hash.finalize().into()))
    }

    /// Reads the rows at `place` that `keep` wants, and numbers them from `first_index` on.
    pub fn read(
        &self,
        place: &SlotPlace,
        first_index: u64,
        rows: &mut Rows,
        keep: impl Fn(&Record) -> bool,
    ) -> Result<(), ManifestError> {
        let SlotPlace { bytes, first_row } = place.clone();
        rows.reset(self.columns.len());
        let start = bytes.start;
        let mut records = match self.format {
            Format::Ndjson => {
                Records::Ndjson(NdjsonRecords::new(self.window(bytes), start, Some(&self.columns)))
            }
            _ => Records::Csv(CsvRecords::headless(self.window(bytes), start)),
        };
        let mut record = Record::default();
        let mut row = first_row;
        while records.read(&mut record, self.columns.len(), self.at(row))? {
            if keep(&record) {
                rows.push(first_index + rows.len() as u64, record.values.iter());
            }
            row += 1;
        }
        self.check_unchanged()
    }

    fn check_unchanged(&self) -> Result<(), ManifestError> {
        match Stamp::of(&self.file) {
            Ok(stamp) if stamp == self.stamp => Ok(()),
            Ok(_) => Err(ManifestError::Changed { path: self.path.clone() }),
            Err(error) => Err(ManifestError::Io { path: self.path.clone(), error }),
        }
    }

    fn at(&self, row: u64) -> At<'_> {
        At { path: &self.path, row: row + 1 }
    }

    const fn window(&self, bytes: Range<u64>) -> Window<'_> {
        Window { file: &self.file, at: bytes.start, end: bytes.end }
    }
}

fn open_file(path: &Path) -> Result<File, ManifestError> {
    let io = |error| ManifestError::Io { path: path.to_owned(), error };
    let file = File::open(path).map_err(io)?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(ManifestError::NotAFile { path: path.to_owned() });
    }
    Ok(file)
}

impl Record {
    /// The value in column `column`.
    #[must_use]
    pub fn text(&self, column: usize) -> &str {
        self.values.get(column).unwrap_or_default()
    }
}

/// Rows in either format.
enum Records<'m, R> {
    Csv(CsvRecords<R>),
    Ndjson(NdjsonRecords<'m, R>),
}

impl<R: Read> Records<'_, R> {
    fn read(
        &mut self,
        record: &mut Record,
        columns: usize,
        at: At<'_>,
    ) -> Result<bool, ManifestError> {
        match self {
            Self::Csv(records) => records.read(record, columns, at),
            Self::Ndjson(records) => records.read(record, at),
        }
    }
}

/// A stretch of a file, read by position so that several threads can share the handle.
struct Window<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = out.len().min(left);
        let read = self.file.read_at(&mut out[..room], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Hashes what is read through it, and counts its quotes.
struct Hashed<'f> {
    input: Window<'f>,
    hash: Sha256,
    quotes: u64,
}

impl Read for Hashed<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.hash.update(&out[..read]);
        self.quotes += out[..read].iter().map(|byte| u64::from(*byte == b'"')).sum::<u64>();
        Ok(read)
    }
}
