//! Verdicts, one by one and by law.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const ALICE: Who<'_> = Who { arn: "arn:aws:iam::111122223333:user/alice", account: "111122223333" };
const SESSION: Who<'_> =
    Who { arn: "arn:aws:sts::111122223333:assumed-role/Mint/line-7", account: "111122223333" };
const FOREIGN: Who<'_> =
    Who { arn: "arn:aws:iam::444455556666:user/alice", account: "444455556666" };
const PAIR: &str = "kms:GenerateDataKeyPairWithoutPlaintext";

/// Texts by the name of the condition key.
#[derive(Debug, Default)]
struct Texts(HashMap<String, Vec<String>>);

impl Facts for Texts {
    fn each(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
        let values = self.0.get(&key.to_string()).into_iter().flatten();
        values.for_each(|value| see(Fact::Text(value)));
    }
}

fn texts(pairs: &[(&str, &[&str])]) -> Texts {
    let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    Texts(pairs.iter().map(|&(key, values)| (key.to_owned(), owned(values))).collect())
}

fn policy(statements: &Value) -> Policy {
    let json = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    Policy::of_key(&json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn allow(principal: &Value, action: &Value) -> Value {
    json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"})
}

#[test]
fn principals_are_met_by_name_by_account_or_not_at_all() {
    use Verdict::{Allowed, LeftToAccount, Silent};
    let cases = [
        (json!("*"), ALICE, Allowed),
        (json!({"AWS": "*"}), FOREIGN, Allowed),
        (json!({"AWS": "111122223333"}), ALICE, LeftToAccount),
        (json!({"AWS": "arn:aws:iam::111122223333:root"}), ALICE, LeftToAccount),
        (json!({"AWS": "arn:aws:iam::111122223333:root"}), FOREIGN, Silent),
        (json!({"AWS": ["444455556666", ALICE.arn]}), ALICE, Allowed),
        (json!({"AWS": ["111122223333", ALICE.arn]}), ALICE, Allowed),
        (json!({"AWS": ALICE.arn}), FOREIGN, Silent),
        (json!({"AWS": "arn:aws:iam::111122223333:role/line/Mint"}), SESSION, Allowed),
        (json!({"AWS": SESSION.arn}), SESSION, Allowed),
        (json!({"AWS": "arn:aws:iam::111122223333:role/Other"}), SESSION, Silent),
        (json!({"AWS": "arn:aws:iam::444455556666:role/Mint"}), SESSION, Silent),
        (json!({"Service": "ec2.amazonaws.com"}), ALICE, Silent),
    ];
    for (principal, who, expected) in cases {
        let policy = policy(&json!([allow(&principal, &json!("kms:*"))]));
        assert_eq!(policy.evaluate(&who, PAIR, KEY, &()), expected, "{principal}");
    }
}

#[test]
fn a_deny_of_the_account_reaches_its_users_and_not_principal_the_others() {
    let deny = json!({"Effect": "Deny", "Principal": {"AWS": "111122223333"}, "Action": "kms:*", "Resource": "*"});
    let denied = policy(&json!([allow(&json!("*"), &json!("kms:*")), deny]));
    assert_eq!(denied.evaluate(&ALICE, PAIR, KEY, &()), Verdict::Denied);
    assert_eq!(denied.evaluate(&FOREIGN, PAIR, KEY, &()), Verdict::Allowed);
    let others = policy(&json!({
        "Effect": "Deny", "NotPrincipal": {"AWS": ALICE.arn}, "Action": "*", "Resource": "*"
    }));
    assert_eq!(others.evaluate(&ALICE, PAIR, KEY, &()), Verdict::Silent);
    assert_eq!(others.evaluate(&FOREIGN, PAIR, KEY, &()), Verdict::Denied);
}

#[test]
fn actions_and_resources_are_met_by_pattern() {
    let cases = [
        (json!("kms:*"), true),
        (json!("KMS:generatedatakeypair*"), true),
        (json!(["kms:Decrypt", "kms:Generate*"]), true),
        (json!("kms:GenerateDataKeyPair"), false),
        (json!("s3:*"), false),
    ];
    for (action, expected) in cases {
        let policy = policy(&json!([allow(&json!("*"), &action)]));
        let verdict = policy.evaluate(&ALICE, PAIR, KEY, &());
        assert_eq!(verdict == Verdict::Allowed, expected, "{action}");
    }
    let elsewhere = json!({
        "Effect": "Allow", "Principal": "*", "NotAction": "kms:Decrypt",
        "Resource": "arn:aws:kms:us-east-1:*"
    });
    let policy = policy(&elsewhere);
    assert_eq!(policy.evaluate(&ALICE, PAIR, KEY, &()), Verdict::Silent);
    let there = KEY.replace("eu-west-1", "us-east-1");
    assert_eq!(policy.evaluate(&ALICE, PAIR, &there, &()), Verdict::Allowed);
    assert_eq!(policy.evaluate(&ALICE, "kms:Decrypt", &there, &()), Verdict::Silent);
}

/// Operator, key, the policy's values; the call's values; whether it holds.
type ConditionCase<'a> = (&'a str, &'a str, Value, &'a [&'a str], bool);

#[test]
fn operators_hold_as_the_language_says() {
    let context = "kms:EncryptionContext:serial";
    let keys = "kms:EncryptionContextKeys";
    let spec = "kms:DataKeyPairSpec";
    let cases: &[ConditionCase<'_>] = &[
        ("StringEquals", spec, json!("RSA_2048"), &["RSA_2048"], true),
        ("StringEquals", spec, json!(["SM2", "RSA_2048"]), &["RSA_2048"], true),
        ("StringEquals", spec, json!("RSA_2048"), &[], false),
        ("StringEqualsIfExists", spec, json!("RSA_2048"), &[], true),
        ("StringEqualsIfExists", spec, json!("RSA_2048"), &["SM2"], false),
        ("StringNotEquals", spec, json!("RSA_2048"), &[], true),
        ("StringNotEquals", spec, json!(["RSA_2048", "SM2"]), &["SM2"], false),
        ("StringLike", spec, json!("RSA*"), &["RSA_4096"], true),
        ("StringLike", spec, json!("rsa*"), &["RSA_4096"], false),
        ("StringNotLike", spec, json!("RSA*"), &["SM2"], true),
        ("StringEqualsIgnoreCase", context, json!("\u{c4}B"), &["\u{e4}b"], true),
        ("StringEquals", "kms:encryptioncontext:SERIAL", json!("7"), &["7"], true),
        ("ForAllValues:StringEquals", keys, json!(["a", "b"]), &["a", "b"], true),
        ("ForAllValues:StringEquals", keys, json!(["a", "b"]), &["a", "c"], false),
        ("ForAllValues:StringEquals", keys, json!("a"), &[], true),
        ("ForAllValues:StringNotEquals", keys, json!("a"), &["b", "a"], false),
        ("ForAnyValue:StringEquals", keys, json!("a"), &["b", "a"], true),
        ("ForAnyValue:StringEquals", keys, json!("a"), &[], false),
        ("ForAnyValue:StringNotEquals", keys, json!("a"), &["a"], false),
        ("ForAnyValue:StringNotEquals", keys, json!("a"), &["a", "b"], true),
        ("Null", context, json!("true"), &[], true),
        ("Null", context, json!(false), &["x"], true),
        ("Null", context, json!(true), &["x"], false),
        ("Bool", "kms:MultiRegion", json!("true"), &["true"], true),
        ("Bool", "kms:MultiRegion", json!(true), &["false"], false),
        ("NumericLessThan", "kms:RotationPeriodInDays", json!(180), &["90"], true),
        ("NumericLessThan", "kms:RotationPeriodInDays", json!("90"), &["90"], false),
        ("NumericGreaterThanEquals", "kms:RotationPeriodInDays", json!("90"), &["90"], true),
        ("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::*:user/*"), &[ALICE.arn], true),
        ("ArnNotLike", "aws:PrincipalArn", json!("arn:aws:iam::*:role/*"), &[ALICE.arn], true),
    ];
    for (operator, key, values, call, expected) in cases {
        let mut statement = allow(&json!("*"), &json!("kms:*"));
        statement["Condition"] = json!({*operator: {*key: values}});
        let parsed: ConditionKey = key.parse().expect("a key");
        let facts = texts(&[(&parsed.to_string(), call)]);
        let holds = policy(&statement).evaluate(&ALICE, PAIR, KEY, &facts) == Verdict::Allowed;
        assert_eq!(holds, *expected, "{operator} {key} {values} on {call:?}");
    }
}

#[test]
fn typed_facts_meet_their_operators() {
    struct Typed;
    impl Facts for Typed {
        fn each(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>)) {
            match key {
                ConditionKey::SourceIp => see(Fact::Address("192.0.2.77".parse().unwrap())),
                ConditionKey::CurrentTime => see(Fact::Time(1_790_000_000)),
                ConditionKey::PendingWindow => see(Fact::Number(7)),
                ConditionKey::SecureTransport => see(Fact::Bool(true)),
                _ => {}
            }
        }
    }
    let cases = [
        ("IpAddress", "aws:SourceIp", "192.0.2.0/24", true),
        ("IpAddress", "aws:SourceIp", "192.0.2.76", false),
        ("IpAddress", "aws:SourceIp", "0.0.0.0/0", true),
        ("IpAddress", "aws:SourceIp", "2001:db8::/32", false),
        ("NotIpAddress", "aws:SourceIp", "192.0.2.64/29", true),
        ("DateGreaterThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", true),
        ("DateLessThan", "aws:CurrentTime", "1700000000", false),
        ("NumericEquals", "kms:ScheduleKeyDeletionPendingWindowInDays", "7", true),
        ("StringEquals", "kms:ScheduleKeyDeletionPendingWindowInDays", "7", true),
        ("Bool", "aws:SecureTransport", "TRUE", true),
        ("ArnEquals", "aws:SecureTransport", "arn:aws:iam::111122223333:root", false),
    ];
    for (operator, key, value, expected) in cases {
        let mut statement = allow(&json!("*"), &json!("kms:*"));
        statement["Condition"] = json!({operator: {key: value}});
        let holds = policy(&statement).evaluate(&ALICE, PAIR, KEY, &Typed) == Verdict::Allowed;
        assert_eq!(holds, expected, "{operator} {key} {value}");
    }
}

#[test]
fn what_is_not_understood_is_refused_by_its_place() {
    let ok = || allow(&json!("*"), &json!("kms:*"));
    let with = |name: &str, value: Value| {
        let mut statement = ok();
        statement[name] = value;
        statement
    };
    let mut without_action = ok();
    without_action.as_object_mut().unwrap().remove("Action");
    let cases = [
        (without_action, "Statement[0]: Action is missing"),
        (
            with("NotAction", json!("kms:*")),
            "Statement[0]: Action and NotAction exclude each other",
        ),
        (with("Effect", json!("allow")), "Statement[0].Effect: 'allow' is neither Allow nor Deny"),
        (with("Action", json!("Decrypt")), "Statement[0].Action: 'Decrypt' is not understood"),
        (with("Action", json!([])), "Statement[0].Action: at least one is needed"),
        (with("Resource", json!("key")), "Statement[0].Resource: 'key' is not understood"),
        (
            with("Principal", json!({"AWS": "arn:aws:iam::1:user/a"})),
            "Statement[0].Principal.AWS: 'arn:aws:iam::1:user/a' is no account, user, role or session",
        ),
        (with("Principal", json!("a")), "Statement[0].Principal: 'a' is not \"*\""),
        (
            with("Principal", json!({"Aws": "*"})),
            "Statement[0].Principal: 'Aws' is no kind of principal",
        ),
        (
            with("Condition", json!({"StringEqualz": {"kms:KeySpec": "a"}})),
            "Statement[0].Condition.StringEqualz: not a condition operator that is known here",
        ),
        (
            with("Condition", json!({"StringEquals": {"kms:KeySpek": "a"}})),
            "Statement[0].Condition.StringEquals.kms:KeySpek: not a condition key that is known here",
        ),
        (
            with("Condition", json!({"Bool": {"kms:MultiRegion": "maybe"}})),
            "Statement[0].Condition.Bool.kms:MultiRegion: 'maybe' does not suit the operator",
        ),
        (
            with("Condition", json!({"StringEquals": {"aws:username": "${aws:username}"}})),
            "Statement[0].Condition.StringEquals.aws:username: '${aws:username}': policy variables are not understood",
        ),
    ];
    for (statement, expected) in cases {
        let json = json!({"Statement": [statement]}).to_string();
        assert_eq!(Policy::of_key(&json).unwrap_err().to_string(), expected);
    }
    for (json, expected) in [
        ("", "the policy: EOF while parsing a value at line 1 column 0"),
        ("{}", "the policy: missing field `Statement` at line 1 column 2"),
        (
            r#"{"Version":"2012","Statement":[]}"#,
            "Version: '2012' is not a version; write \"2012-10-17\"",
        ),
        (r#"{"Statement":[]}"#, "Statement: 1 to 1000 statements are needed"),
        (
            r#"{"Statement":[],"Statement":[]}"#,
            "the policy: duplicate field `Statement` at line 1 column 27",
        ),
    ] {
        assert_eq!(Policy::of_key(json).unwrap_err().to_string(), expected);
    }
    let unknown =
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","When":1}}"#;
    assert!(Policy::of_key(unknown).unwrap_err().to_string().contains("unknown field `When`"));
    let twice = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*",
        "Condition":{"Bool":{"kms:MultiRegion":true},"Bool":{"kms:MultiRegion":false}}}}"#;
    assert!(Policy::of_key(twice).unwrap_err().to_string().contains("'Bool' stands twice"));
}

