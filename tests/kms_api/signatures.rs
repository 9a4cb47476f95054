//! Signatures: who is let in, and what those who are not are told.

use jiff::{SignedDuration, Timestamp};
use keymill::kms::Authentication;
use serde_json::Value;

use crate::client::{EXPIRED, LIMITED, Reply, SESSION, SESSION_TOKEN, Signer, TestServer};

const RANDOM: &str = r#"{"NumberOfBytes": 1}"#;

fn error(reply: &Reply) -> (String, String) {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(reply.status, 400, "{reply:?}");
    let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
    (text("__type"), text("message"))
}

/// Sends a request after `change`.
fn altered(server: &TestServer, change: impl FnOnce(String) -> String) -> (String, String) {
    let mut connection = server.connect();
    connection.send(change(Signer::tester().request("GenerateRandom", RANDOM)).as_bytes());
    error(&connection.receive().unwrap())
}

#[test]
fn a_wrong_secret_or_an_altered_request_does_not_match() {
    let server = TestServer::start();
    let wrong = Signer { secret: "Secret".to_owned(), ..Signer::tester() };
    let mut refusals = vec![error(&server.connect().call(&wrong, "GenerateRandom", RANDOM))];
    for (old, new) in [
        ("\"NumberOfBytes\": 1", "\"NumberOfBytes\": 2"),
        ("host: 127.0.0.1", "host: 127.0.0.2"),
        ("TrentService.GenerateRandom", "TrentService.DescribeKey"),
        ("us-east-1", "us-east-2"),
        ("SignedHeaders=content-type;", "SignedHeaders="),
        ("Signature=", "Signature=0"),
        ("POST / ", "POST /?a=b "),
    ] {
        refusals.push(altered(&server, |request| {
            assert!(request.contains(old), "{old}");
            request.replace(old, new)
        }));
    }
    for (name, message) in refusals {
        assert_eq!(name, "InvalidSignatureException");
        assert!(message.starts_with("The request signature we calculated does not match"));
    }
}

#[test]
fn clocks_may_be_five_minutes_off() {
    let server = TestServer::start();
    let mut connection = server.connect();
    let mut at = |seconds: i64| {
        let date = Timestamp::now() + SignedDuration::from_secs(seconds);
        let signer = Signer { date, ..Signer::tester() };
        let reply = connection.call(&signer, "GenerateRandom", RANDOM);
        (reply, date.strftime("%Y%m%dT%H%M%SZ").to_string())
    };
    for seconds in [-290, 0, 290] {
        assert_eq!(at(seconds).0.status, 200, "{seconds} s");
    }
    let (reply, date) = at(-310);
    let (name, message) = error(&reply);
    assert_eq!(name, "InvalidSignatureException");
    assert!(message.starts_with(&format!("Signature expired: {date} is now earlier than 2")));
    assert!(message.ends_with("Z - 5 min.)"), "{message}");
    let (reply, date) = at(310);
    let (name, message) = error(&reply);
    assert_eq!(name, "InvalidSignatureException");
    assert!(
        message.starts_with(&format!("Signature not yet current: {date} is still later than 2"))
    );
    assert!(message.ends_with("Z + 5 min.)"), "{message}");
}

#[test]
fn headers_that_lack_something_are_told_what() {
    let server = TestServer::start();
    let drop_line = |request: String, name: &str| {
        let line = request.lines().find(|line| line.starts_with(name)).unwrap();
        request.replace(&format!("{line}\r\n"), "")
    };
    let (name, message) = altered(&server, |request| drop_line(request, "authorization"));
    assert_eq!(name, "MissingAuthenticationTokenException");
    assert_eq!(message, "Missing Authentication Token");
    let (name, message) = altered(&server, |request| drop_line(request, "x-amz-date"));
    assert_eq!(name, "IncompleteSignatureException");
    assert!(message.starts_with(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. \
         Authorization=AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"
    ));
    let (name, message) = altered(&server, |request| {
        request
            .replace("Credential=", "C=")
            .replace("SignedHeaders=", "S=")
            .replace("Signature=", "T=")
    });
    assert_eq!(name, "IncompleteSignatureException");
    assert!(message.starts_with(
        "Authorization header requires 'Credential' parameter. Authorization header requires \
         'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
         Authorization=AWS4-HMAC-SHA256 C="
    ));
    for (old, new, expected) in [
        ("AKIDEXAMPLE", "AKIDABSENT", "The security token included in the request is invalid."),
        ("/kms/", "/s3/", "Credential should be scoped to correct service: 'kms'."),
        ("us-east-1/", "nowhere/", "Credential should be scoped to a valid region, not 'nowhere'."),
    ] {
        assert_eq!(altered(&server, |request| request.replace(old, new)).1, expected);
    }
}

#[test]
fn a_foreign_session_token_is_refused() {
    let server = TestServer::start();
    let (name, _) = altered(&server, |request| {
        request.replace("content-length", "x-amz-security-token: token\r\ncontent-length")
    });
    assert_eq!(name, "UnrecognizedClientException");
}

#[test]
fn a_session_needs_its_token_until_its_end() {
    let server = TestServer::start();
    let with = |access_key_id: &str, token: &str| {
        let signer = Signer { access_key_id: access_key_id.to_owned(), ..Signer::tester() };
        let header = format!("x-amz-security-token: {token}\r\ncontent-length");
        let request = signer.request("GenerateRandom", RANDOM);
        let mut connection = server.connect();
        connection.send(request.replace("content-length", &header).as_bytes());
        connection.receive().unwrap()
    };
    assert_eq!(with(SESSION, SESSION_TOKEN).status, 200);
    let bare = Signer { access_key_id: SESSION.to_owned(), ..Signer::tester() };
    let bare = server.connect().call(&bare, "GenerateRandom", RANDOM);
    for reply in
        [bare, with(SESSION, "other"), with(EXPIRED, "other"), with(LIMITED, SESSION_TOKEN)]
    {
        assert_eq!(error(&reply).0, "UnrecognizedClientException");
    }
    let (name, message) = error(&with(EXPIRED, SESSION_TOKEN));
    assert_eq!(name, "ExpiredTokenException");
    assert_eq!(message, "The security token included in the request is expired");
}

#[test]
fn without_authentication_anybody_is_the_root_user_of_the_region_named() {
    let server = TestServer::start_with(Authentication::None);
    let mut connection = server.connect();
    let wrong = Signer { secret: "wrong".to_owned(), ..Signer::tester() };
    assert_eq!(connection.call(&wrong, "GenerateRandom", RANDOM).status, 200);
    connection.send(
        b"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: TrentService.GenerateRandom\r\n\
          content-length: 20\r\n\r\n{\"NumberOfBytes\": 1}",
    );
    assert_eq!(connection.receive().unwrap().status, 200);
    let elsewhere = Signer { region: "eu-west-1".to_owned(), ..Signer::tester() };
    let reply = connection.call(&elsewhere, "CreateKey", "{}");
    assert!(reply.body.contains("arn:aws:kms:eu-west-1:000000000000:key/"), "{}", reply.body);
}
