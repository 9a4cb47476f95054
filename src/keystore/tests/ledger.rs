//! The ledger of pools: claims go up only, survive, and belong to one keystore.

use std::time::Duration;

use super::{fresh, open};
use crate::keystore::{Claim, Error, Kind};
use crate::spec::{KeyPairSpec, PoolId};

const SPEC: KeyPairSpec = KeyPairSpec::Rsa4096;
const ID: PoolId = PoolId([7; 16]);

#[test]
fn no_record_is_claimed_twice() {
    let (home, _, mut keystore) = fresh();
    keystore.add_pool(ID, SPEC).unwrap();
    let claim = |wanted, available| Claim { wanted, available, ..Claim::default() };
    assert_eq!(keystore.claim(ID, claim(10, 100)).unwrap(), 0..10);
    assert_eq!(keystore.claim(ID, claim(0, 100)).unwrap(), 10..10);
    drop(keystore);
    let mut keystore = open(home.path()).unwrap();
    assert_eq!(keystore.claim(ID, claim(10, 15)).unwrap(), 10..15);
    // An older copy of the pool is put back: it has fewer records than were claimed.
    assert_eq!(keystore.claim(ID, claim(10, 12)).unwrap(), 15..15);
    assert_eq!(keystore.claim(ID, claim(u64::MAX, u64::MAX)).unwrap(), 15..u64::MAX);
    assert_eq!(keystore.claim(ID, claim(u64::MAX, u64::MAX)).unwrap(), u64::MAX..u64::MAX);
}

#[test]
fn reports_are_counted_and_never_exceed_the_claims() {
    let (home, _, mut keystore) = fresh();
    keystore.add_pool(ID, SPEC).unwrap();
    let claim = Claim { wanted: 10, available: 100, ..Claim::default() };
    keystore.claim(ID, claim).unwrap();
    assert_eq!(keystore.pool(ID).unwrap().unaccounted(), 10);
    keystore.claim(ID, Claim { taken: 6, damaged: 1, ..claim }).unwrap();
    drop(keystore);
    let mut keystore = open(home.path()).unwrap();
    let pool = keystore.pool(ID).unwrap();
    let counts = (pool.claimed(), pool.taken(), pool.damaged(), pool.unaccounted());
    assert_eq!((pool.spec(), counts), (SPEC, (20, 6, 1, 13)));
    let nonsense = Claim { taken: u64::MAX, damaged: u64::MAX, ..Claim::default() };
    keystore.claim(ID, nonsense).unwrap();
    assert_eq!(keystore.pool(ID).unwrap().unaccounted(), 0);
    drop(keystore);
    assert_eq!(open(home.path()).unwrap().pool(ID).unwrap().taken(), 19);
}

#[test]
fn a_pool_of_another_keystore_is_refused() {
    let (_home, _, mut keystore) = fresh();
    let refused = keystore.claim(ID, Claim { wanted: 1, available: 1, ..Claim::default() });
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::PoolUnknown(ID)), "{error}");
    assert_eq!(error.kind(), Kind::NotFound);
}

#[test]
fn pools_and_keystores_have_keys_of_their_own() {
    let (home, _, keystore) = fresh();
    let (_other_home, _, other) = fresh();
    let key = |keystore: &super::Keystore, id| *keystore.pool_key(id).unwrap().expose();
    let first = key(&keystore, ID);
    assert_ne!(first, key(&keystore, PoolId([8; 16])));
    assert_ne!(first, key(&other, ID));
    drop(keystore);
    assert_eq!(first, key(&open(home.path()).unwrap(), ID));
}

#[test]
fn a_closed_keystore_opens_again_and_its_replacement_does_not() {
    let (home, _, mut keystore) = fresh();
    keystore.add_pool(ID, SPEC).unwrap();
    let closed = keystore.closed();
    drop(keystore);
    assert!(closed.open(Duration::ZERO).unwrap().pool(ID).is_ok());
    let (other_home, _, other) = fresh();
    drop(other);
    for name in ["keystore.redb", "root.key"] {
        std::fs::copy(other_home.path().join(name), home.path().join(name)).unwrap();
    }
    assert!(matches!(closed.open(Duration::ZERO).unwrap_err(), Error::Replaced(_)));
}
