//! The life of a key: created, put aside, scheduled for deletion.
//!
//! What each operation answers in each state follows the table "Key states of AWS KMS keys" of the
//! KMS developer guide. Every operation takes a `KeyId` in any form; the service takes no alias
//! for these, which is for the door that speaks its protocol to enforce.

use jiff::{SignedDuration, Timestamp};

use super::error::Error;
use super::key::{Deletion, KeyMetadata, KeyState, KmsKey, Origin, SealedMaterial};
use super::key_policy::check_policy;
use super::key_secret::NewKey;
use super::material::Material;
use super::root::{fill_random, random};
use super::state::Change;
use super::tags::check_tags;
use super::{Keystore, ScopeOptions};
use crate::limits::DESCRIPTION_CHARS_MAX;
use crate::secret::Secret;
use crate::spec::{KeyArn, KeyId, KeySpec, KeyUsage, Operation, ResourceId};

/// Days a key waits for its deletion, if not said otherwise.
pub const DELETION_WINDOW_DAYS_DEFAULT: u16 = 30;

const DELETION_WINDOW_DAYS_MIN: u16 = 7;
const DELETION_WINDOW_DAYS_MAX: u16 = 30;

/// What `CreateKey` may be told.
#[derive(Clone, Debug, Default)]
pub struct CreateKey {
    /// Free text, up to 8192 characters.
    pub description: String,
    /// Whether the keystore makes the material or waits for it.
    pub origin: Origin,
    /// Whether it can have replicas in other Regions.
    pub multi_region: bool,
    /// Where the key lives, if not in the keystore's scope.
    pub scope: ScopeOptions,
    /// Its policy, as JSON; the default policy if none.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

impl Keystore {
    /// `CreateKey`: a symmetric key with a random id, enabled, or waiting for import if of origin
    /// `EXTERNAL`.
    pub fn create_key(&mut self, options: &CreateKey) -> Result<KeyMetadata, Error> {
        self.create_key_of(options, &NewKey::Symmetric, KeyUsage::EncryptDecrypt)
    }

    /// As [`create_key`](Self::create_key), for a key of any kind. Those that are not symmetric are
    /// of the keystore's own making.
    ///
    /// # Panics
    ///
    /// If a key of this spec cannot be for `usage`, or one that is not symmetric is to be imported.
    pub fn create_key_of(
        &mut self,
        options: &CreateKey,
        new: &NewKey,
        usage: KeyUsage,
    ) -> Result<KeyMetadata, Error> {
        let is_symmetric = new.spec() == KeySpec::SymmetricDefault;
        assert!(new.spec().usages().contains(&usage), "a usage of the spec");
        assert!(is_symmetric || options.origin == Origin::AwsKms, "a key of our own making");
        check_description(&options.description)?;
        options.policy.as_deref().map(check_policy).transpose()?;
        let scope = options.scope.resolve(&self.scope)?;
        let arn = KeyArn { scope, id: random_id(options.multi_region)? };
        let mut key = KmsKey {
            arn,
            description: options.description.clone(),
            created: self.now(),
            state: KeyState::PendingImport,
            origin: options.origin,
            spec: new.spec(),
            usage,
            deletion: None,
            policy: options.policy.clone(),
            tags: check_tags(options.tags.clone())?,
            rotation: None,
            materials: Vec::new(),
            awaiting: None,
            primary_region: None,
            secret: None,
        };
        if !is_symmetric {
            key.seal_secret(new, self.sealing_key()?)?;
            key.state = KeyState::Enabled;
        } else if key.origin == Origin::AwsKms {
            key.materials.push(self.new_material(&key.arn, random_material()?)?);
            key.state = KeyState::Enabled;
        }
        let arn = key.arn.clone();
        self.commit(vec![Change::PutKey(key)])?;
        self.find_key(&arn).map(|key| self.metadata(key))
    }

    /// `DescribeKey`: works in every state.
    pub fn describe(&self, id: &KeyId) -> Result<KeyMetadata, Error> {
        self.resolve(id).map(|key| self.metadata(key))
    }

    /// The metadata of `key`, which is one of this keystore.
    #[must_use]
    pub fn metadata(&self, key: &KmsKey) -> KeyMetadata {
        key.metadata(self.multi_region(key))
    }

