//! Damaged, cut, empty and foreign files: an error or the same content, never a panic.

use std::fs;
use std::path::Path;

use redb::{Database, ReadableTable, TableDefinition};

use super::{CreateKey, Keystore, default_key, fresh, open};
use crate::crypto::drbg::Drbg;
use crate::keystore::{Damage, Error, GrantConstraints, GrantTerms, Kind};

/// The bit of redb's header that says which of two commits is the newest. In a file left by a kill
/// the older one is as whole as the newer, so that this one bit undoes one operation; what can
/// write the file can as well put an old copy in its place.
const PRIMARY_BYTE: usize = 9;
const PRIMARY_BIT: u8 = 1;

const SEED: [u8; 32] = *b"keystore damage, 2026-11-24, v1.";

/// A keystore with a history.
struct Sample {
    home: tempfile::TempDir,
    content: String,
    /// Its file after a proper end.
    closed: Vec<u8>,
    /// Its file as a kill after the last operation leaves it.
    killed: Vec<u8>,
}

fn sample() -> Sample {
    let (home, _, mut keystore) = fresh();
    for number in 0..40 {
        let description = format!("key {number}");
        keystore.create_key(&CreateKey { description, ..CreateKey::default() }).unwrap();
    }
    keystore.disable(&default_key()).unwrap();
    let content = content(&keystore);
    let path = home.path().join("keystore.redb");
    let killed = fs::read(&path).unwrap();
    drop(keystore);
    Sample { closed: fs::read(&path).unwrap(), killed, content, home }
}

fn content(keystore: &Keystore) -> String {
    let keys: Vec<_> = keystore.list_keys().into_iter().map(|key| keystore.metadata(key)).collect();
    serde_json::to_string(&(keys, keystore.list_aliases())).unwrap()
}

/// Opens `bytes` as a keystore: what it holds, or the error.
fn open_bytes(home: &Path, bytes: &[u8]) -> Result<String, Error> {
    fs::write(home.join("keystore.redb"), bytes).unwrap();
    open(home).map(|keystore| content(&keystore))
}

#[test]
fn a_killed_file_has_the_last_operation() {
    let Sample { home, content, killed, closed } = sample();
    assert_ne!(killed, closed);
    assert_eq!(open_bytes(home.path(), &killed).unwrap(), content);
}

