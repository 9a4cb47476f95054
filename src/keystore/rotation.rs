//! Rotation: new material seals from now on, and what older materials sealed still opens.
//!
//! A key of the keystore's own material can be rotated by hand, at most 25 times, and by itself
//! every so many days.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::key::{KeySpec, KmsKey, Origin};
use super::lifecycle::random_material;
use super::state::Change;
use super::{Keystore, text};
use crate::limits::ROTATIONS_PER_KEY_MAX;
use crate::spec::{KeyId, MaterialId, Operation};

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
pub struct KeyMaterial {
    /// Its place among them, from 0.
    pub place: usize,
    /// Its id.
    pub id: MaterialId,
    /// When it came.
    pub date: Timestamp,
    /// What made it the current one; none for the first.
    pub rotation: Option<RotationType>,
}

impl KmsKey {
    /// When it rotates by itself, if it does.
    #[must_use]
    pub const fn rotation(&self) -> Option<Rotation> {
        self.rotation
    }

    /// Every material, oldest first.
    pub fn key_materials(&self) -> impl Iterator<Item = KeyMaterial> {
        self.materials.iter().enumerate().map(|(place, material)| KeyMaterial {
            place,
            id: material.id,
            date: material.created,
            // What an older version of the format does not say was done by hand.
            rotation: material.rotation.or_else(|| (place > 0).then_some(RotationType::OnDemand)),
        })
    }

    /// Whether it is of a kind that rotates: a symmetric encryption key.
    pub fn check_rotates(&self) -> Result<(), Error> {
        match self.spec {
            KeySpec::SymmetricDefault => Ok(()),
        }
    }

    /// The date of its next rotation, if its state lets it rotate.
    pub(super) fn rotates_next(&self) -> Option<Timestamp> {
        let rotation = self.rotation?;
        self.check(Operation::RotateKeyOnDemand).is_ok().then_some(rotation.next)
    }

    fn rotations_on_demand(&self) -> usize {
        let by_hand = |material: &KeyMaterial| material.rotation == Some(RotationType::OnDemand);
        self.key_materials().filter(by_hand).count()
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
        let mut key = self.resolve(id)?.clone();
        key.check(operation)?;
        key.check_rotates()?;
        key.rotation = rotation;
        self.commit(vec![Change::PutKey(key)])
    }

    /// `RotateKeyOnDemand`. Returns the id of the new material.
    pub fn rotate(&mut self, id: &KeyId) -> Result<MaterialId, Error> {
        let key = self.resolve(id)?.clone();
        key.check_rotates()?;
        if key.origin != Origin::AwsKms {
            return Err(Error::OriginUnsupported(key.arn, key.origin));
        }
        key.check(Operation::RotateKeyOnDemand)?;
        if key.rotations_on_demand() >= ROTATIONS_PER_KEY_MAX {
            return Err(Error::RotationLimit(key.arn));
        }
        self.rotate_now(key, RotationType::OnDemand)
    }

    /// Rotates every key whose time has come. One that was missed several times rotates once.
    pub(super) fn rotate_due(&mut self) -> Result<(), Error> {
        let now = self.now();
        let is_due = |key: &&KmsKey| key.rotates_next().is_some_and(|next| next <= now);
        let due: Vec<KmsKey> = self.keys().filter(is_due).cloned().collect();
        for mut key in due {
            key.rotation = key.rotation.map(|rotation| Rotation::after(now, rotation.period_days));
            self.rotate_now(key, RotationType::Automatic)?;
        }
        Ok(())
    }

    fn rotate_now(&mut self, mut key: KmsKey, kind: RotationType) -> Result<MaterialId, Error> {
        let mut record = self.new_material(&key.arn, random_material()?)?;
        record.rotation = Some(kind);
        let id = record.id;
        key.materials.push(record);
        self.commit(vec![Change::PutKey(key)])?;
        Ok(id)
    }
}