    /// The keys of the keystore's [scope](Self::scope), oldest first.
    #[must_use]
    pub fn list_keys(&self) -> Vec<&KmsKey> {
        let mut keys: Vec<_> = self.keys().filter(|key| key.arn.scope == self.scope).collect();
        keys.sort_by_key(|key| (key.created, key.arn.id));
        keys
    }

    /// The keys of every scope, by id.
    pub fn keys(&self) -> impl Iterator<Item = &KmsKey> {
        self.state.keys()
    }

    /// `UpdateKeyDescription`.
    pub fn update_description(&mut self, id: &KeyId, text: &str) -> Result<(), Error> {
        check_description(text)?;
        let mut key = self.resolve(id)?.clone();
        key.check(Operation::UpdateKeyDescription)?;
        text.clone_into(&mut key.description);
        self.commit(vec![Change::PutKey(key)])
    }

    /// `EnableKey`.
    pub fn enable(&mut self, id: &KeyId) -> Result<(), Error> {
        self.switch(id, Operation::EnableKey, KeyState::Enabled)
    }

    /// `DisableKey`: nothing is wrapped or unwrapped until the key is enabled again.
    pub fn disable(&mut self, id: &KeyId) -> Result<(), Error> {
        self.switch(id, Operation::DisableKey, KeyState::Disabled)
    }

    /// `ScheduleKeyDeletion`: the key is of no use from now on, and purged with its material and
    /// aliases when the keystore is first opened after the returned date. A primary waits for its
    /// replicas to be gone first; when that will be is not known.
    pub fn schedule_deletion(
        &mut self,
        id: &KeyId,
        window_days: u16,
    ) -> Result<Option<Timestamp>, Error> {
        if !(DELETION_WINDOW_DAYS_MIN..=DELETION_WINDOW_DAYS_MAX).contains(&window_days) {
            return Err(Error::DeletionWindow(window_days));
        }
        let mut key = self.resolve(id)?.clone();
        key.check(Operation::ScheduleKeyDeletion)?;
        let window = SignedDuration::from_hours(24 * i64::from(window_days));
        let has_replicas = !key.is_replica() && self.state.related(&key.arn).count() > 1;
        let (state, date) = if has_replicas {
            (KeyState::PendingReplicaDeletion, None)
        } else {
            (KeyState::PendingDeletion, self.now().saturating_add(window).ok())
        };
        key.state = state;
        key.deletion = Some(Deletion { date, window_days });
        self.commit(vec![Change::PutKey(key)])?;
        Ok(date)
    }

    /// `CancelKeyDeletion`: the key is disabled afterwards, or waits for import again if it lacks
    /// material.
    pub fn cancel_deletion(&mut self, id: &KeyId) -> Result<(), Error> {
        let mut key = self.resolve(id)?.clone();
        key.check(Operation::CancelKeyDeletion)?;
        key.deletion = None;
        key.state =
            if key.has_all_materials() { KeyState::Disabled } else { KeyState::PendingImport };
        self.commit(vec![Change::PutKey(key)])
    }

    fn switch(&mut self, id: &KeyId, operation: Operation, state: KeyState) -> Result<(), Error> {
        let mut key = self.resolve(id)?.clone();
        key.check(operation)?;
        key.state = state;
        self.commit(vec![Change::PutKey(key)])
    }

    pub(super) fn new_material(
        &self,
        arn: &KeyArn,
        material: Secret<[u8; 32]>,
    ) -> Result<SealedMaterial, Error> {
        let material = Material::new(arn.clone(), material);
        let sealed = self.sealing_key()?.seal(&material)?;
        Ok(SealedMaterial {
            id: material.material_id,
            created: self.now(),
            rotation: None,
            sealed: Some(sealed),
            expires: None,
            description: None,
        })
    }
}

pub(super) fn check_description(text: &str) -> Result<(), Error> {
    if text.chars().count() <= DESCRIPTION_CHARS_MAX {
        Ok(())
    } else {
        Err(Error::DescriptionLength)
    }
}

pub(super) fn random_material() -> Result<Secret<[u8; 32]>, Error> {
    let mut material = Secret::new([0; 32]);
    fill_random(material.expose_mut())?;
    Ok(material)
}

/// A random UUID (RFC 9562, version 4), which a multi-Region key has in another form.
fn random_id(multi_region: bool) -> Result<ResourceId, Error> {
    let bytes = uuid::Builder::from_random_bytes(random()?).into_uuid().into_bytes();
    Ok(ResourceId { bytes, multi_region })
}
