//! A snapshot: all keys, aliases and principals at one moment, opened and ready for use.
//!
//! An endpoint answers from it without a lock and without touching the file; a change makes a new
//! one that shares what did not change with the old.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::alias::Alias;
use super::error::Error;
use super::grant::Grants;
use super::key::KmsKey;
use super::key_secret::KeySecret;
use super::multi_region::MultiRegionConfiguration;
use super::policy::Policy;
use super::principal::{Principal, PrincipalFault};
use super::{Keystore, parse_key_id};
use crate::crypto::seal::WrappingKey;
use crate::secret::Secret;
use crate::spec::key_id::Scope;
use crate::spec::{AliasName, KeyArn, KeyId, MaterialId, Operation, Region, ResourceId};

/// Every key, alias and principal of a keystore, read only.
#[derive(Debug, Default)]
pub struct Snapshot {
    regions: HashMap<Scope, Resources>,
    principals: HashMap<String, Arc<ServedPrincipal>>,
    due_next: Option<Timestamp>,
}

/// What one account has in one Region.
#[derive(Debug, Default)]
struct Resources {
    keys: HashMap<ResourceId, Arc<ServedKey>>,
    aliases: HashMap<AliasName, (Alias, Arc<ServedKey>)>,
}

/// A KMS key with its materials opened.
#[derive(Debug)]
pub struct ServedKey {
    record: KmsKey,
    arn: String,
    /// Its own, so that its address stands for the key and this version of its policy.
    policy: Arc<Policy>,
    /// The grants that are known everywhere.
    grants: Arc<Grants>,
    /// All grants, those among them that need a token still.
    latest_grants: Arc<Grants>,
    /// Oldest first, like the record's; without those that are gone or damaged.
    materials: Vec<Arc<WrappingKey>>,
    /// Of a key that is not symmetric, unless it is damaged.
    secret: Option<Arc<KeySecret>>,
}

impl ServedKey {
    /// The key as it is kept: state, origin, description.
    #[must_use]
    pub const fn record(&self) -> &KmsKey {
        &self.record
    }

    /// The text of its ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its policy, compiled. No two keys share one, and a changed policy is another one.
    #[must_use]
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The grants that are known everywhere.
    #[must_use]
    pub const fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// All grants, those among them that need a token still.
    #[must_use]
    pub const fn latest_grants(&self) -> &Arc<Grants> {
        &self.latest_grants
    }

    /// The material that seals, if the key may wrap now.
    pub fn wrapping_key(&self) -> Result<&Arc<WrappingKey>, Error> {
        self.record.check_usable()?;
        let current = self.record.current_material();
        self.material(current.ok_or_else(|| Error::PendingImport(self.record.arn.clone()))?)
    }

    /// The material a blob was sealed with, if the key may unwrap now.
    pub fn unwrapping_key(&self, id: MaterialId) -> Result<&Arc<WrappingKey>, Error> {
        self.record.check_usable()?;
        self.material(id)
    }

    /// The secret of an asymmetric or HMAC key, if the key may be used for `operation` now.
    pub fn secret(&self, operation: Operation) -> Result<&Arc<KeySecret>, Error> {
        self.record.check_use(operation)?;
        self.secret.as_ref().ok_or_else(|| Error::SecretDamaged(self.record.arn.clone()))
    }

    /// The key with other grants for whoever shows a token.
    fn with_latest_grants(self: &Arc<Self>, latest: &Arc<Grants>) -> Arc<Self> {
        if Arc::ptr_eq(&self.latest_grants, latest) {
            return Arc::clone(self);
        }
        let grants = self.grants.clone();
        Arc::new(Self { grants, ..self.with_grants(latest) })
    }

    fn has_grants(&self, grants: &Arc<Grants>) -> bool {
        let same = |own: &Arc<Grants>| Arc::ptr_eq(own, grants) || own == grants;
        same(&self.grants) && same(&self.latest_grants)
    }

    fn with_grants(&self, grants: &Arc<Grants>) -> Self {
        Self {
            record: self.record.clone(),
            arn: self.arn.clone(),
            policy: Arc::clone(&self.policy),
            grants: Arc::clone(grants),
            latest_grants: Arc::clone(grants),
            materials: self.materials.clone(),
            secret: self.secret.clone(),
        }
    }

    fn material(&self, id: MaterialId) -> Result<&Arc<WrappingKey>, Error> {
        let found = self.materials.iter().find(|material| material.material_id() == id);
        found.ok_or_else(|| Error::MaterialNotFound(self.record.arn.clone(), id))
    }
}

/// A principal with its secret opened.
#[derive(Debug)]
pub struct ServedPrincipal {
    record: Principal,
    arn: String,
    secret: Secret<Vec<u8>>,
    policy: Option<Policy>,
}

