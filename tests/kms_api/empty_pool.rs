//! What a call is told that finds its pool empty, and that the pool is filled because of it.

use std::time::{Duration, Instant};

use keymill::keystore::ServedOptions;
use keymill::kms::Authentication;
use keymill::pool::EmptyPool;

use crate::client::{PATIENCE, Signer, TestServer};

const CALL: &str = r#"{"KeyId": "alias/default", "KeyPairSpec": "RSA_3072"}"#;

/// The first answer under `policy`, and whether calls are answered with a pair before long.
fn answers(policy: EmptyPool) -> (u16, String) {
    let server = TestServer::start_all(Authentication::SigV4, ServedOptions::default(), policy);
    let mut connection = server.connect();
    let mut call =
        || connection.call(&Signer::tester(), "GenerateDataKeyPairWithoutPlaintext", CALL);
    let first = call();
    let begun = Instant::now();
    while call().status != 200 {
        assert!(begun.elapsed() < PATIENCE, "no pair came");
        std::thread::sleep(Duration::from_millis(20));
    }
    (first.status, first.body)
}

#[test]
fn an_empty_pool_throttles() {
    let (status, body) = answers(EmptyPool::Throttle);
    let text = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your \
                calls.";
    let expected = format!(r#"{{"__type":"ThrottlingException","message":"{text}"}}"#);
    assert_eq!((status, body), (400, expected));
}

#[test]
fn an_empty_pool_fails() {
    let (status, body) = answers(EmptyPool::Error);
    assert_eq!((status, &*body), (500, r#"{"__type":"KMSInternalException"}"#));
}

#[test]
fn an_empty_pool_is_waited_for_but_not_forever() {
    assert_eq!(answers(EmptyPool::Wait(PATIENCE)).0, 200);
    let (status, body) = answers(EmptyPool::Wait(Duration::from_millis(1)));
    assert_eq!(status, 500, "{body}");
    assert!(body.starts_with(r#"{"__type":"DependencyTimeoutException","message":""#), "{body}");
}
