//! Seeds: the whole content of a keystore, written down in a file, for tests that must begin alike.
//!
//! ```toml
//! account = "111122223333"          # of all that follows, unless it names its own
//! region = "eu-west-1"
//!
//! [[principal]]
//! name = "tester"
//! access_key_id = "AKIDEXAMPLE"
//! secret_access_key = "secret"
//! policy = '{"Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}'
//!
//! [[key]]
//! id = "1234abcd-12ab-34cd-56ef-1234567890ab"
//! materials = ["000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"]   # oldest first
//! aliases = ["alias/line"]
//!
//! [[key.grant]]
//! grantee = "arn:aws:iam::111122223333:user/tester"
//! operations = ["Decrypt"]
//! encryption_context_subset = { line = "7" }
//! ```
//!
//! A principal may be given a `session_token`, with the time it `expires`; a key a `description`, a
//! `state` (`Enabled`, `Disabled`, `PendingImport`, which goes without materials), a `policy`; a
//! grant an `id` (else one that follows from what it says), a `name`, a `retiring` principal and
//! `encryption_context_equals`. Of multi-Region keys (`mrk-...`) with one id the first is the
//! primary, the others are its replicas and have the same materials. Secrets stand open in a seed, so that nothing of value belongs in
//! one.
//!
//! A keystore that was made from a seed is marked so; no other one can be put back to one, since
//! that deletes everything that is in it.

mod file;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::alias::Alias;
use super::error::Error;
use super::grant::{Grant, GrantId, GrantTerms};
use super::key::{KeyState, KmsKey, Origin};
use super::principal::{AccessKey, CreatePrincipal};
use super::state::Change;
use super::{Keystore, ScopeOptions};
use crate::limits::{ALIASES_PER_KEY_MAX, ROTATIONS_PER_KEY_MAX};
use crate::secret::Secret;
use crate::spec::key_id::Scope;
use crate::spec::{AliasName, KeyArn, KeySpec, KeyUsage};

/// Label under which the id of a grant follows from what it says.
const GRANT_ID_LABEL: &[u8] = b"keymill/seed/grant-id/v1/";

/// What a keystore is to hold.
#[derive(Debug)]
pub struct Seed {
    scope: Scope,
    principals: Vec<CreatePrincipal>,
    keys: Vec<SeedKey>,
}

/// A key with all that belongs to it.
#[derive(Debug)]
struct SeedKey {
    arn: KeyArn,
    description: String,
    state: KeyState,
    policy: Option<String>,
    materials: Vec<Secret<[u8; 32]>>,
    aliases: Vec<AliasName>,
    grants: Vec<(Option<GrantId>, GrantTerms)>,
}

/// Why a file is no seed.
#[derive(Debug)]
pub struct SeedError {
    path: PathBuf,
    /// From 1, if the fault has one.
    line: Option<usize>,
    what: String,
    io_kind: Option<io::ErrorKind>,
}

impl SeedError {
    /// Why the file cannot be read, if that is the fault.
    #[must_use]
    pub const fn io_kind(&self) -> Option<io::ErrorKind> {
        self.io_kind
    }
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl core::error::Error for SeedError {}

impl Seed {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, SeedError> {
        let fault = |line, what| {
            let path = path.to_owned();
            SeedError { path, line, what, io_kind: None }
        };
        let text = std::fs::read_to_string(path).map(Secret::new).map_err(|error| SeedError {
            io_kind: Some(error.kind()),
            ..fault(None, error.to_string())
        })?;
        let seed = file::parse(text.expose()).map_err(|(line, what)| fault(line, what))?;
        seed.check().map_err(|what| fault(None, what))?;
        Ok(seed)
    }

    /// `scope`, where it says nothing with what the seed says.
    #[must_use]
    pub fn fill(&self, scope: ScopeOptions) -> ScopeOptions {
        let ScopeOptions { partition, region, account } = scope;
        ScopeOptions {
            partition,
            region: region.or_else(|| Some(self.scope.region.clone())),
            account: account.or(Some(self.scope.account)),
        }
    }

    /// What one entry alone cannot show.
    fn check(&self) -> Result<(), String> {
        let once = |what: &str, all: Vec<String>| {
            let mut seen = BTreeSet::new();
            let again = all.into_iter().find(|one| !seen.insert(one.clone()));
            again.map_or(Ok(()), |again| Err(format!("{what} {again} stands twice")))
        };
        let principals = self.principals.iter();
        let ids = principals.filter_map(|p| Some(p.access_key.as_ref()?.id.clone()));
        once("access key id", ids.collect())?;
        once("key", self.keys.iter().map(|key| key.arn.to_string()).collect())?;
        let alias = |key: &SeedKey, name: &AliasName| format!("{}:{name}", key.arn.scope);
        let aliases = self.keys.iter().flat_map(|k| k.aliases.iter().map(move |n| alias(k, n)));
        once("alias", aliases.collect())?;
        let grants = self.keys.iter().flat_map(|key| key.grants.iter().map(move |g| (key, g)));
        let ids = grants.map(|(key, (id, terms))| grant_id(&key.arn, *id, terms).to_string());
        once("grant", ids.collect())?;
        self.keys.iter().try_for_each(|key| key.check(self.primary_of(key)))
    }

