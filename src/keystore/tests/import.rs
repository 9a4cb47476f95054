//! Imported material: given, taken away, expired, given back; and the tokens it comes with.

use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    DAY_SECONDS, KeyId, Keystore, ManualClock, Origin, Secret, fresh, id, new_key, options, refusal,
};
use crate::crypto::key_transport::WrappingAlgorithm;
use crate::keystore::{
    Clock, ImportMaterial, ImportToken, ImportType, KeyState, RotationType, ServedKeystore,
};
use crate::limits::IMPORT_TOKEN_HOURS;
use crate::spec::{KeyArn, MaterialId};

const INCORRECT: &str =
    "IncorrectKeyMaterialException: The key material is not the one previously imported into ARN.";

fn material(byte: u8) -> ImportMaterial {
    ImportMaterial::new(Secret::new([byte; 32]))
}

fn expiring(byte: u8, expires: Timestamp) -> ImportMaterial {
    ImportMaterial { expires: Some(expires), ..material(byte) }
}

fn new(byte: u8) -> ImportMaterial {
    ImportMaterial { kind: Some(ImportType::NewKeyMaterial), ..material(byte) }
}

fn state(keystore: &Keystore, key: &KeyId) -> KeyState {
    keystore.resolve(key).unwrap().state()
}

fn in_days(clock: &ManualClock, days: i64) -> Timestamp {
    clock.now() + SignedDuration::from_secs(days * DAY_SECONDS)
}

/// A key with material 1.
fn with_material(keystore: &mut Keystore) -> (KeyId, MaterialId) {
    let key = new_key(keystore, Origin::External);
    let id = keystore.import_material(&key, material(1)).unwrap();
    (key, id)
}

#[test]
fn material_ids_are_bound_to_the_key() {
    let (_home, _, mut keystore) = fresh();
    let ((one, id_one), (_, id_two)) = (with_material(&mut keystore), with_material(&mut keystore));
    assert_ne!(id_one, id_two);
    assert_eq!(keystore.wrapping_key(&one).unwrap().material.expose(), &[1; 32]);
    assert!(keystore.material_for_resumed_job(&one, id_two).is_err());
}

#[test]
fn material_is_imported_once() {
    let (_home, _, mut keystore) = fresh();
    let (key, first) = with_material(&mut keystore);
    assert_eq!(keystore.import_material(&key, material(1)).unwrap(), first);
    assert_eq!(refusal(keystore.import_material(&key, material(2)), &key), INCORRECT);
    assert_eq!(keystore.resolve(&key).unwrap().materials().len(), 1);
    keystore.disable(&key).unwrap();
    assert_eq!(keystore.import_material(&key, material(1)).unwrap(), first);
    assert_eq!(state(&keystore, &key), KeyState::Disabled);
}

/// What is said of the material must be so.
#[test]
fn the_kind_and_the_id_of_an_import_are_checked() {
    let (_home, _, mut keystore) = fresh();
    let key = new_key(&mut keystore, Origin::External);
    let existing =
        |byte| ImportMaterial { kind: Some(ImportType::ExistingKeyMaterial), ..material(byte) };
    assert_eq!(refusal(keystore.import_material(&key, existing(1)), &key), INCORRECT);
    let first = keystore.import_material(&key, new(1)).unwrap();
    assert_eq!(refusal(keystore.import_material(&key, new(1)), &key), INCORRECT);
    let named = |id| ImportMaterial { id: Some(id), ..existing(1) };
    assert_eq!(keystore.import_material(&key, named(first)).unwrap(), first);
    let wrong = named(MaterialId([0; 32]));
    assert_eq!(refusal(keystore.import_material(&key, wrong), &key), INCORRECT);
}

