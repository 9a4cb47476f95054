//! `PartDescription`: what one output file holds, and how that is said in its schema metadata.
//!
//! The metadata is all a reader needs: under which key and template the blobs were sealed, which
//! rows of which job these are, and where in the file every byte of them lies.
//!
//! | key | value |
//! |---|---|
//! | `KeyId` | key ARN |
//! | `KeyMaterialId` | 64 hex digits |
//! | `KeyPairSpec` | name as in the KMS service model |
//! | `EncryptionContextTemplate` | text with `{column}` fields |
//! | `JobId` | 64 hex digits |
//! | `Part` | `0 of 3` |
//! | `ManifestSha256` | 64 hex digits; absent without a manifest |
//! | `FirstRow`, `Rows` | `Index` of the first row; how many |
//! | `SlotRows`, `SlotBytes` | rows and bytes of every slot |
//! | `ColumnSlotBytes` | room for each manifest column in a slot, `1024,64`; absent without any |
//! | `FormatVersion` | `1` |
//! | `Generator` | `keymill 0.1.0` |
//! | `Repaired` | in a repaired file: how many rows the killed run was to make |

use core::fmt;
use core::ops::Range;

use crate::limits;
use crate::spec::{KeyArn, KeyPairSpec, MaterialId};

/// Version of the layout.
pub const FORMAT_VERSION: &str = "1";

/// What this program calls itself in its files.
pub const GENERATOR: &str = concat!("keymill ", env!("CARGO_PKG_VERSION"));

/// A column passed through from the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the manifest.
    pub name: String,
    /// Longest text of the column in any one slot: the sum over the slot's rows, in bytes.
    pub slot_bytes_max: usize,
}

/// What one output file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDescription {
    /// Kind of every key pair.
    pub spec: KeyPairSpec,
    /// The wrapping key.
    pub key_arn: KeyArn,
    /// Which of its materials sealed the blobs.
    pub material_id: MaterialId,
    /// How a row's encryption context is made from its columns.
    pub context_template: String,
    /// Digest of everything that makes this job this job.
    pub job_id: [u8; 32],
    /// Which part of the job, from 0.
    pub part: u32,
    /// How many parts the job has.
    pub parts: u32,
    /// `Index` of the first row.
    pub first_row: u64,
    /// How many rows.
    pub rows: u64,
    /// Rows of one slot; see [`slot_rows`](Self::slot_rows_for).
    pub slot_rows: usize,
    /// Digest of the manifest, if there is one.
    pub manifest_sha256: Option<[u8; 32]>,
    /// The manifest's columns in their order.
    pub columns: Vec<Column>,
    /// In a repaired file: how many rows the killed run was to make. `None` in all others.
    pub repaired: Option<u64>,
}

