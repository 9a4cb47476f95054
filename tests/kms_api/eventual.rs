//! Changes that take their time to be seen, and the tokens that do not wait.

use std::thread;
use std::time::Duration;

use keymill::keystore::ServedOptions;
use keymill::kms::Authentication;
use serde_json::Value;

use crate::client::{Connection, Reply, Signer, TestServer};

fn late(lateness: Duration) -> TestServer {
    TestServer::start_served(
        Authentication::SigV4,
        ServedOptions { lateness, ..ServedOptions::default() },
    )
}

fn member(reply: &Reply, path: &str) -> String {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    body.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

/// A new key by its id, which is there at once.
fn new_key(connection: &mut Connection) -> String {
    let made = connection.call(&Signer::tester(), "CreateKey", "{}");
    member(&made, "/KeyMetadata/KeyId")
}

#[test]
fn what_is_changed_is_seen_late_and_a_token_makes_a_grant_usable_at_once() {
    let server = late(Duration::from_hours(1));
    let mut connection = server.connect();
    let tester = Signer::tester();
    let key = new_key(&mut connection);
    let named = format!(r#"{{"KeyId": "{key}"}}"#);
    let mut call =
        |signer: &Signer, operation: &str, body: &str| connection.call(signer, operation, body);
    let encrypt = format!(r#"{{"KeyId": "{key}", "Plaintext": "AAEC"}}"#);
    let blob = member(&call(&tester, "Encrypt", &encrypt), "/CiphertextBlob");

    let grant = format!(
        r#"{{"KeyId": "{key}", "GranteePrincipal": "arn:aws:iam::000000000000:user/limited", "Operations": ["Decrypt"]}}"#
    );
    let token = member(&call(&tester, "CreateGrant", &grant), "/GrantToken");
    let without = format!(r#"{{"CiphertextBlob": "{blob}", "KeyId": "{key}"}}"#);
    let with = without.replace('}', &format!(r#", "GrantTokens": ["{token}"]}}"#));
    assert_eq!(call(&Signer::limited(), "Decrypt", &without).status, 400);
    assert_eq!(call(&Signer::limited(), "Decrypt", &with).status, 200);
    assert!(call(&tester, "ListGrants", &named).body.contains(r#""Grants":[]"#));

    let alias = format!(r#"{{"AliasName": "alias/late", "TargetKeyId": "{key}"}}"#);
    assert_eq!(call(&tester, "CreateAlias", &alias).status, 200);
    let described = call(&tester, "DescribeKey", r#"{"KeyId": "alias/late"}"#);
    assert_eq!(member(&described, "/__type"), "NotFoundException");
    // What is written is not late: the name is taken.
    assert_eq!(member(&call(&tester, "CreateAlias", &alias), "/__type"), "AlreadyExistsException");

    assert_eq!(call(&tester, "DisableKey", &named).status, 200);
    assert_eq!(call(&tester, "Encrypt", &encrypt).status, 200);
}

#[test]
fn what_is_changed_is_seen_in_the_end() {
    let server = late(Duration::from_millis(300));
    let mut connection = server.connect();
    let tester = Signer::tester();
    let key = new_key(&mut connection);
    let alias = format!(r#"{{"AliasName": "alias/late", "TargetKeyId": "{key}"}}"#);
    assert_eq!(connection.call(&tester, "CreateAlias", &alias).status, 200);
    let named = format!(r#"{{"KeyId": "{key}"}}"#);
    assert_eq!(connection.call(&tester, "DisableKey", &named).status, 200);
    let encrypt = r#"{"KeyId": "alias/late", "Plaintext": "AAEC"}"#;
    let is_seen = (0..600).any(|_| {
        thread::sleep(Duration::from_millis(100));
        let reply = connection.call(&tester, "Encrypt", encrypt);
        reply.status == 400 && member(&reply, "/__type") == "DisabledException"
    });
    assert!(is_seen, "the alias and the new state are not seen");
}
