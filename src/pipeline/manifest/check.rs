//! The whole manifest, looked at before the first key is made.
//!
//! Every row must be readable, name a known spec, fill the encryption context, and have an
//! identifying value of its own. What is kept of it is where each slot of the output finds its
//! rows, and how much room their text needs.

use std::ops::Range;

use super::{Manifest, ManifestError, Place, Record, Rows};
use crate::limits::slot_rows;
use crate::pipeline::template::BoundTemplate;
use crate::pipeline::unique::Seen;
use crate::spec::KeyPairSpec;

/// Which spec a row wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecSource {
    /// All rows the same.
    One(KeyPairSpec),
    /// Each row its own, in this column.
    Column(usize),
}

impl SpecSource {
    /// Whether `record` belongs to the group of `spec`.
    #[must_use]
    pub fn selects(self, spec: KeyPairSpec, record: &Record) -> bool {
        match self {
            Self::One(_) => true,
            Self::Column(column) => record.text(column) == spec.name(),
        }
    }
}

/// What a good manifest consists of.
#[derive(Debug)]
pub struct Checked {
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Number of rows.
    pub rows: u64,
    /// The rows of each spec, in the order in which the specs first appear.
    pub groups: Vec<Group>,
}

/// All rows of one spec.
#[derive(Debug)]
pub struct Group {
    /// Their spec.
    pub spec: KeyPairSpec,
    /// How many.
    pub rows: u64,
    /// Where the rows of each output slot stand in the manifest.
    pub slots: Vec<SlotPlace>,
    /// The most text bytes one slot has in each column.
    pub column_bytes_max: Vec<usize>,
    filling: Vec<usize>,
}

/// Where the rows of one output slot stand in the manifest.
#[derive(Clone, Debug)]
pub struct SlotPlace {
    /// Bytes of the manifest from the slot's first row to its last; rows of other specs may
    /// stand between.
    pub bytes: Range<u64>,
    /// Number of the first row.
    pub first_row: u64,
}

impl Group {
    pub(crate) fn new(spec: KeyPairSpec, columns: usize) -> Self {
        Self {
            spec,
            rows: 0,
            slots: Vec::new(),
            column_bytes_max: vec![0; columns],
            filling: vec![0; columns],
        }
    }

    /// Counts `record`, number `row` of the manifest, into the slot being filled.
    fn add(&mut self, row: u64, record: &Record) {
        if self.rows.is_multiple_of(slot_rows(self.spec) as u64) {
            self.slots.push(SlotPlace { bytes: record.start..record.end, first_row: row });
            self.filling.fill(0);
        }
        if let Some(slot) = self.slots.last_mut() {
            slot.bytes.end = record.end;
        }
        for (column, bytes) in self.filling.iter_mut().enumerate() {
            *bytes += record.text(column).len();
            self.column_bytes_max[column] = self.column_bytes_max[column].max(*bytes);
        }
        self.rows += 1;
    }
}

/// Checks all rows of `manifest`; `unique` is the identifying column.
///
/// # Errors
///
/// The first fault in the order of the rows; duplicates are looked for last.
pub fn check(
    manifest: &Manifest,
    specs: SpecSource,
    template: &BoundTemplate,
    unique: Option<usize>,
) -> Result<Checked, ManifestError> {
    let columns = manifest.columns();
    let mut groups: Vec<Group> = Vec::new();
    let mut seen = Seen::default();
    let mut rows = Rows::default();
    let mut row = 0;
    let sha256 = manifest.scan(|record| {
        let place = || place(manifest, row, record);
        rows.reset(columns.len());
        rows.push(row, record.values.iter());
        template
            .fill(&rows.row(0))
            .map_err(|error| ManifestError::Context { place: place(), error })?;
        if let Some(column) = unique {
            seen.add(identifier(record, column, columns, place)?.as_bytes());
        }
        let spec = spec_of(specs, record, place)?;
        let group = match groups.iter().position(|group| group.spec == spec) {
            Some(known) => &mut groups[known],
            None => groups.push_mut(Group::new(spec, columns.len())),
        };
        group.add(row, record);
        row += 1;
        Ok(())
    })?;
    if row == 0 {
        return Err(ManifestError::NoRows { path: manifest.path().to_owned() });
    }
    match (unique, seen.first_duplicate()) {
        (Some(column), Some(rows)) => Err(duplicate(manifest, column, rows)),
        _ => Ok(Checked { sha256, rows: row, groups }),
    }
}

fn place(manifest: &Manifest, row: u64, record: &Record) -> Place {
    Place { path: manifest.path().to_owned(), row: row + 1, line: record.line }
}

/// The value of the identifying column, which must not be empty.
fn identifier<'r>(
    record: &'r Record,
    column: usize,
    columns: &[String],
    place: impl FnOnce() -> Place,
) -> Result<&'r str, ManifestError> {
    match record.text(column) {
        "" => Err(ManifestError::MissingValue { place: place(), column: columns[column].clone() }),
        value => Ok(value),
    }
}

fn spec_of(
    specs: SpecSource,
    record: &Record,
    place: impl FnOnce() -> Place,
) -> Result<KeyPairSpec, ManifestError> {
    match specs {
        SpecSource::One(spec) => Ok(spec),
        SpecSource::Column(column) => {
            let value = record.text(column);
            value.parse().map_err(|error| ManifestError::Spec {
                place: place(),
                value: value.to_owned(),
                error,
            })
        }
    }
}

/// Names the second of two rows with one identifier; the manifest is read again to quote it.
fn duplicate(manifest: &Manifest, column: usize, (first, second): (u64, u64)) -> ManifestError {
    let mut row = 0;
    let found = manifest.scan(|record| {
        if row == second {
            return Err(ManifestError::Duplicate {
                place: place(manifest, row, record),
                column: manifest.columns()[column].clone(),
                value: record.text(column).to_owned(),
                first_row: first + 1,
            });
        }
        row += 1;
        Ok(())
    });
    match found {
        Err(error) => error,
        Ok(_) => ManifestError::Changed { path: manifest.path().to_owned() },
    }
}
