//! Aliases: names for keys, in one account and Region with them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::key::KmsKey;
use super::state::Change;
use super::{Keystore, text};
use crate::limits::ALIASES_PER_KEY_MAX;
use crate::spec::key_id::Scope;
use crate::spec::{AliasName, KeyArn, KeyId, Operation};

/// A name for a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    #[serde(with = "text")]
    name: AliasName,
    /// The key, whose scope is the alias's too.
    #[serde(with = "text")]
    target: KeyArn,
    #[serde(with = "text")]
    created: Timestamp,
    #[serde(with = "text")]
    updated: Timestamp,
}

impl Alias {
    pub(super) fn new(name: AliasName, target: KeyArn, now: Timestamp) -> Self {
        Self { name, target, created: now, updated: now }
    }

    /// The name, `alias/` included.
    #[must_use]
    pub fn name(&self) -> &AliasName {
        &self.name
    }

    /// Where the alias and its key live.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.target.scope
    }

    /// The key's ARN.
    #[must_use]
    pub fn target(&self) -> &KeyArn {
        &self.target
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// When it was last pointed to a key.
    #[must_use]
    pub fn updated(&self) -> Timestamp {
        self.updated
    }

    /// The entry, as `ListAliases` shows it.
    #[must_use]
    pub fn entry(&self) -> AliasEntry {
        AliasEntry {
            alias_arn: format!("{}:{}", self.scope(), self.name),
            alias_name: self.name.to_string(),
            creation_date: self.created,
            last_updated_date: self.updated,
            target_key_id: self.target.id.to_string(),
        }
    }
}

/// `AliasListEntry` of the KMS model, serialized with AWS's member names.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AliasEntry {
    /// The alias ARN.
    pub alias_arn: String,
    /// The alias name.
    pub alias_name: String,
    /// When the alias was made.
    #[serde(serialize_with = "text::serialize")]
    pub creation_date: Timestamp,
    /// When it was last pointed to a key.
    #[serde(serialize_with = "text::serialize")]
    pub last_updated_date: Timestamp,
    /// The id of its key.
    pub target_key_id: String,
}

impl Keystore {
    /// `CreateAlias`: names a key. The alias lies in the keystore's [scope](Self::scope).
    pub fn create_alias(&mut self, name: &AliasName, target: &KeyId) -> Result<(), Error> {
        if name.is_reserved() {
            return Err(Error::AliasReserved(name.clone()));
        }
        let key = self.alias_target(target)?;
        if self.state.alias(&self.scope, name).is_some() {
            return Err(Error::AliasExists(self.scope.clone(), name.clone()));
        }
        self.check_alias_limit(key)?;
        let alias = Alias::new(name.clone(), key.arn.clone(), self.now());
        self.commit(vec![Change::PutAlias(alias)])
    }

    /// `UpdateAlias`: points an alias to another key.
    pub fn update_alias(&mut self, name: &AliasName, target: &KeyId) -> Result<(), Error> {
        let old = self.find_alias(&self.scope, name)?;
        let key = self.alias_target(target)?;
        if old.target != key.arn {
            self.check_alias_limit(key)?;
        }
        let alias = Alias { target: key.arn.clone(), updated: self.now(), ..old.clone() };
        self.commit(vec![Change::PutAlias(alias)])
    }

    /// `DeleteAlias`: takes a name away. The key stays.
    pub fn delete_alias(&mut self, name: &AliasName) -> Result<(), Error> {
        self.find_alias(&self.scope, name)?;
        self.commit(vec![Change::RemoveAlias(self.scope.clone(), name.clone())])
    }

    /// `ListAliases`: the aliases of the keystore's [scope](Self::scope), by name.
    #[must_use]
    pub fn list_aliases(&self) -> Vec<AliasEntry> {
        let here = self.state.aliases().filter(|alias| *alias.scope() == self.scope);
        here.map(Alias::entry).collect()
    }

    /// `ListAliases` with a `KeyId`: the aliases of one key, by name.
    pub fn list_aliases_of(&self, key: &KeyId) -> Result<Vec<AliasEntry>, Error> {
        let key = self.resolve(key)?;
        Ok(self.state.aliases_of(&key.arn).map(Alias::entry).collect())
    }

    /// The alias of this name, if there is one in this scope.
    pub(super) fn find_alias(&self, scope: &Scope, name: &AliasName) -> Result<&Alias, Error> {
        let alias = self.state.alias(scope, name);
        alias.ok_or_else(|| Error::AliasNotFound(scope.clone(), name.clone()))
    }

    /// The key an alias may point to.
    fn alias_target(&self, target: &KeyId) -> Result<&KmsKey, Error> {
        if matches!(target, KeyId::Alias(_) | KeyId::AliasArn(..)) {
            return Err(Error::AliasToAlias);
        }
        let key = self.resolve(target)?;
        if key.arn.scope != self.scope {
            return Err(Error::AliasTargetElsewhere(key.arn.clone()));
        }
        key.check(Operation::CreateAlias)?;
        Ok(key)
    }

    fn check_alias_limit(&self, key: &KmsKey) -> Result<(), Error> {
        if self.state.aliases_of(&key.arn).count() < ALIASES_PER_KEY_MAX {
            Ok(())
        } else {
            Err(Error::AliasLimit(key.arn.clone()))
        }
    }
}
