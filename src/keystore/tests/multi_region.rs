//! Multi-Region keys: what related keys share, and in which order they go.

use super::{
    CreateKey, DAY_SECONDS, Keystore, ManualClock, Origin, Secret, fresh, id, options, refusal,
};
use crate::keystore::{ImportMaterial, ImportType, KeyState, ReplicateKey, RotationType};
use crate::spec::{KeyArn, KeyId, ResourceId};

const NOT_PRIMARY: &str = "UnsupportedOperationException: ARN is not a multi-region primary key.";

fn to(region: &str) -> ReplicateKey {
    ReplicateKey {
        region: region.parse().unwrap(),
        description: String::new(),
        policy: None,
        tags: Vec::new(),
    }
}

fn arn(key: &KeyId) -> KeyArn {
    key.to_string().parse().unwrap()
}

fn resource(key: &KeyId) -> ResourceId {
    arn(key).id
}

/// A primary in us-east-1 and its replicas, by their ARNs.
fn primary_with(keystore: &mut Keystore, origin: Origin, regions: &[&str]) -> (KeyId, Vec<KeyId>) {
    let options = CreateKey { origin, multi_region: true, ..CreateKey::default() };
    let primary = id(&keystore.create_key(&options).unwrap().arn);
    if origin == Origin::External {
        keystore.import_material(&primary, material(1)).unwrap();
    }
    let replicas = regions.iter().map(|region| {
        let replica = keystore.replicate(&primary, &to(region)).unwrap();
        id(&replica.arn().to_string())
    });
    let replicas = replicas.collect();
    (primary, replicas)
}

/// Does so as an endpoint of the key's Region.
fn in_region_of<T>(
    keystore: &mut Keystore,
    key: &KeyId,
    action: impl FnOnce(&mut Keystore) -> T,
) -> T {
    let own = keystore.scope().clone();
    keystore.set_scope(arn(key).scope);
    let outcome = action(keystore);
    keystore.set_scope(own);
    outcome
}

fn state(keystore: &Keystore, key: &KeyId) -> KeyState {
    keystore.state.key(&arn(key)).unwrap().state()
}

fn material(byte: u8) -> ImportMaterial {
    ImportMaterial::new(Secret::new([byte; 32]))
}

fn reopened(home: &tempfile::TempDir, clock: &ManualClock) -> Keystore {
    Keystore::open(home.path(), options(clock)).unwrap()
}

#[test]
fn related_keys_share_material_and_rotation_and_nothing_else() {
    let (home, clock, mut keystore) = fresh();
    let (primary, replicas) =
        primary_with(&mut keystore, Origin::AwsKms, &["eu-west-1", "ap-southeast-2"]);
    keystore.rotate(&primary).unwrap();
    keystore.enable_rotation(&primary, 90).unwrap();
    keystore.disable(&primary).unwrap();
    keystore.update_description(&primary, "here").unwrap();
    keystore.enable(&primary).unwrap();
    drop(keystore);
    clock.advance(90 * DAY_SECONDS);
    let mut keystore = reopened(&home, &clock);
    let shared = |keystore: &Keystore, key: &KeyId| {
        let key = keystore.state.key(&arn(key)).unwrap();
        (key.materials.clone(), key.rotation(), key.description().to_owned())
    };
    let (materials, rotation, _) = shared(&keystore, &primary);
    let kinds: Vec<_> = materials.iter().map(|material| material.rotation).collect();
    assert_eq!(kinds, [None, Some(RotationType::OnDemand), Some(RotationType::Automatic)]);
    assert!(rotation.unwrap().next > clock_now(&clock));
    let sealing = keystore.wrapping_key(&primary).unwrap();
    for replica in &replicas {
        assert_eq!(
            shared(&keystore, replica),
            (materials.clone(), rotation, String::new()),
            "{replica}"
        );
        let opened = in_region_of(&mut keystore, replica, |keystore| {
            keystore.wrapping_key_by_material(resource(replica), sealing.material_id).unwrap()
        });
        assert_eq!(opened.material.expose(), sealing.material.expose());
        assert_eq!(opened.arn, arn(replica));
        // They do not rotate by themselves, nor have replicas of their own.
        let refused = in_region_of(&mut keystore, replica, |keystore| {
            [
                refusal(keystore.rotate(replica), replica),
                refusal(keystore.enable_rotation(replica, 90), replica),
                refusal(keystore.replicate(replica, &to("sa-east-1")), replica),
                refusal(
                    keystore.update_primary_region(replica, &"us-east-1".parse().unwrap()),
                    replica,
                ),
            ]
        });
        assert_eq!(refused, [NOT_PRIMARY; 4]);
    }
    let told = serde_json::to_value(keystore.describe(&primary).unwrap()).unwrap();
    let regions = told["MultiRegionConfiguration"]["ReplicaKeys"].as_array().unwrap();
    let regions: Vec<_> = regions.iter().map(|key| key["Region"].as_str().unwrap()).collect();
    assert_eq!(regions, ["ap-southeast-2", "eu-west-1"]);
}

