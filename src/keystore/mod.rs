//! Wrapping keys at rest: KMS keys, their material and their aliases, in one home directory; and
//! what has been handed out of which sealed pool.
//!
//! A [`Keystore`] is opened by one process at a time, and briefly: a job opens it, takes the
//! [`Material`] it needs and closes it. Keys answer for their state as in AWS KMS, with AWS's
//! errors ([`Error::aws_name`]). The material is sealed under a root key ([`Unlock`]); ids, states,
//! descriptions and aliases lie open in the file. Whoever can write the file can therefore change
//! a state or an alias, but not forge or read material.
//!
//! ```
//! use keymill::keystore::{Keystore, OpenOptions};
//!
//! let home = tempfile::tempdir()?;
//! let (mut keystore, _) = Keystore::open_or_create(home.path(), OpenOptions::default())?;
//! let id = "alias/default".parse()?;
//! let old = keystore.wrapping_key(&id)?;
//! keystore.rotate(&id)?;
//! assert_ne!(keystore.wrapping_key(&id)?.material_id, old.material_id);
//! assert!(keystore.wrapping_key_by_material(old.arn.id, old.material_id).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;

mod algorithm_names;
mod alias;
mod clock;
mod closed;
mod due;
mod error;
mod file;
mod grant;
mod home;
mod import;
mod import_token;
mod key;
mod key_policy;
mod key_secret;
mod ledger;
mod lifecycle;
mod material;
mod multi_region;
pub mod policy;
mod principal;
mod resolve;
mod root;
mod rotation;
mod scope;
mod seed;
mod served;
mod snapshot;
mod state;
mod states;
mod tags;
#[cfg(test)]
mod tests;
mod text;

pub use algorithm_names::AlgorithmNames;
pub use alias::{Alias, AliasEntry};
pub use clock::{Clock, SystemClock};
pub use closed::ClosedKeystore;
pub use error::{Damage, Error, Kind};
pub use grant::{
    GRANT_OPERATIONS, Grant, GrantConstraints, GrantFault, GrantId, GrantTerms, GrantToken, Grants,
    ParseGrantIdError, grant_operation, new_grant_token,
};
pub use import::{ExpirationModel, ImportFault, ImportMaterial, ImportType};
pub use import_token::ImportToken;
pub use key::{KeyMetadata, KeyState, KmsKey, Origin};
pub use key_policy::check_policy;
pub use key_secret::{KeySecret, NewKey};
pub use ledger::{Claim, PoolLedger};
pub use lifecycle::{CreateKey, DELETION_WINDOW_DAYS_DEFAULT};
pub use material::Material;
pub use multi_region::{MultiRegionConfiguration, MultiRegionFault, MultiRegionKey, ReplicateKey};
pub use principal::{AccessKey, CreatePrincipal, Principal, PrincipalFault, Session};
pub use resolve::{parse_alias_name, parse_key_id};
pub use root::{Ask, PassphraseCost, Unlock};
pub use rotation::{KeyMaterial, ROTATION_PERIOD_DAYS_DEFAULT, Rotation, RotationType};
pub use scope::ScopeOptions;
pub use seed::{Seed, SeedError};
pub use served::{ServedKeystore, ServedOptions};
pub use snapshot::{ServedKey, ServedPrincipal, Snapshot};
pub use tags::TagFault;

use crate::spec::AliasName;
use crate::spec::key_id::Scope;
use file::{Header, StoreFile};
use home::Home;
use material::SealingKey;
use root::{RootKey, random};
use state::{Change, State};

/// How a keystore is opened or created.
pub struct OpenOptions {
    /// Where the root key comes from.
    pub unlock: Unlock,
    /// What a new passphrase costs to try.
    pub passphrase_cost: PassphraseCost,
    /// For a new keystore its default scope; for an existing one, what differs from it while it
    /// is open.
    pub scope: ScopeOptions,
    /// How long to wait while another process has the keystore open.
    pub wait: Duration,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for OpenOptions {
    /// Key file, scope of the keystore, two seconds, the system's clock.
    fn default() -> Self {
        Self {
            unlock: Unlock::default(),
            passphrase_cost: PassphraseCost::default(),
            scope: ScopeOptions::default(),
            wait: Duration::from_secs(2),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unlock, passphrase_cost, scope, wait, clock: _ } = self;
        f.debug_struct("OpenOptions")
            .field("unlock", unlock)
            .field("passphrase_cost", passphrase_cost)
            .field("scope", scope)
            .field("wait", wait)
            .finish_non_exhaustive()
    }
}

/// Whether [`Keystore::open_or_create`] found a keystore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It made one, with one key named `alias/default`.
    Created,
    /// It opened the one that was there.
    Opened,
}

