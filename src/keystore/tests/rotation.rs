//! Rotation by itself, and what else falls due with time.

use std::thread;
use std::time::Duration;

use super::{
    DAY_SECONDS, Keystore, ManualClock, Origin, default_key, fresh, new_key, options, refusal,
    with_passphrase,
};
use crate::keystore::{OpenOptions, RotationType, ServedKeystore};
use crate::limits::ROTATIONS_PER_KEY_MAX;
use crate::spec::KeyId;

fn reopened(home: &tempfile::TempDir, clock: &ManualClock) -> Keystore {
    Keystore::open(home.path(), options(clock)).unwrap()
}

fn kinds(keystore: &Keystore, key: &KeyId) -> Vec<Option<RotationType>> {
    let key = keystore.resolve(key).unwrap();
    key.key_materials().map(|material| material.rotation).collect()
}

#[test]
fn a_rotation_that_falls_due_happens_once() {
    let (home, clock, mut keystore) = fresh();
    let key = default_key();
    keystore.enable_rotation(&key, 90).unwrap();
    let first = keystore.wrapping_key(&key).unwrap();
    drop(keystore);

    clock.advance(90 * DAY_SECONDS - 1);
    assert_eq!(kinds(&reopened(&home, &clock), &key), [None]);
    // However many were missed.
    clock.advance(1000 * DAY_SECONDS);
    for _ in 0..2 {
        let keystore = reopened(&home, &clock);
        assert_eq!(kinds(&keystore, &key), [None, Some(RotationType::Automatic)]);
        let old = keystore.wrapping_key_by_material(first.arn.id, first.material_id).unwrap();
        assert_eq!(old.material.expose(), first.material.expose());
        assert_ne!(keystore.wrapping_key(&key).unwrap().material_id, first.material_id);
    }
    clock.advance(90 * DAY_SECONDS);
    assert_eq!(kinds(&reopened(&home, &clock), &key).len(), 3);
}

#[test]
fn a_key_that_is_off_waits_with_its_rotation() {
    let (home, clock, mut keystore) = fresh();
    let (key, other) = (default_key(), new_key(&mut keystore, Origin::AwsKms));
    keystore.enable_rotation(&key, 90).unwrap();
    keystore.enable_rotation(&other, 90).unwrap();
    keystore.disable_rotation(&other).unwrap();
    keystore.disable(&key).unwrap();
    drop(keystore);
    clock.advance(100 * DAY_SECONDS);
    let mut keystore = reopened(&home, &clock);
    assert_eq!(kinds(&keystore, &key), [None]);
    assert_eq!(kinds(&keystore, &other), [None]);
    keystore.enable(&key).unwrap();
    drop(keystore);
    assert_eq!(kinds(&reopened(&home, &clock), &key).len(), 2);
}

#[test]
fn only_rotations_on_demand_are_counted_against_their_limit() {
    let (home, clock, mut keystore) = fresh();
    let key = default_key();
    keystore.enable_rotation(&key, 90).unwrap();
    drop(keystore);
    for _ in 0..ROTATIONS_PER_KEY_MAX + 3 {
        clock.advance(90 * DAY_SECONDS);
        reopened(&home, &clock);
    }
    let mut keystore = reopened(&home, &clock);
    for _ in 0..ROTATIONS_PER_KEY_MAX {
        keystore.rotate(&key).unwrap();
    }
    let refused = keystore.rotate(&key);
    assert!(refusal(refused, &key).starts_with("LimitExceededException"));
}

/// The root key is not asked for where nothing but a list is wanted.
#[test]
fn a_rotation_waits_for_the_passphrase() {
    let home = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let with_clock =
        |options: OpenOptions| OpenOptions { clock: std::sync::Arc::new(clock.clone()), ..options };
    let key = default_key();
    let mut keystore = Keystore::init(home.path(), with_clock(with_passphrase("x"))).unwrap();
    keystore.enable_rotation(&key, 90).unwrap();
    drop(keystore);
    clock.advance(90 * DAY_SECONDS);
    let keystore = Keystore::open(home.path(), with_clock(OpenOptions::default())).unwrap();
    assert_eq!(kinds(&keystore, &key), [None]);
}

/// An endpoint rotates and deletes while it runs.
#[test]
fn a_served_keystore_does_what_is_due() {
    let (_home, clock, mut keystore) = fresh();
    let doomed = new_key(&mut keystore, Origin::AwsKms);
    keystore.schedule_deletion(&doomed, 7).unwrap();
    keystore.enable_rotation(&default_key(), 90).unwrap();
    let scope = keystore.scope().clone();
    let served = ServedKeystore::new(keystore).unwrap();
    let see = |key: &KeyId| {
        let found = served.snapshot().resolve(&scope, &key.to_string()).cloned();
        found.map(|key| key.record().key_materials().count()).ok()
    };
    let is_seen = |key: &KeyId, expected: Option<usize>| {
        (0..100).any(|_| {
            thread::sleep(Duration::from_millis(50));
            see(key) == expected
        })
    };
    assert_eq!(see(&doomed), Some(1));
    clock.advance(7 * DAY_SECONDS);
    assert!(is_seen(&doomed, None));
    assert_eq!(see(&default_key()), Some(1));
    clock.advance(83 * DAY_SECONDS);
    assert!(is_seen(&default_key(), Some(2)));
}
