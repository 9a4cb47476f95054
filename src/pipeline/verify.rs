//! Checking finished files: what a receiver of keys would want to know before using them.
//!
//! Every row is read. Its public key must have the spec's encoding and stand nowhere else; the
//! blob must open under the key and the row's own context, hold a private key of the spec, and
//! that key must be the public key's. A manifest, if given, must be what the columns say.

use core::fmt;
use std::collections::HashMap;
use std::path::PathBuf;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::crypto::check::{CheckError, check_pair};
use crate::crypto::seal::{BlobError, BlobHeader, Payload, WrappingKey, open};
use crate::pipeline::manifest::{Manifest, ManifestError, Rows};
use crate::pipeline::request::SPEC_COLUMN;
use crate::pipeline::sink::arrow::{self, Finding, PartFile};
use crate::pipeline::template::{BoundTemplate, ContextTemplate, TemplateError};
use crate::pipeline::unique::Seen;
use crate::spec::encryption_context::EncryptionContextError;
use crate::spec::{EncryptionContext, KeyPairSpec};

/// The context of every row of a part, rebuilt from its columns.
#[derive(Debug)]
pub struct PartContext {
    template: BoundTemplate,
}

impl PartContext {
    /// Reads the template in the header of `part`.
    pub fn of(part: &PartFile) -> Result<Self, TemplateError> {
        let description = part.description();
        let columns: Vec<String> = description.columns.iter().map(|c| c.name.clone()).collect();
        let template = match description.context_template.as_str() {
            "" => ContextTemplate::default(),
            text => ContextTemplate::parse(text)?,
        };
        Ok(Self { template: template.bind(&columns)? })
    }

    /// The context of `row`.
    pub fn of_row(
        &self,
        row: &arrow::Row<'_>,
    ) -> Result<EncryptionContext, EncryptionContextError> {
        let mut rows = Rows::default();
        rows.reset(row.columns.len());
        rows.push(row.index, row.columns.iter().map(|(_, text)| *text));
        self.template.fill(&rows.row(0))
    }
}

/// What is wrong with a file.
#[derive(Debug)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// Row of the file, from 0, if it is one row's fault.
    pub row: Option<u64>,
    /// What is wrong.
    pub what: What,
}

/// What can be wrong.
#[derive(Debug)]
pub enum What {
    /// The structure of the file.
    Structure(Finding),
    /// The row cannot be read.
    Row(arrow::Error),
    /// The template in the header.
    Template(TemplateError),
    /// The row's columns make no context.
    Context(EncryptionContextError),
    /// The blob does not open.
    Blob(BlobError),
    /// The blob holds something else than a private key of the file's spec.
    Payload,
    /// The two halves are no pair.
    Pair(CheckError),
    /// The public key stands in an earlier row too.
    RepeatedPublicKey,
    /// The identifying value stands in an earlier row too.
    RepeatedIdentifier,
    /// There is no such column.
    NoColumn(String),
    /// The columns are not those of the manifest.
    Columns,
    /// The row's columns are not the manifest's.
    Values {
        /// Row of the manifest, from 1.
        manifest_row: u64,
    },
    /// The files have fewer rows than the manifest.
    MissingRow {
        /// Row of the manifest, from 1.
        manifest_row: u64,
    },
    /// The files have more rows than the manifest.
    ExtraRows,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(row) = self.row {
            write!(f, ": row {row}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Structure(finding) => finding.fmt(f),
            Self::Row(error) => error.fmt(f),
            Self::Template(error) => error.fmt(f),
            Self::Context(error) => error.fmt(f),
            Self::Blob(error) => error.fmt(f),
            Self::Payload => f.write_str("the blob holds no private key of the file's spec"),
            Self::Pair(error) => error.fmt(f),
            Self::RepeatedPublicKey => f.write_str("the public key stands in an earlier row too"),
            Self::RepeatedIdentifier => {
                f.write_str("the identifying value stands in an earlier row too")
            }
            Self::NoColumn(name) => write!(f, "there is no column {name:?}"),
            Self::Columns => f.write_str("the columns are not those of the manifest"),
            Self::Values { manifest_row } => {
                write!(f, "the columns differ from row {manifest_row} of the manifest")
            }
            Self::MissingRow { manifest_row } => {
                write!(f, "there is no row for row {manifest_row} of the manifest")
            }
            Self::ExtraRows => f.write_str("there are more rows than in the manifest"),
        }
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Rows read.
    pub rows: u64,
    /// Blobs opened.
    pub opened: u64,
    /// Everything that is wrong, at most [`FAULTS_MAX`] of each part.
    pub faults: Vec<Fault>,
}

/// Most faults that are told of one part.
pub const FAULTS_MAX: usize = 20;

/// Checks one part; opens every `stride`-th blob under `key`.
#[must_use]
pub fn verify_part(part: &PartFile, key: &WrappingKey, stride: u64) -> Verification {
    let fault = |row, what| Fault { path: part.path().to_owned(), row, what };
    let structure = part.check().into_iter().take(FAULTS_MAX);
    let mut done = Verification {
        faults: structure.map(|finding| fault(None, What::Structure(finding))).collect(),
        ..Verification::default()
    };
    let context = match PartContext::of(part) {
        Ok(context) => context,
        Err(error) => {
            done.faults.push(fault(None, What::Template(error)));
            return done;
        }
    };
    if !done.faults.is_empty() {
        return done;
    }
    let rows = part.rows();
    let opened = (0..rows).into_par_iter().filter(|row| row % stride == 0);
    let faults: Vec<Fault> = opened
        .filter_map(|row| {
            let what = verify_row(part, key, &context, row).err()?;
            Some(fault(Some(row), what))
        })
        .collect();
    done.rows = rows;
    done.opened = rows.div_ceil(stride);
    done.faults.extend(faults.into_iter().take(FAULTS_MAX));
    done
}

fn verify_row(
    part: &PartFile,
    key: &WrappingKey,
    context: &PartContext,
    row: u64,
) -> Result<(), What> {
    let spec = part.description().spec;
    let row = part.row(row).map_err(What::Row)?;
    let context = context.of_row(&row).map_err(What::Context)?;
    let payload = BlobHeader::parse(row.blob).map_err(What::Blob)?.payload();
    if payload != Payload::PrivateKey(spec) {
        return Err(What::Payload);
    }
    let opened = open(key, row.blob, &context).map_err(What::Blob)?;
    check_pair(spec, row.public_key, opened.plaintext.expose()).map_err(What::Pair)
}

/// Looks for public keys, and for values of the column `unique`, that stand in two rows of
/// `parts`.
#[must_use]
pub fn find_repeated(parts: &[PartFile], unique: Option<&str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut keys = Seen::default();
    let mut identifiers = Seen::default();
    let mut places = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let fault = |what| Fault { path: part.path().to_owned(), row: None, what };
        let names = &part.description().columns;
        let column = unique.map(|name| (name, names.iter().position(|c| c.name == name)));
        if let Some((name, None)) = column {
            faults.push(fault(What::NoColumn(name.to_owned())));
        }
        places.push((number, keys.len()));
        for row in 0..part.rows() {
            let Ok(row) = part.row(row) else { continue };
            keys.add(row.public_key);
            if let Some((_, Some(column))) = column {
                identifiers.add(row.columns[column].1.as_bytes());
            }
        }
    }
    let place = |row: u64| {
        let (number, first) = *places.iter().rev().find(|(_, first)| *first <= row)?;
        Some((parts[number].path().to_owned(), row - first))
    };
    let mut tell = |found: Option<(u64, u64)>, what| {
        if let Some((path, row)) = found.and_then(|(_, row)| place(row)) {
            faults.push(Fault { path, row: Some(row), what });
        }
    };
    tell(keys.first_duplicate(), What::RepeatedPublicKey);
    tell(identifiers.first_duplicate(), What::RepeatedIdentifier);
    faults
}

