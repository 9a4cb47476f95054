//! A KMS key: its record at rest, its states, and its metadata as `DescribeKey` shows it.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::algorithm_names::AlgorithmNames;
use super::import::ExpirationModel;
use super::key_secret::SealedSecret;
use super::multi_region::MultiRegionConfiguration;
use super::policy::Policy;
use super::rotation::{Rotation, RotationType};
use super::text;
use crate::spec::{Algorithms, KeyArn, KeySpec, KeyUsage, MaterialId, Region, UnknownName};

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    /// In use.
    Enabled,
    /// Put aside; can be enabled again.
    Disabled,
    /// Will be purged at its deletion date, unless the deletion is cancelled.
    PendingDeletion,
    /// Made without material, or its material deleted or expired; waiting for it.
    PendingImport,
    /// A primary key that will be scheduled for deletion when its last replica is gone.
    PendingReplicaDeletion,
    /// Its material cannot be reached now.
    Unavailable,
    /// Still being made.
    Creating,
    /// Its primary Region is being changed.
    Updating,
}

impl fmt::Display for KeyState {
    /// The words of the service's texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::PendingDeletion | Self::PendingReplicaDeletion => "pending deletion",
            Self::PendingImport => "pending import",
            Self::Unavailable => "unavailable",
            Self::Creating => "creating",
            Self::Updating => "updating",
        })
    }
}

/// Where a key's material comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Made by this keystore.
    #[default]
    #[serde(rename = "AWS_KMS")]
    AwsKms,
    /// Imported.
    #[serde(rename = "EXTERNAL")]
    External,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AwsKms => "AWS_KMS",
            Self::External => "EXTERNAL",
        })
    }
}

impl FromStr for Origin {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "AWS_KMS" => Ok(Self::AwsKms),
            "EXTERNAL" => Ok(Self::External),
            _ => Err(UnknownName),
        }
    }
}

/// One material of a key, sealed under the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedMaterial {
    #[serde(with = "text")]
    pub(super) id: MaterialId,
    #[serde(with = "text")]
    pub(super) created: Timestamp,
    /// What made it the current one; absent for a key's first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) rotation: Option<RotationType>,
    /// Nonce, ciphertext and tag; see [`super::material`]. Absent of imported material that was
    /// deleted or has expired.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) sealed: Option<String>,
    /// When imported material goes by itself.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "text::option")]
    pub(super) expires: Option<Timestamp>,
    /// What its owner says of imported material.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) description: Option<String>,
}

/// When a scheduled deletion takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    /// Absent while a primary waits for its last replica to be gone.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "text::option")]
    pub(super) date: Option<Timestamp>,
    pub(super) window_days: u16,
}

/// A KMS key as it is kept: everything but the material itself, which is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KmsKey {
    #[serde(with = "text")]
    pub(super) arn: KeyArn,
    pub(super) description: String,
    #[serde(with = "text")]
    pub(super) created: Timestamp,
    pub(super) state: KeyState,
    pub(super) origin: Origin,
    #[serde(with = "text")]
    pub(super) spec: KeySpec,
    #[serde(with = "text")]
    pub(super) usage: KeyUsage,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) deletion: Option<Deletion>,
    /// The document as it was put; the default policy if absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) policy: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) rotation: Option<Rotation>,
    /// Of a symmetric key. Oldest first; the last one is current.
    pub(super) materials: Vec<SealedMaterial>,
    /// Imported material that the next rotation makes the current one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) awaiting: Option<SealedMaterial>,
    /// Where its primary is, if it is a replica.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "text::option")]
    pub(super) primary_region: Option<Region>,
    /// Of a key of any other kind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) secret: Option<SealedSecret>,
}