#[test]
fn the_policy_of_a_principal_names_none() {
    let named = json!({"Statement": allow(&json!("*"), &json!("kms:*"))}).to_string();
    assert!(Policy::of_principal(&named).is_err());
    let bare =
        json!({"Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}).to_string();
    let policy = Policy::of_principal(&bare).expect("a policy");
    assert_eq!(policy.evaluate(&ALICE, PAIR, KEY, &()), Verdict::Allowed);
    assert!(Policy::of_key(&bare).is_err());
}

#[test]
fn every_named_key_reads_as_itself_in_any_case() {
    for (key, name) in ConditionKey::NAMED {
        for text in [(*name).to_owned(), name.to_uppercase(), name.to_lowercase()] {
            assert_eq!(text.parse().as_ref(), Ok(key));
        }
    }
    assert_eq!("kms:EncryptionContext:".parse::<ConditionKey>().ok(), None);
}

/// A statement of random parts, with few enough values that they meet.
fn any_statement() -> impl Strategy<Value = Value> {
    let principal = prop::sample::select(vec![
        json!("*"),
        json!({"AWS": "111122223333"}),
        json!({"AWS": ALICE.arn}),
        json!({"AWS": ["444455556666", "arn:aws:iam::111122223333:role/Mint"]}),
    ]);
    let action = prop::sample::select(vec!["kms:*", PAIR, "kms:Decrypt", "kms:Generate*"]);
    let operator = prop::sample::select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringEqualsIfExists",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringNotEquals",
        "Null",
    ]);
    let condition = prop::option::of((operator, any::<bool>()));
    (any::<bool>(), any::<bool>(), principal, action, condition).prop_map(
        |(allows, inverted, principal, action, condition)| {
            let effect = if allows { "Allow" } else { "Deny" };
            let name = if inverted && !allows { "NotPrincipal" } else { "Principal" };
            let mut statement =
                json!({"Effect": effect, name: principal, "Action": action, "Resource": "*"});
            if let Some((operator, value)) = condition {
                let value =
                    if operator == "Null" { json!(value) } else { json!(value.to_string()) };
                statement["Condition"] = json!({operator: {"kms:EncryptionContextKeys": value}});
            }
            statement
        },
    )
}

