//! What goes wrong on demand, as a client meets it.

use std::time::{Duration, Instant};

use keymill::kms::Forecast;

use crate::client::{Connection, Signer, TestServer};

const RANDOM: &str = r#"{"NumberOfBytes": 1}"#;

fn server_in(forecast: &str) -> TestServer {
    let server = TestServer::start();
    server.endpoint.forecast(serde_json::from_str::<Forecast>(forecast).unwrap());
    server
}

fn random(connection: &mut Connection) -> (u16, String) {
    let reply = connection.call(&Signer::tester(), "GenerateRandom", RANDOM);
    (reply.status, reply.body)
}

#[test]
fn what_is_too_much_is_throttled_in_the_words_of_the_service() {
    let server = server_in(r#"{"quotas": "SYMMETRIC=5,RSA_2048=0.001"}"#);
    let mut connection = server.connect();
    let before = Instant::now();
    let statuses: Vec<u16> = (0..6).map(|_| random(&mut connection).0).collect();
    if before.elapsed() < Duration::from_millis(150) {
        assert_eq!(statuses, [200, 200, 200, 200, 200, 400]);
    }
    let throttled = (0..100).map(|_| random(&mut connection)).find(|(status, _)| *status != 200);
    let text = "{\"__type\":\"ThrottlingException\",\"message\":\"You have exceeded the rate at which \
                you may call KMS. Reduce the frequency of your calls.\"}";
    assert_eq!(throttled, Some((400, text.to_owned())));
    // A quota is that of one account; another's is full.
    let other = connection.call(&Signer::stranger(), "GenerateRandom", RANDOM);
    assert_eq!(other.status, 200);
    // Pairs are counted by spec, together with those that show the plaintext.
    let pair = |connection: &mut Connection, operation: &str, spec: &str| {
        let body =
            format!(r#"{{"KeyId": "alias/default", "KeyPairSpec": "{spec}", "DryRun": true}}"#);
        let reply = connection.call(&Signer::tester(), operation, &body).body;
        reply.split('"').nth(3).unwrap().to_owned()
    };
    let silent = "GenerateDataKeyPairWithoutPlaintext";
    let dry_run = "DryRunOperationException";
    assert_eq!(pair(&mut connection, silent, "RSA_2048"), dry_run);
    assert_eq!(pair(&mut connection, "GenerateDataKeyPair", "RSA_2048"), "ThrottlingException");
    assert_eq!(pair(&mut connection, silent, "RSA_3072"), dry_run);
}

#[test]
fn the_same_seed_brings_the_same_faults_again() {
    let forecast =
        r#"{"faults": ["ThrottlingException=20%", "KMSInternalException=10%"], "seed": 7}"#;
    let run = || {
        let server = server_in(forecast);
        let mut connection = server.connect();
        (0..100).map(|_| random(&mut connection).0).collect::<Vec<_>>()
    };
    let statuses = run();
    assert_eq!(statuses, run());
    for status in [200, 400, 500] {
        assert!(statuses.contains(&status), "{status} never came");
    }
}

#[test]
fn only_a_known_caller_meets_faults() {
    let server = server_in(r#"{"faults": ["DisabledException=100%"]}"#);
    let mut connection = server.connect();
    assert_eq!(random(&mut connection), (400, r#"{"__type":"DisabledException"}"#.to_owned()));
    let wrong = Signer { secret: "wrong".to_owned(), ..Signer::tester() };
    let reply = connection.call(&wrong, "GenerateRandom", RANDOM);
    assert!(reply.body.contains("InvalidSignatureException"), "{}", reply.body);
}

#[test]
fn a_dropped_answer_closes_the_connection_after_the_work() {
    let server = TestServer::start();
    let alias = r#"{"AliasName": "alias/x", "TargetKeyId": "[key]"}"#;
    let made = server.connect().call(&Signer::tester(), "CreateKey", "{}").body;
    let key = made.split("\"KeyId\":\"").nth(1).unwrap().split('"').next().unwrap();
    let alias = alias.replace("[key]", key);
    server.endpoint.forecast(serde_json::from_str(r#"{"drop": "100%"}"#).unwrap());
    let mut connection = server.connect();
    connection.send(Signer::tester().request("CreateAlias", &alias).as_bytes());
    assert!(connection.receive().is_none(), "an answer came");
    server.endpoint.forecast(Forecast::default());
    let again = server.connect().call(&Signer::tester(), "CreateAlias", &alias);
    assert!(again.body.contains("AlreadyExistsException"), "{}", again.body);
}

#[test]
fn no_answer_comes_before_its_time() {
    let server = server_in(r#"{"latency": "80ms"}"#);
    let mut connection = server.connect();
    for _ in 0..3 {
        let sent = Instant::now();
        assert_eq!(random(&mut connection).0, 200);
        assert!(sent.elapsed() >= Duration::from_millis(80), "{:?}", sent.elapsed());
    }
}
