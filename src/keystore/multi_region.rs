//! Multi-Region keys: a primary, and replicas of it in other Regions of its account.
//!
//! Related keys have one id and the same materials, so that each opens what another sealed: seals at
//! rest and ciphertext blobs name a multi-Region key without its Region. Origin, materials and
//! rotation are shared, and change with the primary. All else is each one's own: state, policy,
//! aliases, grants, tags, description, and whether imported material is there.
//!
//! At the service a key is `Creating` or `Updating` for a moment; here nobody sees that moment.

use core::fmt;
use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Serialize;

use super::Keystore;
use super::error::Error;
use super::key::{Deletion, KeyState, KmsKey, Origin, SealedMaterial};
use super::key_policy::check_policy;
use super::lifecycle::check_description;
use super::state::{Change, State};
use super::tags::check_tags;
use crate::spec::key_id::Scope;
use crate::spec::{KeyArn, KeyId, Operation, Region};

/// What `ReplicateKey` is told.
#[derive(Clone, Debug)]
pub struct ReplicateKey {
    /// Where the replica is to live.
    pub region: Region,
    /// Its description.
    pub description: String,
    /// Its policy, as JSON; the default policy if none.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

/// Why a multi-Region key cannot be replicated, or moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiRegionFault {
    /// It is a replica, or no multi-Region key.
    NotPrimary(KeyArn),
    /// There is one already.
    ReplicaExists(KeyArn),
    /// The Region lies in another partition, or is the one where the primary is.
    Region(KeyArn, Region),
    /// A replica lacks the material that the primary is to rotate to.
    ReplicaLacksMaterial(KeyArn),
}

impl MultiRegionFault {
    /// The name of the AWS exception.
    #[must_use]
    pub const fn aws_name(&self) -> &'static str {
        match self {
            Self::NotPrimary(_) | Self::Region(..) => "UnsupportedOperationException",
            Self::ReplicaExists(_) => "AlreadyExistsException",
            Self::ReplicaLacksMaterial(_) => "KMSInvalidStateException",
        }
    }
}

impl fmt::Display for MultiRegionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPrimary(arn) => write!(f, "{arn} is not a multi-region primary key."),
            // The service's other texts are not known: see `kms::guesses`.
            Self::ReplicaExists(arn) => write!(f, "{arn} already exists."),
            Self::Region(arn, region) => {
                write!(f, "Region {region} is not valid for this operation on {arn}.")
            }
            Self::ReplicaLacksMaterial(arn) => {
                write!(f, "The new key material has not been imported into {arn}.")
            }
        }
    }
}

/// `MultiRegionConfiguration` of the KMS model, serialized with AWS's member names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MultiRegionConfiguration {
    /// `PRIMARY` or `REPLICA`.
    pub multi_region_key_type: &'static str,
    /// The primary.
    pub primary_key: MultiRegionKey,
    /// Its replicas, by Region.
    pub replica_keys: Vec<MultiRegionKey>,
}

/// `MultiRegionKey` of the KMS model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MultiRegionKey {
    /// The key ARN.
    pub arn: String,
    /// The Region.
    pub region: String,
}

impl MultiRegionKey {
    fn of(arn: &KeyArn) -> Self {
        Self { arn: arn.to_string(), region: arn.scope.region.to_string() }
    }
}

impl MultiRegionConfiguration {
    /// That of `key`; none if it is no multi-Region key.
    pub(super) fn of<'k>(key: &KmsKey, related: impl Iterator<Item = &'k KmsKey>) -> Option<Self> {
        let multi_region_key_type = key.multi_region_key_type()?;
        let replicas = related.filter(|other| other.is_replica());
        let replicas: BTreeMap<_, _> =
            replicas.map(|key| (&key.arn.scope.region, MultiRegionKey::of(&key.arn))).collect();
        Some(Self {
            multi_region_key_type,
            primary_key: MultiRegionKey::of(&key.primary_arn()),
            replica_keys: replicas.into_values().collect(),
        })
    }
}

impl KmsKey {
    /// Whether it is a replica of a key in another Region.
    #[must_use]
    pub const fn is_replica(&self) -> bool {
        self.primary_region.is_some()
    }

    /// `PRIMARY` or `REPLICA`; none if it is no multi-Region key.
    #[must_use]
    pub fn multi_region_key_type(&self) -> Option<&'static str> {
        let kind = if self.is_replica() { "REPLICA" } else { "PRIMARY" };
        self.arn.id.multi_region.then_some(kind)
    }

    /// Whether it and the key of this ARN are one multi-Region key.
    pub(super) fn is_related_to(&self, arn: &KeyArn) -> bool {
        let Scope { partition, account, .. } = &self.arn.scope;
        self.arn.id == arn.id
            && self.arn.id.multi_region
            && (*partition, *account) == (arn.scope.partition, arn.scope.account)
    }

    /// Its primary, which may be itself.
    pub(super) fn primary_arn(&self) -> KeyArn {
        self.arn_in(self.primary_region.as_ref().unwrap_or(&self.arn.scope.region))
    }

    fn arn_in(&self, region: &Region) -> KeyArn {
        let scope = Scope { region: region.clone(), ..self.arn.scope.clone() };
        KeyArn { scope, id: self.arn.id }
    }

    /// Refuses a replica, whose shared properties follow its primary.
    pub(super) fn check_no_replica(&self) -> Result<(), Error> {
        if self.is_replica() { Err(self.no_primary()) } else { Ok(()) }
    }

    fn check_primary(&self) -> Result<(), Error> {
        if self.arn.id.multi_region { self.check_no_replica() } else { Err(self.no_primary()) }
    }

    fn no_primary(&self) -> Error {
        MultiRegionFault::NotPrimary(self.arn.clone()).into()
    }
}

