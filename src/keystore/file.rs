//! The database file: redb, six tables of JSON rows, one writer at a time.
//!
//! ```text
//! meta        "header"                  -> Header
//! keys        (key id, scope)           -> KmsKey    the scope as arn:PARTITION:kms:REGION:ACCOUNT
//! aliases     (scope, name)             -> Alias
//! principals  (account, access key id)  -> Principal
//! grants      (key ARN, grant id)       -> Grant
//! pools       (pool id, spec)           -> PoolLedger
//! ```
//!
//! Version 1 of the format had no principals, version 2 no policies, grants and pools, version 3 no
//! asymmetric and HMAC keys. Their files are read as they are, and become version 4 with the first
//! change that is written to them.
//!
//! Every open verifies the checksum of every page, so that a damaged file is an error at the door
//! and never a surprise, or a panic of the database, inside. Every write is one transaction in two
//! phases with immediate durability: when it returns, it survives a kill and a power cut. redb's
//! lock on the file keeps a second process out for as long as the keystore is open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::alias::Alias;
use super::error::{Damage, Error};
use super::grant::Grant;
use super::home::{new_private_file, retry_while_busy};
use super::key::KmsKey;
use super::ledger::PoolLedger;
use super::principal::Principal;
use super::root::RootRecord;
use super::state::{Change, State};
use super::text;
use crate::spec::key_id::Scope;
use crate::spec::{Account, Partition, Region};

const META: TableDefinition<&str, &str> = TableDefinition::new("meta");
const KEYS: TableDefinition<(&str, &str), &str> = TableDefinition::new("keys");
const ALIASES: TableDefinition<(&str, &str), &str> = TableDefinition::new("aliases");
const PRINCIPALS: TableDefinition<(&str, &str), &str> = TableDefinition::new("principals");
const GRANTS: TableDefinition<(&str, &str), &str> = TableDefinition::new("grants");
const POOLS: TableDefinition<(&str, &str), &str> = TableDefinition::new("pools");

const HEADER: &str = "header";
const FORMAT: &str = "keymill keystore";
const VERSION: u64 = 4;
const VERSION_MIN: u64 = 1;

/// A keystore is small; this is redb's cache, in bytes.
const CACHE_BYTES: usize = 16 << 20;

/// What identifies a keystore file. Its first two members never change their meaning.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    format: String,
    version: u64,
    #[serde(with = "text::bytes")]
    pub(super) store_id: [u8; 16],
    #[serde(with = "text")]
    pub(super) created: Timestamp,
    #[serde(with = "text")]
    partition: Partition,
    #[serde(with = "text")]
    region: Region,
    #[serde(with = "text")]
    account: Account,
    pub(super) root: RootRecord,
    /// See [`super::root::RootKey::check_value`].
    #[serde(with = "text::bytes")]
    pub(super) check: [u8; 32],
    /// Whether all that is in the keystore came from a seed, or after one.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(super) is_seeded: bool,
}

impl Header {
    pub(super) fn new(
        store_id: [u8; 16],
        created: Timestamp,
        scope: &Scope,
        root: RootRecord,
        check: [u8; 32],
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            store_id,
            created,
            partition: scope.partition,
            region: scope.region.clone(),
            account: scope.account,
            root,
            check,
            is_seeded: false,
        }
    }

    /// The default scope of the keystore.
    pub(super) fn scope(&self) -> Scope {
        let Self { partition, region, account, .. } = self;
        Scope { partition: *partition, region: region.clone(), account: *account }
    }
}

/// The members of a header that every version has.
#[derive(Deserialize)]
struct HeaderVersion {
    format: String,
    version: u64,
}

/// An open database file.
#[derive(Debug)]
pub(super) struct StoreFile {
    database: Database,
    path: PathBuf,
}

/// Every row as it is in the file.
struct Rows {
    header: Option<String>,
    keys: Vec<(String, String)>,
    aliases: Vec<(String, String)>,
    principals: Vec<(String, String)>,
    grants: Vec<(String, String)>,
    pools: Vec<(String, String)>,
}

impl StoreFile {
    /// Makes the file. It must not exist.
    pub(super) fn create(path: &Path, header: &Header) -> Result<Self, Error> {
        new_private_file(path).map_err(Error::io("create", path))?;
        let file = Self { database: open_database(path, true)?, path: path.to_owned() };
        let write = || -> Result<(), redb::Error> {
            let transaction = file.begin()?;
            transaction.open_table(META)?.insert(HEADER, to_json(header).as_str())?;
            transaction.open_table(KEYS)?;
            transaction.open_table(ALIASES)?;
            transaction.open_table(PRINCIPALS)?;
            transaction.open_table(GRANTS)?;
            transaction.open_table(POOLS)?;
            Ok(transaction.commit()?)
        };
        write().map_err(|error| Error::store(path, error))?;
        Ok(file)
    }