#[test]
fn flipped_bytes_are_an_error_or_do_no_harm() {
    let Sample { home, content, closed, killed } = sample();
    let mut drbg = Drbg::from_seed(SEED);
    for bytes in [closed, killed] {
        let used: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        let (mut refused, mut unharmed) = (0, 0);
        for round in 0..900 {
            let mut noise = [0; 8];
            drbg.fill(&mut noise);
            let number = usize::try_from(u64::from_le_bytes(noise) >> 8).unwrap();
            // The header densely, then bytes in use, then anywhere.
            let at = match round {
                0..320 => round,
                320..800 => used[number % used.len()],
                _ => number % bytes.len(),
            };
            let mask = if at == PRIMARY_BYTE { !PRIMARY_BIT } else { noise[0].max(1) };
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            match open_bytes(home.path(), &flipped) {
                Ok(found) => {
                    assert!(found == content, "{at} ^ {mask} changed the content, seed {SEED:?}");
                    unharmed += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Damaged, "{at} ^ {mask}: {error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 100 && unharmed > 100, "refused {refused}, unharmed {unharmed}");
    }
}

#[test]
fn cut_and_grown_files_are_an_error_or_do_no_harm() {
    let Sample { home, content, closed: bytes, .. } = sample();
    let cuts = (0..80).chain((0..60).map(|part| bytes.len() * part / 60));
    for cut in cuts {
        match open_bytes(home.path(), &bytes[..cut]) {
            Ok(found) => assert!(found == content, "cut at {cut} changed the content"),
            Err(error) => assert_eq!(error.kind(), Kind::Damaged, "cut at {cut}: {error}"),
        }
    }
    let mut grown = bytes.clone();
    grown.extend_from_slice(&[0; 5000]);
    if let Ok(found) = open_bytes(home.path(), &grown) {
        assert_eq!(found, content);
    }
}

#[test]
fn foreign_files_are_told() {
    let Sample { home, .. } = sample();
    let (zeros, ones) = (vec![0; 1 << 16], vec![0xff; 1 << 16]);
    for bytes in [&b""[..], b"x", b"SQLite format 3\0 and more", &zeros, &ones] {
        let error = open_bytes(home.path(), bytes).unwrap_err();
        assert!(matches!(error, Error::Damaged(_, Damage::Foreign)), "{error}");
        let path = home.path().join("keystore.redb");
        assert_eq!(
            error.to_string(),
            format!(
                "{}: not a keystore, or cut off; restore the file from a backup",
                path.display()
            )
        );
    }
}

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
const KEYS: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("keys");

/// Changes the keystore's database behind its back.
fn tamper(home: &Path, change: impl Fn(&redb::WriteTransaction)) {
    let database = Database::open(home.join("keystore.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

fn header(home: &Path, old: &str, new: &str) -> Error {
    let (kept, ..) = fresh();
    fs::copy(home.join("keystore.redb"), kept.path().join("keystore.redb")).unwrap();
    tamper(kept.path(), |transaction| {
        let mut table = transaction.open_table(META).unwrap();
        let header = table.get("header").unwrap().unwrap().value().to_owned();
        assert!(header.contains(old), "{header}");
        table.insert("header", header.replace(old, new).as_str()).unwrap();
    });
    open(kept.path()).unwrap_err()
}

#[test]
fn a_header_of_another_kind_is_told() {
    let (home, _, keystore) = fresh();
    drop(keystore);
    let newer = header(home.path(), "\"version\":4", "\"version\":5");
    assert!(matches!(newer, Error::Newer { version: 5, .. }), "{newer}");
    for (old, new) in [
        ("keymill keystore", "other"),
        ("us-east-1", "nowhere"),
        ("\"check\":\"", "\"check\":\"A"),
        ("key-file", "passphrase"),
        ("\"created\"", "\"extra\":1,\"created\""),
        ("{", ""),
    ] {
        let error = header(home.path(), old, new);
        assert!(matches!(error, Error::Damaged(_, Damage::Header)), "{old}: {error}");
    }
    let empty = tempfile::tempdir().unwrap();
    drop(Database::create(empty.path().join("keystore.redb")).unwrap());
    let error = open(empty.path()).unwrap_err();
    assert!(matches!(error, Error::Damaged(_, Damage::Header)), "{error}");
}

/// Files of older formats lack tables that came later, and become new with the first change.
#[test]
fn files_of_older_formats_are_read_and_become_new() {
    for version in [1, 2, 3] {
        let (home, _, keystore) = fresh();
        let key = keystore.describe(&default_key()).unwrap().arn;
        drop(keystore);
        tamper(home.path(), |transaction| {
            let mut table = transaction.open_table(META).unwrap();
            let header = table.get("header").unwrap().unwrap().value().to_owned();
            let old = header.replace("\"version\":4", &format!("\"version\":{version}"));
            assert_ne!(old, header);
            table.insert("header", old.as_str()).unwrap();
            let later: &[&str] = match version {
                1 => &["principals", "grants", "pools"],
                2 => &["grants", "pools"],
                _ => &[],
            };
            for name in later {
                let table = TableDefinition::<(&str, &str), &str>::new(name);
                assert!(transaction.delete_table(table).unwrap(), "{name}");
            }
        });
        let mut keystore = open(home.path()).unwrap();
        assert_eq!(keystore.describe(&default_key()).unwrap().arn, key);
        let operations = [crate::spec::Operation::Decrypt.into()].into_iter().collect();
        let terms = GrantTerms {
            name: None,
            grantee: "arn:aws:iam::000000000000:user/a".to_owned(),
            retiring: None,
            operations,
            constraints: GrantConstraints::default(),
        };
        let grant = keystore.create_grant(&default_key(), terms).unwrap();
        drop(keystore);
        let keystore = open(home.path()).unwrap();
        let arn = key.parse().unwrap();
        assert!(keystore.state.grants_of(&arn).by_id(grant).is_some(), "format {version}");
        drop(keystore);
        tamper(home.path(), |transaction| {
            let table = transaction.open_table(META).unwrap();
            let header = table.get("header").unwrap().unwrap().value().to_owned();
            assert!(header.contains("\"version\":4"), "{header}");
        });
    }
}

#[test]
fn a_passphrase_cost_out_of_bounds_is_damage() {
    let home = tempfile::tempdir().unwrap();
    drop(Keystore::init(home.path(), super::with_passphrase("x")).unwrap());
    let error = header(home.path(), "\"memory_kib\":8", "\"memory_kib\":4000000000");
    assert!(matches!(error, Error::Damaged(_, Damage::Header)), "{error}");
}

#[test]
fn rows_that_contradict_are_damage() {
    for (old, new) in [
        ("\"Enabled\"", "\"PendingDeletion\""),
        ("\"Enabled\"", "\"Enlightened\""),
        ("us-east-1", "us-east-2"),
        ("AWS_KMS", "CLOUD"),
        ("\"materials\":[{", "\"materials\":[],\"x\":[{"),
        // Only imported material can be gone, or wait.
        ("\"sealed\":", "\"description\":"),
        ("\"materials\":[{", "\"awaiting\":{\"id\":\"x\"},\"materials\":[{"),
    ] {
        let (home, _, keystore) = fresh();
        drop(keystore);
        tamper(home.path(), |transaction| rewrite_key(transaction, old, new));
        let error = open(home.path()).unwrap_err();
        assert!(matches!(error, Error::Damaged(_, Damage::Row { table: "keys", .. })), "{error}");
    }
    let (home, _, keystore) = fresh();
    drop(keystore);
    tamper(home.path(), |transaction| {
        let mut table = transaction.open_table(KEYS).unwrap();
        table.retain(|_, _| false).unwrap();
    });
    let error = open(home.path()).unwrap_err();
    assert!(matches!(error, Error::Damaged(_, Damage::Row { table: "aliases", .. })), "{error}");
}

fn rewrite_key(transaction: &redb::WriteTransaction, old: &str, new: &str) {
    let mut table = transaction.open_table(KEYS).unwrap();
    let (name, json) = {
        let (name, json) = table.first().unwrap().unwrap();
        let (id, scope) = name.value();
        ((id.to_owned(), scope.to_owned()), json.value().to_owned())
    };
    assert!(json.contains(old), "{json}");
    table.insert((name.0.as_str(), name.1.as_str()), json.replacen(old, new, 1).as_str()).unwrap();
}

#[test]
fn sealed_material_moves_to_no_other_key() {
    let (home, _, mut keystore) = fresh();
    let other = super::new_key(&mut keystore, super::Origin::AwsKms);
    let sealed = |keystore: &Keystore, id| {
        keystore.resolve(id).unwrap().materials[0].sealed.clone().unwrap()
    };
    let pairs = [(sealed(&keystore, &default_key()), sealed(&keystore, &other))];
    drop(keystore);
    for (one, two) in pairs {
        tamper(home.path(), |transaction| {
            let mut table = transaction.open_table(KEYS).unwrap();
            let rows: Vec<_> = table
                .iter()
                .unwrap()
                .map(|row| {
                    let (name, json) = row.unwrap();
                    let (id, scope) = name.value();
                    (id.to_owned(), scope.to_owned(), json.value().replace(&one, &two))
                })
                .collect();
            for (id, scope, json) in rows {
                table.insert((id.as_str(), scope.as_str()), json.as_str()).unwrap();
            }
        });
    }
    let keystore = open(home.path()).unwrap();
    let error = keystore.wrapping_key(&default_key()).unwrap_err();
    assert!(matches!(error, Error::Damaged(_, Damage::Material(_))), "{error}");
    keystore.wrapping_key(&other).unwrap();
}
