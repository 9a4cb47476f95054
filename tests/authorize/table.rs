//! The table, row by row, on a real keystore.

use std::collections::BTreeMap;

use keymill::keystore::policy::Refusal;
use keymill::keystore::{GrantConstraints, GrantTerms, grant_operation};
use keymill::pipeline::authorize::{AuthorizeError, KeyUse, access};
use keymill::spec::{Action, AliasName, EncryptionContext, KeyId, KeyPairSpec};
use serde_json::{Value, json};

use crate::stage::{ACCOUNT, FOREIGN, Stage, use_of};

const TABLE: &str = include_str!("../data/authorize.txt");

/// Statements by name.
type Statements<'t> = BTreeMap<&'t str, Value>;

/// The policy of some statements; none for `-`.
fn policy(names: &str, statements: &Statements<'_>) -> Option<String> {
    let find = |name: &str| statements.get(name).unwrap_or_else(|| panic!("no policy {name}"));
    let all: Vec<&Value> = (names != "-").then(|| names.split('+').map(find).collect())?;
    Some(json!({"Version": "2012-10-17", "Statement": all}).to_string())
}

/// `key=value` pairs, if there are any.
fn pairs<'t>(words: impl Iterator<Item = &'t str>) -> BTreeMap<String, String> {
    let pairs = words.filter_map(|word| word.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// `WHO: OPERATION key=value...`; none for `-`.
fn grant(text: &str) -> Option<GrantTerms> {
    let (who, what) = text.split_once(": ")?;
    let mut words = what.split(' ');
    let operation = grant_operation(words.next()?).unwrap();
    let subset = Some(pairs(words)).filter(|pairs| !pairs.is_empty());
    let grantee = match who {
        "account" => format!("arn:aws:iam::{ACCOUNT}:root"),
        "mallory" => format!("arn:aws:iam::{FOREIGN}:user/mallory"),
        who => format!("arn:aws:iam::{ACCOUNT}:user/{who}"),
    };
    let constraints = GrantConstraints { equals: None, subset };
    let operations = [operation].into_iter().collect();
    Some(GrantTerms { name: None, grantee, retiring: None, operations, constraints })
}

/// The outcome in the table's words.
fn outcome<T>(found: Result<T, AuthorizeError>) -> &'static str {
    match found {
        Ok(_) => "yes",
        Err(AuthorizeError::Denied { because, .. }) => match because.map(|(_, refusal)| refusal) {
            None => "hidden",
            Some(Refusal::NotAllowedToPrincipal) => "no: own",
            Some(Refusal::NotAllowedByKey) => "no: key",
            Some(Refusal::DeniedToPrincipal) => "deny: own",
            Some(Refusal::DeniedByKey) => "deny: key",
        },
        Err(error) => panic!("{error}"),
    }
}

/// What one row finds.
fn play(stage: &Stage, key: &KeyId, own: Option<String>, who: &str, does: &str) -> &'static str {
    let caller = match who {
        "root" => stage.root(),
        "mallory" => stage.caller(who, FOREIGN, own),
        who => stage.caller(who, ACCOUNT, own),
    };
    let mut words = does.split(' ').filter(|word| !word.is_empty());
    let operation: keymill::spec::Operation = words.next().unwrap().parse().unwrap();
    let spec: Option<KeyPairSpec> = words.clone().find_map(|word| word.parse().ok());
    let takes_context = ["Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair"]
        .contains(&operation.name());
    let context = EncryptionContext::from_pairs(pairs(words.clone())).unwrap();
    let by_alias = words.any(|word| word == "alias");
    let key_id = if by_alias { "alias/named".to_owned() } else { key.to_string() };
    let wanted = KeyUse {
        spec,
        context: takes_context.then_some(&context),
        ..use_of(Action::Call(operation), &caller, &key_id)
    };
    let snapshot = stage.keystore.snapshot();
    // The second time the statements are remembered.
    let first = outcome(access(&snapshot, &wanted));
    assert_eq!(first, outcome(access(&snapshot, &wanted)));
    first
}