fn any_facts() -> impl Strategy<Value = Texts> {
    let values = prop::collection::vec(prop::sample::select(vec!["true", "false", "x"]), 0..3);
    values.prop_map(|values| texts(&[("kms:EncryptionContextKeys", &values)]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn order_does_not_matter_and_a_deny_never_helps(
        statements in prop::collection::vec(any_statement(), 1..6),
        extra in any_statement(),
        facts in any_facts(),
    ) {
        for who in [ALICE, SESSION, FOREIGN] {
            let ask = |statements: &[Value]| {
                policy(&json!(statements)).evaluate(&who, PAIR, KEY, &facts)
            };
            let verdict = ask(&statements);
            let mut turned = statements.clone();
            turned.reverse();
            prop_assert_eq!(verdict, ask(&turned));
            let mut more = statements.clone();
            more.push(extra.clone());
            let after = ask(&more);
            if extra["Effect"] == "Deny" {
                prop_assert!(after == verdict || after == Verdict::Denied);
            } else {
                prop_assert!(verdict != Verdict::Denied || after == Verdict::Denied);
                prop_assert!(verdict != Verdict::Allowed || after == Verdict::Allowed);
            }
        }
    }

    #[test]
    fn a_policy_is_the_strongest_word_of_its_statements(
        statements in prop::collection::vec(any_statement(), 1..6),
        facts in any_facts(),
    ) {
        let strength = |verdict| match verdict {
            Verdict::Silent => 0,
            Verdict::LeftToAccount => 1,
            Verdict::Allowed => 2,
            Verdict::Denied => 3,
        };
        for who in [ALICE, SESSION, FOREIGN] {
            let whole = policy(&json!(statements)).evaluate(&who, PAIR, KEY, &facts);
            let each = statements.iter().map(|s| policy(s).evaluate(&who, PAIR, KEY, &facts));
            prop_assert_eq!(strength(whole), each.map(strength).max().unwrap_or(0));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", at in 0_usize..400, byte in any::<char>()) {
        let _ = Policy::of_key(&text);
        let good = json!({"Statement": [allow(&json!({"AWS": ALICE.arn}), &json!("kms:*"))]}).to_string();
        let mut mutated: Vec<char> = good.chars().collect();
        let place = at % mutated.len();
        mutated[place] = byte;
        let _ = Policy::of_key(&mutated.into_iter().collect::<String>());
    }
}
