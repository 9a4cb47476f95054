//! Round trips, published vectors, and a judge that shares no code: graviola.

use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::Decode;
use rustls::SignatureScheme as Scheme;
use rustls::crypto::CryptoProvider;
use sm2::pkcs8::EncodePrivateKey;

use super::*;
use crate::crypto::tests::vectors::from_hex;
use crate::crypto::{KeyPairBatch, engine};
use crate::spec::{Algorithms, EncryptionAlgorithm, KeySpec, KeyUsage, SigningAlgorithm};
use crate::sys::features::{Backend, has_graviola_instructions};

use SigningAlgorithm as A;

fn drbg() -> Drbg {
    Drbg::from_seed([7; 32])
}

fn key(spec: KeySpec) -> AsymmetricKey {
    match spec {
        KeySpec::Pair(pair) => {
            let mut batch = KeyPairBatch::with_capacity(pair, 1);
            engine(pair, Backend::Portable).generate(&mut drbg(), &mut batch, 1).unwrap();
            let made = AsymmetricKey::of_pair(pair, batch.private_key(0), batch.public_key(0));
            assert!(
                AsymmetricKey::of_pair(pair, &[], &[]).is_none() || pair.name().contains("KEM")
            );
            made.unwrap()
        }
        KeySpec::MlDsa(spec) => {
            let (private, public) = new_ml_dsa_pair(spec, &mut drbg());
            AsymmetricKey::of_ml_dsa(spec, private.expose(), &public).unwrap()
        }
        other => panic!("{other} is symmetric"),
    }
}

/// The forms that an algorithm takes of "sample": the message, its digest, or both.
fn messages(algorithm: SigningAlgorithm, digest: &[u8]) -> Vec<Message<'_>> {
    let (raw, digest) = (Message::Raw(b"sample"), Message::Digest(digest));
    match algorithm {
        A::Ed25519Sha512 => vec![raw],
        A::Ed25519PhSha512 => vec![digest],
        _ => vec![raw, digest],
    }
}

#[test]
fn what_a_key_signs_it_verifies_and_nothing_else() {
    let specs = KeySpec::ALL
        .into_iter()
        .filter(|spec| spec.usages().contains(&KeyUsage::SignVerify) && spec.name() != "RSA_3072");
    for spec in specs {
        let key = key(spec);
        for &algorithm in Algorithms::of(spec, KeyUsage::SignVerify).signing {
            let digest = vec![5; digest_bytes(algorithm)];
            for message in messages(algorithm, &digest) {
                let signature = key.sign(algorithm, message, &mut drbg()).unwrap();
                let what = format!("{spec} {algorithm} {message:?}");
                assert!(key.verify(algorithm, message, &signature), "{what}");
                let other = match message {
                    Message::Raw(_) => Message::Raw(b"another"),
                    Message::Digest(_) => Message::Digest(&[6; 64][..digest.len()]),
                };
                assert!(!key.verify(algorithm, other, &signature), "{what}");
                let cut = &signature[..signature.len() - 1];
                assert!(!key.verify(algorithm, message, cut), "{what}");
                let mut flipped = signature.clone();
                flipped[signature.len() / 2] ^= 1;
                assert!(!key.verify(algorithm, message, &flipped), "{what}");
            }
        }
        let of_others = A::ALL.iter().filter(|algorithm| {
            !Algorithms::of(spec, KeyUsage::SignVerify).signing.contains(algorithm)
        });
        for &algorithm in of_others {
            let message = Message::Raw(b"sample");
            assert!(key.sign(algorithm, message, &mut drbg()).is_none(), "{spec} {algorithm}");
            assert!(!key.verify(algorithm, message, &[1; 64]), "{spec} {algorithm}");
        }
    }
}

/// A message and its digest have the same signatures.
#[test]
fn a_digest_stands_for_its_message() {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(b"sample");
    for (spec, algorithm) in [
        (KeyPairSpec::EccNistP256, A::EcdsaSha256),
        (KeyPairSpec::Rsa2048, A::RsassaPkcs1V15Sha256),
    ] {
        let key = key(KeySpec::Pair(spec));
        let signature = key.sign(algorithm, Message::Digest(&digest), &mut drbg()).unwrap();
        assert!(key.verify(algorithm, Message::Raw(b"sample"), &signature), "{spec}");
    }
}

/// Whether graviola takes `signature` for one of `message`, by the raw bits of the public key.
fn judged(judge: &CryptoProvider, scheme: Scheme, spki: &[u8], signature: &[u8]) -> bool {
    let key = SubjectPublicKeyInfoRef::from_der(spki).unwrap().subject_public_key;
    let schemes = judge.signature_verification_algorithms.mapping;
    let (_, algorithms) = schemes.iter().find(|(other, _)| *other == scheme).unwrap();
    let judges = |algorithm: &&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
        algorithm.verify_signature(key.raw_bytes(), b"sample", signature).is_ok()
    };
    algorithms.iter().any(judges)
}

