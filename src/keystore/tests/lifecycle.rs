//! States, operations, material.

use super::{
    CreateKey, DAY_SECONDS, Error, KeyId, Keystore, Origin, Secret, default_key, fresh, id,
    new_key, open, refusal,
};
use crate::keystore::{ImportMaterial, KeyState, ScopeOptions};
use crate::limits::{DESCRIPTION_CHARS_MAX, ROTATIONS_PER_KEY_MAX};
use crate::spec::MaterialId;

const OK: &str = "ok";
const DISABLED: &str = "DisabledException: ARN is disabled.";
const DELETION: &str = "KMSInvalidStateException: ARN is pending deletion.";
const NO_DELETION: &str = "KMSInvalidStateException: ARN is not pending deletion.";
const IMPORT: &str = "KMSInvalidStateException: ARN is pending import.";
const EXTERNAL: &str =
    "UnsupportedOperationException: ARN origin is EXTERNAL which is not valid for this operation.";
const AWS_KMS: &str =
    "UnsupportedOperationException: ARN origin is AWS_KMS which is not valid for this operation.";

/// A new key brought into a state.
fn key_in(keystore: &mut Keystore, state: KeyState) -> KeyId {
    let origin = match state {
        KeyState::PendingImport => Origin::External,
        _ => Origin::AwsKms,
    };
    let key = new_key(keystore, origin);
    match state {
        KeyState::Enabled | KeyState::PendingImport => {}
        KeyState::Disabled => keystore.disable(&key).unwrap(),
        KeyState::PendingDeletion => {
            keystore.schedule_deletion(&key, 7).unwrap();
        }
        other => panic!("{other:?} is not reached this way"),
    }
    assert_eq!(keystore.resolve(&key).unwrap().state(), state);
    key
}

type Operation = fn(&mut Keystore, &KeyId) -> Result<(), Error>;

/// The columns: enabled, disabled, pending deletion, pending import.
const TABLE: [(&str, Operation, [&str; 4]); 14] = [
    ("wrap", |s, k| s.wrapping_key(k).map(drop), [OK, DISABLED, DELETION, IMPORT]),
    ("unwrap", unwrap_any, [OK, DISABLED, DELETION, IMPORT]),
    ("resume", resume_any, [OK, DISABLED, DELETION, IMPORT]),
    ("describe", |s, k| s.describe(k).map(drop), [OK; 4]),
    ("list aliases", |s, k| s.list_aliases_of(k).map(drop), [OK; 4]),
    ("create alias", |s, k| s.create_alias(&"alias/t".parse().unwrap(), k), [OK, OK, DELETION, OK]),
    (
        "update alias",
        |s, k| s.update_alias(&"alias/default".parse().unwrap(), k),
        [OK, OK, DELETION, OK],
    ),
    ("update description", |s, k| s.update_description(k, "new"), [OK, OK, DELETION, OK]),
    ("enable", Keystore::enable, [OK, OK, DELETION, IMPORT]),
    ("disable", Keystore::disable, [OK, OK, DELETION, IMPORT]),
    ("schedule", |s, k| s.schedule_deletion(k, 30).map(drop), [OK, OK, DELETION, OK]),
    ("cancel", Keystore::cancel_deletion, [NO_DELETION, NO_DELETION, OK, NO_DELETION]),
    ("rotate", |s, k| s.rotate(k).map(drop), [OK, DISABLED, DELETION, EXTERNAL]),
    (
        "import",
        |s, k| s.import_material(k, ImportMaterial::new(Secret::new([7; 32]))).map(drop),
        [AWS_KMS, AWS_KMS, AWS_KMS, OK],
    ),
];

fn unwrap_any(keystore: &mut Keystore, key: &KeyId) -> Result<(), Error> {
    let key = keystore.resolve(key)?;
    let material = key.current_material().unwrap_or(MaterialId([0; 32]));
    keystore.wrapping_key_by_material(key.arn().id, material).map(drop)
}

fn resume_any(keystore: &mut Keystore, key: &KeyId) -> Result<(), Error> {
    let material = keystore.resolve(key)?.current_material().unwrap_or(MaterialId([0; 32]));
    keystore.material_for_resumed_job(key, material).map(drop)
}