#[test]
fn deleted_material_can_only_be_given_back() {
    let (home, clock, mut keystore) = fresh();
    let (key, first) = with_material(&mut keystore);
    for off in [false, true] {
        if off {
            keystore.disable(&key).unwrap();
        }
        assert_eq!(keystore.delete_imported_material(&key, None).unwrap(), Some(first));
        assert_eq!(state(&keystore, &key), KeyState::PendingImport);
        let waits = refusal(keystore.wrapping_key(&key), &key);
        assert_eq!(waits, "KMSInvalidStateException: ARN is pending import.");
        assert_eq!(refusal(keystore.import_material(&key, material(2)), &key), INCORRECT);
        assert_eq!(keystore.delete_imported_material(&key, Some(first)).unwrap(), Some(first));
        drop(keystore);
        keystore = Keystore::open(home.path(), options(&clock)).unwrap();
        assert_eq!(keystore.import_material(&key, material(1)).unwrap(), first);
        assert_eq!(state(&keystore, &key), KeyState::Enabled);
        keystore.wrapping_key(&key).unwrap();
    }
    let empty = new_key(&mut keystore, Origin::External);
    assert_eq!(keystore.delete_imported_material(&empty, None).unwrap(), None);
    let unknown = keystore.delete_imported_material(&empty, Some(first));
    assert!(refusal(unknown, &empty).starts_with("NotFoundException: ARN has no key material"));
}

#[test]
fn a_key_that_is_to_be_deleted_stays_so_without_its_material() {
    let (_home, _, mut keystore) = fresh();
    let (key, _) = with_material(&mut keystore);
    keystore.schedule_deletion(&key, 7).unwrap();
    keystore.delete_imported_material(&key, None).unwrap();
    assert_eq!(state(&keystore, &key), KeyState::PendingDeletion);
    keystore.cancel_deletion(&key).unwrap();
    assert_eq!(state(&keystore, &key), KeyState::PendingImport);
}

#[test]
fn material_expires_at_its_date_and_comes_back_with_another() {
    let (home, clock, mut keystore) = fresh();
    let key = new_key(&mut keystore, Origin::External);
    let end = in_days(&clock, 2);
    keystore.import_material(&key, expiring(1, end)).unwrap();
    let metadata = keystore.describe(&key).unwrap();
    let json = serde_json::to_value(&metadata).unwrap();
    assert_eq!(json["ExpirationModel"], "KEY_MATERIAL_EXPIRES");
    assert_eq!(metadata.valid_to, Some(end));
    drop(keystore);

    clock.advance(2 * DAY_SECONDS - 1);
    keystore = Keystore::open(home.path(), options(&clock)).unwrap();
    keystore.wrapping_key(&key).unwrap();
    drop(keystore);
    clock.advance(1);
    keystore = Keystore::open(home.path(), options(&clock)).unwrap();
    assert_eq!(state(&keystore, &key), KeyState::PendingImport);
    let metadata = keystore.describe(&key).unwrap();
    assert!(metadata.valid_to.is_none() && metadata.expiration_model.is_none());
    // Nothing of it is left but its id.
    assert!(keystore.resolve(&key).unwrap().materials[0].sealed.is_none());

    let later = in_days(&clock, 1);
    keystore.import_material(&key, expiring(1, later)).unwrap();
    assert_eq!(keystore.describe(&key).unwrap().valid_to, Some(later));
    keystore.import_material(&key, material(1)).unwrap();
    assert_eq!(keystore.describe(&key).unwrap().valid_to, None);
}

#[test]
fn a_served_key_loses_its_material_when_it_expires() {
    let (_home, clock, mut keystore) = fresh();
    let key = new_key(&mut keystore, Origin::External);
    keystore.import_material(&key, expiring(1, in_days(&clock, 1))).unwrap();
    let scope = keystore.scope().clone();
    let served = ServedKeystore::new(keystore).unwrap();
    let seals = || {
        let snapshot = served.snapshot();
        snapshot.resolve(&scope, &key.to_string()).unwrap().wrapping_key().is_ok()
    };
    assert!(seals());
    clock.advance(DAY_SECONDS);
    let is_over = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(50));
        !seals()
    });
    assert!(is_over, "the material is still used");
}