impl ServedPrincipal {
    /// The root user of the account of `scope`, for an endpoint that asks for no signature. No
    /// signature is ever checked against it: it has no secret.
    #[must_use]
    pub fn root(scope: &Scope) -> Self {
        let record = Principal::root(scope);
        let arn = format!("arn:{}:iam::{}:root", scope.partition, scope.account);
        Self { record, arn, secret: Secret::new(Vec::new()), policy: None }
    }

    /// Whether it is a root user, who has no policy of its own.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.record.access_key_id().is_empty()
    }

    /// The principal as it is kept.
    #[must_use]
    pub const fn record(&self) -> &Principal {
        &self.record
    }

    /// The text of its ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The secret access key.
    #[must_use]
    pub const fn secret(&self) -> &Secret<Vec<u8>> {
        &self.secret
    }

    /// Its identity policy, compiled; with none it may do what key policies leave to its account.
    #[must_use]
    pub const fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }
}

impl Snapshot {
    /// Opens everything in `keystore`; takes from `previous` what is still the same.
    pub(super) fn of(keystore: &Keystore, previous: &Self) -> Result<Self, Error> {
        let mut snapshot = Self { due_next: keystore.state.due_next(), ..Self::default() };
        for record in keystore.keys() {
            let grants = keystore.state.grants_of(&record.arn);
            let old = previous.key(&record.arn).filter(|old| old.record == *record);
            let key = match old {
                Some(old) if old.has_grants(grants) => Arc::clone(old),
                Some(old) => Arc::new(old.with_grants(grants)),
                None => Arc::new(serve_key(keystore, record, grants)?),
            };
            let region = snapshot.regions.entry(record.arn.scope.clone()).or_default();
            region.keys.insert(record.arn.id, key);
        }
        for alias in keystore.state.aliases() {
            let region = snapshot.regions.entry(alias.scope().clone()).or_default();
            if let Some(key) = region.keys.get(&alias.target().id) {
                let entry = (alias.clone(), Arc::clone(key));
                region.aliases.insert(alias.name().clone(), entry);
            }
        }
        for record in keystore.principals() {
            let id = record.access_key_id.clone();
            let old = previous.principals.get(&id).filter(|old| old.record == *record);
            let principal = match old {
                Some(old) => Some(Arc::clone(old)),
                None => serve_principal(keystore, record)?.map(Arc::new),
            };
            snapshot.principals.extend(principal.map(|principal| (id, principal)));
        }
        Ok(snapshot)
    }

    /// What is seen of the newest of `history`, oldest first, while changes take their time: keys
    /// that were there before as they were, those made meanwhile as they were made, and the aliases
    /// and grants of the oldest. All grants are there for whoever shows a token.
    pub(super) fn as_seen(history: &[Arc<Self>]) -> Option<Arc<Self>> {
        let (settled, newest) = (history.first()?, history.last()?);
        let mut seen = Self {
            principals: newest.principals.clone(),
            due_next: newest.due_next,
            ..Self::default()
        };
        for key in newest.regions.values().flat_map(|resources| resources.keys.values()) {
            let arn = key.record.arn();
            let first = history.iter().find_map(|snapshot| snapshot.key(arn)).unwrap_or(key);
            let region = seen.regions.entry(arn.scope.clone()).or_default();
            region.keys.insert(arn.id, first.with_latest_grants(&key.latest_grants));
        }
        for (scope, resources) in &settled.regions {
            let Some(region) = seen.regions.get_mut(scope) else { continue };
            for (name, (alias, _)) in &resources.aliases {
                if let Some(key) = region.keys.get(&alias.target().id) {
                    region.aliases.insert(name.clone(), (alias.clone(), Arc::clone(key)));
                }
            }
        }
        Some(Arc::new(seen))
    }

    /// When a key is to be deleted or rotated, or loses its material, next.
    #[must_use]
    pub const fn due_next(&self) -> Option<Timestamp> {
        self.due_next
    }

    /// The principal with this access key id.
    #[must_use]
    pub fn principal(&self, access_key_id: &str) -> Option<&Arc<ServedPrincipal>> {
        self.principals.get(access_key_id)
    }

    /// The key with this ARN.
    #[must_use]
    pub fn key(&self, arn: &KeyArn) -> Option<&Arc<ServedKey>> {
        self.regions.get(&arn.scope)?.keys.get(&arn.id)
    }

    /// The primary of `key` and its replicas; none if it is no multi-Region key.
    #[must_use]
    pub fn multi_region(&self, key: &KmsKey) -> Option<MultiRegionConfiguration> {
        key.arn().id.multi_region.then_some(())?;
        MultiRegionConfiguration::of(key, self.related(key))
    }

    /// All that are one multi-Region key with `key`; none if it is no multi-Region key.
    pub fn related(&self, key: &KmsKey) -> impl Iterator<Item = &KmsKey> {
        let arn = key.arn();
        let keys = self.regions.values().filter_map(|region| region.keys.get(&arn.id));
        keys.map(|key| &key.record).filter(|other| other.is_related_to(arn))
    }

