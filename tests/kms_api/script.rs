//! Exchanges written down: what is sent, and what must come back.
//!
//! ```text
//! # a comment
//! tester CreateKey {}
//! 200 {"KeyMetadata": {"KeyId": "[=key]", "Arn": "[..]", "*": "*"}}
//!
//! tester Encrypt {"KeyId": "[key]", "Plaintext": ""}
//! 400 {"__type": "ValidationException", "message": "..."}
//! ```
//!
//! A call is who, operation and body, on one line; the answer to it is a status and JSON, or nothing
//! for an empty body, and may go on over indented lines. In an expected text `[..]` stands for any
//! text, `[=name]` for any text, remembered; elsewhere `[name]` is what was remembered. A member
//! `"*"` allows members that are not named. `[arn:name]` is the ARN of a remembered key id;
//! `[number]` is any number.
//!
//! Who: `tester`, `stranger` (a user of another account), `limited` (a user whose own policy allows
//! little), and each with `@region`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::{Connection, STRANGER_ACCOUNT, Signer, TestServer};

/// Plays a script against a server of its own.
pub fn play(name: &str, script: &str) {
    let server = TestServer::start();
    let mut connection = server.connect();
    let mut names = BTreeMap::new();
    names.insert("stranger-account".to_owned(), STRANGER_ACCOUNT.to_owned());
    let mut call: Option<(usize, String)> = None;
    let mut answer = String::new();
    for (line, text) in script.lines().chain([""]).enumerate() {
        let is_answer = text.starts_with(|c: char| c.is_ascii_digit());
        if is_answer || (text.starts_with(' ') && !answer.is_empty()) {
            answer += text.trim_end();
            continue;
        }
        if let Some((line, call)) = call.take_if(|_| !answer.is_empty()) {
            let place = format!("{name}.txt:{line}");
            exchange(&mut connection, &mut names, &place, &call, &answer);
            answer.clear();
        }
        if !text.is_empty() && !text.starts_with('#') {
            assert!(call.is_none(), "{name}.txt:{}: a call without an answer", line + 1);
            call = Some((line + 1, text.to_owned()));
        }
    }
    assert!(call.is_none(), "{name}.txt: the last call has no answer");
    drop(connection);
    server.server.stop();
}

fn exchange(
    connection: &mut Connection,
    names: &mut BTreeMap<String, String>,
    place: &str,
    call: &str,
    answer: &str,
) {
    let mut parts = filled(call, names);
    let body = parts.split_off(parts.find('{').unwrap_or(parts.len()));
    let (who, operation) = parts.trim().split_once(' ').unwrap();
    let reply = connection.call(&signer(who), operation, &body);
    let (status, expected) = answer.split_once(' ').unwrap_or((answer, ""));
    let told = format!("{place}: {call}\nanswered {} {}", reply.status, reply.body);
    assert_eq!(reply.status.to_string(), status, "{told}");
    assert!(reply.header("x-amzn-requestid").is_some(), "{told}");
    if expected.is_empty() {
        assert!(reply.body.is_empty(), "{told}");
        return;
    }
    let expected: Value = serde_json::from_str(&filled(expected, names))
        .unwrap_or_else(|error| panic!("{place}: {error}: {expected}"));
    let found: Value = serde_json::from_str(&reply.body).unwrap();
    if let Err(fault) = matches(&expected, &found, names) {
        panic!("{told}\n{fault}");
    }
}

fn signer(who: &str) -> Signer {
    let (name, region) = who.split_once('@').unwrap_or((who, "us-east-1"));
    let signer = match name {
        "tester" => Signer::tester(),
        "stranger" => Signer::stranger(),
        "limited" => Signer::limited(),
        other => panic!("nobody is called {other}"),
    };
    Signer { region: region.to_owned(), ..signer }
}

/// The text with what was remembered in place of its names.
fn filled(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in names {
        text = text.replace(&format!("[{name}]"), value);
        let arn = format!("arn:aws:kms:us-east-1:000000000000:key/{value}");
        text = text.replace(&format!("[arn:{name}]"), &arn);
    }
    text
}

/// Compares, and remembers.
fn matches(
    expected: &Value,
    found: &Value,
    names: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    match (expected, found) {
        (Value::String(any), Value::String(_)) if any == "[..]" => Ok(()),
        (Value::String(any), Value::Number(_)) if any == "[number]" => Ok(()),
        (Value::String(expected), Value::String(found)) if expected.starts_with("[=") => {
            names.insert(expected[2..expected.len() - 1].to_owned(), found.clone());
            Ok(())
        }
        (Value::Object(expected), Value::Object(found)) => {
            for (member, value) in expected.iter().filter(|(member, _)| *member != "*") {
                let found = found.get(member).ok_or(format!("{member} is not there"))?;
                matches(value, found, names).map_err(|fault| format!("{member}: {fault}"))?;
            }
            let more = found.keys().find(|member| !expected.contains_key(*member));
            match more.filter(|_| !expected.contains_key("*")) {
                Some(more) => Err(format!("{more} is too much")),
                None => Ok(()),
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            expected.iter().zip(found).try_for_each(|(one, other)| matches(one, other, names))
        }
        (expected, found) if expected == found => Ok(()),
        (expected, found) => Err(format!("expected {expected}, found {found}")),
    }
}