/// Compares the columns of `parts` with the rows of `manifest`, in order; stops at the first
/// difference of each spec.
pub fn compare_with_manifest(
    parts: &[PartFile],
    manifest: &Manifest,
) -> Result<Vec<Fault>, ManifestError> {
    let spec_column = manifest.column(SPEC_COLUMN);
    let mut cursors: HashMap<KeyPairSpec, Cursor<'_>> = HashMap::new();
    for part in parts {
        cursors.entry(part.description().spec).or_default().parts.push(part);
    }
    let mut faults = Vec::new();
    let only = parts.first().map(|part| part.description().spec);
    let mut manifest_row = 0;
    manifest.scan(|record| {
        manifest_row += 1;
        let spec = match spec_column {
            Some(column) => record.text(column).parse().ok(),
            None => only,
        };
        let cursor = spec.and_then(|spec| cursors.get_mut(&spec));
        let Some(cursor) = cursor else {
            let path = manifest.path().to_owned();
            faults.push(Fault { path, row: None, what: What::MissingRow { manifest_row } });
            return Ok(());
        };
        if !cursor.stopped {
            let values = (0..manifest.columns().len()).map(|column| record.text(column));
            let names = manifest.columns().iter().map(String::as_str);
            if let Some(fault) = cursor.advance(names.zip(values), manifest_row) {
                cursor.stopped = true;
                faults.push(fault);
            }
        }
        Ok(())
    })?;
    faults.extend(cursors.into_values().filter_map(Cursor::rest));
    Ok(faults)
}

/// The next row of one spec's parts.
#[derive(Default)]
struct Cursor<'p> {
    parts: Vec<&'p PartFile>,
    part: usize,
    row: u64,
    stopped: bool,
}

impl<'p> Cursor<'p> {
    /// The part and row to come next, if any is left.
    fn next(&mut self) -> Option<(&'p PartFile, u64)> {
        while let Some(part) = self.parts.get(self.part).copied() {
            if self.row < part.rows() {
                self.row += 1;
                return Some((part, self.row - 1));
            }
            (self.part, self.row) = (self.part + 1, 0);
        }
        None
    }

    fn advance<'v>(
        &mut self,
        wanted: impl Iterator<Item = (&'v str, &'v str)>,
        manifest_row: u64,
    ) -> Option<Fault> {
        let last = self.parts.last().map(|part| part.path().to_owned()).unwrap_or_default();
        let Some((part, number)) = self.next() else {
            return Some(Fault { path: last, row: None, what: What::MissingRow { manifest_row } });
        };
        let fault = |what| Some(Fault { path: part.path().to_owned(), row: Some(number), what });
        let row = match part.row(number) {
            Ok(row) => row,
            Err(error) => return fault(What::Row(error)),
        };
        let (names, values): (Vec<_>, Vec<_>) = wanted.unzip();
        let (found_names, found): (Vec<_>, Vec<_>) = row.columns.into_iter().unzip();
        if names != found_names {
            return fault(What::Columns);
        }
        if values == found { None } else { fault(What::Values { manifest_row }) }
    }

    fn rest(mut self) -> Option<Fault> {
        if self.stopped {
            return None;
        }
        let (part, row) = self.next()?;
        Some(Fault { path: part.path().to_owned(), row: Some(row), what: What::ExtraRows })
    }
}