    /// Opens the file, waiting up to `wait` for another process to close it.
    pub(super) fn open(path: &Path, wait: Duration) -> Result<Self, Error> {
        let database = retry_while_busy(wait, || open_database(path, false))?;
        Ok(Self { database, path: path.to_owned() })
    }

    /// Reads and checks all that is in the file.
    pub(super) fn load(&self) -> Result<(Header, State), Error> {
        let rows = self.read_rows().map_err(|error| match error {
            redb::Error::TableDoesNotExist(_) => self.damaged(Damage::Header),
            error => Error::store(&self.path, error),
        })?;
        let header = self.parse_header(rows.header.as_deref().unwrap_or_default())?;
        let mut state = State::default();
        for (name, json) in rows.keys {
            let key: Option<KmsKey> = from_json(&json);
            let key = key.filter(|key| key.is_consistent() && key_name(key) == name);
            let key = key.ok_or_else(|| self.damaged(Damage::Row { table: "keys", name }))?;
            state.apply(Change::PutKey(key));
        }
        if let Some(orphan) = state.keys().find(|key| !state.has_primary_of(key)) {
            let name = key_name(orphan);
            return Err(self.damaged(Damage::Row { table: "keys", name }));
        }
        for (name, json) in rows.aliases {
            let alias: Option<Alias> = from_json(&json);
            let alias = alias.filter(|alias| alias_name(alias) == name && state.has_target(alias));
            let alias =
                alias.ok_or_else(|| self.damaged(Damage::Row { table: "aliases", name }))?;
            state.apply(Change::PutAlias(alias));
        }
        for (name, json) in rows.principals {
            let principal: Option<Principal> = from_json(&json);
            let principal = principal
                .filter(|principal| principal.is_consistent() && principal_name(principal) == name);
            let principal =
                principal.ok_or_else(|| self.damaged(Damage::Row { table: "principals", name }))?;
            state.apply(Change::PutPrincipal(principal));
        }
        for (name, json) in rows.grants {
            let grant: Option<Grant> = from_json(&json);
            let grant = grant.filter(|grant| {
                grant.is_consistent() && grant_name(grant) == name && state.has_key_of(grant)
            });
            let grant = grant.ok_or_else(|| self.damaged(Damage::Row { table: "grants", name }))?;
            state.apply(Change::PutGrant(Arc::new(grant)));
        }
        for (name, json) in rows.pools {
            let pool: Option<PoolLedger> = from_json(&json);
            let pool = pool.filter(|pool| pool.is_consistent() && pool_name(pool) == name);
            let pool = pool.ok_or_else(|| self.damaged(Damage::Row { table: "pools", name }))?;
            state.apply(Change::PutPool(pool));
        }
        Ok((header, state))
    }

    /// Writes `changes`, all of them or none. A file of an older version becomes one of this.
    pub(super) fn write(&self, header: &mut Header, changes: &[Change]) -> Result<(), Error> {
        let old_version = core::mem::replace(&mut header.version, VERSION);
        let write = || -> Result<(), redb::Error> {
            let transaction = self.begin()?;
            transaction.open_table(META)?.insert(HEADER, to_json(&*header).as_str())?;
            changes.iter().try_for_each(|change| write_change(&transaction, change))?;
            Ok(transaction.commit()?)
        };
        write().map_err(|error| {
            header.version = old_version;
            Error::store(&self.path, error)
        })
    }

    /// An error about this file.
    pub(super) fn damaged(&self, damage: Damage) -> Error {
        Error::Damaged(self.path.clone(), damage)
    }

    fn begin(&self) -> Result<WriteTransaction, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_two_phase_commit(true);
        Ok(transaction)
    }

    fn read_rows(&self) -> Result<Rows, redb::Error> {
        let transaction = self.database.begin_read()?;
        let header = transaction.open_table(META)?.get(HEADER)?.map(|row| row.value().to_owned());
        Ok(Rows {
            header,
            keys: read_table(&transaction.open_table(KEYS)?)?,
            aliases: read_table(&transaction.open_table(ALIASES)?)?,
            principals: read_table_if_there(transaction.open_table(PRINCIPALS))?,
            grants: read_table_if_there(transaction.open_table(GRANTS))?,
            pools: read_table_if_there(transaction.open_table(POOLS))?,
        })
    }

    fn parse_header(&self, json: &str) -> Result<Header, Error> {
        let found: Option<HeaderVersion> = from_json(json);
        match found.filter(|found| found.format == FORMAT) {
            Some(found) if found.version > VERSION => {
                return Err(Error::Newer { path: self.path.clone(), version: found.version });
            }
            _ => {}
        }
        let header: Option<Header> = from_json(json);
        header
            .filter(|header| header.format == FORMAT && header.version >= VERSION_MIN)
            .filter(|header| header.root.is_sane())
            .ok_or_else(|| self.damaged(Damage::Header))
    }
}

