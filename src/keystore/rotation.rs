//! Rotation: new material seals from now on, and what older materials sealed still opens.
//!
//! A key can be rotated by hand, at most 25 times; one of the keystore's own material also by itself
//! every so many days.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::key::{KmsKey, Origin, SealedMaterial};
use super::lifecycle::random_material;
use super::multi_region::MultiRegionFault;
use super::{Keystore, text};
use crate::limits::ROTATIONS_PER_KEY_MAX;
use crate::spec::{KeyArn, KeyId, KeySpec, MaterialId, Operation};

/// Days between two rotations, if not said otherwise.
pub const ROTATION_PERIOD_DAYS_DEFAULT: u16 = 365;

/// What made a material the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationType {
    /// A period that had passed.
    #[serde(rename = "AUTOMATIC")]
    Automatic,
    /// `RotateKeyOnDemand`.
    #[serde(rename = "ON_DEMAND")]
    OnDemand,
}

/// When a key rotates by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Days from one rotation to the next.
    pub period_days: u16,
    /// The next one.
    #[serde(with = "text")]
    pub next: Timestamp,
}

impl Rotation {
    fn after(now: Timestamp, period_days: u16) -> Self {
        let period = SignedDuration::from_hours(24 * i64::from(period_days));
        Self { period_days, next: now.saturating_add(period).unwrap_or(Timestamp::MAX) }
    }
}

/// One of a key's materials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMaterial<'k> {
    /// Its place among them, from 0.
    pub place: usize,
    /// Its id.
    pub id: MaterialId,
    /// When it came.
    pub date: Timestamp,
    /// What made it the current one; none for the first.
    pub rotation: Option<RotationType>,
    /// Whether it is there: imported material may have been deleted or have expired.
    pub is_there: bool,
    /// When imported material expires.
    pub expires: Option<Timestamp>,
    /// What its owner says of imported material.
    pub description: Option<&'k str>,
}

impl KmsKey {
    /// When it rotates by itself, if it does.
    #[must_use]
    pub const fn rotation(&self) -> Option<Rotation> {
        self.rotation
    }

    /// Every material, oldest first.
    pub fn key_materials(&self) -> impl Iterator<Item = KeyMaterial<'_>> {
        self.materials.iter().enumerate().map(|(place, material)| KeyMaterial {
            // What an older version of the format does not say was done by hand.
            rotation: material.rotation.or_else(|| (place > 0).then_some(RotationType::OnDemand)),
            ..KeyMaterial::of(place, material)
        })
    }

    /// Imported material that the next rotation makes the current one.
    #[must_use]
    pub fn awaiting_material(&self) -> Option<KeyMaterial<'_>> {
        let material = self.awaiting.as_ref();
        material.map(|material| KeyMaterial::of(self.materials.len(), material))
    }

    /// Whether it is of a kind that rotates: a symmetric encryption key.
    pub fn check_rotates(&self) -> Result<(), Error> {
        match self.spec {
            KeySpec::SymmetricDefault => Ok(()),
            _ => Err(Error::RotationUnsupported),
        }
    }

    /// The date of its next rotation, if its state lets it rotate; replicas follow their primary.
    pub(super) fn rotates_next(&self) -> Option<Timestamp> {
        let rotation = self.rotation.filter(|_| !self.is_replica())?;
        self.check(Operation::RotateKeyOnDemand).is_ok().then_some(rotation.next)
    }

    fn rotations_on_demand(&self) -> usize {
        let by_hand = |material: &KeyMaterial| material.rotation == Some(RotationType::OnDemand);
        self.key_materials().filter(by_hand).count()
    }
}

impl<'k> KeyMaterial<'k> {
    fn of(place: usize, material: &'k SealedMaterial) -> Self {
        Self {
            place,
            id: material.id,
            date: material.created,
            rotation: material.rotation,
            is_there: material.sealed.is_some(),
            expires: material.expires,
            description: material.description.as_deref(),
        }
    }
}

impl Keystore {
    /// `EnableKeyRotation`: from now on the key rotates every `period_days`.
    pub fn enable_rotation(&mut self, id: &KeyId, period_days: u16) -> Result<(), Error> {
        let rotation = Rotation::after(self.now(), period_days);
        self.set_rotation(id, Operation::EnableKeyRotation, Some(rotation))
    }

    /// `DisableKeyRotation`.
    pub fn disable_rotation(&mut self, id: &KeyId) -> Result<(), Error> {
        self.set_rotation(id, Operation::DisableKeyRotation, None)
    }

    fn set_rotation(
        &mut self,
        id: &KeyId,
        operation: Operation,
        rotation: Option<Rotation>,
    ) -> Result<(), Error> {
        let key = self.resolve(id)?;
        key.check(operation)?;
        key.check_rotates()?;
        key.check_no_replica()?;
        let changes = self.state.change_related(&key.arn, |key| key.rotation = rotation);
        self.commit(changes)
    }

    /// `RotateKeyOnDemand`: to new material, or to what was imported for it. Returns its id.
    pub fn rotate(&mut self, id: &KeyId) -> Result<MaterialId, Error> {
        let key = self.resolve(id)?;
        key.check_rotates()?;
        if key.origin != Origin::AwsKms && key.awaiting.is_none() {
            return Err(Error::OriginUnsupported(key.arn.clone(), key.origin));
        }
        key.check(Operation::RotateKeyOnDemand)?;
        key.check_no_replica()?;
        if key.rotations_on_demand() >= ROTATIONS_PER_KEY_MAX {
            return Err(Error::RotationLimit(key.arn.clone()));
        }
        self.check_awaiting(key)?;
        self.rotate_now(&key.arn.clone(), RotationType::OnDemand)
    }

    /// Refuses to rotate to imported material that not all related keys have.
    fn check_awaiting(&self, key: &KmsKey) -> Result<(), Error> {
        let lacks = |key: &&KmsKey| key.awaiting.as_ref().is_some_and(|one| one.sealed.is_none());
        match self.state.related(&key.arn).find(lacks) {
            None => Ok(()),
            Some(key) => Err(MultiRegionFault::ReplicaLacksMaterial(key.arn.clone()).into()),
        }
    }

    /// Rotates every key whose time has come. One that was missed several times rotates once.
    pub(super) fn rotate_due(&mut self) -> Result<(), Error> {
        let now = self.now();
        let is_due = |key: &&KmsKey| key.rotates_next().is_some_and(|next| next <= now);
        let due: Vec<KeyArn> = self.keys().filter(is_due).map(|key| key.arn.clone()).collect();
        due.iter().try_for_each(|arn| self.rotate_now(arn, RotationType::Automatic).map(drop))
    }

    /// Rotates a key and all related ones: to what was imported for it, or to new material.
    fn rotate_now(&mut self, arn: &KeyArn, kind: RotationType) -> Result<MaterialId, Error> {
        let now = self.now();
        let fresh = self.new_material(arn, random_material()?)?;
        let mut id = fresh.id;
        let changes = self.state.change_related(arn, |key| {
            let next = key.awaiting.take().unwrap_or_else(|| fresh.clone());
            id = next.id;
            key.materials.push(SealedMaterial { created: now, rotation: Some(kind), ..next });
            if kind == RotationType::Automatic {
                key.rotation = key.rotation.map(|old| Rotation::after(now, old.period_days));
            }
        });
        self.commit(changes)?;
        Ok(id)
    }
}
