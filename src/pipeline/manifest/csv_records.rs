//! CSV rows with their place in the file.

use std::io::{Chain, Read};
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::error::At;
use super::{ManifestError, Place, Record};

/// What stands before a file's first byte, and before any later row.
const NOTHING: &[u8] = b"";
const LINE_END: &[u8] = b"\n";

/// Reads CSV rows one by one.
pub(super) struct CsvRecords<R> {
    reader: csv::Reader<Chain<&'static [u8], R>>,
    /// Position of the reader's first byte in the file.
    offset: u64,
    /// Line of the reader's first byte; unknown (0) in the middle of a file.
    first_line: u64,
}

impl<R: Read> CsvRecords<R> {
    /// From the head of a file: the first row names the columns.
    pub(super) fn with_header(input: R) -> Self {
        let reader = ReaderBuilder::new().flexible(true).from_reader(NOTHING.chain(input));
        Self { reader, offset: 0, first_line: 1 }
    }

    /// From the middle of a file, `offset` bytes in.
    ///
    /// The reader takes U+FEFF at its start for a byte order mark and drops it; behind the end of a
    /// line it is what it is here, the beginning of a value.
    pub(super) fn headless(input: R, offset: u64) -> Self {
        let mut builder = ReaderBuilder::new();
        let input = LINE_END.chain(input);
        let reader = builder.flexible(true).has_headers(false).from_reader(input);
        Self { reader, offset: offset.saturating_sub(1), first_line: 0 }
    }

    /// The names in the header row.
    pub(super) fn columns(mut self, path: &Path) -> Result<Vec<String>, ManifestError> {
        let header = At { path, row: 0 }.line(1);
        match self.reader.headers() {
            Ok(names) => Ok(names.iter().map(str::to_owned).collect()),
            Err(error) => Err(explain(error, header)),
        }
    }

    /// Reads the next row; false at the end.
    pub(super) fn read(
        &mut self,
        record: &mut Record,
        columns: usize,
        at: At<'_>,
    ) -> Result<bool, ManifestError> {
        let found = self.reader.read_record(&mut record.values);
        let position = record.values.position().cloned();
        record.line = match &position {
            Some(position) if self.first_line > 0 => position.line(),
            _ => 0,
        };
        let line = record.line;
        let place = || at.line(line);
        match found {
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(error) => return Err(explain(error, place())),
        }
        record.start = self.offset + position.map_or(0, |position| position.byte());
        record.end = self.offset + self.reader.position().byte();
        check_width(&record.values, columns, place)?;
        Ok(true)
    }
}

fn check_width(
    values: &StringRecord,
    columns: usize,
    place: impl FnOnce() -> Place,
) -> Result<(), ManifestError> {
    if values.len() == columns {
        Ok(())
    } else {
        Err(ManifestError::Ragged { place: place(), values: values.len(), columns })
    }
}

fn explain(error: csv::Error, mut place: Place) -> ManifestError {
    if let Some(position) = error.position()
        && place.line == 0
    {
        place.line = position.line();
    }
    match error.into_kind() {
        ErrorKind::Io(error) => ManifestError::Io { path: place.path, error },
        ErrorKind::Utf8 { err, .. } => ManifestError::NotUtf8 { place, column: err.field() + 1 },
        other => ManifestError::Malformed { place, reason: format!("{other:?}") },
    }
}
