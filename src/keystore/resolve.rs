//! From a `KeyId` to a key, and from a key to material.

use super::error::{Damage, Error};
use super::key::KmsKey;
use super::material::Material;
use super::material::SealingKey;
use super::{Keystore, root::RootKey};
use crate::limits::KEY_ID_CHARS_MAX;
use crate::spec::key_id::{ParseKeyIdError, Scope};
use crate::spec::{AliasName, KeyArn, KeyId, MaterialId, ResourceId};

/// Parses a `KeyId`, with AWS's answer for one that is none.
pub fn parse_key_id(text: &str) -> Result<KeyId, Error> {
    text.parse().map_err(|error| match error {
        ParseKeyIdError::Length => Error::KeyIdLength { too_long: text.len() > KEY_ID_CHARS_MAX },
        _ => Error::KeyIdMalformed(text.to_owned()),
    })
}

/// Parses the name of an alias, with AWS's answer for one that is none.
pub fn parse_alias_name(text: &str) -> Result<AliasName, Error> {
    text.parse().map_err(|error| match error {
        ParseKeyIdError::AliasPrefix => Error::AliasPrefix,
        _ => Error::AliasNameInvalid(text.to_owned()),
    })
}

impl Keystore {
    /// Finds a key by any of the four forms of a `KeyId`, in any state.
    ///
    /// A key id or alias name is looked up in the keystore's [scope](Self::scope). An ARN may name
    /// another account, but no other Region: a keystore answers for one Region at a time, like an
    /// endpoint of the service.
    pub fn resolve(&self, id: &KeyId) -> Result<&KmsKey, Error> {
        match id {
            KeyId::Id(id) => self.find_key(&KeyArn { scope: self.scope.clone(), id: *id }),
            KeyId::KeyArn(arn) => {
                self.check_region(&arn.scope)?;
                self.find_key(arn)
            }
            KeyId::Alias(name) => self.find_key(self.find_alias(&self.scope, name)?.target()),
            KeyId::AliasArn(scope, name) => {
                self.check_region(scope)?;
                self.find_key(self.find_alias(scope, name)?.target())
            }
        }
    }

    /// The current material of a key that may wrap now.
    pub fn wrapping_key(&self, id: &KeyId) -> Result<Material, Error> {
        let key = self.resolve(id)?;
        key.check_usable()?;
        let current = key.current_material();
        self.open_material(key, current.ok_or_else(|| Error::PendingImport(key.arn.clone()))?)
    }

    /// The material a blob was sealed with, of a key that may unwrap now. The blob names the key by
    /// its id alone; the key is looked for in the keystore's [scope](Self::scope) first, then in
    /// every other.
    pub fn wrapping_key_by_material(
        &self,
        id: ResourceId,
        material: MaterialId,
    ) -> Result<Material, Error> {
        let here = KeyArn { scope: self.scope.clone(), id };
        let key = self.state.key(&here).or_else(|| self.state.keys_with_id(id).next());
        let key = key.ok_or(Error::KeyNotFound(here))?;
        key.check_usable()?;
        self.open_material(key, material)
    }

    /// The material a job began with, though the key may have been rotated since: a job that is
    /// resumed goes on with it, so that its file has one material throughout.
    pub fn material_for_resumed_job(
        &self,
        id: &KeyId,
        material: MaterialId,
    ) -> Result<Material, Error> {
        let key = self.resolve(id)?;
        key.check_usable()?;
        self.open_material(key, material)
    }

    fn open_material(&self, key: &KmsKey, id: MaterialId) -> Result<Material, Error> {
        let record = key.materials.iter().find(|material| material.id == id);
        let sealed = record.and_then(|record| record.sealed.as_deref());
        let sealed = sealed.ok_or_else(|| Error::MaterialNotFound(key.arn.clone(), id))?;
        let opened = self.sealing_key()?.open(&key.arn, id, sealed);
        opened.ok_or_else(|| self.file.damaged(Damage::Material(key.arn.clone())))
    }

    /// The key that seals materials. The root key is fetched when it is first needed, so that
    /// listing keys asks for no passphrase.
    pub(super) fn sealing_key(&self) -> Result<&SealingKey, Error> {
        if let Some(key) = self.opener.sealing.get() {
            return Ok(key);
        }
        let header = &self.header;
        let root = RootKey::unlock(
            &self.opener.home,
            &self.opener.unlock,
            &header.root,
            &header.store_id,
            &header.check,
        )?;
        Ok(self.opener.sealing.get_or_init(|| SealingKey::derive(&root, &header.store_id)))
    }

    pub(super) fn find_key(&self, arn: &KeyArn) -> Result<&KmsKey, Error> {
        self.state.key(arn).ok_or_else(|| Error::KeyNotFound(arn.clone()))
    }

    fn check_region(&self, scope: &Scope) -> Result<(), Error> {
        if scope.region == self.scope.region && scope.partition == self.scope.partition {
            Ok(())
        } else {
            Err(Error::ArnElsewhere(scope.region.clone()))
        }
    }
}
