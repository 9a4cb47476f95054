//! All keys, aliases, principals, grants and pools in memory, and the changes that lead from one
//! state to the next.
//!
//! A keystore is small and opened by one process, so it is read whole. An operation looks at the
//! state, works out its changes, and these go to the file first and into the state second: an
//! operation that fails has changed neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::alias::Alias;
use super::grant::{Grant, GrantId, Grants};
use super::key::KmsKey;
use super::ledger::PoolLedger;
use super::principal::Principal;
use crate::spec::key_id::Scope;
use crate::spec::{AliasName, KeyArn, PoolId, ResourceId};

/// One change to a row.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an operation makes a handful of them at most")]
pub(super) enum Change {
    PutKey(KmsKey),
    RemoveKey(KeyArn),
    PutAlias(Alias),
    RemoveAlias(Scope, AliasName),
    PutPrincipal(Principal),
    RemovePrincipal(Principal),
    PutGrant(Arc<Grant>),
    RemoveGrant(KeyArn, GrantId),
    PutPool(PoolLedger),
}

/// Every key, alias, principal, grant and pool.
#[derive(Debug, Default)]
pub(super) struct State {
    keys: BTreeMap<(ResourceId, Scope), KmsKey>,
    aliases: BTreeMap<(Scope, AliasName), Alias>,
    principals: BTreeMap<String, Principal>,
    /// By key; shared with the snapshots of an endpoint.
    grants: BTreeMap<(ResourceId, Scope), Arc<Grants>>,
    no_grants: Arc<Grants>,
    pools: BTreeMap<PoolId, PoolLedger>,
}

impl State {
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::PutKey(key) => {
                self.keys.insert((key.arn.id, key.arn.scope.clone()), key);
            }
            Change::RemoveKey(arn) => {
                self.keys.remove(&(arn.id, arn.scope));
            }
            Change::PutAlias(alias) => {
                self.aliases.insert((alias.scope().clone(), alias.name().clone()), alias);
            }
            Change::RemoveAlias(scope, name) => {
                self.aliases.remove(&(scope, name));
            }
            Change::PutPrincipal(principal) => {
                self.principals.insert(principal.access_key_id.clone(), principal);
            }
            Change::RemovePrincipal(principal) => {
                self.principals.remove(&principal.access_key_id);
            }
            Change::PutGrant(grant) => {
                let name = (grant.key.id, grant.key.scope.clone());
                Arc::make_mut(self.grants.entry(name).or_default()).put(grant);
            }
            Change::RemoveGrant(key, id) => {
                let name = (key.id, key.scope);
                if let Some(grants) = self.grants.get_mut(&name) {
                    Arc::make_mut(grants).remove(id);
                }
            }
            Change::PutPool(pool) => {
                self.pools.insert(pool.id(), pool);
            }
        }
    }

    pub(super) fn key(&self, arn: &KeyArn) -> Option<&KmsKey> {
        self.keys.get(&(arn.id, arn.scope.clone()))
    }

    /// Every key, by id.
    pub(super) fn keys(&self) -> impl Iterator<Item = &KmsKey> {
        self.keys.values()
    }

    /// The keys with this id: one, or the replicas of a multi-Region key.
    pub(super) fn keys_with_id(&self, id: ResourceId) -> impl Iterator<Item = &KmsKey> {
        self.keys().filter(move |key| key.arn.id == id)
    }

    pub(super) fn alias(&self, scope: &Scope, name: &AliasName) -> Option<&Alias> {
        self.aliases.get(&(scope.clone(), name.clone()))
    }

    /// Every alias, by scope and name.
    pub(super) fn aliases(&self) -> impl Iterator<Item = &Alias> {
        self.aliases.values()
    }

    /// The aliases of one key, by name.
    pub(super) fn aliases_of(&self, arn: &KeyArn) -> impl Iterator<Item = &Alias> {
        self.aliases().filter(move |alias| alias.target() == arn)
    }

    /// Every principal, by access key id.
    pub(super) fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values()
    }

    /// The grants of one key.
    pub(super) fn grants_of(&self, arn: &KeyArn) -> &Arc<Grants> {
        self.grants.get(&(arn.id, arn.scope.clone())).unwrap_or(&self.no_grants)
    }

    pub(super) fn pool(&self, id: PoolId) -> Option<&PoolLedger> {
        self.pools.get(&id)
    }

    /// Whether the key an alias points to is there.
    pub(super) fn has_target(&self, alias: &Alias) -> bool {
        self.key(alias.target()).is_some()
    }

    /// Whether the key a grant is for is there.
    pub(super) fn has_key_of(&self, grant: &Grant) -> bool {
        self.key(&grant.key).is_some()
    }

    /// What removes everything.
    pub(super) fn clear(&self) -> Vec<Change> {
        let grants = self.grants.values().flat_map(|grants| grants.iter());
        let grants = grants.map(|grant| Change::RemoveGrant(grant.key.clone(), grant.id()));
        let aliases = self.aliases();
        let aliases =
            aliases.map(|alias| Change::RemoveAlias(alias.scope().clone(), alias.name().clone()));
        let keys = self.keys().map(|key| Change::RemoveKey(key.arn.clone()));
        let principals = self.principals().cloned().map(Change::RemovePrincipal);
        grants.chain(aliases).chain(keys).chain(principals).collect()
    }

    /// What removes every key whose deletion date has passed, with its material, aliases and grants,
    /// and every session that ended long ago.
    pub(super) fn purge(&self, now: Timestamp) -> Vec<Change> {
        let forgotten = self.principals().filter(|principal| principal.is_forgotten(now));
        let mut changes: Vec<_> = forgotten.cloned().map(Change::RemovePrincipal).collect();
        for key in self.keys().filter(|key| key.deletion_date().is_some_and(|date| date <= now)) {
            for alias in self.aliases_of(&key.arn) {
                changes.push(Change::RemoveAlias(alias.scope().clone(), alias.name().clone()));
            }
            let grants = self.grants_of(&key.arn).iter();
            changes.extend(grants.map(|grant| Change::RemoveGrant(key.arn.clone(), grant.id())));
            changes.push(Change::RemoveKey(key.arn.clone()));
        }
        changes
    }
}