fn clock_now(clock: &ManualClock) -> jiff::Timestamp {
    crate::keystore::Clock::now(clock)
}

#[test]
fn a_replica_is_made_once_and_in_another_region_of_the_partition() {
    let (_home, _, mut keystore) = fresh();
    let (primary, _) = primary_with(&mut keystore, Origin::AwsKms, &["eu-west-1"]);
    for (region, expected) in [
        ("eu-west-1", "AlreadyExistsException"),
        ("us-east-1", "AlreadyExistsException"),
        ("cn-north-1", "UnsupportedOperationException"),
    ] {
        let told = refusal(keystore.replicate(&primary, &to(region)), &primary);
        assert!(told.starts_with(expected), "{region}: {told}");
    }
    let single = super::default_key();
    assert!(
        refusal(keystore.replicate(&single, &to("eu-west-1")), &single)
            .ends_with("is not a multi-region primary key.")
    );
    keystore.disable(&primary).unwrap();
    let told = refusal(keystore.replicate(&primary, &to("sa-east-1")), &primary);
    assert_eq!(told, "DisabledException: ARN is disabled.");
}

#[test]
fn a_primary_goes_last() {
    let (home, clock, mut keystore) = fresh();
    let (primary, replicas) = primary_with(&mut keystore, Origin::AwsKms, &["eu-west-1"]);
    let replica = &replicas[0];
    assert_eq!(keystore.schedule_deletion(&primary, 10).unwrap(), None);
    assert_eq!(state(&keystore, &primary), KeyState::PendingReplicaDeletion);
    let told = serde_json::to_value(keystore.describe(&primary).unwrap()).unwrap();
    assert_eq!(told["PendingDeletionWindowInDays"], 10);
    keystore.cancel_deletion(&primary).unwrap();
    assert_eq!(state(&keystore, &primary), KeyState::Disabled);
    assert_eq!(keystore.schedule_deletion(&primary, 10).unwrap(), None);
    // As long as the replica is there, it works, and the primary waits.
    drop(keystore);
    clock.advance(100 * DAY_SECONDS);
    let mut keystore = reopened(&home, &clock);
    in_region_of(&mut keystore, replica, |keystore| {
        keystore.wrapping_key(replica).unwrap();
        keystore.schedule_deletion(replica, 7).unwrap();
    });
    drop(keystore);
    clock.advance(7 * DAY_SECONDS);
    let keystore = reopened(&home, &clock);
    assert!(keystore.state.key(&arn(replica)).is_none());
    assert_eq!(state(&keystore, &primary), KeyState::PendingDeletion);
    let date = keystore.describe(&primary).unwrap().deletion_date.unwrap();
    assert_eq!(date.as_second(), clock_now(&clock).as_second() + 10 * DAY_SECONDS);
    drop(keystore);
    clock.advance(10 * DAY_SECONDS);
    assert!(reopened(&home, &clock).state.key(&arn(&primary)).is_none());
}

