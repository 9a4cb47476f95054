//! Imports as a client makes them: it wraps material of its own under the key that it is given.

use aes::Aes256;
use aes_kw::{AesKwp, KeyInit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use keymill::crypto::drbg::Drbg;
use keymill::spec::KeyPairSpec;
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;

use crate::client::{Connection, Signer, TestServer};
use crate::process::{Serve, make_principal};

const OAEP: &str = "RSAES_OAEP_SHA_256";
const FOR_GOOD: &str = "KEY_MATERIAL_DOES_NOT_EXPIRE";

/// A caller of one endpoint.
struct Caller(Connection);

impl Caller {
    fn call(&mut self, operation: &str, members: &Value) -> (u16, Value) {
        let reply = self.0.call(&Signer::tester(), operation, &members.to_string());
        (reply.status, serde_json::from_str(&reply.body).unwrap_or_default())
    }

    #[track_caller]
    fn done(&mut self, operation: &str, members: &Value) -> Value {
        let (status, answer) = self.call(operation, members);
        assert_eq!(status, 200, "{operation} {members}: {answer}");
        answer
    }

    #[track_caller]
    fn refused(&mut self, operation: &str, members: &Value) -> (String, String) {
        let (status, answer) = self.call(operation, members);
        assert_eq!(status, 400, "{operation} {members}: {answer}");
        let text = |member: &str| answer[member].as_str().unwrap_or_default().to_owned();
        (text("__type"), text("message"))
    }

    /// A key that waits for its material.
    fn empty_key(&mut self) -> String {
        let made = self.done("CreateKey", &json!({"Origin": "EXTERNAL"}));
        assert_eq!(made["KeyMetadata"]["KeyState"], "PendingImport");
        made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    fn parameters(&mut self, key: &str, algorithm: &str, spec: &str) -> Value {
        let wanted = json!({"KeyId": key, "WrappingAlgorithm": algorithm, "WrappingKeySpec": spec});
        let given = self.done("GetParametersForImport", &wanted);
        assert_eq!(given["KeyId"], key);
        given
    }

    /// The members of an import of `material` for good.
    fn import_of(&mut self, key: &str, material: &[u8]) -> Value {
        let given = self.parameters(key, OAEP, "RSA_2048");
        let wrapped = wrap(OAEP, &given, material);
        json!({
            "KeyId": key, "ImportToken": given["ImportToken"], "EncryptedKeyMaterial": wrapped,
            "ExpirationModel": FOR_GOOD,
        })
    }

    fn state(&mut self, key: &str) -> Value {
        let told = self.done("DescribeKey", &json!({"KeyId": key}));
        told["KeyMetadata"]["KeyState"].clone()
    }
}

/// Wraps `material` under the public key of `given`, with other code than opens it but for the two
/// primitives; `tools/clients` does it with another library.
fn wrap(algorithm: &str, given: &Value, material: &[u8]) -> String {
    let mut drbg = Drbg::from_system().unwrap();
    let public_key = BASE64.decode(given["PublicKey"].as_str().unwrap()).unwrap();
    let public_key = PublicKey::from_public_key_der(&public_key).unwrap();
    let mut oaep = |bytes: &[u8]| {
        if algorithm.ends_with("SHA_1") {
            public_key.oaep_encrypt_with_rng::<Sha1, _>(&mut drbg, bytes).unwrap()
        } else {
            public_key.oaep_encrypt_with_rng::<Sha256, _>(&mut drbg, bytes).unwrap()
        }
    };
    let wrapped = if algorithm.starts_with("RSA_AES") {
        let mut sealed = [0; 128];
        let sealed = AesKwp::<Aes256>::new(&[5; 32].into()).wrap_key(material, &mut sealed);
        [&oaep(&[5; 32]), sealed.unwrap()].concat()
    } else {
        oaep(material)
    };
    BASE64.encode(wrapped)
}

fn with(members: &Value, member: &str, value: impl Into<Value>) -> Value {
    let mut members = members.clone();
    members[member] = value.into();
    members
}

#[test]
fn material_comes_in_by_every_way_of_wrapping() {
    let server = TestServer::start();
    let mut caller = Caller(server.connect());
    for (algorithm, spec, bytes) in [
        ("RSAES_OAEP_SHA_1", "RSA_2048", 294),
        (OAEP, "RSA_3072", 422),
        ("RSA_AES_KEY_WRAP_SHA_1", "RSA_4096", 550),
        ("RSA_AES_KEY_WRAP_SHA_256", "RSA_2048", 294),
    ] {
        let key = caller.empty_key();
        let given = caller.parameters(&key, algorithm, spec);
        let public_key = BASE64.decode(given["PublicKey"].as_str().unwrap()).unwrap();
        assert_eq!(public_key.len(), bytes, "{spec}");
        let left =
            given["ParametersValidTo"].as_f64().unwrap() - Timestamp::now().as_second() as f64;
        assert!((86_380.0..=86_401.0).contains(&left), "valid for {left} seconds");
        let import = json!({
            "KeyId": key, "ImportToken": given["ImportToken"], "ExpirationModel": FOR_GOOD,
            "EncryptedKeyMaterial": wrap(algorithm, &given, &[7; 32]),
        });
        let imported = caller.done("ImportKeyMaterial", &import);
        assert_eq!(imported["KeyId"], key);
        let told = caller.done("DescribeKey", &json!({"KeyId": key}))["KeyMetadata"].take();
        assert_eq!(told["KeyState"], "Enabled");
        assert_eq!(told["ExpirationModel"], FOR_GOOD);
        assert_eq!(told["CurrentKeyMaterialId"], imported["KeyMaterialId"]);
        let made = caller.done("Encrypt", &json!({"KeyId": key, "Plaintext": "AAEC"}));
        let opened = json!({"CiphertextBlob": made["CiphertextBlob"]});
        assert_eq!(caller.done("Decrypt", &opened)["Plaintext"], "AAEC");
    }
}

/// Emulators generate all the same.
#[test]
fn a_key_that_waits_for_import_generates_nothing() {
    let server = TestServer::start();
    let mut caller = Caller(server.connect());
    let key = caller.empty_key();
    let import = caller.import_of(&key, &[7; 32]);
    let mut blob = None;
    for has_been_used in [false, true] {
        let use_it = |operation: &str, members: Value| (operation.to_owned(), members);
        let mut uses: Vec<_> = ["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"]
            .iter()
            .flat_map(|operation| {
                KeyPairSpec::ALL.map(|spec| {
                    use_it(operation, json!({"KeyId": key, "KeyPairSpec": spec.name()}))
                })
            })
            .filter(|(_, members)| members["KeyPairSpec"] != "SM2")
            .collect();
        for operation in ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"] {
            uses.push(use_it(operation, json!({"KeyId": key, "KeySpec": "AES_256"})));
        }
        uses.push(use_it("Encrypt", json!({"KeyId": key, "Plaintext": "AAEC"})));
        if let Some(blob) = &blob {
            uses.push(use_it("Decrypt", json!({"CiphertextBlob": blob})));
        }
        for (operation, members) in uses {
            for members in [members.clone(), with(&members, "DryRun", true)] {
                let told = caller.refused(&operation, &members);
                let expected = format!("{key} is pending import.");
                assert_eq!(told, ("KMSInvalidStateException".to_owned(), expected), "{operation}");
            }
        }
        if !has_been_used {
            caller.done("ImportKeyMaterial", &import);
            let made = caller.done("Encrypt", &json!({"KeyId": key, "Plaintext": "AAEC"}));
            blob = Some(made["CiphertextBlob"].clone());
            caller.done("DeleteImportedKeyMaterial", &json!({"KeyId": key}));
        }
    }
    // Given back, it opens what it sealed.
    caller.done("ImportKeyMaterial", &import);
    let opened = caller.done("Decrypt", &json!({"CiphertextBlob": blob}));
    assert_eq!(opened["Plaintext"], "AAEC");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let server = TestServer::start();
    let mut caller = Caller(server.connect());
    let (one, two) = (caller.empty_key(), caller.empty_key());
    let (import, other) = (caller.import_of(&one, &[7; 32]), caller.import_of(&one, &[8; 32]));
    let short = caller.import_of(&one, &[7; 31]);
    let name = |told: (String, String)| told.0;
    let wrapped = &other["EncryptedKeyMaterial"];
    for (expected, members) in [
        ("InvalidImportTokenException", with(&import, "KeyId", &*two)),
        ("InvalidImportTokenException", with(&import, "ImportToken", "AAEC")),
        ("InvalidCiphertextException", with(&import, "EncryptedKeyMaterial", wrapped.clone())),
        ("InvalidCiphertextException", with(&import, "EncryptedKeyMaterial", "AAEC")),
        ("IncorrectKeyMaterialException", short),
        ("IncorrectKeyMaterialException", with(&import, "ImportType", "EXISTING_KEY_MATERIAL")),
    ] {
        assert_eq!(name(caller.refused("ImportKeyMaterial", &members)), expected);
        assert_eq!(caller.state(&one), "PendingImport");
    }
    let id = caller.done("ImportKeyMaterial", &import)["KeyMaterialId"].clone();
    // Twice is no error; other material is, unless it is said to be new.
    assert_eq!(caller.done("ImportKeyMaterial", &import)["KeyMaterialId"], id);
    let told = caller.refused("ImportKeyMaterial", &other);
    assert_eq!(name(told), "IncorrectKeyMaterialException");
    let named = with(&import, "KeyMaterialId", id);
    caller.done("ImportKeyMaterial", &named);
    let wrong = with(&import, "KeyMaterialId", "0".repeat(64));
    assert_eq!(name(caller.refused("ImportKeyMaterial", &wrong)), "IncorrectKeyMaterialException");
}

#[test]
fn new_material_is_listed_and_waits_for_its_rotation() {
    let server = TestServer::start();
    let mut caller = Caller(server.connect());
    let key = caller.empty_key();
    let listed = json!({"KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"});
    let import = caller.import_of(&key, &[1; 32]);
    caller.done("ImportKeyMaterial", &with(&import, "KeyMaterialDescription", "from the safe"));
    let valid_to = Timestamp::now() + SignedDuration::from_hours(24);
    let import = caller.import_of(&key, &[2; 32]);
    let import = with(&import, "ImportType", "NEW_KEY_MATERIAL");
    let import = with(&import, "ExpirationModel", "KEY_MATERIAL_EXPIRES");
    caller.done("ImportKeyMaterial", &with(&import, "ValidTo", valid_to.as_second()));
    let states = |answer: &Value| -> Vec<(Value, Value)> {
        let entries = answer["Rotations"].as_array().unwrap().iter();
        entries.map(|one| (one["KeyMaterialState"].clone(), one["ImportState"].clone())).collect()
    };
    let answer = caller.done("ListKeyRotations", &listed);
    let here = json!("IMPORTED");
    assert_eq!(
        states(&answer),
        [(json!("CURRENT"), here.clone()), (json!("PENDING_ROTATION"), here.clone())]
    );
    let first = &answer["Rotations"][0];
    assert_eq!(first["KeyMaterialDescription"], "from the safe");
    assert_eq!(first["ExpirationModel"], FOR_GOOD);
    assert_eq!(answer["Rotations"][1]["ValidTo"], valid_to.as_second() as f64);
    assert!(caller.done("DescribeKey", &json!({"KeyId": key}))["KeyMetadata"]["ValidTo"].is_null());

    caller.done("RotateKeyOnDemand", &json!({"KeyId": key}));
    let metadata = caller.done("DescribeKey", &json!({"KeyId": key}))["KeyMetadata"].take();
    assert_eq!(metadata["ValidTo"], valid_to.as_second() as f64);
    assert_eq!(metadata["ExpirationModel"], "KEY_MATERIAL_EXPIRES");
    assert_eq!(metadata["CurrentKeyMaterialId"], answer["Rotations"][1]["KeyMaterialId"]);
    let first = json!({"KeyId": key, "KeyMaterialId": first["KeyMaterialId"]});
    let gone = caller.done("DeleteImportedKeyMaterial", &first);
    assert_eq!(gone["KeyMaterialId"], first["KeyMaterialId"]);
    let answer = caller.done("ListKeyRotations", &listed);
    assert_eq!(
        states(&answer),
        [(json!("NON_CURRENT"), json!("PENDING_IMPORT")), (json!("CURRENT"), here)]
    );
    assert_eq!(caller.state(&key), "PendingImport");
}

/// The endpoint keeps nothing of an import but what was answered.
#[test]
fn an_import_survives_a_kill_between_any_two_of_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    make_principal(&home, "tester", "AKIDEXAMPLE");
    let mut serve = Serve::start_with(&home, &[]);
    let mut killed = || {
        let next = Serve::start_with(&home, &[]);
        core::mem::replace(&mut serve, next).kill();
        Caller(serve.connect())
    };
    let mut caller = killed();
    let key = caller.empty_key();
    caller = killed();
    let import = caller.import_of(&key, &[7; 32]);
    caller = killed();
    caller.done("ImportKeyMaterial", &import);
    caller = killed();
    let made = caller.done("Encrypt", &json!({"KeyId": key, "Plaintext": "AAEC"}));
    caller.done("DeleteImportedKeyMaterial", &json!({"KeyId": key}));
    caller = killed();
    assert_eq!(caller.state(&key), "PendingImport");
    caller.done("ImportKeyMaterial", &import);
    caller = killed();
    let opened = caller.done("Decrypt", &json!({"CiphertextBlob": made["CiphertextBlob"]}));
    assert_eq!(opened["Plaintext"], "AAEC");
}
