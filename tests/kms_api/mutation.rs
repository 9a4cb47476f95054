//! Requests with something changed: whatever it is, the answer is one of the service's, and no
//! change of what is signed passes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keymill::kms::Authentication;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::client::{Connection, Reply, Signer, TestServer};
use crate::grammar::{Case, Grammar, Right};

const SEED: u64 = 0x6b65_796d_696c_6c31;

/// A call of every operation that takes members.
pub const CALLS: [(&str, &str); 21] = [
    (
        "GenerateDataKeyPairWithoutPlaintext",
        r#"{"KeyId": "alias/default", "KeyPairSpec": "ECC_NIST_P256", "EncryptionContext": {"a": "b"}, "GrantTokens": ["t"], "DryRun": true}"#,
    ),
    ("GenerateDataKeyPair", r#"{"KeyId": "alias/default", "KeyPairSpec": "ECC_NIST_P256"}"#),
    (
        "GenerateDataKey",
        r#"{"KeyId": "alias/default", "NumberOfBytes": 32, "EncryptionContext": {"a": 1.5}}"#,
    ),
    ("GenerateDataKeyWithoutPlaintext", r#"{"KeyId": "alias/default", "KeySpec": "AES_256"}"#),
    (
        "Encrypt",
        r#"{"KeyId": "alias/default", "Plaintext": "AAEC", "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}"#,
    ),
    ("Decrypt", r#"{"CiphertextBlob": "S01CAQEAAAAAAAAA", "EncryptionContext": {"a": "b"}}"#),
    ("ReEncrypt", r#"{"CiphertextBlob": "S01CAQEAAAAAAAAA", "DestinationKeyId": "alias/default"}"#),
    ("GenerateRandom", r#"{"NumberOfBytes": 16}"#),
    ("DescribeKey", r#"{"KeyId": "arn:aws:kms:us-east-1:000000000000:alias/default"}"#),
    ("ListKeys", r#"{"Limit": 10, "Marker": "AAEC"}"#),
    ("TagResource", r#"{"KeyId": "[key]", "Tags": [{"TagKey": "a", "TagValue": "b"}]}"#),
    ("EnableKeyRotation", r#"{"KeyId": "[key]", "RotationPeriodInDays": 90}"#),
    ("ListKeyRotations", r#"{"KeyId": "[key]", "IncludeKeyMaterial": "ROTATIONS_ONLY"}"#),
    ("ListAliases", r#"{"KeyId": "alias/default", "Limit": 10}"#),
    ("DisableKey", r#"{"KeyId": "arn:aws:kms:us-east-1:000000000000:key/x"}"#),
    ("ScheduleKeyDeletion", r#"{"KeyId": "[key]", "PendingWindowInDays": 7}"#),
    ("UpdateKeyDescription", r#"{"KeyId": "[key]", "Description": "x"}"#),
    ("UpdateAlias", r#"{"AliasName": "alias/none", "TargetKeyId": "alias/default"}"#),
    (
        "CreateGrant",
        r#"{"KeyId": "1234abcd-12ab-34cd-56ef-1234567890ab", "GranteePrincipal": "arn:aws:iam::000000000000:user/a", "Operations": ["Decrypt"], "Constraints": {"EncryptionContextEquals": {"a": "b"}}, "Name": "n"}"#,
    ),
    ("ListRetirableGrants", r#"{"RetiringPrincipal": "arn:aws:iam::000000000000:user/a"}"#),
    ("RetireGrant", r#"{"GrantToken": "AQAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#),
];

/// Values that parsers trip over.
pub const ODD: [&str; 18] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e999",
    "9223372036854775808",
    "0.1",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"alias/\"",
    "\"arn:aws:kms:::key/\"",
    "\"mrk-\"",
    "\"====\"",
    "[null]",
    "{\"a\":null}",
    "\"\u{1f511}\"",
];

pub fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    random.next_u32() as usize % end.max(1)
}

/// Whether one time out of so many has come.
pub fn chance(random: &mut ChaCha8Rng, times: usize) -> bool {
    below(random, times) == 0
}

pub fn pick<'a, T>(random: &mut ChaCha8Rng, all: &'a [T]) -> &'a T {
    &all[below(random, all.len())]
}

pub fn byte(random: &mut ChaCha8Rng) -> u8 {
    random.next_u32().to_le_bytes()[0]
}

/// `body` with one value replaced, or some bytes changed, removed or repeated.
pub fn mutated(random: &mut ChaCha8Rng, body: &str) -> Vec<u8> {
    if random.next_u32().is_multiple_of(2) {
        let mut members: Value = serde_json::from_str(body).unwrap();
        let members = members.as_object_mut().unwrap();
        let at = below(random, members.len());
        let name = members.keys().nth(at).unwrap().clone();
        members[&name] = "odd".into();
        let odd = ODD[below(random, ODD.len())];
        return serde_json::to_string(members).unwrap().replace("\"odd\"", odd).into_bytes();
    }
    let mut bytes = body.as_bytes().to_vec();
    for _ in 0..=below(random, 3) {
        if bytes.is_empty() {
            break;
        }
        let at = below(random, bytes.len());
        match random.next_u32() % 4 {
            0 => bytes[at] = byte(random),
            1 => {
                bytes.remove(at);
            }
            2 => bytes.truncate(at.max(1)),
            _ => {
                let end = at + below(random, bytes.len() - at);
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

#[test]
fn no_body_makes_an_endpoint_fail() {
    let server = TestServer::start_with(Authentication::None);
    let mut connection = server.connect();
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    for round in 0..20_000 {
        let (operation, body) = CALLS[below(&mut random, CALLS.len())];
        let body = mutated(&mut random, body);
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: TrentService.{operation}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        connection.send(&[head.as_bytes(), &body].concat());
        let reply = connection.receive().unwrap();
        let told = format!(
            "seed {SEED:#x}, round {round}: {operation} {}\n{reply:?}",
            String::from_utf8_lossy(&body)
        );
        let answer: Value = serde_json::from_str(&reply.body).expect(&told);
        match reply.status {
            200 => assert!(answer.get("__type").is_none(), "{told}"),
            400 => assert_ne!(answer["__type"], "KMSInternalException", "{told}"),
            _ => panic!("{told}"),
        }
    }
}

/// Any byte of a signed request, the head too, on a connection of its own.
#[test]
fn no_changed_request_is_taken_for_another() {
    let server = TestServer::start();
    let mut random = ChaCha8Rng::seed_from_u64(SEED ^ 1);
    let request = Signer::tester().request("GenerateRandom", r#"{"NumberOfBytes": 16}"#);
    for round in 0..2000 {
        let mut bytes = request.clone().into_bytes();
        let at = below(&mut random, bytes.len());
        bytes[at] = byte(&mut random);
        let mut connection = server.connect();
        let _ = connection.try_send(&bytes);
        connection.finish();
        let reply = connection.receive();
        let passed = reply.is_some_and(|reply| reply.status == 200);
        let old = request.as_bytes()[at];
        // The case of names, spaces around values, line ends and the version are not signed.
        let is_space = old.is_ascii_whitespace() || bytes[at].is_ascii_whitespace();
        let is_version = at < request.find('\r').unwrap();
        let is_same = old.eq_ignore_ascii_case(&bytes[at]) || is_space || is_version;
        assert!(!passed || is_same, "seed {SEED:#x}, round {round}: byte {at} {:?}", bytes[at]);
    }
}

/// By the grammars of HTTP, JSON, signatures, key ids and policies.
#[test]
fn no_request_gets_what_it_should_not() {
    ask_oddly(10_000, SEED ^ 2);
}

#[test]
#[ignore = "half an hour; cargo test --test kms_api -- --ignored --nocapture a_million"]
fn a_million_requests_get_nothing_that_they_should_not() {
    ask_oddly(1_000_000, SEED ^ 3);
}

/// Longest time for an answer; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Panics of the threads that serve.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn ask_oddly(count: u32, seed: u64) {
    count_panics();
    let server = TestServer::start();
    let mut connection = server.connect();
    let tester = Signer::tester();
    let grammar = grammar(&mut connection);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut ends = BTreeMap::<(&str, u16), u32>::new();
    for round in 0..count {
        let case = grammar.case(&mut random);
        let begun = Instant::now();
        let replies = send(&server, &mut connection, &case);
        let told = || {
            let sent = String::from_utf8_lossy(&case.bytes);
            let right = &case.right;
            format!("seed {seed:#x}, round {round}: {} {right:?}\n{sent}\n{replies:?}", case.kind)
        };
        assert!(begun.elapsed() < PATIENCE, "{}", told());
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "{}", told());
        for reply in &replies {
            *ends.entry((case.kind, reply.status)).or_default() += 1;
            let is_known = matches!(reply.status, 100 | 200 | 400 | 403 | 413 | 414 | 417 | 431);
            assert!(is_known && !reply.body.contains("KMSInternal"), "{}", told());
            assert!(case.right.allows(reply), "{}", told());
        }
        // What was accepted as a policy leaves its author able to put another.
        if matches!(case.right, Right::KeepsControl) && replies[0].status == 200 {
            let body = json!({"KeyId": grammar.governed, "Policy": DEFAULT_POLICY}).to_string();
            let put = connection.call(&Signer::tester(), "PutKeyPolicy", &body);
            assert_eq!(put.status, 200, "{put:?}\n{}", told());
        }
        if round % 1000 == 0 {
            let body = r#"{"KeyId": "alias/default", "KeyPairSpec": "ECC_NIST_P256"}"#;
            let signer = Signer { date: jiff::Timestamp::now(), ..tester.clone() };
            let made = connection.call(&signer, "GenerateDataKeyPairWithoutPlaintext", body);
            assert_eq!(made.status, 200, "{made:?}\n{}", told());
        }
    }
    for ((kind, status), count) in ends {
        println!("{kind:10} {status} {count:>8}");
    }
}

const DEFAULT_POLICY: &str = r#"{"Statement": {"Effect": "Allow", "Action": "kms:*",
    "Resource": "*", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}}}"#;

/// Two keys to be changed, and all names of the one that is not.
fn grammar(connection: &mut Connection) -> Grammar {
    let mut metadata = |operation: &str, body: &str| {
        let reply = connection.call(&Signer::tester(), operation, body);
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        let text = |member: &str| answer["KeyMetadata"][member].as_str().unwrap().to_owned();
        (text("KeyId"), text("Arn"))
    };
    let (key, arn) = metadata("DescribeKey", r#"{"KeyId": "alias/default"}"#);
    let alias = "alias/default".to_owned();
    let alias_arn = arn.replace(&format!("key/{key}"), &alias);
    Grammar {
        victim: metadata("CreateKey", "{}").0,
        governed: metadata("CreateKey", "{}").0,
        names: [key.clone(), arn, alias, alias_arn].into(),
        key,
    }
}

/// Sends a case: one whose framing may be wrong on a connection of its own.
fn send(server: &TestServer, connection: &mut Connection, case: &Case) -> Vec<Reply> {
    if case.kind != "http" {
        connection.send(&case.bytes);
        return vec![connection.receive().expect("an answer, and not the end of the connection")];
    }
    let mut connection = server.connect();
    let _ = connection.try_send(&case.bytes);
    connection.finish();
    std::iter::from_fn(|| connection.receive()).collect()
}

/// Counts panics where requests are served; all are shown as before.
fn count_panics() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        if thread.name().is_some_and(|name| name.starts_with("keymill")) {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        shown(panic);
    }));
}
