//! The program itself: what survives a kill, and what others may do beside it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::client::{Connection, SECRET, Signer};

const KEYMILL: &str = env!("CARGO_BIN_EXE_keymill");

pub fn keymill(home: &Path, arguments: &[&str]) -> Output {
    Command::new(KEYMILL).arg("--home").arg(home).args(arguments).output().unwrap()
}

/// Makes a principal with a known access key.
pub fn make_principal(home: &Path, name: &str, access_key_id: &str) {
    let secret = home.with_extension("secret");
    fs::write(&secret, SECRET).unwrap();
    let secret = secret.to_str().unwrap();
    let made = ["principal", "create", "--name", name, "--access-key-id", access_key_id];
    let made = keymill(home, &[&made[..], &["--secret-access-key-file", secret]].concat());
    assert!(made.status.success(), "{made:?}");
}

/// A running `keymill serve`, killed at the end.
pub struct Serve {
    child: Child,
    pub address: SocketAddr,
    /// What it said before it listened.
    pub talk: Vec<String>,
    /// What it says from then on.
    later: Option<JoinHandle<Vec<String>>>,
}

impl Serve {
    fn start(home: &Path) -> Self {
        Self::start_with(home, &[])
    }

    pub fn start_with(home: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(KEYMILL)
            .arg("--home")
            .arg(home)
            .args(["serve", "--listen", "127.0.0.1:0", "--threads", "1", "--eager"])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let reader = BufReader::new(child.stderr.take().unwrap());
        let mut lines = reader.lines().map_while(Result::ok);
        let mut talk = Vec::new();
        let address = lines.find_map(|line| {
            let url = line.split_once("listening on ").map(|(_, url)| url.to_owned());
            talk.push(line);
            url
        });
        let address = address.unwrap_or_else(|| panic!("it does not listen: {talk:?}"));
        let address = address.split_once("://").unwrap().1.parse().unwrap();
        // What else it says is read, so that it never waits for a reader.
        let later = Some(thread::spawn(move || lines.collect()));
        Self { child, address, talk, later }
    }

