//! A sealed pool alone: what is appended comes back, whole and checked, from its place only.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::path::Path;

use super::*;
use crate::crypto::KeyPairBatch;
use crate::crypto::check::check_pair;
use crate::crypto::drbg::Drbg;
use crate::secret::Secret;
use crate::spec::KeyPairSpec;
use crate::sys::features::{Backend, BackendChoice};
use crate::sys::team;

const SPEC: KeyPairSpec = KeyPairSpec::EccNistEdwards25519;

fn key() -> Secret<[u8; 32]> {
    Secret::new([9; 32])
}

fn backend() -> Backend {
    BackendChoice::Auto.select().unwrap()
}

/// A new pool, or the one that is there, open for appending.
fn appender(folder: &Path, spec: KeyPairSpec, claimed: u64) -> Result<Appender, Error> {
    if !SealedPool::path_in(folder, spec).exists() {
        NewPool::create_in(folder, spec)?.publish()?;
    }
    Appender::new(SealedPool::open_in(folder, spec)?, &key(), claimed)
}

fn fill_to(folder: &Path, spec: KeyPairSpec, end: u64) -> Vec<u64> {
    let team = team::start("test", Some(2)).unwrap();
    let mut told = Vec::new();
    let appender = appender(folder, spec, 0).unwrap();
    fill(appender, end, &team, backend(), &mut |made| told.push(made)).unwrap();
    told
}

/// The pairs of all records of a pool, each checked.
fn pairs(folder: &Path, spec: KeyPairSpec) -> Vec<Vec<u8>> {
    let pool = SealedPool::open_in(folder, spec).unwrap();
    let records = pool.records().unwrap();
    let sealed = pool.read(0..records).unwrap();
    let key = RecordKey::new(&key(), pool.id(), spec);
    let mut texts = Vec::new();
    for (number, record) in (0..).zip(sealed.chunks_exact(record_bytes(spec))) {
        let end = texts.len();
        texts.resize(end + text_bytes(spec), 0);
        assert!(key.open(number, record, &mut texts[end..]), "record {number}");
    }
    let mut batch = KeyPairBatch::with_capacity(spec, usize::try_from(records).unwrap());
    let mut drbg = Drbg::from_seed([3; 32]);
    Finisher::new(spec, backend()).finish(&mut drbg, &texts, &mut batch).unwrap();
    let checked = |row| {
        check_pair(spec, batch.public_key(row), batch.private_key(row)).unwrap();
        batch.public_key(row).to_vec()
    };
    (0..batch.len()).map(checked).collect()
}

#[test]
fn pairs_of_every_kind_come_back() {
    let folder = tempfile::tempdir().unwrap();
    for (spec, count) in [
        (KeyPairSpec::Rsa2048, 11),
        (KeyPairSpec::EccNistP256, 700),
        (KeyPairSpec::EccNistP521, 3),
        (KeyPairSpec::MlKem768, 5),
        (SPEC, 5000),
    ] {
        let told = fill_to(folder.path(), spec, count);
        assert_eq!(told.last(), Some(&count), "all are on the disk at the end");
        let pairs = pairs(folder.path(), spec);
        let number = u64::try_from(pairs.len()).unwrap();
        let distinct: HashSet<_> = pairs.into_iter().collect();
        assert_eq!((number, distinct.len() as u64), (count, count), "{spec}");
    }
}

#[test]
fn one_appends_at_a_time_and_the_dead_do_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let first = appender(folder.path(), SPEC, 0).unwrap();
    assert!(matches!(appender(folder.path(), SPEC, 0), Err(Error::Busy(_))));
    drop(first);
    appender(folder.path(), SPEC, 0).unwrap();
}

#[test]
fn an_interrupted_creation_leaves_no_pool() {
    let folder = tempfile::tempdir().unwrap();
    let unfinished = NewPool::create_in(folder.path(), SPEC).unwrap().id();
    assert!(SealedPool::open_in(folder.path(), SPEC).unwrap_err().is_missing());
    appender(folder.path(), SPEC, 0).unwrap();
    let pool = SealedPool::open_in(folder.path(), SPEC).unwrap();
    assert_ne!(pool.id(), unfinished);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "one file");
}

#[test]
fn appending_goes_behind_a_torn_record_and_behind_the_claimed() {
    let folder = tempfile::tempdir().unwrap();
    fill_to(folder.path(), SPEC, 10);
    let path = SealedPool::path_in(folder.path(), SPEC);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let bytes = file.metadata().unwrap().len();
    file.set_len(bytes - 1).unwrap();
    assert_eq!(appender(folder.path(), SPEC, 0).unwrap().next(), 9);
    fill_to(folder.path(), SPEC, 20);
    assert_eq!(pairs(folder.path(), SPEC).len(), 20);
    // An older copy, of which more was claimed than it has.
    let mut appender = appender(folder.path(), SPEC, 33).unwrap();
    assert_eq!(appender.next(), 33);
    let text = vec![5; text_bytes(SPEC)];
    appender.append(&mut Drbg::from_seed([1; 32]), &text).unwrap();
    let pool = appender.pool();
    assert_eq!(pool.records().unwrap(), 34);
    let mut opened = vec![0; text.len()];
    let records = pool.read(32..34).unwrap();
    let (hole, last) = records.split_at(record_bytes(SPEC));
    let key = RecordKey::new(&key(), pool.id(), SPEC);
    assert!(!key.open(32, hole, &mut opened));
    assert!(key.open(33, last, &mut opened) && opened == text);
}

#[test]
fn erased_records_are_gone_and_their_neighbours_are_not() {
    let folder = tempfile::tempdir().unwrap();
    fill_to(folder.path(), SPEC, 200);
    let pool = SealedPool::open_in(folder.path(), SPEC).unwrap();
    let before = pool.read(0..200).unwrap();
    pool.erase(20..190);
    let after = pool.read(0..200).unwrap();
    let bytes = record_bytes(SPEC);
    assert!(after[20 * bytes..190 * bytes].iter().all(|&byte| byte == 0));
    assert_eq!(after[..20 * bytes], before[..20 * bytes]);
    assert_eq!(after[190 * bytes..], before[190 * bytes..]);
    assert!(pool.read(199..201).is_err(), "there is no record 200");
}

#[test]
fn files_of_other_kinds_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = SealedPool::path_in(folder.path(), SPEC);
    let open = || SealedPool::open_in(folder.path(), SPEC).unwrap_err();
    for content in [&b""[..], b"keymill-pool", &[0; 64], &[0xff; 5000]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(open(), Error::Foreign(_)), "{} bytes", content.len());
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    open();
    fs::remove_dir(&path).unwrap();
    drop(appender(folder.path(), KeyPairSpec::Rsa2048, 0).unwrap());
    fs::rename(SealedPool::path_in(folder.path(), KeyPairSpec::Rsa2048), &path).unwrap();
    assert!(matches!(open(), Error::Misnamed { spec: KeyPairSpec::Rsa2048, .. }));
}

#[test]
fn a_pool_that_cannot_grow_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    fill_to(folder.path(), SPEC, 5);
    let limit = crate::limits::POOL_RECORDS_MAX;
    let mut full = appender(folder.path(), SPEC, limit).unwrap();
    let appended = full.append(&mut Drbg::from_seed([1; 32]), &vec![5; text_bytes(SPEC)]);
    assert!(matches!(appended, Err(Error::Exhausted(_))));
    drop(full);
    assert_eq!(pairs(folder.path(), SPEC).len(), 5);
}