impl State {
    /// The key of this ARN, and all that are one multi-Region key with it.
    pub(super) fn related(&self, arn: &KeyArn) -> impl Iterator<Item = &KmsKey> {
        self.keys_with_id(arn.id).filter(move |key| key.arn == *arn || key.is_related_to(arn))
    }

    /// What changes a property that is shared by all related keys.
    pub(super) fn change_related(
        &self,
        arn: &KeyArn,
        mut change: impl FnMut(&mut KmsKey),
    ) -> Vec<Change> {
        let changed = self.related(arn).cloned().map(|mut key| {
            change(&mut key);
            Change::PutKey(key)
        });
        changed.collect()
    }

    /// Whether the primary of a replica is there.
    pub(super) fn has_primary_of(&self, key: &KmsKey) -> bool {
        self.key(&key.primary_arn()).is_some_and(|primary| !primary.is_replica())
    }
}

impl Keystore {
    /// The primary of `key` and its replicas; none if it is no multi-Region key.
    #[must_use]
    pub fn multi_region(&self, key: &KmsKey) -> Option<MultiRegionConfiguration> {
        key.arn.id.multi_region.then_some(())?;
        MultiRegionConfiguration::of(key, self.state.related(&key.arn))
    }

    /// `ReplicateKey`: makes a replica of a primary in another Region of its partition. One of a key
    /// with imported material waits for the same material.
    pub fn replicate(&mut self, id: &KeyId, wanted: &ReplicateKey) -> Result<KmsKey, Error> {
        check_description(&wanted.description)?;
        wanted.policy.as_deref().map(check_policy).transpose()?;
        let tags = check_tags(wanted.tags.clone())?;
        let primary = self.resolve(id)?;
        primary.check_primary()?;
        primary.check(Operation::ReplicateKey)?;
        let arn = primary.arn_in(&wanted.region);
        if wanted.region.partition() != arn.scope.partition {
            let (arn, region) = (primary.arn.clone(), wanted.region.clone());
            return Err(MultiRegionFault::Region(arn, region).into());
        }
        if self.state.key(&arn).is_some() {
            return Err(MultiRegionFault::ReplicaExists(arn).into());
        }
        let mut replica = KmsKey {
            arn,
            description: wanted.description.clone(),
            created: self.now(),
            policy: wanted.policy.clone(),
            tags,
            primary_region: Some(primary.arn.scope.region.clone()),
            ..primary.clone()
        };
        if replica.origin == Origin::External {
            replica.state = KeyState::PendingImport;
            let materials = replica.materials.iter_mut().chain(&mut replica.awaiting);
            materials.for_each(SealedMaterial::forget);
        }
        self.commit(vec![Change::PutKey(replica.clone())])?;
        Ok(replica)
    }

    /// `UpdatePrimaryRegion`: makes the replica in `region` the primary, and the primary a replica.
    pub fn update_primary_region(&mut self, id: &KeyId, region: &Region) -> Result<(), Error> {
        let primary = self.resolve(id)?;
        primary.check_primary()?;
        primary.check(Operation::UpdatePrimaryRegion)?;
        if primary.arn.scope.region == *region {
            return Err(MultiRegionFault::Region(primary.arn.clone(), region.clone()).into());
        }
        let next = primary.arn_in(region);
        let replica = self.state.key(&next).ok_or_else(|| Error::KeyNotFound(next.clone()))?;
        replica.check(Operation::UpdatePrimaryRegion)?;
        let changes = self.state.change_related(&next, |key| {
            let is_primary = key.arn.scope.region == *region;
            key.primary_region = (!is_primary).then(|| region.clone());
        });
        self.commit(changes)
    }

    /// Lets the waiting period of every primary begin that waited for its last replica to be gone.
    pub(super) fn begin_deletions(&mut self) -> Result<(), Error> {
        let now = self.now();
        let waits = |key: &&KmsKey| key.state == KeyState::PendingReplicaDeletion;
        let is_alone = |key: &&KmsKey| self.state.related(&key.arn).count() == 1;
        let due = self.keys().filter(waits).filter(is_alone).cloned().map(|mut key| {
            key.state = KeyState::PendingDeletion;
            key.deletion = key.deletion.map(|deletion| {
                let window = SignedDuration::from_hours(24 * i64::from(deletion.window_days));
                Deletion { date: now.saturating_add(window).ok(), ..deletion }
            });
            Change::PutKey(key)
        });
        let due = due.collect();
        self.commit(due)
    }
}

impl From<MultiRegionFault> for Error {
    fn from(fault: MultiRegionFault) -> Self {
        Self::MultiRegion(fault)
    }
}
