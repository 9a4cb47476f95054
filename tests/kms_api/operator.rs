//! What the operator has beside the endpoint: the audit log, and the admin address.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Connection, PATIENCE, Reply, Signer};
use crate::process::{Serve, keymill, make_principal};

const RANDOM: &str = r#"{"NumberOfBytes": 1}"#;

/// A keystore with the tester in it, and a place beside it.
fn home() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    make_principal(&home, "tester", "AKIDEXAMPLE");
    (folder, home)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The calls in the files of a log, in order.
fn calls(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    files.sort();
    let lines: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["eventType"] == "AwsApiCall").collect()
}

#[test]
fn every_call_stands_in_the_audit_log_and_no_secret_does() {
    let (folder, home) = home();
    let log = folder.path().join("audit");
    let serve = Serve::start_with(&home, &["--audit", text(&log)]);
    let signer = Signer::tester();
    let mut connection = serve.connect();
    let made = connection.call(&signer, "CreateKey", r#"{"Description": "d"}"#);
    let made: Value = serde_json::from_str(&made.body).unwrap();
    let arn = made["KeyMetadata"]["Arn"].as_str().unwrap();
    let key = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    let body = format!(
        r#"{{"KeyId": "{key}", "KeyPairSpec": "ECC_NIST_P256", "EncryptionContext": {{"Index": "5"}}}}"#
    );
    let pair = connection.call(&signer, "GenerateDataKeyPairWithoutPlaintext", &body);
    let pair_json: Value = serde_json::from_str(&pair.body).unwrap();
    let body = format!(r#"{{"KeyId": "{key}", "Plaintext": "dG9wIHNlY3JldA=="}}"#);
    assert_eq!(connection.call(&signer, "Encrypt", &body).status, 200);
    let dry = format!(r#"{{"KeyId": "{key}", "KeySpec": "AES_256", "DryRun": true}}"#);
    assert_eq!(connection.call(&signer, "GenerateDataKey", &dry).status, 400);
    let unknown = r#"{"KeyId": "alias/nothing"}"#;
    assert_eq!(connection.call(&signer, "DescribeKey", unknown).status, 400);
    let stranger = Signer { secret: "wrong".to_owned(), ..Signer::tester() };
    assert_eq!(connection.call(&stranger, "GenerateRandom", RANDOM).status, 400);
    let (code, talk) = serve.stop();
    assert_eq!(code, Some(0), "{talk:?}");
    let events = calls(&log);
    let names: Vec<_> = events.iter().map(|event| event["eventName"].as_str().unwrap()).collect();
    let expected = [
        "CreateKey",
        "GenerateDataKeyPairWithoutPlaintext",
        "Encrypt",
        "GenerateDataKey",
        "DescribeKey",
    ];
    assert_eq!(names, expected, "a call that nobody signed rightly is nobody's");
    assert_eq!(events[0]["resources"][0]["ARN"], arn);
    assert_eq!(events[0]["readOnly"], false);
    let event = &events[1];
    assert_eq!(event["requestParameters"]["keyId"], key);
    assert_eq!(event["requestParameters"]["encryptionContext"]["Index"], "5");
    assert_eq!(event["additionalEventData"]["keyMaterialId"], pair_json["KeyMaterialId"]);
    assert_eq!(event["resources"][0]["ARN"], arn);
    assert_eq!(Some(event["requestID"].as_str().unwrap()), pair.header("x-amzn-requestid"));
    assert_eq!(event["userIdentity"]["userName"], "tester");
    assert_eq!(event["responseElements"], Value::Null);
    assert_eq!(event["errorCode"], Value::Null);
    assert_eq!(events[3]["errorCode"], "DryRunOperationException");
    assert_eq!(events[3]["requestParameters"]["dryRun"], true);
    assert_eq!(events[4]["errorCode"], "NotFoundException");
    for event in &events {
        let text = event.to_string();
        assert!(!text.contains("dG9wIHNlY3JldA"), "a plaintext in {text}");
    }
    let head = talk.iter().find_map(|line| line.split_once("ends with ")).unwrap().1;
    let verified = keymill(&home, &["audit", "verify", text(&log), "--head", head]);
    assert!(verified.status.success(), "{verified:?}");
    let other = keymill(&home, &["audit", "verify", text(&log), "--head", "0"]);
    assert_eq!(other.status.code(), Some(65));
}

/// The ARN of a key that is made for it.
fn make_key(ask: &mut impl FnMut(&str, &str) -> Reply) -> String {
    let made: Value = serde_json::from_str(&ask("CreateKey", "{}").body).unwrap();
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

/// What lines have in common is written once; no call may be given what another one did.
#[test]
fn every_line_is_about_its_own_call() {
    let (folder, home) = home();
    let log = folder.path().join("audit");
    let arguments = ["--audit", text(&log), "--admin", "127.0.0.1:0"];
    let serve = Serve::start_with(&home, &arguments);
    let signer = Signer::tester();
    let mut connection = serve.connect();
    let mut ask = |operation: &str, body: &str| connection.call(&signer, operation, body);
    let made = [(); 2].map(|()| make_key(&mut ask));
    let address = admin_address(&serve);
    let forecast = |fault: &str| {
        let body = format!(r#"{{"faults": [{fault}]}}"#);
        assert_eq!(admin(&address, "PUT", "/weather", "", &body).status, 200);
    };
    // A key, one that is not there, and what comes to neither: each behind each.
    let (one, other) = (made[0].as_str(), made[1].as_str());
    let (missing, injected) = ("alias/missing", "");
    let asked = [
        one, one, other, other, missing, missing, injected, injected, missing, one, injected,
        other, missing, other, injected, one, missing, injected, other, one,
    ];
    for key in asked {
        forecast(if key == injected { r#""KMSInternalException=100%""# } else { "" });
        let key = if key == injected { one } else { key };
        ask("GenerateDataKey", &format!(r#"{{"KeyId": "{key}", "KeySpec": "AES_256"}}"#));
    }
    serve.stop();
    let events = calls(&log);
    let named = |name| events.iter().filter(move |event| event["eventName"] == name);
    let makings = named("CreateKey");
    let uses: Vec<_> = named("GenerateDataKey").collect();
    for (event, arn) in makings.zip(&made) {
        assert_eq!(event["resources"][0]["ARN"], **arn);
    }
    assert_eq!(uses.len(), asked.len());
    for (event, key) in uses.iter().zip(asked) {
        let is_used = key == one || key == other;
        assert_eq!(event["resources"][0]["ARN"].as_str(), is_used.then_some(key), "{event}");
        let data = &event["additionalEventData"];
        assert_eq!(data["injected"].as_bool(), (key == injected).then_some(true), "{event}");
        assert_eq!(data["keyMaterialId"].is_string(), is_used, "{event}");
        assert_eq!(event["errorCode"].is_string(), !is_used, "{event}");
    }
    let verified = keymill(&home, &["audit", "verify", text(&log)]);
    assert!(verified.status.success(), "{verified:?}");
}

/// Two keys in a call, and one key with two materials.
#[test]
fn a_line_has_the_keys_and_the_material_of_its_call() {
    let (folder, home) = home();
    let log = folder.path().join("audit");
    let serve = Serve::start_with(&home, &["--audit", text(&log)]);
    let signer = Signer::tester();
    let mut connection = serve.connect();
    let mut ask = |operation: &str, body: &str| connection.call(&signer, operation, body);
    let made = [(); 2].map(|()| make_key(&mut ask));
    let (one, other) = (made[0].as_str(), made[1].as_str());
    let json = |reply: &str| serde_json::from_str::<Value>(reply).unwrap();
    let encrypt = format!(r#"{{"KeyId": "{one}", "Plaintext": "YQ=="}}"#);
    let old = json(&ask("Encrypt", &encrypt).body)["CiphertextBlob"].to_string();
    ask("RotateKeyOnDemand", &format!(r#"{{"KeyId": "{one}"}}"#));
    let new = json(&ask("Encrypt", &encrypt).body)["CiphertextBlob"].to_string();
    let materials: Vec<Value> = [&old, &new, &new, &old]
        .map(|blob| {
            let opened = ask("Decrypt", &format!(r#"{{"CiphertextBlob": {blob}}}"#));
            json(&opened.body)["KeyMaterialId"].clone()
        })
        .into();
    assert_ne!(materials[0], materials[1]);
    let destinations = [one, other, other, one];
    for to in destinations {
        let members = format!(r#"{{"CiphertextBlob": {new}, "DestinationKeyId": "{to}"}}"#);
        assert_eq!(ask("ReEncrypt", &members).status, 200);
    }
    serve.stop();
    let events = calls(&log);
    let named = |name| events.iter().filter(move |event| event["eventName"] == name);
    let shown = named("Decrypt").map(|event| &event["additionalEventData"]["keyMaterialId"]);
    assert!(shown.eq(&materials));
    for (event, to) in named("ReEncrypt").zip(destinations) {
        let arns = event["resources"].as_array().unwrap().iter().map(|key| key["ARN"].as_str());
        let expected = if to == one { vec![one] } else { vec![one, to] };
        assert!(arns.eq(expected.into_iter().map(Some)), "{event}");
    }
}

#[test]
fn a_changed_line_of_the_log_is_named() {
    let (folder, home) = home();
    let log = folder.path().join("audit");
    let serve = Serve::start_with(&home, &["--audit", text(&log)]);
    for _ in 0..3 {
        serve.connect().call(&Signer::tester(), "GenerateRandom", RANDOM);
    }
    serve.stop();
    let file = log.join("audit-000001.jsonl");
    let changed = fs::read_to_string(&file).unwrap().replacen("127.0.0.1", "127.0.0.2", 1);
    fs::write(&file, changed).unwrap();
    let verified = keymill(&home, &["audit", "verify", text(&log)]);
    assert_eq!(verified.status.code(), Some(65));
    let said = String::from_utf8(verified.stderr).unwrap();
    assert!(said.contains("audit-000001.jsonl, line 2: its hash does not fit"), "{said}");
}

#[test]
fn a_killed_endpoint_leaves_a_whole_log() {
    let (folder, home) = home();
    let log = folder.path().join("audit");
    for round in 1..=2 {
        let serve = Serve::start_with(&home, &["--audit", text(&log)]);
        for _ in 0..10 {
            serve.connect().call(&Signer::tester(), "GenerateRandom", RANDOM);
        }
        // Longer than events gather before they are written.
        sleep(Duration::from_millis(500));
        serve.kill();
        assert_eq!(calls(&log).len(), round * 10);
    }
    let verified = keymill(&home, &["--json", "audit", "verify", text(&log)]);
    let found: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&found["calls"], &found["unclean_ends"]), (&20.into(), &1.into()), "{found}");
}

fn admin_address(serve: &Serve) -> String {
    let address = serve.talk.iter().find_map(|line| line.split_once("weather at http://"));
    address.unwrap().1.to_owned()
}

fn admin(address: &str, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let mut connection = Connection::new(TcpStream::connect(address).unwrap());
    let bytes = body.len();
    connection.send(
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-length: {bytes}\r\n\r\n\
             {body}"
        )
        .as_bytes(),
    );
    connection.receive().unwrap()
}

#[test]
fn the_operator_sees_how_it_goes_and_changes_the_weather() {
    let (folder, home) = home();
    let latencies = folder.path().join("latencies.txt");
    let arguments = ["--admin", "127.0.0.1:0", "--latencies", text(&latencies)];
    let serve = Serve::start_with(&home, &arguments);
    let address = admin_address(&serve);
    let ask = |method, path, body| admin(&address, method, path, "", body);
    assert_eq!(ask("GET", "/healthz", "").status, 200);
    let random = || serve.connect().call(&Signer::tester(), "GenerateRandom", RANDOM).status;
    assert_eq!(random(), 200);
    let forecast = r#"{"faults": ["KMSInternalException=100%"], "seed": 7}"#;
    let put = ask("PUT", "/weather", forecast);
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(random(), 500);
    let wrong = ask("PUT", "/weather", r#"{"drop": "often"}"#);
    assert_eq!((wrong.status, random()), (400, 500), "a wrong forecast changes nothing");
    assert!(wrong.body.contains("drop: 'often': give a chance in percent"), "{}", wrong.body);
    assert_eq!(ask("PUT", "/weather", "{}").status, 200);
    assert_eq!(random(), 200);
    let metrics = ask("GET", "/metrics", "").body;
    for line in [
        "keymill_requests_total{operation=\"GenerateRandom\",code=\"OK\"} 2",
        "keymill_requests_total{operation=\"GenerateRandom\",code=\"KMSInternalException\"} 2",
        "keymill_request_duration_seconds_count{operation=\"GenerateRandom\"} 4",
        "keymill_faults_injected_total{code=\"KMSInternalException\"} 2",
        "keymill_answers_dropped_total 0",
        "keymill_pools_warm 1",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is not in\n{metrics}");
    }
    assert_eq!(ask("POST", "/_keymill/reset", "").status, 409, "there is no seed");
    assert_eq!(ask("GET", "/", "").status, 404);
    assert_eq!(ask("DELETE", "/weather", "").status, 405);
    let page = admin(&address, "POST", "/_keymill/reset", "origin: http://a.example\r\n", "");
    assert_eq!(page.status, 403);
    let (code, talk) = serve.stop();
    assert_eq!(code, Some(0));
    assert!(talk.iter().any(|line| line.contains("GenerateRandom: 4 calls, p50 ")), "{talk:?}");
    let dump = fs::read_to_string(latencies).unwrap();
    assert!(dump.contains("# GenerateRandom, microseconds"), "{dump}");
    assert!(dump.contains("Total count    =            4"), "{dump}");
}

/// More than are finished of an ordinary pool of RSA: all but the last, whose primes may be there.
#[test]
fn a_finished_pool_has_its_pairs_ready() {
    let (_folder, home) = home();
    let arguments = ["--pool", "RSA_2048=350", "--finished", "--admin", "127.0.0.1:0"];
    let serve = Serve::start_with(&home, &arguments);
    let (address, begun) = (admin_address(&serve), Instant::now());
    let ready = || {
        let metrics = admin(&address, "GET", "/metrics", "", "").body;
        let name = "keymill_pool_ready_pairs{spec=\"RSA_2048\"} ";
        metrics.lines().find_map(|line| line.strip_prefix(name)?.parse::<u32>().ok()).unwrap()
    };
    while ready() < 320 {
        assert!(begun.elapsed() < PATIENCE, "{} of 350 pairs are ready", ready());
        sleep(Duration::from_millis(50));
    }
    serve.stop();
}

#[test]
fn an_endpoint_goes_back_to_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let (home, seed) = (folder.path().join("home"), folder.path().join("seed.toml"));
    let socket = folder.path().join("admin");
    let text_of_seed = r#"
        [[principal]]
        name = "tester"
        access_key_id = "AKIDEXAMPLE"
        secret_access_key = "secret"
        [[key]]
        id = "1234abcd-12ab-34cd-56ef-1234567890ab"
        materials = ["000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"]
        aliases = ["alias/line"]
    "#;
    fs::write(&seed, text_of_seed).unwrap();
    let admin = format!("unix:{}", text(&socket));
    let serve = Serve::start_with(&home, &["--seed", text(&seed), "--admin", &admin]);
    let call = |operation, body| serve.connect().call(&Signer::tester(), operation, body).status;
    let line = r#"{"AliasName": "alias/line"}"#;
    assert_eq!(call("DeleteAlias", line), 200);
    assert_eq!(call("DescribeKey", r#"{"KeyId": "alias/line"}"#), 400);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"POST /_keymill/reset HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert_eq!(call("DescribeKey", r#"{"KeyId": "alias/line"}"#), 200);
    serve.stop();
    assert!(!socket.exists(), "the socket is left behind");
}
