//! Pools fed from sealed ones: all of these come out, once, first, and counted.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::*;
use crate::crypto::check::check_pair;
use crate::keystore::{CreateKey, Keystore, OpenOptions, PoolLedger, ServedKeystore};
use crate::limits::pool_ahead;
use crate::pipeline::reserve::{Outcome, ReserveError, appender, ledger};
use crate::pool::sealed::{SealedPool, fill};
use crate::pool::{EmptyPool, PoolOptions};
use crate::sys::features::BackendChoice;
use crate::sys::team;

const SPEC: KeyPairSpec = KeyPairSpec::EccNistEdwards25519;
const PATIENCE: Duration = Duration::from_mins(1);

fn backend() -> Backend {
    BackendChoice::Auto.select().unwrap()
}

fn keystore(home: &Path) -> Keystore {
    Keystore::open_or_create(home, OpenOptions::default()).unwrap().0
}

/// Puts `count` more pairs into the pool of `spec` in `folder`, which is the keystore's as well.
fn fill_with(folder: &Path, spec: KeyPairSpec, count: u64) {
    let (appender, _) = appender(&mut keystore(folder), folder, spec).unwrap();
    let end = appender.next() + count;
    let team = team::start("test", Some(2)).unwrap();
    fill(appender, end, &team, backend(), &mut |_| ()).unwrap();
}

/// What the keystore knows of the pool.
fn book(folder: &Path, spec: KeyPairSpec) -> PoolLedger {
    let pool = SealedPool::open_in(folder, spec).unwrap();
    ledger(&keystore(folder), &pool).unwrap().clone()
}

/// Pools that draw from `folder`, as a server has them.
struct Served {
    pools: Arc<Pools>,
    feeders: Feeders,
    keystore: Arc<ServedKeystore>,
}

impl Served {
    fn start(folder: &Path, tell: Tell) -> Self {
        let keystore = keystore(folder);
        let reserves = Reserves::open(&keystore, folder, KeyPairSpec::ALL).unwrap();
        let keystore = Arc::new(ServedKeystore::new(keystore).unwrap());
        let (pools, feeders) = feed(reserves.through(&keystore), tell);
        Self { pools, feeders, keystore }
    }

    /// The public half of a pair.
    fn take(&self, spec: KeyPairSpec) -> Vec<u8> {
        take(&self.pools, spec)
    }

    /// What became of the only reserve.
    fn stop(self) -> Outcome {
        let reserves = self.feeders.stop();
        reserves[0].settle().unwrap();
        reserves[0].outcome()
    }
}

fn feed(reserves: Reserves, tell: Tell) -> (Arc<Pools>, Feeders) {
    let specs: Vec<_> = reserves.iter().map(|reserve| reserve.pool().spec()).collect();
    let options = PoolOptions {
        producers: Some(1),
        make_way: false,
        ..PoolOptions::of_every_spec(&[], backend())
    };
    let (pools, feeds) = Pools::start_fed(&options, &specs).unwrap();
    let pools = Arc::new(pools);
    let feeders = Feeders::start(&pools, feeds, reserves, backend(), tell).unwrap();
    (pools, feeders)
}

fn take(pools: &Pools, spec: KeyPairSpec) -> Vec<u8> {
    let mut batch = KeyPairBatch::with_capacity(spec, 1);
    pools.take(&mut batch, 1, EmptyPool::Wait(PATIENCE)).unwrap();
    check_pair(spec, batch.public_key(0), batch.private_key(0)).unwrap();
    batch.public_key(0).to_vec()
}

