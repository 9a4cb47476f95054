//! Keys that are not symmetric: kept, opened, and held to what they are.

use super::{default_key, fresh, id, open, refusal};
use crate::crypto::asymmetric::Message;
use crate::crypto::drbg::Drbg;
use crate::crypto::{KeyPairBatch, engine};
use crate::keystore::key_secret::SealedSecret;
use crate::keystore::{CreateKey, Keystore, KmsKey, NewKey};
use crate::spec::{
    KeyId, KeyPairSpec, KeySpec, KeyUsage, MacAlgorithm, MlDsaSpec, SigningAlgorithm,
};
use crate::sys::features::Backend;

fn pair(spec: KeyPairSpec) -> NewKey {
    let mut batch = KeyPairBatch::with_capacity(spec, 1);
    let mut drbg = Drbg::from_system().unwrap();
    engine(spec, Backend::Portable).generate(&mut drbg, &mut batch, 1).unwrap();
    NewKey::Pair(batch)
}

fn new_key_of(keystore: &mut Keystore, new: &NewKey, usage: KeyUsage) -> KeyId {
    id(&keystore.create_key_of(&CreateKey::default(), new, usage).unwrap().arn)
}

fn opens(keystore: &Keystore, key: &KmsKey) -> bool {
    key.open_secret(keystore.sealing_key().unwrap()).is_some()
}

#[test]
fn every_kind_of_key_opens_after_its_keystore_was_closed() {
    let (home, _, mut keystore) = fresh();
    let mac = NewKey::Hmac(MacAlgorithm::HmacSha384);
    let mac = new_key_of(&mut keystore, &mac, KeyUsage::GenerateVerifyMac);
    let lattice = NewKey::MlDsa(MlDsaSpec::MlDsa44);
    let lattice = new_key_of(&mut keystore, &lattice, KeyUsage::SignVerify);
    let edwards = pair(KeyPairSpec::EccNistEdwards25519);
    let edwards = new_key_of(&mut keystore, &edwards, KeyUsage::SignVerify);
    let code = |keystore: &Keystore| {
        let key = keystore.resolve(&mac).unwrap();
        let secret = key.open_secret(keystore.sealing_key().unwrap()).unwrap();
        secret.mac().unwrap().generate(b"message")
    };
    let before = code(&keystore);
    drop(keystore);
    let keystore = open(home.path()).unwrap();
    assert_eq!(code(&keystore), before);
    for (key, algorithm) in
        [(&lattice, SigningAlgorithm::MlDsaShake256), (&edwards, SigningAlgorithm::Ed25519Sha512)]
    {
        let key = keystore.resolve(key).unwrap();
        let secret = key.open_secret(keystore.sealing_key().unwrap()).unwrap();
        let (pair, message) = (secret.pair().unwrap(), Message::Raw(b"message"));
        let signature = pair.sign(algorithm, message, &mut Drbg::from_seed([1; 32])).unwrap();
        assert!(pair.verify(algorithm, message, &signature), "{algorithm}");
        assert!(key.current_material().is_none());
    }
}

#[test]
fn only_symmetric_keys_wrap_and_rotate() {
    let (_home, _, mut keystore) = fresh();
    let mac = NewKey::Hmac(MacAlgorithm::HmacSha256);
    let mac = new_key_of(&mut keystore, &mac, KeyUsage::GenerateVerifyMac);
    let agrees = pair(KeyPairSpec::Sm2);
    let encrypts = new_key_of(&mut keystore, &agrees, KeyUsage::EncryptDecrypt);
    let operation = "GenerateDataKeyPairWithoutPlaintext";
    for (key, what) in [(&mac, "usage is GENERATE_VERIFY_MAC"), (&encrypts, "KeySpec is SM2")] {
        assert_eq!(
            refusal(keystore.wrapping_key(key), key),
            format!("InvalidKeyUsageException: ARN key {what} which is not valid for {operation}.")
        );
        assert_eq!(
            refusal(keystore.rotate(key), key),
            "UnsupportedOperationException: only symmetric keys rotate"
        );
    }
    keystore.disable(&mac).unwrap();
    assert_eq!(refusal(keystore.wrapping_key(&mac), &mac), "DisabledException: ARN is disabled.");
}

/// The public half, the usage, the spec and the key of a sealed secret are what they were when it
/// was sealed, or it does not open.
#[test]
fn a_secret_opens_as_what_it_was_sealed_only() {
    let (_home, _, mut keystore) = fresh();
    let mut new = || {
        let new = pair(KeyPairSpec::EccNistP256);
        let key = new_key_of(&mut keystore, &new, KeyUsage::SignVerify);
        keystore.resolve(&key).unwrap().clone()
    };
    let (key, other) = (new(), new());
    assert!(opens(&keystore, &key) && opens(&keystore, &other));
    let altered = |alter: &dyn Fn(&mut KmsKey)| {
        let mut key = key.clone();
        alter(&mut key);
        key
    };
    for (what, key) in [
        ("usage", altered(&|key| key.usage = KeyUsage::KeyAgreement)),
        ("spec", altered(&|key| key.spec = KeySpec::Pair(KeyPairSpec::EccNistP384))),
        ("id", altered(&|key| key.arn.id.bytes[0] ^= 1)),
        ("multi-Region", altered(&|key| key.arn.id.multi_region = true)),
        ("secret", altered(&|key| key.secret = other.secret.clone())),
        ("public half", altered(&|key| key.secret = Some(with_public_half_of(&other, key)))),
        ("none", altered(&|key| key.secret = None)),
    ] {
        assert!(!opens(&keystore, &key), "{what}");
    }
}

/// The sealed secret of `key` beside the public half of `other`.
fn with_public_half_of(other: &KmsKey, key: &KmsKey) -> SealedSecret {
    let json = |key: &KmsKey| serde_json::to_value(key.secret.as_ref().unwrap()).unwrap();
    let mut both = json(key);
    both["public"] = json(other)["public"].clone();
    serde_json::from_value(both).unwrap()
}

#[test]
fn a_record_has_what_its_kind_has() {
    let (_home, _, mut keystore) = fresh();
    let mac = NewKey::Hmac(MacAlgorithm::HmacSha224);
    let mac = new_key_of(&mut keystore, &mac, KeyUsage::GenerateVerifyMac);
    let mac = keystore.resolve(&mac).unwrap().clone();
    let symmetric = keystore.resolve(&default_key()).unwrap().clone();
    assert!(mac.is_consistent() && symmetric.is_consistent());
    let (secret, materials) = (mac.secret.clone(), symmetric.materials.clone());
    let (usage, spec) = (KeyUsage::EncryptDecrypt, KeySpec::SymmetricDefault);
    for key in [
        KmsKey { secret: None, ..mac.clone() },
        KmsKey { materials, ..mac.clone() },
        KmsKey { usage, ..mac.clone() },
        KmsKey { spec, usage, ..mac },
        KmsKey { secret, ..symmetric },
    ] {
        assert!(!key.is_consistent(), "{key:?}");
    }
}
