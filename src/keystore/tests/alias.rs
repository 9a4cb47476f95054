//! Aliases, and the four forms of a `KeyId`.

use super::{CreateKey, Keystore, Origin, default_key, fresh, id, new_key, open, refusal};
use crate::keystore::{Kind, ScopeOptions, parse_alias_name, parse_key_id};
use crate::limits::ALIASES_PER_KEY_MAX;
use crate::spec::AliasName;

const HERE: &str = "arn:aws:kms:us-east-1:000000000000";

fn name(text: &str) -> AliasName {
    text.parse().unwrap()
}

/// What `describe` says about the `KeyId` `text`.
fn describe(keystore: &Keystore, text: &str) -> String {
    refusal(parse_key_id(text).and_then(|key| keystore.describe(&key)), &default_key())
}

#[test]
fn all_four_forms_find_the_key() {
    let (_home, _, keystore) = fresh();
    let arn = keystore.describe(&default_key()).unwrap().arn;
    let key_id = arn.rsplit_once('/').unwrap().1;
    for form in [key_id, &arn, "alias/default", &format!("{HERE}:alias/default")] {
        assert_eq!(keystore.describe(&id(form)).unwrap().arn, arn, "{form}");
    }
}

#[test]
fn a_key_that_is_not_there_is_told_in_the_words_of_the_service() {
    let (_home, _, keystore) = fresh();
    let unknown = "1234abcd-12ab-34cd-56ef-1234567890ab";
    for (text, answer) in [
        ("fake-key-id", "Invalid keyId 'fake-key-id'".to_owned()),
        (
            "1234abcd12ab34cd56ef1234567890ab",
            "Invalid keyId '1234abcd12ab34cd56ef1234567890ab'".to_owned(),
        ),
        ("mrk-fake-key-id", "Invalid keyId 'mrk-fake-key-id'".to_owned()),
        (unknown, format!("Key '{HERE}:key/{unknown}' does not exist")),
        (&format!("{HERE}:key/{unknown}"), format!("Key '{HERE}:key/{unknown}' does not exist")),
        (
            &format!("arn:aws:kms:us-east-1:111122223333:key/{unknown}"),
            format!("Key 'arn:aws:kms:us-east-1:111122223333:key/{unknown}' does not exist"),
        ),
        (
            &format!("arn:aws:kms:eu-west-1:000000000000:key/{unknown}"),
            "Invalid arn eu-west-1".to_owned(),
        ),
        ("arn:aws:kms:eu-west-1:000000000000:alias/default", "Invalid arn eu-west-1".to_owned()),
        ("alias/nobody", format!("Alias {HERE}:alias/nobody is not found.")),
        (&format!("{HERE}:alias/nobody"), format!("Alias {HERE}:alias/nobody is not found.")),
    ] {
        assert_eq!(describe(&keystore, text), format!("NotFoundException: {answer}"), "{text}");
    }
    let form = "ValidationException: 1 validation error detected: Value";
    assert_eq!(
        describe(&keystore, ""),
        format!(
            "{form} '' at 'keyId' failed to satisfy constraint: Member must have length greater \
             than or equal to 1"
        )
    );
    assert!(describe(&keystore, &"x".repeat(2049)).ends_with("less than or equal to 2048"));
}

#[test]
fn a_key_in_another_account_needs_its_arn() {
    let (_home, _, mut keystore) = fresh();
    let account = Some("111122223333".parse().unwrap());
    let scope = ScopeOptions { account, ..ScopeOptions::default() };
    let arn = keystore.create_key(&CreateKey { scope, ..CreateKey::default() }).unwrap().arn;
    keystore.wrapping_key(&id(&arn)).unwrap();
    let key_id = arn.rsplit_once('/').unwrap().1;
    assert!(describe(&keystore, key_id).ends_with(&format!("{HERE}:key/{key_id}' does not exist")));
    let key = id(&arn);
    let target = keystore.create_alias(&name("alias/x"), &key);
    assert_eq!(
        refusal(target, &key),
        "ValidationException: ARN is in another account: an alias and its key share one"
    );
}

#[test]
fn a_blob_finds_its_key_in_any_scope() {
    let (_home, _, mut keystore) = fresh();
    let region = Some("eu-west-1".parse().unwrap());
    let scope = ScopeOptions { region, ..ScopeOptions::default() };
    let options = CreateKey { scope: scope.clone(), ..CreateKey::default() };
    let metadata = keystore.create_key(&options).unwrap();
    let material = metadata.current_key_material_id.unwrap();
    let key_id = metadata.key_id.parse().unwrap();
    let opened = keystore.wrapping_key_by_material(key_id, material).unwrap();
    assert_eq!(opened.arn.to_string(), metadata.arn);
    assert!(describe(&keystore, &metadata.arn).ends_with("Invalid arn eu-west-1"));
}