fn open_database(path: &Path, create: bool) -> Result<Database, Error> {
    let mut builder = Database::builder();
    builder.set_check_integrity_on_open(true).set_cache_size(CACHE_BYTES);
    let opened = if create { builder.create(path) } else { builder.open(path) };
    opened.map_err(|error| Error::store(path, error.into()))
}

fn read_table(
    table: &impl ReadableTable<(&'static str, &'static str), &'static str>,
) -> Result<Vec<(String, String)>, redb::Error> {
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (name, json) = row?;
        let (first, second) = name.value();
        rows.push((format!("{first} {second}"), json.value().to_owned()));
    }
    Ok(rows)
}

/// As [`read_table`], for a table that older files have not.
fn read_table_if_there(
    table: Result<impl ReadableTable<(&'static str, &'static str), &'static str>, redb::TableError>,
) -> Result<Vec<(String, String)>, redb::Error> {
    match table {
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(Vec::new()),
        table => read_table(&table?),
    }
}

fn write_change(transaction: &WriteTransaction, change: &Change) -> Result<(), redb::Error> {
    match change {
        Change::PutKey(key) => {
            let name = (&*key.arn.id.to_string(), &*key.arn.scope.to_string());
            transaction.open_table(KEYS)?.insert(name, to_json(key).as_str())?;
        }
        Change::RemoveKey(arn) => {
            let name = (&*arn.id.to_string(), &*arn.scope.to_string());
            transaction.open_table(KEYS)?.remove(name)?;
        }
        Change::PutAlias(alias) => {
            let name = (&*alias.scope().to_string(), alias.name().as_str());
            transaction.open_table(ALIASES)?.insert(name, to_json(alias).as_str())?;
        }
        Change::RemoveAlias(scope, name) => {
            transaction.open_table(ALIASES)?.remove((&*scope.to_string(), name.as_str()))?;
        }
        Change::PutPrincipal(principal) => {
            let name = (principal.account.as_str(), &*principal.access_key_id);
            transaction.open_table(PRINCIPALS)?.insert(name, to_json(principal).as_str())?;
        }
        Change::RemovePrincipal(principal) => {
            let name = (principal.account.as_str(), &*principal.access_key_id);
            transaction.open_table(PRINCIPALS)?.remove(name)?;
        }
        Change::PutGrant(grant) => {
            let name = (&*grant.key.to_string(), &*grant.id.to_string());
            transaction.open_table(GRANTS)?.insert(name, to_json(&**grant).as_str())?;
        }
        Change::RemoveGrant(key, id) => {
            transaction.open_table(GRANTS)?.remove((&*key.to_string(), &*id.to_string()))?;
        }
        Change::PutPool(pool) => {
            let name = (&*pool.id().to_string(), pool.spec().name());
            transaction.open_table(POOLS)?.insert(name, to_json(pool).as_str())?;
        }
    }
    Ok(())
}

/// The row's name as [`read_table`] gives it.
fn key_name(key: &KmsKey) -> String {
    format!("{} {}", key.arn.id, key.arn.scope)
}

/// The row's name as [`read_table`] gives it.
fn principal_name(principal: &Principal) -> String {
    format!("{} {}", principal.account, principal.access_key_id)
}

/// The row's name as [`read_table`] gives it.
fn grant_name(grant: &Grant) -> String {
    format!("{} {}", grant.key, grant.id)
}

/// The row's name as [`read_table`] gives it.
fn alias_name(alias: &Alias) -> String {
    format!("{} {}", alias.scope(), alias.name())
}

/// The row's name as [`read_table`] gives it.
fn pool_name(pool: &PoolLedger) -> String {
    format!("{} {}", pool.id(), pool.spec())
}

fn to_json(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("records are plain text and numbers")
}

fn from_json<T: DeserializeOwned>(json: &str) -> Option<T> {
    serde_json::from_str(json).ok()
}