#[test]
fn every_operation_answers_for_every_state() {
    let states =
        [KeyState::Enabled, KeyState::Disabled, KeyState::PendingDeletion, KeyState::PendingImport];
    let (_home, _, mut keystore) = fresh();
    for (name, operation, answers) in TABLE {
        for (state, answer) in states.into_iter().zip(answers) {
            let key = key_in(&mut keystore, state);
            let outcome = operation(&mut keystore, &key);
            assert_eq!(refusal(outcome, &key), answer, "{name} in state {state:?}");
            let test_alias = "alias/t".parse().unwrap();
            let _cleared = keystore.delete_alias(&test_alias);
        }
    }
}

#[test]
fn a_refused_operation_changes_nothing() {
    let (home, _, mut keystore) = fresh();
    let key = key_in(&mut keystore, KeyState::PendingDeletion);
    let before = serde_json::to_string(&keystore.describe(&key).unwrap()).unwrap();
    for (_, operation, answers) in TABLE {
        if answers[2] != OK {
            operation(&mut keystore, &key).unwrap_err();
        }
    }
    assert_eq!(serde_json::to_string(&keystore.describe(&key).unwrap()).unwrap(), before);
    drop(keystore);
    let keystore = open(home.path()).unwrap();
    assert_eq!(serde_json::to_string(&keystore.describe(&key).unwrap()).unwrap(), before);
}

#[test]
fn rotation_keeps_what_older_material_sealed() {
    let (home, _, mut keystore) = fresh();
    let key = default_key();
    let first = keystore.wrapping_key(&key).unwrap();
    let second_id = keystore.rotate(&key).unwrap();
    let second = keystore.wrapping_key(&key).unwrap();
    assert_eq!(second.material_id, second_id);
    assert_ne!(first.material.expose(), second.material.expose());

    drop(keystore);
    let keystore = open(home.path()).unwrap();
    for material in [first, second] {
        let id = material.material_id;
        let opened = keystore.wrapping_key_by_material(material.arn.id, id).unwrap();
        assert_eq!(opened.material.expose(), material.material.expose());
        assert_eq!((opened.arn, opened.material_id), (material.arn, id));
        let resumed = keystore.material_for_resumed_job(&key, id).unwrap();
        assert_eq!(resumed.material.expose(), material.material.expose());
    }
    let dates: Vec<_> = keystore.resolve(&key).unwrap().materials().collect();
    assert_eq!(dates.len(), 2);
    assert_eq!(dates[1].0, second_id);
}

#[test]
fn rotations_are_limited() {
    let (_home, _, mut keystore) = fresh();
    let key = new_key(&mut keystore, Origin::AwsKms);
    for _ in 0..ROTATIONS_PER_KEY_MAX {
        keystore.rotate(&key).unwrap();
    }
    assert_eq!(
        refusal(keystore.rotate(&key), &key),
        "LimitExceededException: The on-demand rotations limit has been reached for the given \
         keyId. No more on-demand rotations can be performed for this key: ARN"
    );
}

#[test]
fn a_cancelled_deletion_leaves_the_key_disabled_or_empty() {
    let (_home, _, mut keystore) = fresh();
    let full = new_key(&mut keystore, Origin::AwsKms);
    let empty = new_key(&mut keystore, Origin::External);
    for (key, state) in [(full, KeyState::Disabled), (empty, KeyState::PendingImport)] {
        keystore.schedule_deletion(&key, 7).unwrap();
        keystore.cancel_deletion(&key).unwrap();
        let metadata = keystore.describe(&key).unwrap();
        assert_eq!(metadata.key_state, state);
        assert!(metadata.deletion_date.is_none() && !metadata.enabled);
    }
}

#[test]
fn the_deletion_window_is_7_to_30_days() {
    let (_home, _, mut keystore) = fresh();
    let key = default_key();
    let form = "ValidationException: 1 validation error detected: Value";
    assert_eq!(
        refusal(keystore.schedule_deletion(&key, 6), &key),
        format!(
            "{form} '6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have \
             value greater than or equal to 7"
        )
    );
    assert_eq!(
        refusal(keystore.schedule_deletion(&key, 31), &key),
        format!(
            "{form} '31' at 'pendingWindowInDays' failed to satisfy constraint: Member must have \
             value less than or equal to 30"
        )
    );
}