#[test]
fn new_material_waits_for_a_rotation() {
    let (_home, clock, mut keystore) = fresh();
    let (key, first) = with_material(&mut keystore);
    let recorded = "UnsupportedOperationException: ARN origin is EXTERNAL which is not valid for \
                    this operation.";
    assert_eq!(refusal(keystore.rotate(&key), &key), recorded);
    let second = keystore.import_material(&key, new(2)).unwrap();
    assert_eq!(keystore.wrapping_key(&key).unwrap().material_id, first);
    assert_eq!(refusal(keystore.import_material(&key, new(3)), &key), INCORRECT);
    // It can be taken back, and another put in its place.
    keystore.delete_imported_material(&key, Some(second)).unwrap();
    assert_eq!(state(&keystore, &key), KeyState::Enabled);
    assert!(keystore.resolve(&key).unwrap().awaiting_material().is_none());
    let third = keystore.import_material(&key, new(3)).unwrap();
    clock.advance(60);
    assert_eq!(keystore.rotate(&key).unwrap(), third);
    assert_eq!(keystore.wrapping_key(&key).unwrap().material_id, third);
    keystore.wrapping_key_by_material(first_key_id(&key), first).unwrap();
    let found = keystore.resolve(&key).unwrap();
    let last = found.key_materials().last().unwrap();
    assert_eq!((last.date, last.rotation), (clock.now(), Some(RotationType::OnDemand)));
    // Both are needed from now on.
    keystore.delete_imported_material(&key, Some(first)).unwrap();
    assert_eq!(state(&keystore, &key), KeyState::PendingImport);
    keystore.import_material(&key, material(1)).unwrap();
    assert_eq!(state(&keystore, &key), KeyState::Enabled);
    assert_eq!(keystore.wrapping_key(&key).unwrap().material_id, third);
}

fn first_key_id(key: &KeyId) -> crate::spec::ResourceId {
    key.to_string().parse::<KeyArn>().unwrap().id
}

#[test]
fn a_token_opens_for_its_key_until_it_ends() {
    let (home, clock, mut keystore) = fresh();
    let one: KeyArn = new_key(&mut keystore, Origin::External).to_string().parse().unwrap();
    let two: KeyArn = new_key(&mut keystore, Origin::External).to_string().parse().unwrap();
    let served = ServedKeystore::new(keystore).unwrap();
    let private_key = || Secret::new(b"a private key".to_vec());
    let algorithm = WrappingAlgorithm::RsaAesKeyWrapSha1;
    let token = ImportToken { algorithm, private_key: private_key() };
    let (sealed, end) = served.seal_import_token(&one, &token).unwrap();
    assert_eq!(end, clock.now() + SignedDuration::from_hours(IMPORT_TOKEN_HOURS));
    let is_in_clear = |bytes: &[u8]| bytes.windows(9).any(|window| window == b"a private");
    assert!(!is_in_clear(&sealed));
    let refused = |served: &ServedKeystore, key: &KeyArn, sealed: &[u8]| {
        refusal(served.open_import_token(key, sealed), &id(&key.to_string()))
    };
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert_eq!(refused(&served, &one, &damaged), "InvalidImportTokenException: ", "byte {at}");
        assert_eq!(refused(&served, &one, &sealed[..at]), "InvalidImportTokenException: ");
    }
    assert_eq!(refused(&served, &two, &sealed), "InvalidImportTokenException: ");
    drop(served);

    // Another process, nearly a day later.
    clock.advance(IMPORT_TOKEN_HOURS * 3600 - 1);
    let keystore = Keystore::open(home.path(), options(&clock)).unwrap();
    let served = ServedKeystore::new(keystore).unwrap();
    let opened = served.open_import_token(&one, &sealed).unwrap();
    assert_eq!(opened.private_key.expose(), private_key().expose());
    assert_eq!(opened.algorithm, algorithm);
    clock.advance(1);
    assert_eq!(refused(&served, &one, &sealed), "ExpiredImportTokenException: ");
}