#[test]
fn graviola_verifies_what_is_signed() {
    if !has_graviola_instructions() {
        return;
    }
    let judge = rustls_graviola::default_provider();
    for (spec, algorithm, scheme) in [
        (KeyPairSpec::Rsa2048, A::RsassaPssSha256, Scheme::RSA_PSS_SHA256),
        (KeyPairSpec::Rsa2048, A::RsassaPssSha384, Scheme::RSA_PSS_SHA384),
        (KeyPairSpec::Rsa2048, A::RsassaPssSha512, Scheme::RSA_PSS_SHA512),
        (KeyPairSpec::Rsa2048, A::RsassaPkcs1V15Sha256, Scheme::RSA_PKCS1_SHA256),
        (KeyPairSpec::Rsa2048, A::RsassaPkcs1V15Sha384, Scheme::RSA_PKCS1_SHA384),
        (KeyPairSpec::Rsa2048, A::RsassaPkcs1V15Sha512, Scheme::RSA_PKCS1_SHA512),
        (KeyPairSpec::EccNistP256, A::EcdsaSha256, Scheme::ECDSA_NISTP256_SHA256),
        (KeyPairSpec::EccNistP384, A::EcdsaSha384, Scheme::ECDSA_NISTP384_SHA384),
        (KeyPairSpec::EccNistEdwards25519, A::Ed25519Sha512, Scheme::ED25519),
    ] {
        let key = key(KeySpec::Pair(spec));
        let signature = key.sign(algorithm, Message::Raw(b"sample"), &mut drbg()).unwrap();
        assert!(judged(&judge, scheme, key.public_key(), &signature), "{algorithm}");
        let other = key.sign(algorithm, Message::Raw(b"another"), &mut drbg()).unwrap();
        assert!(!judged(&judge, scheme, key.public_key(), &other), "{algorithm}");
    }
}

fn der(r: &str, s: &str) -> Vec<u8> {
    let integer = |digits: &str| {
        let mut bytes = from_hex(digits);
        if bytes[0] >= 0x80 {
            bytes.insert(0, 0);
        }
        [&[2, u8::try_from(bytes.len()).unwrap()][..], &bytes].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()][..], &both].concat()
}

/// RFC 6979, A.2.5; the example of GB/T 32918.5, A.2; RFC 8032, 7.1 (test 2) and 7.3.
#[test]
fn published_signatures_are_verified() {
    let p256 = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let p256 = p256::SecretKey::from_slice(&from_hex(p256)).unwrap().to_pkcs8_der().unwrap();
    let sm2 = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    let sm2 = sm2::SecretKey::from_slice(&from_hex(sm2)).unwrap().to_pkcs8_der().unwrap();
    let edwards = |digits: &str| {
        let secret = from_hex(digits).try_into().unwrap();
        ed25519_dalek::SigningKey::from_bytes(&secret).to_pkcs8_der().unwrap()
    };
    let pure = edwards("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let hashed = edwards("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42");
    let abc = from_hex(
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23\
         a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    );
    for (spec, pkcs8, algorithm, message, signature) in [
        (
            KeyPairSpec::EccNistP256,
            p256,
            A::EcdsaSha256,
            Message::Raw(b"sample"),
            der(
                "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
                "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
            ),
        ),
        (
            KeyPairSpec::Sm2,
            sm2,
            A::Sm2Dsa,
            Message::Raw(b"message digest"),
            der(
                "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3",
                "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
            ),
        ),
        (
            KeyPairSpec::EccNistEdwards25519,
            pure,
            A::Ed25519Sha512,
            Message::Raw(&[0x72]),
            from_hex(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e\
                 458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ),
        (
            KeyPairSpec::EccNistEdwards25519,
            hashed,
            A::Ed25519PhSha512,
            Message::Digest(&abc),
            from_hex(
                "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a35\
                 5a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
            ),
        ),
    ] {
        let key = AsymmetricKey::of_pair(spec, pkcs8.as_bytes(), &[]).unwrap();
        assert!(key.verify(algorithm, message, &signature), "{algorithm}");
    }
}

/// Of the two signatures (r, s) and (r, -s), libraries other than those of blockchains make either.
#[test]
fn a_high_s_is_as_good_as_a_low_one() {
    use k256::elliptic_curve::scalar::IsHigh;
    let key = key(KeySpec::Pair(KeyPairSpec::EccSecgP256k1));
    let message = Message::Raw(b"sample");
    let low = key.sign(A::EcdsaSha256, message, &mut drbg()).unwrap();
    let low = k256::ecdsa::Signature::from_der(&low).unwrap();
    let (r, s) = low.split_scalars();
    assert!(!bool::from(s.is_high()));
    let high = k256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    for signature in [low, high] {
        assert!(key.verify(A::EcdsaSha256, message, signature.to_der().as_bytes()));
    }
}

#[test]
fn what_is_encrypted_to_a_key_it_opens_and_nothing_else() {
    for spec in [KeyPairSpec::Rsa2048, KeyPairSpec::Sm2] {
        let (spec, key) = (KeySpec::Pair(spec), key(KeySpec::Pair(spec)));
        for &algorithm in Algorithms::of(spec, KeyUsage::EncryptDecrypt).encryption {
            let most = algorithm.plaintext_bytes_max(spec);
            let sealed = |bytes: usize| key.encrypt(algorithm, &vec![3; bytes], &mut drbg());
            for bytes in [1, most] {
                let sealed = sealed(bytes).unwrap();
                let opened = key.decrypt(algorithm, &sealed, &mut drbg()).unwrap();
                assert_eq!(opened.expose(), &vec![3; bytes], "{algorithm}");
                let mut flipped = sealed.clone();
                *flipped.last_mut().unwrap() ^= 1;
                assert!(key.decrypt(algorithm, &flipped, &mut drbg()).is_none(), "{algorithm}");
            }
            if algorithm != EncryptionAlgorithm::Sm2Pke {
                assert!(sealed(most + 1).is_none(), "{algorithm}");
            }
            assert!(key.decrypt(algorithm, b"no ciphertext", &mut drbg()).is_none());
        }
        let symmetric = EncryptionAlgorithm::SymmetricDefault;
        assert!(key.encrypt(symmetric, &[3], &mut drbg()).is_none());
        assert!(key.decrypt(symmetric, &[3], &mut drbg()).is_none());
    }
}

#[test]
fn a_key_shows_nothing_of_its_private_half() {
    let key = key(KeySpec::Pair(KeyPairSpec::EccNistP256));
    assert_eq!(format!("{key:?}"), "AsymmetricKey(..)");
}