impl PartDescription {
    /// The `slot_rows` for a part of `rows` rows: no larger than a small part needs.
    #[must_use]
    pub fn slot_rows_for(spec: KeyPairSpec, rows: u64) -> usize {
        usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, limits::slot_rows(spec))
    }

    /// The rows by their `Index`.
    #[must_use]
    pub const fn row_range(&self) -> Range<u64> {
        self.first_row..self.first_row.saturating_add(self.rows)
    }

    /// The schema metadata.
    pub(super) fn to_metadata(&self, slot_bytes: u64) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("KeyId", self.key_arn.to_string()),
            ("KeyMaterialId", self.material_id.to_string()),
            ("KeyPairSpec", self.spec.to_string()),
            ("EncryptionContextTemplate", self.context_template.clone()),
            ("JobId", hex(&self.job_id)),
            ("Part", format!("{} of {}", self.part, self.parts)),
            ("FirstRow", self.first_row.to_string()),
            ("Rows", self.rows.to_string()),
            ("SlotRows", self.slot_rows.to_string()),
            ("SlotBytes", slot_bytes.to_string()),
            ("FormatVersion", FORMAT_VERSION.to_owned()),
            ("Generator", GENERATOR.to_owned()),
        ];
        if let Some(digest) = &self.manifest_sha256 {
            pairs.push(("ManifestSha256", hex(digest)));
        }
        if !self.columns.is_empty() {
            let room: Vec<_> =
                self.columns.iter().map(|column| column.slot_bytes_max.to_string()).collect();
            pairs.push(("ColumnSlotBytes", room.join(",")));
        }
        if let Some(rows) = self.repaired {
            pairs.push(("Repaired", rows.to_string()));
        }
        pairs
    }

    /// Reads a description back from schema metadata and the manifest columns' names.
    pub(super) fn from_metadata<'a>(
        get: impl Fn(&str) -> Option<&'a str>,
        names: &[&str],
    ) -> Result<Self, MetadataError> {
        let fields = Fields(get);
        if fields.text("FormatVersion")? != FORMAT_VERSION {
            return Err(MetadataError { key: "FormatVersion" });
        }
        let (part, parts) = fields.parse_with("Part", |text| {
            let (part, parts) = text.split_once(" of ")?;
            Some((part.parse().ok()?, parts.parse().ok()?))
        })?;
        Ok(Self {
            spec: fields.parse_with("KeyPairSpec", |text| text.parse().ok())?,
            key_arn: fields.parse_with("KeyId", |text| text.parse().ok())?,
            material_id: fields.parse_with("KeyMaterialId", |text| text.parse().ok())?,
            context_template: fields.text("EncryptionContextTemplate")?.to_owned(),
            job_id: fields.parse_with("JobId", digest)?,
            part,
            parts,
            first_row: fields.parse_with("FirstRow", |text| text.parse().ok())?,
            rows: fields.parse_with("Rows", |text| text.parse().ok())?,
            slot_rows: fields.parse_with("SlotRows", |text| text.parse().ok())?,
            manifest_sha256: fields.optional("ManifestSha256", digest)?,
            columns: fields.columns(names)?,
            repaired: fields.optional("Repaired", |text| text.parse().ok())?,
        })
    }

    /// The first point in which two descriptions differ: metadata key, our value, theirs.
    pub(super) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let names = |part: &Self| {
            let names: Vec<_> = part.columns.iter().map(|column| column.name.as_str()).collect();
            names.join(",")
        };
        let (own, theirs) = (self.to_metadata(0), other.to_metadata(0));
        let value = |pairs: &[(&'static str, String)], key| {
            pairs.iter().find(|pair| pair.0 == key).map_or_else(|| "none".into(), |p| p.1.clone())
        };
        let keys = own.iter().chain(&theirs).map(|pair| pair.0);
        keys.map(|key| (key, value(&own, key), value(&theirs, key)))
            .chain([("columns", names(self), names(other))])
            .find(|(_, own, theirs)| own != theirs)
    }
}

/// Schema metadata that lacks a value or has one that cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataError {
    /// The metadata key.
    pub key: &'static str,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the schema metadata has no valid {}", self.key)
    }
}

impl core::error::Error for MetadataError {}

/// Metadata as key to value.
struct Fields<G>(G);

impl<'a, G: Fn(&str) -> Option<&'a str>> Fields<G> {
    fn text(&self, key: &'static str) -> Result<&'a str, MetadataError> {
        (self.0)(key).ok_or(MetadataError { key })
    }

    fn parse_with<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, MetadataError> {
        parse(self.text(key)?).ok_or(MetadataError { key })
    }

    fn optional<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, MetadataError> {
        (self.0)(key).map(|text| parse(text).ok_or(MetadataError { key })).transpose()
    }

    fn columns(&self, names: &[&str]) -> Result<Vec<Column>, MetadataError> {
        const KEY: &str = "ColumnSlotBytes";
        let text = (self.0)(KEY).unwrap_or_default();
        let room: Vec<&str> = text.split(',').filter(|number| !number.is_empty()).collect();
        if room.len() != names.len() {
            return Err(MetadataError { key: KEY });
        }
        let columns = names.iter().zip(room).map(|(name, number)| {
            let slot_bytes_max = number.parse().ok()?;
            Some(Column { name: (*name).to_owned(), slot_bytes_max })
        });
        columns.collect::<Option<_>>().ok_or(MetadataError { key: KEY })
    }
}

/// Lower-case hex digits.
fn hex(bytes: &[u8; 32]) -> String {
    MaterialId(*bytes).to_string()
}

/// Thirty-two bytes from 64 hex digits.
fn digest(text: &str) -> Option<[u8; 32]> {
    text.parse::<MaterialId>().ok().map(|id| id.0)
}
