//! What is asked for: how many key pairs of which specs, under which key, bound to what.
//!
//! A request is complete and faultless as far as it can be known without the keystore: a
//! manifest has been read to its end when there is one.

use core::fmt;
use core::ops::Range;

use sha2::{Digest, Sha256};

use crate::limits::slot_rows;
use crate::pipeline::manifest::check::{Checked, Group, SpecSource, check};
use crate::pipeline::manifest::{Manifest, ManifestError, Rows};
use crate::pipeline::template::{BoundTemplate, ContextTemplate, TemplateError};
use crate::spec::encryption_context::EncryptionContextError;
use crate::spec::{KeyArn, KeyId, KeyPairSpec};

/// Column that tells each row's spec, if the request names none.
pub const SPEC_COLUMN: &str = "key_pair_spec";

/// One batch of key pairs.
#[derive(Debug)]
pub struct Request {
    key_id: KeyId,
    template: ContextTemplate,
    bound: BoundTemplate,
    rows: u64,
    groups: Vec<Group>,
    source: Option<Source>,
}

/// The manifest behind a request.
#[derive(Debug)]
struct Source {
    manifest: Manifest,
    specs: SpecSource,
    sha256: [u8; 32],
}

impl Request {
    /// `count` key pairs of one spec, known by their number only.
    pub fn of_count(
        key_id: KeyId,
        spec: KeyPairSpec,
        count: u64,
        template: ContextTemplate,
    ) -> Result<Self, RequestError> {
        if count == 0 {
            return Err(RequestError::NoRows);
        }
        let bound = template.bind(&[])?;
        bound.fill(&Rows::numbered(count - 1..count).row(0))?;
        let groups = vec![Group::numbered(spec, count)];
        Ok(Self { key_id, template, bound, rows: count, groups, source: None })
    }

    /// One key pair for each row of `manifest`.
    ///
    /// Without `spec` each row names its own in the column [`SPEC_COLUMN`]. `unique` is the
    /// column that identifies a row.
    pub fn of_manifest(
        key_id: KeyId,
        spec: Option<KeyPairSpec>,
        manifest: Manifest,
        unique: Option<&str>,
        template: ContextTemplate,
    ) -> Result<Self, RequestError> {
        let bound = template.bind(manifest.columns())?;
        let specs = match (spec, manifest.column(SPEC_COLUMN)) {
            (Some(_), Some(_)) => return Err(RequestError::TwoSpecs),
            (Some(spec), None) => SpecSource::One(spec),
            (None, Some(column)) => SpecSource::Column(column),
            (None, None) => return Err(RequestError::NoSpec),
        };
        let unique = unique.map(|name| column(&manifest, name, "--unique")).transpose()?;
        let Checked { sha256, rows, groups } = check(&manifest, specs, &bound, unique)?;
        let source = Some(Source { manifest, specs, sha256 });
        Ok(Self { key_id, template, bound, rows, groups, source })
    }

    /// The key to wrap under, as it was named.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Number of key pairs.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows of each spec.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The context template.
    #[must_use]
    pub const fn template(&self) -> &ContextTemplate {
        &self.template
    }

    /// The context template, ready to be filled.
    #[must_use]
    pub const fn context(&self) -> &BoundTemplate {
        &self.bound
    }

    /// Whether each row names its own spec.
    #[must_use]
    pub fn is_by_row(&self) -> bool {
        matches!(&self.source, Some(source) if matches!(source.specs, SpecSource::Column(_)))
    }

    /// The manifest's columns; none without a manifest.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        self.source.as_ref().map_or(&[], |source| source.manifest.columns())
    }

    /// SHA-256 of the manifest.
    #[must_use]
    pub fn manifest_sha256(&self) -> Option<[u8; 32]> {
        self.source.as_ref().map(|source| source.sha256)
    }

    /// Reads the rows of slot `slot` of `group`.
    pub fn read_slot(
        &self,
        group: &Group,
        slot: usize,
        rows: &mut Rows,
    ) -> Result<(), ManifestError> {
        let Some(Source { manifest, specs, .. }) = &self.source else {
            rows.number(group.slot_range(slot));
            return Ok(());
        };
        let range = group.slot_range(slot);
        let keep = |record: &_| specs.selects(group.spec, record);
        manifest.read(&group.slots[slot], range.start, rows, keep)?;
        if rows.len() as u64 == range.end - range.start {
            Ok(())
        } else {
            Err(ManifestError::Changed { path: manifest.path().to_owned() })
        }
    }

    /// A number that two requests share only if their outputs are interchangeable: it binds
    /// everything but the machine (threads, backend) and the place of the output.
    #[must_use]
    pub fn job_id(&self, key: &KeyArn, part_bytes: u64) -> [u8; 32] {
        let specs: Vec<_> =
            self.groups.iter().map(|group| (group.spec.name(), group.rows)).collect();
        let terms = serde_json::json!({
            "format": "keymill/job/v1",
            "key": key.to_string(),
            "context": self.template.to_json(),
            "specs": specs,
            "columns": self.columns(),
            "manifest": self.manifest_sha256(),
            "part_bytes": part_bytes,
        });
        Sha256::digest(terms.to_string().as_bytes()).into()
    }
}

impl Group {
    /// `rows` rows without a manifest behind them.
    fn numbered(spec: KeyPairSpec, rows: u64) -> Self {
        let mut group = Self::new(spec, 0);
        group.rows = rows;
        group
    }

    /// Number of output slots.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        let slots = self.rows.div_ceil(slot_rows(self.spec) as u64);
        usize::try_from(slots).unwrap_or(usize::MAX)
    }

    /// The rows of slot `slot`, counted within the group.
    #[must_use]
    pub fn slot_range(&self, slot: usize) -> Range<u64> {
        let rows = slot_rows(self.spec) as u64;
        let start = slot as u64 * rows;
        start..(start + rows).min(self.rows)
    }
}

fn column(manifest: &Manifest, name: &str, flag: &'static str) -> Result<usize, ManifestError> {
    manifest.column(name).ok_or_else(|| ManifestError::UnknownColumn {
        path: manifest.path().to_owned(),
        name: name.to_owned(),
        flag,
        columns: manifest.columns().to_vec(),
    })
}

/// Why no request can be made of what was given.
#[derive(Debug)]
pub enum RequestError {
    /// A count of zero.
    NoRows,
    /// Neither a spec for all rows nor a column with each row's own.
    NoSpec,
    /// Both a spec for all rows and a column with each row's own.
    TwoSpecs,
    /// The context template.
    Template(TemplateError),
    /// The manifest.
    Manifest(ManifestError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRows => f.write_str("the count is 0"),
            Self::NoSpec => write!(f, "no key pair spec, and no column {SPEC_COLUMN}"),
            Self::TwoSpecs => {
                write!(f, "a key pair spec is given, and the manifest has a column {SPEC_COLUMN}")
            }
            Self::Template(error) => error.fmt(f),
            Self::Manifest(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RequestError {}

impl From<TemplateError> for RequestError {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}

impl From<EncryptionContextError> for RequestError {
    fn from(error: EncryptionContextError) -> Self {
        Self::Template(error.into())
    }
}

impl From<ManifestError> for RequestError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}