    /// The primary of a key that is a replica.
    fn primary_of(&self, key: &SeedKey) -> Option<&SeedKey> {
        let owner = |key: &SeedKey| (key.arn.scope.partition, key.arn.scope.account, key.arn.id);
        let first = self.keys.iter().find(|first| owner(first) == owner(key));
        first.filter(|first| key.arn.id.multi_region && first.arn != key.arn)
    }
}

impl SeedKey {
    fn check(&self, primary: Option<&Self>) -> Result<(), String> {
        let fault = |what: &str| Err(format!("key {}: {what}", self.arn.id));
        match (self.state, self.materials.len()) {
            (KeyState::PendingImport, 0) => {}
            (KeyState::PendingImport, _) => {
                return fault("in state PendingImport it has no materials");
            }
            (_, 0) => return fault("materials is missing: give 64 hexadecimal digits"),
            (_, count) if count > ROTATIONS_PER_KEY_MAX + 1 => return fault("too many materials"),
            _ => {}
        }
        let materials = |key: &'_ Self| -> Vec<[u8; 32]> {
            key.materials.iter().map(|material| *material.expose()).collect()
        };
        if primary.is_some_and(|primary| materials(primary) != materials(self)) {
            return fault("a replica has the materials of its primary, which comes first");
        }
        if self.aliases.len() > ALIASES_PER_KEY_MAX {
            return fault("too many aliases");
        }
        if let Some(name) = self.aliases.iter().find(|name| name.is_reserved()) {
            return fault(&format!("{name}: names under alias/aws/ are reserved"));
        }
        let (spec, usage) = (KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt);
        for (_, terms) in &self.grants {
            if let Some(what) = terms.fault_for(spec, usage) {
                return fault(&format!("grant to {}: {what}", terms.grantee));
            }
        }
        Ok(())
    }
}

fn grant_id(key: &KeyArn, id: Option<GrantId>, terms: &GrantTerms) -> GrantId {
    let digest = || {
        let terms = serde_json::to_vec(terms).expect("terms are plain text");
        let digest = Sha256::new().chain_update(GRANT_ID_LABEL).chain_update(key.to_string());
        GrantId(digest.chain_update(b"/").chain_update(terms).finalize().into())
    };
    id.unwrap_or_else(digest)
}

impl Keystore {
    /// Whether it was made from a seed, so that nothing in it is missed.
    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.header.is_seeded
    }

    /// Puts what `seed` says in place of everything that is there, all at once, and marks the
    /// keystore as made from a seed. Dates are those of now.
    pub fn reset_to_seed(&mut self, seed: &Seed) -> Result<(), Error> {
        let mut changes = self.state.clear();
        for principal in &seed.principals {
            changes.push(Change::PutPrincipal(self.seed_principal(principal)?));
        }
        for key in &seed.keys {
            changes.push(Change::PutKey(self.seed_key(key, seed.primary_of(key))?));
            for name in &key.aliases {
                let alias = Alias::new(name.clone(), key.arn.clone(), self.now());
                changes.push(Change::PutAlias(alias));
            }
            for (id, terms) in &key.grants {
                let id = grant_id(&key.arn, *id, terms);
                let (key, terms) = (key.arn.clone(), terms.clone());
                let grant = Grant { id, key, created: self.now(), terms };
                changes.push(Change::PutGrant(Arc::new(grant)));
            }
        }
        let was_seeded = core::mem::replace(&mut self.header.is_seeded, true);
        let outcome = self.commit(changes);
        if outcome.is_err() {
            self.header.is_seeded = was_seeded;
        }
        outcome
    }

    fn seed_principal(&self, wanted: &CreatePrincipal) -> Result<super::Principal, Error> {
        let CreatePrincipal { name, account, access_key, policy, session } = wanted;
        let access_key = access_key.as_ref().map(|key| AccessKey {
            id: key.id.clone(),
            secret: Secret::new(key.secret.expose().clone()),
        });
        let copy = CreatePrincipal {
            name: name.clone(),
            account: *account,
            access_key,
            policy: policy.clone(),
            session: session.clone(),
        };
        Ok(self.new_principal(copy)?.0)
    }

    fn seed_key(&self, wanted: &SeedKey, primary: Option<&SeedKey>) -> Result<KmsKey, Error> {
        let SeedKey { arn, description, state, policy, materials, .. } = wanted;
        let material =
            |material: &Secret<[u8; 32]>| self.new_material(arn, Secret::new(*material.expose()));
        Ok(KmsKey {
            arn: arn.clone(),
            description: description.clone(),
            created: self.now(),
            state: *state,
            origin: match state {
                KeyState::PendingImport => Origin::External,
                _ => Origin::AwsKms,
            },
            spec: KeySpec::SymmetricDefault,
            usage: KeyUsage::EncryptDecrypt,
            deletion: None,
            policy: policy.clone(),
            tags: BTreeMap::new(),
            rotation: None,
            materials: materials.iter().map(material).collect::<Result<_, _>>()?,
            awaiting: None,
            primary_region: primary.map(|primary| primary.arn.scope.region.clone()),
            secret: None,
        })
    }
}
