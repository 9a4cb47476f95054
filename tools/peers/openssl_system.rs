//! The OpenSSL that the system has.

use std::hint::black_box;

use keymill::spec::KeyPairSpec;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;

use crate::contender::Contender;

const RSA: &str = "auxiliary primes, little trial division, 64 rounds of Miller-Rabin and 128 above \
                   2048 bits in version 3.0, the rounds of FIPS 186-5 in version 4; no pairwise test";
const CURVE: &str = "a key object with its public point, own generator, no pairwise test";

/// The key generation of OpenSSL for `spec`.
pub fn contender(spec: KeyPairSpec) -> Option<Contender> {
    let mut contender = of_spec(spec)?;
    // "OpenSSL 3.0.22 4 Aug 2026": the date says nothing more.
    contender.name = openssl::version::version().split(' ').take(2).collect::<Vec<_>>().join(" ");
    Some(contender)
}

fn of_spec(spec: KeyPairSpec) -> Option<Contender> {
    if let Some(bits) = spec.rsa_bits() {
        let bits = u32::try_from(bits).expect("a small number");
        return Some(Contender::one_by_one(spec, "openssl", RSA, move || {
            black_box(Rsa::generate(bits).expect("a key"));
        }));
    }
    if spec == KeyPairSpec::EccNistEdwards25519 {
        return Some(Contender::one_by_one(spec, "openssl", CURVE, || {
            black_box(PKey::generate_ed25519().expect("a key"));
        }));
    }
    let curve = match spec {
        KeyPairSpec::EccNistP256 => Nid::X9_62_PRIME256V1,
        KeyPairSpec::EccNistP384 => Nid::SECP384R1,
        KeyPairSpec::EccNistP521 => Nid::SECP521R1,
        KeyPairSpec::EccSecgP256k1 => Nid::SECP256K1,
        KeyPairSpec::Sm2 => Nid::SM2,
        _ => return None,
    };
    let group = EcGroup::from_curve_name(curve).ok()?;
    Some(Contender::one_by_one(spec, "openssl", CURVE, move || {
        black_box(EcKey::generate(&group).expect("a key"));
    }))
}
