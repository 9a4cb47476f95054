//! What a caller without any permission is told, operation by operation.

use keymill::kms::Authentication;
use keymill::spec::Operation;
use serde_json::{Value, json};

use crate::client::{NOBODY, Reply, Signer, TestServer};

fn error(reply: &Reply) -> (String, String) {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
    (text("__type"), text("message"))
}

/// Members that will do for every operation, so that nothing but permission is missing.
fn members(operation: Operation, key: &str) -> Value {
    let mut members = json!({
        "KeyId": key,
        "TargetKeyId": key,
        "SourceKeyId": key,
        "DestinationKeyId": key,
        "PrimaryKeyId": key,
        "AliasName": "alias/default",
        "KeyPairSpec": "ECC_NIST_P256",
        "NumberOfBytes": 32,
        "Plaintext": "AAEC",
        "CiphertextBlob": "AAEC",
        "DryRun": true,
        "DryRunModifiers": ["IGNORE_CIPHERTEXT"],
        "Description": "x",
        "PendingWindowInDays": 7,
        "Tags": [{"TagKey": "a", "TagValue": "b"}],
        "TagKeys": ["a"],
        "GranteePrincipal": "arn:aws:iam::000000000000:user/a",
        "RetiringPrincipal": "arn:aws:iam::000000000000:user/a",
        "Operations": ["Decrypt"],
        "GrantId": "0".repeat(64),
        "Policy": "{}",
        "Message": "AAEC",
        "MessageType": "RAW",
        "SigningAlgorithm": "ECDSA_SHA_256",
        "Signature": "AAEC",
        "MacAlgorithm": "HMAC_SHA_256",
        "Mac": "AAEC",
        "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
        "WrappingKeySpec": "RSA_2048",
        "ImportToken": "AAEC",
        "EncryptedKeyMaterial": "AAEC",
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        "ReplicaRegion": "eu-west-1",
        "PrimaryRegion": "eu-west-1",
        "KeyAgreementAlgorithm": "ECDH",
        "PublicKey": "AAEC",
    });
    if operation == Operation::CreateKey {
        // It is for the members to say what kind of key; a data key's size is none of them.
        members.as_object_mut().unwrap().remove("Policy");
    }
    members
}

/// Every operation that is answered at all asks for permission first.
#[test]
fn nobody_may_do_anything() {
    let server = TestServer::start_with(Authentication::SigV4);
    let mut connection = server.connect();
    let nobody = Signer { access_key_id: NOBODY.to_owned(), ..Signer::tester() };
    let made = connection.call(&Signer::tester(), "CreateKey", "{}");
    let made: Value = serde_json::from_str(&made.body).unwrap();
    let key = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    let mut asked = 0;
    for operation in Operation::ALL {
        let body = members(*operation, key).to_string();
        let reply = connection.call(&nobody, operation.name(), &body);
        let (name, message) = error(&reply);
        let is_built =
            !matches!(&*name, "UnknownOperationException" | "UnsupportedOperationException");
        // That there is no such grant comes first; who may retire one is for the grant to say.
        let is_asked = *operation != Operation::RetireGrant;
        if !is_built || !is_asked {
            continue;
        }
        assert_eq!(name, "AccessDeniedException", "{operation}: {reply:?}");
        let user = "User: arn:aws:iam::000000000000:user/nobody is not authorized to perform: kms:";
        assert!(message.starts_with(user), "{operation}: {message}");
        asked += 1;
    }
    assert!(asked >= 32, "{asked} operations are answered");
}

/// A key of another account is there for nobody whom its policy does not speak of: whatever is asked,
/// the answer is the same for one that exists and one that does not.
#[test]
fn keys_of_other_accounts_do_not_show() {
    let server = TestServer::start();
    let mut connection = server.connect();
    let made = connection.call(&Signer::tester(), "CreateKey", "{}");
    let made: Value = serde_json::from_str(&made.body).unwrap();
    let there = made["KeyMetadata"]["Arn"].as_str().unwrap();
    let gone = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";
    let alias = |name: &str| format!("arn:aws:kms:us-east-1:000000000000:alias/{name}");
    let mut compared = 0;
    let without_key = [Operation::CreateKey, Operation::GenerateRandom];
    for operation in Operation::ALL.iter().filter(|operation| !without_key.contains(operation)) {
        for (there, gone) in [(there, gone), (&*alias("default"), &*alias("none"))] {
            let mut told = |key: &str| {
                let body = members(*operation, key).to_string();
                let reply = connection.call(&Signer::stranger(), operation.name(), &body);
                (reply.status, reply.body.replace(key, "KEY"))
            };
            assert_eq!(told(there), told(gone), "{operation}");
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * (Operation::ALL.len() - without_key.len()));
}
