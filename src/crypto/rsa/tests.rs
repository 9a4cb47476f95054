//! Keys of every size and backend, read back and validated by an independent crate.

use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};

use super::RsaEngine;
use crate::crypto::drbg::Drbg;
use crate::crypto::engine::Engine;
use crate::crypto::key_pair::KeyPairBatch;
use crate::spec::KeyPairSpec;
use crate::sys::features::{Backend, Ifma};

fn keys_are_good(spec: KeyPairSpec, backend: Backend, rows: usize) {
    let mut drbg = Drbg::from_seed([7; 32]);
    let mut batch = KeyPairBatch::with_capacity(spec, rows);
    let mut engine = RsaEngine::new(spec, backend);
    engine.generate(&mut drbg, &mut batch, rows).expect("the keys are consistent");
    for row in 0..rows {
        let key = PrivateKey::from_pkcs8_der(batch.private_key(row)).expect("valid PKCS#8");
        key.validate().expect("a valid key");
        let spki = key.to_public_key().to_public_key_der().expect("encodes");
        assert_eq!(spki.as_bytes(), batch.public_key(row), "row {row}");
    }
}

#[test]
fn an_independent_crate_accepts_keys_of_every_size() {
    let Some(token) = Ifma::detect() else { return };
    for spec in [KeyPairSpec::Rsa2048, KeyPairSpec::Rsa3072, KeyPairSpec::Rsa4096] {
        keys_are_good(spec, Backend::Ifma(token), 9);
    }
}

#[test]
fn an_independent_crate_accepts_portable_keys() {
    keys_are_good(KeyPairSpec::Rsa2048, Backend::Portable, 2);
}