impl KmsKey {
    /// The key's ARN.
    #[must_use]
    pub fn arn(&self) -> &KeyArn {
        &self.arn
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> KeyState {
        self.state
    }

    /// Its origin.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What kind of key it is.
    #[must_use]
    pub fn spec(&self) -> KeySpec {
        self.spec
    }

    /// What it is for.
    #[must_use]
    pub fn usage(&self) -> KeyUsage {
        self.usage
    }

    /// What can be done with it.
    #[must_use]
    pub fn algorithms(&self) -> Algorithms {
        Algorithms::of(self.spec, self.usage)
    }

    /// Its description, up to 8192 characters; may be empty.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// When it will be purged, in state `PendingDeletion`.
    #[must_use]
    pub fn deletion_date(&self) -> Option<Timestamp> {
        self.deletion?.date
    }

    /// How long it will wait for its deletion once its last replica is gone, in days, in state
    /// `PendingReplicaDeletion`.
    #[must_use]
    pub fn pending_window_days(&self) -> Option<u16> {
        let waits = self.state == KeyState::PendingReplicaDeletion;
        self.deletion.filter(|_| waits).map(|deletion| deletion.window_days)
    }

    /// The material that seals; none before the first import. While the key waits for import, it may
    /// be the one that is waited for.
    #[must_use]
    pub fn current_material(&self) -> Option<MaterialId> {
        self.materials.last().map(|material| material.id)
    }

    /// Every material with the date it came, oldest first; the last one is current.
    #[must_use]
    pub fn materials(&self) -> impl ExactSizeIterator<Item = (MaterialId, Timestamp)> {
        self.materials.iter().map(|material| (material.id, material.created))
    }

    /// The metadata, as `DescribeKey` shows it, with what the key alone does not know.
    #[must_use]
    pub(super) fn metadata(&self, multi_region: Option<MultiRegionConfiguration>) -> KeyMetadata {
        KeyMetadata {
            account: self.arn.scope.account.to_string(),
            arn: self.arn.to_string(),
            creation_date: self.created,
            current_key_material_id: self.current_material(),
            customer_master_key_spec: self.spec.in_older_enum(),
            deletion_date: self.deletion_date(),
            description: self.description.clone(),
            enabled: self.state == KeyState::Enabled,
            algorithms: self.algorithms().into(),
            expiration_model: self.expiration_model(),
            key_id: self.arn.id.to_string(),
            key_manager: "CUSTOMER",
            key_spec: self.spec,
            key_state: self.state,
            key_usage: self.usage,
            multi_region: self.arn.id.multi_region,
            multi_region_configuration: multi_region,
            origin: self.origin,
            pending_deletion_window_in_days: self.pending_window_days(),
            valid_to: self.valid_to(),
        }
    }

    /// Whether the parts of a record read from disk agree with each other.
    pub(super) fn is_consistent(&self) -> bool {
        if !self.has_secret_of_its_kind() {
            return false;
        }
        let is_deletion_right = match self.state {
            KeyState::PendingDeletion => self.deletion_date().is_some(),
            KeyState::PendingReplicaDeletion => {
                self.deletion.is_some_and(|deletion| deletion.date.is_none())
            }
            _ => self.deletion.is_none(),
        };
        let primary = self.primary_region.as_ref();
        let is_elsewhere =
            |region: &Region| self.arn.id.multi_region && *region != self.arn.scope.region;
        let is_policy = |text: &String| Policy::of_key(text).is_ok();
        let imported = self.origin == Origin::External;
        let has_what_it_needs = match self.state {
            KeyState::PendingImport => imported && !self.has_all_materials(),
            KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => {
                imported || self.has_all_materials()
            }
            _ => self.has_all_materials(),
        };
        is_deletion_right
            && primary.is_none_or(is_elsewhere)
            && has_what_it_needs
            && (imported || self.awaiting.is_none())
            && self.policy.as_ref().is_none_or(is_policy)
    }

    /// Whether what it is, what it is for and what it has go together.
    fn has_secret_of_its_kind(&self) -> bool {
        let is_symmetric = self.spec == KeySpec::SymmetricDefault;
        self.spec.usages().contains(&self.usage)
            && is_symmetric == self.secret.is_none()
            && (is_symmetric || self.materials.is_empty())
    }
}

/// `KeyMetadata` of the KMS model. Serialized with AWS's member names, dates as ISO 8601 text,
/// as the AWS command line prints them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyMetadata {
    /// The owning account.
    #[serde(rename = "AWSAccountId")]
    pub account: String,
    /// The key ARN.
    pub arn: String,
    /// When the key was made.
    #[serde(serialize_with = "text::serialize")]
    pub creation_date: Timestamp,
    /// The material that seals.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::option::serialize")]
    pub current_key_material_id: Option<MaterialId>,
    /// The old name of `KeySpec`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::option::serialize")]
    pub customer_master_key_spec: Option<KeySpec>,
    /// When the key will be purged.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::option::serialize")]
    pub deletion_date: Option<Timestamp>,
    /// Free text.
    pub description: String,
    /// Whether the state is `Enabled`.
    pub enabled: bool,
    /// What can be done with it.
    #[serde(flatten)]
    pub algorithms: AlgorithmNames,
    /// Set for imported material.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_model: Option<ExpirationModel>,
    /// The key id.
    pub key_id: String,
    /// Always `CUSTOMER`.
    pub key_manager: &'static str,
    /// What kind of key it is.
    #[serde(serialize_with = "text::serialize")]
    pub key_spec: KeySpec,
    /// Where the key is in its life.
    pub key_state: KeyState,
    /// What the key is for.
    #[serde(serialize_with = "text::serialize")]
    pub key_usage: KeyUsage,
    /// Whether it is a multi-Region key.
    pub multi_region: bool,
    /// Of a multi-Region key, its primary and replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_region_configuration: Option<MultiRegionConfiguration>,
    /// Where its material comes from.
    pub origin: Origin,
    /// The pending window of a primary whose replicas are to be deleted first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_deletion_window_in_days: Option<u16>,
    /// When the first of its imported materials expires.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::option::serialize")]
    pub valid_to: Option<Timestamp>,
}

#[cfg(test)]
impl KmsKey {
    /// A key without material in some state.
    pub(super) fn sample(state: KeyState, origin: Origin) -> Self {
        let arn = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";
        Self {
            arn: arn.parse().unwrap(),
            description: String::new(),
            created: Timestamp::UNIX_EPOCH,
            state,
            origin,
            spec: KeySpec::default(),
            usage: KeyUsage::EncryptDecrypt,
            deletion: None,
            policy: None,
            tags: BTreeMap::new(),
            rotation: None,
            materials: Vec::new(),
            awaiting: None,
            primary_region: None,
            secret: None,
        }
    }
}