#[test]
fn every_row_comes_out_as_it_says() {
    let stage = Stage::new();
    let (mut keys, mut owns) = (Statements::new(), Statements::new());
    let alias: AliasName = "alias/named".parse().unwrap();
    let mut rows = 0;
    let lines = TABLE.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    for (at, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let place = format!("authorize.txt:{}: {line}", at + 1);
        let kept = [("key ", &mut keys), ("own ", &mut owns)];
        let kept = kept.into_iter().find_map(|(head, all)| Some((line.strip_prefix(head)?, all)));
        if let Some((rest, all)) = kept {
            let (name, statement) = rest.split_once(' ').unwrap();
            let mut statement: Value = serde_json::from_str(statement).expect(&place);
            if statement.get("Resource").is_none() && statement.get("NotResource").is_none() {
                statement["Resource"] = "*".into();
            }
            all.insert(name, statement);
            continue;
        }
        let row: Vec<&str> = line.split('|').map(str::trim).collect();
        let [key_policy, own, given, who, does, expected] = row[..] else { panic!("{place}") };
        let key = stage.key(policy(key_policy, &keys));
        let named = stage.keystore.change(&stage.scope, |keystore| {
            let _ = keystore.delete_alias(&alias);
            keystore.create_alias(&alias, &key)
        });
        named.unwrap();
        if let Some(terms) = grant(given) {
            stage.grant(&key, terms);
        }
        assert_eq!(play(&stage, &key, policy(own, &owns), who, does), expected, "{place}");
        rows += 1;
    }
    assert!(rows > 80, "{rows} rows");
}

/// What is remembered of a policy does not outlive it.
#[test]
fn a_changed_policy_is_asked_anew() {
    let stage = Stage::new();
    let statement = |action: &str| {
        json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}})
            .to_string()
    };
    let key = stage.key(Some(statement("kms:Decrypt")));
    let caller = stage.caller("alice", ACCOUNT, None);
    let key_id = key.to_string();
    let decrypt = Action::Call(keymill::spec::Operation::Decrypt);
    for (action, expected) in [
        ("kms:Decrypt", "yes"),
        ("kms:Encrypt", "no: key"),
        ("kms:*", "yes"),
        ("kms:Sign", "no: key"),
    ] {
        let put = stage
            .keystore
            .change(&stage.scope, |keystore| keystore.put_key_policy(&key, &statement(action)));
        put.unwrap();
        let snapshot = stage.keystore.snapshot();
        for _ in 0..2 {
            let wanted = use_of(decrypt, &caller, &key_id);
            assert_eq!(outcome(access(&snapshot, &wanted)), expected, "{action}");
        }
    }
}

/// A caller that is allowed plainly costs no memory, once it is known.
#[test]
fn a_plain_allow_allocates_nothing() {
    let stage = Stage::new();
    let key = stage.key(None);
    let id = key.to_string();
    let id = id.rsplit('/').next().unwrap();
    let own = json!({"Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*",
        "Condition": {"StringLikeIfExists": {"kms:EncryptionContext:line": "7*"}}}});
    let caller = stage.caller("alice", ACCOUNT, Some(own.to_string()));
    let context = EncryptionContext::from_pairs([("Line", "77")]).unwrap();
    let decrypt = Action::Call(keymill::spec::Operation::Decrypt);
    let wanted = KeyUse { context: Some(&context), ..use_of(decrypt, &caller, id) };
    let snapshot = stage.keystore.snapshot();
    let count = || {
        let counted = allocation_counter::measure(|| assert!(access(&snapshot, &wanted).is_ok()));
        counted.count_total
    };
    assert!(count() > 0, "the first time something is remembered");
    assert_eq!([count(), count()], [0, 0]);
}
