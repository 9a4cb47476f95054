//! Seeds: what a file says is what the keystore holds, as often as it is put back to it.

use std::fs;

use tempfile::TempDir;

use super::{id, open};
use crate::keystore::{
    CreateKey, Error, KeyState, Keystore, OpenOptions, Seed, SeedError, ServedKeystore,
    ServedOptions,
};
use crate::spec::{Action, EncryptionContext, Operation};

const SEED: &str = r#"
account = "111122223333"
region = "eu-west-1"

[[principal]]
name = "tester"
access_key_id = "AKIDEXAMPLE"
secret_access_key = "secret"

[[principal]]
name = "tester"
access_key_id = "ASIDEXAMPLE"
secret_access_key = "secret"
session_token = "token"
expires = "2020-01-01T00:00:00Z"

[[principal]]
name = "stranger"
account = "444455556666"
access_key_id = "AKIDSTRANGER"
secret_access_key = "secret"
policy = '{"Statement": {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}}'

[[key]]
id = "1234abcd-12ab-34cd-56ef-1234567890ab"
description = "the line's"
materials = [
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100",
]
aliases = ["alias/line", "alias/other"]
policy = '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}}'

[[key.grant]]
name = "seven"
grantee = "arn:aws:iam::444455556666:user/stranger"
operations = ["Decrypt", "Encrypt"]
encryption_context_subset = { line = "7" }

[[key]]
id = "00000000-0000-0000-0000-000000000000"
account = "000000000000"
region = "cn-north-1"
state = "PendingImport"

[[key]]
id = "00000000-0000-0000-0000-000000000001"
state = "Disabled"
materials = ["000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"]
"#;

const LINE: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn seed(text: &str) -> Result<Seed, SeedError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.toml");
    fs::write(&path, text).unwrap();
    Seed::read(&path)
}

fn seeded() -> (TempDir, Keystore, Seed) {
    let home = tempfile::tempdir().unwrap();
    let seed = seed(SEED).unwrap();
    let scope = seed.fill(crate::keystore::ScopeOptions::default());
    let options = OpenOptions { scope, ..OpenOptions::default() };
    let mut keystore = Keystore::init(home.path(), options).unwrap();
    assert!(!keystore.is_seeded());
    keystore.reset_to_seed(&seed).unwrap();
    (home, keystore, seed)
}

/// Everything of it that is not a date, or sealed anew each time.
fn content(keystore: &Keystore) -> Vec<String> {
    let keys = keystore.keys().map(|key| {
        let materials: Vec<_> = key.materials().map(|(id, _)| id).collect();
        let grants = keystore.state.grants_of(key.arn());
        let grants: Vec<_> = grants.iter().map(|grant| (grant.id(), grant.terms())).collect();
        let (arn, state, policy) = (key.arn(), key.state(), key.policy());
        format!("{arn} {state:?} {policy} {} {materials:?} {grants:?}", key.description())
    });
    let aliases = keystore.state.aliases();
    let aliases = aliases.map(|alias| format!("{} {}", alias.name(), alias.target()));
    let principals = keystore.principals().map(|principal| {
        let (arn, id) = (principal.arn(), principal.access_key_id());
        format!("{arn} {id} {:?} {:?}", principal.policy(), principal.session())
    });
    keys.chain(aliases).chain(principals).collect()
}

#[test]
fn a_keystore_holds_what_its_seed_says() {
    let (home, keystore, _) = seeded();
    assert_eq!(keystore.keys().count(), 3);
    assert_eq!(keystore.principals().count(), 3);
    let key = keystore.resolve(&id("alias/line")).unwrap();
    assert_eq!((key.arn().to_string(), key.materials().len()), (LINE.to_owned(), 2));
    let disabled = keystore.describe(&id("00000000-0000-0000-0000-000000000001")).unwrap();
    assert_eq!(disabled.key_state, KeyState::Disabled);
    assert!(keystore.resolve(&id("alias/default")).is_err(), "the first key is gone");
    let first = content(&keystore);
    drop(keystore);
    // Sessions that ended long ago are forgotten when the keystore is opened.
    let kept: Vec<_> = first.iter().filter(|line| !line.contains("ASIDEXAMPLE")).collect();
    let opened = open(home.path()).unwrap();
    assert!(opened.is_seeded());
    assert_eq!(content(&opened).iter().collect::<Vec<_>>(), kept);
}