    pub fn connect(&self) -> Connection {
        Connection::new(TcpStream::connect(self.address).unwrap())
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Serve {
    /// Ends it as an operator does, and returns its exit code and what it said since it listened.
    pub fn stop(mut self) -> (Option<i32>, Vec<String>) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), self.later.take().unwrap().join().unwrap())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    make_principal(&home, "tester", "AKIDEXAMPLE");
    let signer = Signer::tester();
    let mut keys: Vec<String> = Vec::new();
    let mut blobs: Vec<(String, String)> = Vec::new();
    let mut grants: Vec<(String, String)> = Vec::new();
    for round in 0..3 {
        let serve = Serve::start(&home);
        let mut connection = serve.connect();
        for key in &keys {
            let body = format!(r#"{{"KeyId": "{key}"}}"#);
            assert_eq!(connection.call(&signer, "DescribeKey", &body).status, 200, "{key}");
        }
        for (key, id) in &grants {
            let body = format!(r#"{{"KeyId": "{key}", "GrantId": "{id}"}}"#);
            assert!(connection.call(&signer, "ListGrants", &body).body.contains(id), "{id}");
            let policy =
                connection.call(&signer, "GetKeyPolicy", &format!(r#"{{"KeyId": "{key}"}}"#));
            assert!(policy.body.contains("kept"), "{policy:?}");
        }
        for (blob, plaintext) in &blobs {
            let body = format!(r#"{{"CiphertextBlob": "{blob}"}}"#);
            let opened = connection.call(&signer, "Decrypt", &body);
            assert!(opened.body.contains(plaintext), "{opened:?}");
        }
        let made = connection.call(&signer, "CreateKey", "{}");
        let made: Value = serde_json::from_str(&made.body).unwrap();
        let key = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
        let body = format!(r#"{{"KeyId": "{key}", "KeySpec": "AES_256"}}"#);
        let data = connection.call(&signer, "GenerateDataKey", &body);
        let data: Value = serde_json::from_str(&data.body).unwrap();
        let text = |member: &str| data[member].as_str().unwrap().to_owned();
        blobs.push((text("CiphertextBlob"), text("Plaintext")));
        let name = format!("alias/round-{round}");
        let body = format!(r#"{{"AliasName": "{name}", "TargetKeyId": "{key}"}}"#);
        assert_eq!(connection.call(&signer, "CreateAlias", &body).status, 200);
        let body = format!(
            r#"{{"KeyId": "{key}", "Policy": "{{\"Id\": \"kept\", \"Statement\": {{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"kms:*\", \"Resource\": \"*\"}}}}"}}"#
        );
        assert_eq!(connection.call(&signer, "PutKeyPolicy", &body).status, 200);
        let body = format!(
            r#"{{"KeyId": "{key}", "GranteePrincipal": "arn:aws:iam::000000000000:user/a", "Operations": ["Decrypt"]}}"#
        );
        let grant = connection.call(&signer, "CreateGrant", &body);
        let grant: Value = serde_json::from_str(&grant.body).unwrap();
        grants.push((key.clone(), grant["GrantId"].as_str().unwrap().to_owned()));
        serve.kill();
        keys.extend([key, name]);
    }
}

/// What an asymmetric or HMAC key is made of is on the disk before it is answered, and makes the same
/// after every start.
#[test]
fn keys_of_other_kinds_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    make_principal(&home, "tester", "AKIDEXAMPLE");
    let signer = Signer::tester();
    let call = |serve: &Serve, operation: &str, key: &str, members: &str| -> Value {
        let body = format!(r#"{{"KeyId": "{key}", "Message": "AAEC", {members}}}"#);
        let reply = serve.connect().call(&signer, operation, &body);
        assert_eq!(reply.status, 200, "{operation}: {reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    };
    let restarted = |serve: Serve| {
        serve.kill();
        Serve::start(&home)
    };
    let serve = Serve::start(&home);
    // Producers give way to everybody else, so that a first pair may be late on a busy machine.
    let made = |kind: &str| {
        let body = format!("{{{kind}}}");
        let mut replies = (0..20).map(|_| serve.connect().call(&signer, "CreateKey", &body));
        let made = replies.find(|reply| reply.status != 500).unwrap();
        let made: Value = serde_json::from_str(&made.body).unwrap();
        made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    };
    let signs = made(r#""KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY""#);
    let codes = made(r#""KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC""#);
    let serve = restarted(serve);
    let (ecdsa, hmac) =
        (r#""SigningAlgorithm": "ECDSA_SHA_256""#, r#""MacAlgorithm": "HMAC_SHA_256""#);
    let public = call(&serve, "GetPublicKey", &signs, ecdsa)["PublicKey"].clone();
    let signature = call(&serve, "Sign", &signs, ecdsa)["Signature"].clone();
    let mac = call(&serve, "GenerateMac", &codes, hmac)["Mac"].clone();
    let serve = restarted(serve);
    assert_eq!(call(&serve, "GetPublicKey", &signs, ecdsa)["PublicKey"], public);
    let signed = format!(r#"{ecdsa}, "Signature": {signature}"#);
    assert_eq!(call(&serve, "Verify", &signs, &signed)["SignatureValid"], true);
    let coded = format!(r#"{hmac}, "Mac": {mac}"#);
    assert_eq!(call(&serve, "VerifyMac", &codes, &coded)["MacValid"], true);
}

/// Changes of a key in their order, and where each is to be seen afterwards: operation, members,
/// the operation that shows it, and what that must say.
const CHANGES: [(&str, &str, &str, &str); 14] = [
    ("UpdateKeyDescription", r#""Description": "line 7""#, "DescribeKey", "line 7"),
    ("TagResource", r#""Tags": [{"TagKey": "a", "TagValue": "1"}]"#, "ListResourceTags", r#""a""#),
    ("UntagResource", r#""TagKeys": ["a"]"#, "ListResourceTags", r#""Tags":[]"#),
    ("EnableKeyRotation", r#""RotationPeriodInDays": 99"#, "GetKeyRotationStatus", "99"),
    ("DisableKeyRotation", "", "GetKeyRotationStatus", "false"),
    ("RotateKeyOnDemand", "", "ListKeyRotations", "ON_DEMAND"),
    ("CreateAlias", r#""AliasName": "alias/a""#, "ListAliases", "alias/a"),
    ("DeleteAlias", r#""AliasName": "alias/a""#, "ListAliases", r#""Aliases":[]"#),
    ("ReplicateKey", r#""ReplicaRegion": "eu-west-1""#, "DescribeKey", ":eu-west-1:"),
    ("UpdatePrimaryRegion", r#""PrimaryRegion": "eu-west-1""#, "DescribeKey", r#""REPLICA""#),
    ("DisableKey", "", "DescribeKey", "Disabled"),
    ("EnableKey", "", "DescribeKey", r#""KeyState":"Enabled""#),
    ("ScheduleKeyDeletion", "", "DescribeKey", "PendingDeletion"),
    ("CancelKeyDeletion", "", "DescribeKey", "Disabled"),
];

#[test]
fn every_change_that_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    make_principal(&home, "tester", "AKIDEXAMPLE");
    let signer = Signer::tester();
    let mut serve = Serve::start(&home);
    let made = serve.connect().call(&signer, "CreateKey", r#"{"MultiRegion": true}"#);
    let made: Value = serde_json::from_str(&made.body).unwrap();
    let key = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    for (change, members, witness, expected) in CHANGES {
        let comma = if members.is_empty() { "" } else { ", " };
        let body = format!(r#"{{"KeyId": "{key}", "TargetKeyId": "{key}"{comma}{members}}}"#);
        let changed = serve.connect().call(&signer, change, &body);
        assert_eq!(changed.status, 200, "{change}: {changed:?}");
        serve.kill();
        serve = Serve::start(&home);
        let body = format!(r#"{{"KeyId": "{key}"}}"#);
        let seen = serve.connect().call(&signer, witness, &body);
        assert!(seen.status == 200 && seen.body.contains(expected), "{change}: {seen:?}");
    }
}

/// The command line and a running endpoint use one keystore side by side.
#[test]
fn a_principal_made_beside_a_running_endpoint_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    make_principal(&home, "tester", "AKIDEXAMPLE");
    let serve = Serve::start(&home);
    let late = Signer { access_key_id: "AKIDLATE".to_owned(), ..Signer::tester() };
    let mut connection = serve.connect();
    let mut status = |signer: &Signer| {
        connection.call(signer, "GenerateRandom", r#"{"NumberOfBytes": 1}"#).status
    };
    assert_eq!((status(&Signer::tester()), status(&late)), (200, 400));
    make_principal(&home, "late", "AKIDLATE");
    let known = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(100));
        status(&late) == 200
    });
    assert!(known, "the endpoint has not seen the new principal");
    let gone = keymill(&home, &["principal", "delete", "late"]);
    assert!(gone.status.success(), "{gone:?}");
    let forgotten = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(100));
        status(&late) == 400
    });
    assert!(forgotten, "the endpoint still knows the deleted principal");
}