#[test]
fn the_primary_can_be_another_one() {
    let (home, clock, mut keystore) = fresh();
    let (primary, replicas) =
        primary_with(&mut keystore, Origin::AwsKms, &["eu-west-1", "sa-east-1"]);
    let region = |name: &str| name.parse().unwrap();
    let nowhere = keystore.update_primary_region(&primary, &region("eu-central-1"));
    assert!(
        refusal(nowhere, &primary).starts_with("NotFoundException: Key 'arn:aws:kms:eu-central")
    );
    let same = keystore.update_primary_region(&primary, &region("us-east-1"));
    assert!(refusal(same, &primary).starts_with("UnsupportedOperationException: "));
    keystore.update_primary_region(&primary, &region("eu-west-1")).unwrap();
    drop(keystore);
    let mut keystore = reopened(&home, &clock);
    for key in [&primary, &replicas[0], &replicas[1]] {
        let found = keystore.state.key(&arn(key)).unwrap();
        assert_eq!(found.primary_arn(), arn(&replicas[0]));
        assert_eq!(found.is_replica(), key != &replicas[0]);
    }
    assert_eq!(refusal(keystore.rotate(&primary), &primary), NOT_PRIMARY);
    let new = in_region_of(&mut keystore, &replicas[0], |keystore| keystore.rotate(&replicas[0]));
    assert_eq!(keystore.wrapping_key(&primary).unwrap().material_id, new.unwrap());
}

#[test]
fn imported_material_is_given_to_each_and_rotated_together() {
    let (_home, _, mut keystore) = fresh();
    let (primary, replicas) = primary_with(&mut keystore, Origin::External, &["eu-west-1"]);
    let replica = &replicas[0];
    assert_eq!(state(&keystore, replica), KeyState::PendingImport);
    let import = |keystore: &mut Keystore, key: &KeyId, wanted: ImportMaterial| {
        in_region_of(keystore, key, |keystore| keystore.import_material(key, wanted))
    };
    let new = |byte| ImportMaterial { kind: Some(ImportType::NewKeyMaterial), ..material(byte) };
    let told = refusal(import(&mut keystore, replica, material(2)), replica);
    assert!(told.starts_with("IncorrectKeyMaterialException"), "{told}");
    import(&mut keystore, replica, material(1)).unwrap();
    assert_eq!(state(&keystore, replica), KeyState::Enabled);
    // New material comes in by the primary, and waits until all have it.
    let told = refusal(import(&mut keystore, replica, new(2)), replica);
    assert!(told.starts_with("IncorrectKeyMaterialException"), "{told}");
    let second = import(&mut keystore, &primary, new(2)).unwrap();
    let told = refusal(keystore.rotate(&primary), replica);
    assert_eq!(
        told,
        "KMSInvalidStateException: The new key material has not been imported into ARN."
    );
    import(&mut keystore, replica, material(2)).unwrap();
    assert_eq!(keystore.rotate(&primary).unwrap(), second);
    let sealing = in_region_of(&mut keystore, replica, |keystore| keystore.wrapping_key(replica));
    assert_eq!(sealing.unwrap().material_id, second);
    // What one of them loses, the other keeps.
    in_region_of(&mut keystore, replica, |keystore| {
        keystore.delete_imported_material(replica, Some(second)).unwrap();
    });
    assert_eq!(state(&keystore, replica), KeyState::PendingImport);
    assert_eq!(keystore.wrapping_key(&primary).unwrap().material_id, second);
    // But for what waits for a rotation of the primary.
    let third = import(&mut keystore, &primary, new(3)).unwrap();
    import(&mut keystore, replica, material(3)).unwrap();
    keystore.delete_imported_material(&primary, Some(third)).unwrap();
    for key in [&primary, replica] {
        assert!(keystore.state.key(&arn(key)).unwrap().awaiting_material().is_none(), "{key}");
    }
}