#[test]
fn a_reset_undoes_everything_and_gives_the_same_again() {
    let (_home, mut keystore, seed) = seeded();
    let before = content(&keystore);
    let made = id(&keystore.create_key(&CreateKey::default()).unwrap().arn);
    keystore.create_alias(&"alias/more".parse().unwrap(), &made).unwrap();
    keystore.rotate(&id(LINE)).unwrap();
    keystore.delete_alias(&"alias/other".parse().unwrap()).unwrap();
    keystore.disable(&id(LINE)).unwrap();
    keystore.delete_principal("AKIDEXAMPLE").unwrap();
    let grant = keystore.state.grants_of(&LINE.parse().unwrap()).iter().next().unwrap().id();
    keystore.remove_grant(&LINE.parse().unwrap(), grant).unwrap();
    assert_ne!(content(&keystore), before);
    for _ in 0..2 {
        keystore.reset_to_seed(&seed).unwrap();
        assert_eq!(content(&keystore), before);
    }
    assert_eq!(content(&seeded().1), before, "another keystore, the same content");
}

#[test]
fn an_endpoint_goes_back_to_its_seed_at_once() {
    let (_home, keystore, seed) = seeded();
    let scope = keystore.scope().clone();
    let lateness = std::time::Duration::from_hours(1);
    let options = ServedOptions { lateness, seed: Some(seed) };
    let served = ServedKeystore::with(keystore, options).unwrap();
    let blob_key = |served: &ServedKeystore| {
        let snapshot = served.snapshot();
        snapshot.resolve(&scope, LINE).unwrap().wrapping_key().unwrap().material_id()
    };
    let material = blob_key(&served);
    let made = served.change(&scope, |keystore| {
        keystore.disable(&id(LINE))?;
        keystore.create_key(&CreateKey::default())
    });
    let made = made.unwrap().arn;
    assert!(served.snapshot().resolve(&scope, &made).is_ok());
    assert!(served.reset_to_seed().unwrap());
    let gone = served.snapshot().resolve(&scope, &made).map(|_| ());
    assert!(matches!(gone, Err(Error::KeyNotFound(_))), "{gone:?}");
    assert_eq!(blob_key(&served), material);
    let plain = ServedKeystore::new(
        Keystore::init(tempfile::tempdir().unwrap().path(), OpenOptions::default()).unwrap(),
    )
    .unwrap();
    assert!(!plain.reset_to_seed().unwrap());
}

#[test]
fn a_seeds_grant_is_one_that_works() {
    let (_home, keystore, _) = seeded();
    let grants = keystore.state.grants_of(&LINE.parse().unwrap());
    let grant = grants.iter().next().unwrap();
    let context = |value| EncryptionContext::from_pairs([("Line", value)]).unwrap();
    let decrypt = Action::Call(Operation::Decrypt);
    assert!(grant.allows(decrypt, Some(&context("7"))));
    assert!(!grant.allows(decrypt, Some(&context("8"))));
}

/// Of multi-Region keys with one id the first is the primary of the others.
#[test]
fn a_seeds_replicas_follow_their_primary() {
    let key = |region: &str, material: char| {
        let material = material.to_string().repeat(64);
        format!(
            "[[key]]\nid = \"mrk-{}\"\nregion = \"{region}\"\nmaterials = [\"{material}\"]\n",
            "0".repeat(32)
        )
    };
    let (_home, mut keystore, _) = seeded();
    let text = key("us-east-1", 'a') + &key("eu-west-1", 'a') + &key("cn-north-1", 'b');
    keystore.reset_to_seed(&seed(&text).unwrap()).unwrap();
    let replicas = keystore.keys().filter(|key| key.is_replica());
    let replicas: Vec<_> = replicas.map(|key| key.arn().scope.region.to_string()).collect();
    assert_eq!(replicas, ["eu-west-1"]);
    let told = seed(&(key("us-east-1", 'a') + &key("eu-west-1", 'b'))).unwrap_err().to_string();
    assert!(told.ends_with("a replica has the materials of its primary, which comes first"));
}

/// Whatever is cut off a seed or changed in it, it is read or refused, and a refusal shows no secret.
#[test]
fn no_fault_of_a_seed_shows_a_secret() {
    let material = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    for end in (0..SEED.len()).step_by(7) {
        for text in [SEED[..end].to_owned(), SEED[..end].to_owned() + "\u{1}" + &SEED[end..]] {
            if let Err(error) = seed(&text) {
                let told = error.to_string();
                assert!(!told.contains(&material[..8]) && !told.contains("\"secret"), "{told}");
            }
        }
    }
}
