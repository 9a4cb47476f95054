//! paws, the AWS SDK of R, which no registry has that these tests can reach: its request as it was
//! recorded, and an answer that it can read.
//!
//! It takes the error's name from `__type`, up to a `#`; an answer without that member, or with both
//! `message` and `Message`, ends it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{Reply, Signer, TestServer};

/// paws 0.7.7, with the access key `AKIDEXAMPLE` and the secret `secret`.
const RECORDED: &str = "POST / HTTP/1.1\r
Host: 127.0.0.1:18099\r
Accept-Encoding: deflate, gzip, br, zstd\r
Accept: application/json, text/xml, application/xml, */*\r
User-Agent: paws/0.7.7 (R4.2.2; linux-gnu; x86_64)\r
X-Amz-Target: TrentService.GenerateDataKeyPairWithoutPlaintext\r
Content-Type: application/x-amz-json-1.1\r
Content-Length: 79\r
X-Amz-Date: 20261124T001433Z\r
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/us-east-1/kms/aws4_request, \
SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-target, \
Signature=fbbc77e5af6d38f9505405eebeb7fe49c59f7c7d4a6e564c62a87a77b736c3aa\r
\r
";
const BODY: &str =
    r#"{"EncryptionContext":{"a":"b"},"KeyId":"alias/x","KeyPairSpec":"ECC_NIST_P256"}"#;
const RECORDED_AT: &str = "2026-11-24T00:14:33Z";

fn authorization(date: Timestamp) -> String {
    let headers = [
        ("content-length", "79".to_owned()),
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("host", "127.0.0.1:18099".to_owned()),
        ("x-amz-date", date.strftime("%Y%m%dT%H%M%SZ").to_string()),
        ("x-amz-target", "TrentService.GenerateDataKeyPairWithoutPlaintext".to_owned()),
    ];
    Signer { date, ..Signer::tester() }.authorization(&headers, BODY)
}

/// The answer to the recorded request, made as if it were sent now.
fn answer(server: &TestServer) -> Reply {
    let now = Timestamp::now();
    let (head, recorded) = RECORDED.split_once("Authorization: ").unwrap();
    assert_eq!(recorded.trim_end(), authorization(RECORDED_AT.parse().unwrap()));
    let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let head = head.replace("20261124T001433Z", &date);
    let mut connection = server.connect();
    connection
        .send(format!("{head}Authorization: {}\r\n\r\n{BODY}", authorization(now)).as_bytes());
    connection.receive().unwrap()
}

fn header_names(reply: &Reply) -> Vec<&str> {
    reply.headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn the_recorded_request_is_answered_in_a_form_that_paws_reads() {
    let server = TestServer::start();
    let refused = answer(&server);
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.body,
        r#"{"__type":"NotFoundException","message":"Alias arn:aws:kms:us-east-1:000000000000:alias/x is not found."}"#
    );
    let mut connection = server.connect();
    let made = connection.call(&Signer::tester(), "CreateKey", "{}");
    let made: Value = serde_json::from_str(&made.body).unwrap();
    let alias = json!({"AliasName": "alias/x", "TargetKeyId": made["KeyMetadata"]["KeyId"]});
    assert_eq!(connection.call(&Signer::tester(), "CreateAlias", &alias.to_string()).status, 200);

    let answered = answer(&server);
    assert_eq!(answered.status, 200, "{}", answered.body);
    for reply in [&refused, &answered] {
        assert_eq!(
            header_names(reply),
            ["content-type", "cache-control", "x-amzn-requestid", "content-length", "date"]
        );
        assert_eq!(reply.header("content-type"), Some("application/x-amz-json-1.1"));
    }
    let body: Value = serde_json::from_str(&answered.body).unwrap();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["PrivateKeyCiphertextBlob", "PublicKey", "KeyId", "KeyPairSpec", "KeyMaterialId"]
    );
    assert_eq!(body["KeyId"], made["KeyMetadata"]["Arn"]);
    assert_eq!(body["KeyPairSpec"], "ECC_NIST_P256");
}