#[test]
fn aliases_are_created_moved_and_deleted() {
    let (home, clock, mut keystore) = fresh();
    let one = new_key(&mut keystore, Origin::AwsKms);
    let two = new_key(&mut keystore, Origin::AwsKms);
    keystore.create_alias(&name("alias/line/7"), &one).unwrap();
    assert_eq!(
        refusal(keystore.create_alias(&name("alias/line/7"), &two), &two),
        format!(
            "AlreadyExistsException: An alias with the name {HERE}:alias/line/7 already exists"
        )
    );
    clock.advance(60);
    keystore.update_alias(&name("alias/line/7"), &two).unwrap();
    drop(keystore);

    let mut keystore = open(home.path()).unwrap();
    let found = keystore.resolve(&id("alias/line/7")).unwrap().arn().to_string();
    assert_eq!(found, two.to_string());
    assert!(keystore.list_aliases_of(&one).unwrap().is_empty());
    let entry = &keystore.list_aliases_of(&two).unwrap()[0];
    assert_eq!(entry.alias_arn, format!("{HERE}:alias/line/7"));
    assert_eq!(entry.last_updated_date.as_second() - entry.creation_date.as_second(), 60);

    keystore.delete_alias(&name("alias/line/7")).unwrap();
    let gone = format!("NotFoundException: Alias {HERE}:alias/line/7 is not found.");
    assert_eq!(refusal(keystore.delete_alias(&name("alias/line/7")), &two), gone);
    assert_eq!(refusal(keystore.update_alias(&name("alias/line/7"), &two), &two), gone);
    keystore.describe(&two).unwrap();
    assert_eq!(keystore.list_aliases().len(), 1);
}

#[test]
fn names_and_targets_follow_the_rules() {
    let (_home, _, mut keystore) = fresh();
    let key = new_key(&mut keystore, Origin::AwsKms);
    let reserved = keystore.create_alias(&name("alias/aws/s3"), &key);
    assert_eq!(
        refusal(reserved, &key),
        "InvalidAliasNameException: alias/aws/s3 is not valid: names under alias/aws/ are reserved"
    );
    let to_alias = keystore.create_alias(&name("alias/x"), &default_key());
    assert_eq!(
        refusal(to_alias, &key),
        "ValidationException: Aliases must refer to keys. Not aliases"
    );
    assert_eq!(
        refusal(parse_alias_name("line-7"), &key),
        "ValidationException: Alias must start with the prefix \"alias/\". Please see \
         https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
    );
    let form = "ValidationException: 1 validation error detected: Value";
    assert_eq!(
        refusal(parse_alias_name("alias/a b"), &key),
        format!(
            "{form} 'alias/a b' at 'aliasName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: ^alias/[a-zA-Z0-9:/_-]+$"
        )
    );
    let long = format!("alias/{}", "x".repeat(251));
    assert!(refusal(parse_alias_name(&long), &key).ends_with("less than or equal to 256"));
}

#[test]
fn a_key_has_at_most_fifty_aliases() {
    let (_home, _, mut keystore) = fresh();
    let full = new_key(&mut keystore, Origin::AwsKms);
    for number in 0..ALIASES_PER_KEY_MAX {
        keystore.create_alias(&name(&format!("alias/{number}")), &full).unwrap();
    }
    let answer = "LimitExceededException: ARN has 50 aliases, the most a key may have";
    assert_eq!(refusal(keystore.create_alias(&name("alias/x"), &full), &full), answer);
    assert_eq!(refusal(keystore.update_alias(&name("alias/default"), &full), &full), answer);
    // Pointing one of the fifty to the same key again takes no further place.
    keystore.update_alias(&name("alias/7"), &full).unwrap();
}

#[test]
fn a_region_implies_its_partition() {
    let default = ScopeOptions::default_scope();
    let options = |partition: &str, region: &str| ScopeOptions {
        partition: (!partition.is_empty()).then(|| partition.parse().unwrap()),
        region: (!region.is_empty()).then(|| region.parse().unwrap()),
        account: None,
    };
    let resolve = |partition, region| options(partition, region).resolve(&default);
    let scope = resolve("", "cn-north-1").unwrap();
    assert_eq!(scope.to_string(), "arn:aws-cn:kms:cn-north-1:000000000000");
    assert_eq!(resolve("", "").unwrap(), default);
    resolve("aws-us-gov", "us-gov-west-1").unwrap();
    for (partition, region) in [("aws-cn", ""), ("aws", "cn-north-1"), ("aws-cn", "eu-west-1")] {
        let error = resolve(partition, region).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("belongs to partition"), "{error}");
    }
}