    /// Every key in `scope`, in no order.
    pub fn keys_in(&self, scope: &Scope) -> impl Iterator<Item = &Arc<ServedKey>> {
        self.regions.get(scope).into_iter().flat_map(|region| region.keys.values())
    }

    /// Every key of a Region, of whichever account, in no order.
    pub fn keys_of_region(&self, region: &Region) -> impl Iterator<Item = &Arc<ServedKey>> {
        let there = self.regions.iter().filter(move |(scope, _)| scope.region == *region);
        there.flat_map(|(_, account)| account.keys.values())
    }

    /// Every alias in `scope`, in no order.
    pub fn aliases_in(&self, scope: &Scope) -> impl Iterator<Item = &Alias> {
        let aliases = self.regions.get(scope).into_iter();
        aliases.flat_map(|region| region.aliases.values().map(|(alias, _)| alias))
    }

    /// The key a blob names by its id alone: in `scope` first, then in the other accounts of its
    /// Region.
    #[must_use]
    pub fn key_of_blob(&self, scope: &Scope, id: ResourceId) -> Option<&Arc<ServedKey>> {
        let here = self.regions.get(scope).and_then(|region| region.keys.get(&id));
        let same_region = |other: &Scope| other.region == scope.region;
        here.or_else(|| {
            let mut others = self.regions.iter().filter(|(other, _)| same_region(other));
            others.find_map(|(_, region)| region.keys.get(&id))
        })
    }

    /// Finds a key by any of the four forms of a `KeyId`, in any state, for a caller in `scope`.
    ///
    /// A key id or alias name belongs to the caller's account; an ARN may name another account,
    /// but no other Region.
    pub fn resolve(&self, scope: &Scope, text: &str) -> Result<&Arc<ServedKey>, Error> {
        // What is the name of an alias here need not be read to be known as one.
        let here = self.regions.get(scope);
        if let Some((_, key)) = here.and_then(|here| here.aliases.get(text)) {
            return Ok(key);
        }
        match parse_key_id(text)? {
            KeyId::Id(id) => {
                let found = here.and_then(|here| here.keys.get(&id));
                found.ok_or_else(|| Error::KeyNotFound(KeyArn { scope: scope.clone(), id }))
            }
            KeyId::KeyArn(arn) => {
                check_region(&arn.scope, scope)?;
                self.find(arn)
            }
            KeyId::Alias(name) => self.find_alias(scope, name),
            KeyId::AliasArn(named, name) => {
                check_region(&named, scope)?;
                self.find_alias(&named, name)
            }
        }
    }

    fn find(&self, arn: KeyArn) -> Result<&Arc<ServedKey>, Error> {
        self.key(&arn).ok_or(Error::KeyNotFound(arn))
    }

    fn find_alias(&self, scope: &Scope, name: AliasName) -> Result<&Arc<ServedKey>, Error> {
        let found = self.regions.get(scope).and_then(|region| region.aliases.get(&name));
        found.map(|(_, key)| key).ok_or_else(|| Error::AliasNotFound(scope.clone(), name))
    }
}

fn serve_key(
    keystore: &Keystore,
    record: &KmsKey,
    grants: &Arc<Grants>,
) -> Result<ServedKey, Error> {
    let sealing = keystore.sealing_key()?;
    let open = |material: &super::key::SealedMaterial| {
        let opened = sealing.open(&record.arn, material.id, material.sealed.as_deref()?)?;
        Some(Arc::new(WrappingKey::new(opened.arn, &opened.material)))
    };
    let materials = record.materials.iter().filter_map(open).collect();
    let policy = Arc::new(Policy::of_key(&record.policy()).map_err(Error::Policy)?);
    Ok(ServedKey {
        record: record.clone(),
        arn: record.arn.to_string(),
        policy,
        grants: Arc::clone(grants),
        latest_grants: Arc::clone(grants),
        materials,
        secret: record.open_secret(sealing).map(Arc::new),
    })
}

/// None if its sealed secret is damaged.
fn serve_principal(
    keystore: &Keystore,
    record: &Principal,
) -> Result<Option<ServedPrincipal>, Error> {
    let Some(secret) = keystore.open_secret(record)? else { return Ok(None) };
    let policy = record.policy().map(Policy::of_principal).transpose();
    let policy = policy.map_err(PrincipalFault::Policy)?;
    Ok(Some(ServedPrincipal { arn: record.arn(), record: record.clone(), secret, policy }))
}

fn check_region(named: &Scope, here: &Scope) -> Result<(), Error> {
    if named.region == here.region && named.partition == here.partition {
        Ok(())
    } else {
        Err(Error::ArnElsewhere(named.region.clone()))
    }
}