#[test]
fn takers_get_the_whole_reserve_and_then_pairs_that_are_made() {
    static ENDS: Mutex<Vec<KeyPairSpec>> = Mutex::new(Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let kinds = [(KeyPairSpec::Rsa2048, 21), (SPEC, 5000)];
    for (spec, count) in kinds {
        fill_with(folder, spec, count);
    }
    let served = Served::start(folder, |reserve, end| {
        end.unwrap();
        ENDS.lock().unwrap().push(reserve.pool().spec());
    });
    for (spec, count) in kinds {
        let pairs: HashSet<_> = (0..=count).map(|_| served.take(spec)).collect();
        assert_eq!(pairs.len() as u64, count + 1, "none twice, and one that was made");
        // What was handed out last is reported without a stop.
        let begun = Instant::now();
        while book(folder, spec).taken() < count {
            assert!(begun.elapsed() < PATIENCE, "{:?}", book(folder, spec));
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!((book(folder, spec).claimed(), book(folder, spec).unaccounted()), (count, 0));
    }
    assert_eq!(*ENDS.lock().unwrap(), [KeyPairSpec::Rsa2048, SPEC]);
}

#[test]
fn a_server_that_ends_loses_at_most_what_it_has_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fill_with(folder, SPEC, 10_000);
    let mut seen = HashSet::new();
    let (mut taken, mut lost) = (0, 0);
    for round in 0..3 {
        let served = Served::start(folder, |reserve, end| panic!("{reserve:?}: {end:?}"));
        for _ in 0..100 + round {
            assert!(seen.insert(served.take(SPEC)), "a pair came twice");
            taken += 1;
        }
        let outcome = served.stop();
        assert_eq!(outcome.taken, 100 + round);
        assert!(outcome.unaccounted() <= pool_ahead(SPEC), "{outcome:?}");
        lost += outcome.unaccounted();
        let book = book(folder, SPEC);
        assert_eq!((book.taken(), book.unaccounted()), (taken, lost));
    }
}

#[test]
fn what_nobody_asks_for_is_not_claimed() {
    let folder = tempfile::tempdir().unwrap();
    fill_with(folder.path(), SPEC, 100);
    let served = Served::start(folder.path(), |_, _| panic!("it draws"));
    thread::sleep(Duration::from_millis(50));
    assert_eq!(served.stop(), Outcome::default());
    assert_eq!(book(folder.path(), SPEC).claimed(), 0);
}

/// A served keystore that is open for a change can be claimed from all the same.
#[test]
fn claims_and_changes_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fill_with(folder, SPEC, 20_000);
    let served = Served::start(folder, |reserve, end| panic!("{reserve:?}: {end:?}"));
    let scope = served.keystore.scope().clone();
    let mut seen = HashSet::new();
    for _ in 0..15 {
        let made = |keystore: &mut Keystore| keystore.create_key(&CreateKey::default());
        served.keystore.change(&scope, made).unwrap();
        seen.extend((0..1000).map(|_| served.take(SPEC)));
    }
    assert_eq!(seen.len(), 15_000);
    let outcome = served.stop();
    assert_eq!(outcome.taken, 15_000);
    assert_eq!(book(folder, SPEC).claimed(), outcome.claimed);
}

#[test]
fn damaged_records_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fill_with(folder, SPEC, 3000);
    let path = SealedPool::path_in(folder, SPEC);
    let mut bytes = fs::read(&path).unwrap();
    bytes[2000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let served = Served::start(folder, |_, end| end.unwrap());
    let seen: HashSet<_> = (0..2999).map(|_| served.take(SPEC)).collect();
    assert_eq!(seen.len(), 2999);
    let outcome = served.stop();
    assert_eq!((outcome.taken, outcome.damaged, outcome.unaccounted()), (2999, 1, 0));
}

#[test]
fn a_reserve_that_fails_is_told_and_pairs_are_made() {
    static ENDS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fill_with(folder, SPEC, 100);
    let reserves = Reserves::open(&keystore(folder), folder, [SPEC]).unwrap();
    // Another keystore comes to lie where the claims would be written.
    fs::remove_file(folder.join("keystore.redb")).unwrap();
    drop(keystore(folder));
    let (pools, feeders) = feed(reserves, |_, end| {
        let error = end.unwrap_err();
        assert!(matches!(error, Error::Reserve(ReserveError::Keystore(_))), "{error:?}");
        ENDS.lock().unwrap().push(error.to_string());
    });
    take(&pools, SPEC);
    assert_eq!(feeders.stop()[0].outcome(), Outcome::default());
    assert_eq!(ENDS.lock().unwrap().len(), 1);
}