/// An open keystore. No other process can open it until it is dropped.
pub struct Keystore {
    opener: Arc<Opener>,
    file: StoreFile,
    header: Header,
    state: State,
    scope: Scope,
}

/// What it takes to open a keystore again after its file was closed.
struct Opener {
    home: Home,
    unlock: Unlock,
    /// Known from the first need on.
    sealing: OnceLock<SealingKey>,
    clock: Arc<dyn Clock>,
}

impl Keystore {
    /// Opens the keystore in `home`. What fell due meanwhile is done: deletions, rotations, the end
    /// of imported material.
    pub fn open(home: &Path, options: OpenOptions) -> Result<Self, Error> {
        let OpenOptions { unlock, clock, scope, wait, .. } = options;
        let opener = Opener { home: Home::new(home), unlock, sealing: OnceLock::new(), clock };
        Self::open_with(Arc::new(opener), &scope, wait)
    }

    fn open_with(opener: Arc<Opener>, scope: &ScopeOptions, wait: Duration) -> Result<Self, Error> {
        let file = StoreFile::open(&opener.home.database(), wait)?;
        let (header, state) = file.load()?;
        let scope = scope.resolve(&header.scope())?;
        let mut keystore = Self { opener, file, header, state, scope };
        keystore.catch_up()?;
        Ok(keystore)
    }

    /// Creates a keystore in `home`, with one key named `alias/default`; refuses one that is there.
    pub fn init(home: &Path, options: OpenOptions) -> Result<Self, Error> {
        match create_if_absent(&Home::new(home), &options)? {
            Outcome::Created => Self::open(home, options),
            Outcome::Opened => Err(Error::Exists(Home::new(home).database())),
        }
    }

    /// Opens the keystore in `home`, or creates it as [`init`](Self::init) does.
    pub fn open_or_create(home: &Path, options: OpenOptions) -> Result<(Self, Outcome), Error> {
        let outcome = create_if_absent(&Home::new(home), &options)?;
        Ok((Self::open(home, options)?, outcome))
    }

    /// Whether there is a keystore in `home`, usable or not.
    #[must_use]
    pub fn is_present(home: &Path) -> bool {
        Home::new(home).has_database()
    }

    /// Fetches the root key now and not at the first need, so that a wrong one is known early.
    pub fn unlock(&self) -> Result<(), Error> {
        self.sealing_key().map(|_| ())
    }

    /// The partition, Region and account the keystore answers for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When the keystore was created.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.header.created
    }

    /// Makes the keystore answer for another partition, Region and account.
    pub fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Writes changes to the file and then into the state.
    fn commit(&mut self, changes: Vec<Change>) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        self.file.write(&mut self.header, &changes)?;
        for change in changes {
            self.state.apply(change);
        }
        Ok(())
    }

    /// The time in milliseconds, which is what AWS's dates have.
    fn now(&self) -> Timestamp {
        let now = self.opener.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// Creates a keystore unless there is one. Of two processes that try, one creates and the other
/// waits and finds it there.
fn create_if_absent(home: &Home, options: &OpenOptions) -> Result<Outcome, Error> {
    if home.has_database() {
        return Ok(Outcome::Opened);
    }
    let scope = options.scope.resolve(&ScopeOptions::default_scope())?;
    home.make()?;
    let lock = home.lock_for_creation(options.wait)?;
    if home.has_database() {
        return Ok(Outcome::Opened);
    }
    let (root, key) = RootKey::create(home, &options.unlock, options.passphrase_cost, &lock)?;
    let store_id = random()?;
    let check = key.check_value(&store_id);
    let header = Header::new(store_id, options.clock.now(), &scope, root, check);
    let opener = Opener {
        home: home.clone(),
        unlock: Unlock::KeyFile,
        sealing: OnceLock::from(SealingKey::derive(&key, &store_id)),
        clock: Arc::clone(&options.clock),
    };
    let mut unfinished = Keystore {
        opener: Arc::new(opener),
        file: StoreFile::create(&home.database_new(), &header)?,
        header,
        state: State::default(),
        scope,
    };
    let first = unfinished.create_key(&CreateKey::default())?;
    unfinished.create_alias(&AliasName::default_key(), &resolve::parse_key_id(&first.arn)?)?;
    drop(unfinished);
    home.publish_database(&lock)?;
    Ok(Outcome::Created)
}

impl fmt::Debug for Keystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystore")
            .field("home", &self.opener.home)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
