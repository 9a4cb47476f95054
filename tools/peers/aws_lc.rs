//! AWS-LC by way of `aws-lc-rs`.

use std::hint::black_box;

use aws_lc_rs::kem::{self, DecapsulationKey};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use keymill::spec::KeyPairSpec;

use crate::contender::Contender;

const RSA: &str = "range of FIPS 186-5, a fresh random candidate each time, trial division, \
                   Miller-Rabin by a size table (5, 4, 4 rounds); RSA_check_key at the end";
const CURVE: &str = "a key object with its public point, own generator; no pairwise test outside \
                     of the FIPS module; assembly chosen at run time";
const LATTICE: &str = "a key object, both keys expanded; own generator";

/// The key generation of AWS-LC for `spec`.
pub fn contender(spec: KeyPairSpec) -> Option<Contender> {
    macro_rules! rival {
        ($difference:expr, $key:expr) => {
            Contender::one_by_one(spec, "aws-lc-rs", $difference, || {
                black_box($key.expect("a key"));
            })
        };
    }
    Some(match spec {
        KeyPairSpec::Rsa2048 => rival!(RSA, aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048)),
        KeyPairSpec::Rsa3072 => rival!(RSA, aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa3072)),
        KeyPairSpec::Rsa4096 => rival!(RSA, aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa4096)),
        KeyPairSpec::EccNistP256 => {
            rival!(CURVE, EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING))
        }
        KeyPairSpec::EccNistP384 => {
            rival!(CURVE, EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING))
        }
        KeyPairSpec::EccNistP521 => {
            rival!(CURVE, EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING))
        }
        KeyPairSpec::EccNistEdwards25519 => rival!(CURVE, Ed25519KeyPair::generate()),
        KeyPairSpec::MlKem512 => rival!(LATTICE, DecapsulationKey::generate(&kem::ML_KEM_512)),
        KeyPairSpec::MlKem768 => rival!(LATTICE, DecapsulationKey::generate(&kem::ML_KEM_768)),
        KeyPairSpec::MlKem1024 => rival!(LATTICE, DecapsulationKey::generate(&kem::ML_KEM_1024)),
        _ => return None,
    })
}