#[test]
fn a_key_is_purged_when_its_date_has_passed() {
    let (home, clock, mut keystore) = fresh();
    let doomed = new_key(&mut keystore, Origin::AwsKms);
    keystore.create_alias(&"alias/doomed".parse().unwrap(), &doomed).unwrap();
    let date = keystore.schedule_deletion(&doomed, 7).unwrap().unwrap();
    assert_eq!(date.as_second(), 1_795_000_000 + 7 * DAY_SECONDS);
    drop(keystore);

    clock.advance(7 * DAY_SECONDS - 1);
    let keystore = Keystore::open(home.path(), super::options(&clock)).unwrap();
    assert_eq!(keystore.describe(&id("alias/doomed")).unwrap().deletion_date, Some(date));
    drop(keystore);

    clock.advance(1);
    for _ in 0..2 {
        let keystore = Keystore::open(home.path(), super::options(&clock)).unwrap();
        assert_eq!(
            refusal(keystore.describe(&doomed), &doomed),
            "NotFoundException: Key 'ARN' does not exist"
        );
        assert_eq!(keystore.list_aliases().len(), 1);
        keystore.wrapping_key(&default_key()).unwrap();
    }
}

#[test]
fn metadata_has_the_members_of_the_service() {
    let (_home, clock, mut keystore) = fresh();
    let members = |keystore: &Keystore, key: &KeyId| -> Vec<String> {
        let json = serde_json::to_value(keystore.describe(key).unwrap()).unwrap();
        json.as_object().unwrap().keys().cloned().collect()
    };
    let real = "AWSAccountId Arn CreationDate CurrentKeyMaterialId CustomerMasterKeySpec \
                Description Enabled EncryptionAlgorithms KeyId KeyManager KeySpec KeyState \
                KeyUsage MultiRegion Origin";
    assert_eq!(members(&keystore, &default_key()).join(" "), real);

    clock.advance(1);
    let text = "with every member";
    let scope = ScopeOptions {
        region: Some("cn-north-1".parse().unwrap()),
        account: Some("111122223333".parse().unwrap()),
        partition: None,
    };
    let options = CreateKey {
        description: text.to_owned(),
        origin: Origin::External,
        scope,
        ..CreateKey::default()
    };
    let json = serde_json::to_value(keystore.create_key(&options).unwrap()).unwrap();
    assert_eq!(json["AWSAccountId"], "111122223333");
    assert!(json["Arn"].as_str().unwrap().starts_with("arn:aws-cn:kms:cn-north-1:111122223333:"));
    assert_eq!(json["CreationDate"], "2026-11-18T11:06:41Z");
    assert_eq!(json["Description"], text);
    assert_eq!(json["KeyState"], "PendingImport");
    assert_eq!(json["Origin"], "EXTERNAL");
    assert_eq!(json["Enabled"], false);
    assert_eq!(json["KeySpec"], "SYMMETRIC_DEFAULT");
    assert_eq!(json["KeyUsage"], "ENCRYPT_DECRYPT");
    assert!(json.get("CurrentKeyMaterialId").is_none());
}

#[test]
fn lists_are_by_age_and_scope() {
    let (_home, clock, mut keystore) = fresh();
    let elsewhere =
        ScopeOptions { region: Some("eu-west-1".parse().unwrap()), ..ScopeOptions::default() };
    let options = CreateKey { scope: elsewhere.clone(), ..CreateKey::default() };
    keystore.create_key(&options).unwrap();
    clock.advance(1);
    let newest = new_key(&mut keystore, Origin::AwsKms);
    let listed: Vec<String> =
        keystore.list_keys().iter().map(|key| key.arn().to_string()).collect();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1], newest.to_string());
    assert_eq!(keystore.keys().count(), 3);
    let scope = elsewhere.resolve(keystore.scope()).unwrap();
    keystore.set_scope(scope);
    assert_eq!(keystore.list_keys().len(), 1);
}

#[test]
fn a_description_has_a_limit() {
    let (_home, _, mut keystore) = fresh();
    let key = default_key();
    keystore.update_description(&key, &"\u{e9}".repeat(DESCRIPTION_CHARS_MAX)).unwrap();
    let long = "x".repeat(DESCRIPTION_CHARS_MAX + 1);
    assert_eq!(
        refusal(keystore.update_description(&key, &long), &key),
        "ValidationException: 1 validation error detected: Value at 'description' failed to \
         satisfy constraint: Member must have length less than or equal to 8192"
    );
}
