//! Keys of every size and backend, read back and validated by an independent crate.

use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::traits::PrivateKeyParts;

use super::{PRIME_PAIRS, RsaEngine};
use crate::crypto::arith::{Eight, Kernel, Limbs, Modulus, Scratch};
use crate::crypto::drbg::Drbg;
use crate::crypto::engine::{Engine, GenerateError};
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
    for (spec, rows) in
        [(KeyPairSpec::Rsa2048, 3), (KeyPairSpec::Rsa3072, 1), (KeyPairSpec::Rsa4096, 1)]
    {
        keys_are_good(spec, Backend::Portable, rows);
    }
}

#[test]
fn an_independent_crate_accepts_keys_made_in_steps() {
    let backend = Ifma::detect().map_or(Backend::Portable, Backend::Ifma);
    for spec in [KeyPairSpec::Rsa2048, KeyPairSpec::Rsa3072, KeyPairSpec::Rsa4096] {
        let (mut drbg, mut engine) = (Drbg::from_seed([8; 32]), RsaEngine::new(spec, backend));
        let mut pairs: Vec<Vec<u8>> = Vec::new();
        while !engine.seek(&mut drbg, PRIME_PAIRS, |pair| pairs.push(pair.to_vec())) {
            assert!(pairs.is_empty(), "primes come with the last step");
        }
        assert_eq!(pairs.len(), 4);
        for rows in [1, 3, 4] {
            let mut batch = KeyPairBatch::with_capacity(spec, rows);
            let primes = pairs[..rows].iter().map(Vec::as_slice);
            engine.derive(&mut drbg, primes, &mut batch).expect("the keys are consistent");
            for (row, pair) in pairs[..rows].iter().enumerate() {
                let key = PrivateKey::from_pkcs8_der(batch.private_key(row)).expect("PKCS#8");
                key.validate().expect("a valid key");
                let p: Vec<u8> = pair[..pair.len() / 2].iter().rev().copied().collect();
                assert_eq!(*key.primes()[0].to_be_bytes(), *p, "{spec} row {row} of {rows}");
            }
        }
    }
}

/// Computes right but for one bit of one power.
#[derive(Clone, Copy)]
struct Faulty {
    lane: usize,
}

impl Kernel for Faulty {
    type V = <Limbs as Kernel>::V;

    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        Limbs.run(work)
    }

    fn fermat<const K: usize>(self, modulus: &Modulus<K>, scratch: &mut Scratch) -> u8 {
        Limbs.fermat(modulus, scratch)
    }

    fn miller_rabin<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        scratch: &mut Scratch,
    ) -> u8 {
        Limbs.miller_rabin(modulus, base, scratch)
    }

    fn power<const K: usize>(
        self,
        modulus: &Modulus<K>,
        base: &Eight<K>,
        exponent: &Eight<K>,
        scratch: &mut Scratch,
    ) -> Eight<K> {
        let mut power = Limbs.power(modulus, base, exponent, scratch);
        power.0[1][self.lane] ^= 1;
        power
    }
}

#[test]
fn one_wrong_bit_in_the_power_of_any_lane_ships_no_key() {
    let (spec, mut drbg) = (KeyPairSpec::Rsa2048, Drbg::from_seed([9; 32]));
    let mut honest = RsaEngine::new(spec, Backend::Portable);
    let mut pair = Vec::new();
    while !honest.seek(&mut drbg, 1, |bytes| pair = bytes.to_vec()) {}
    for lane in 0..3 {
        let mut engine = RsaEngine::with_kernel(spec, Backend::Portable, Faulty { lane });
        for _ in 0..2 {
            // The first batch is made again in plain integers; the second is not.
            let mut batch = KeyPairBatch::with_capacity(spec, 1);
            let made = engine.derive(&mut drbg, [&pair[..]].into_iter(), &mut batch);
            assert_eq!(made, Err(GenerateError { spec }), "lane {lane}");
            assert!(batch.is_empty());
        }
    }
}
