//! The pure-Rust crates: `rsa`, the curves of `RustCrypto`, `ed25519-dalek`, `ml-kem`.

use std::hint::black_box;

use keymill::crypto::drbg::Drbg;
use keymill::spec::KeyPairSpec;
use p256::elliptic_curve::Generate;

use crate::contender::Contender;

const RSA: &str = "top two bits of a prime set; search from a random start, sieve, Miller-Rabin to \
                   base 2 and one strong Lucas test; values validated and precomputed, no encoding";
const CURVE: &str = "scalar and affine point, no encoding, no check; randomness from our generator";

/// The crate that the `RustCrypto` or dalek project has for `spec`.
pub fn contender(spec: KeyPairSpec) -> Option<Contender> {
    let mut drbg = Drbg::from_system().expect("the system gives entropy");
    if let Some(bits) = spec.rsa_bits() {
        return Some(Contender::one_by_one(spec, "rsa", RSA, move || {
            black_box(rsa::PrivateKey::new(&mut drbg, bits).expect("a key"));
        }));
    }
    macro_rules! curve {
        ($curve:ident) => {
            Contender::one_by_one(spec, stringify!($curve), CURVE, move || {
                black_box($curve::SecretKey::generate_from_rng(&mut drbg).public_key());
            })
        };
    }
    macro_rules! lattice {
        ($size:ident) => {
            Contender::one_by_one(spec, "ml-kem", "both keys expanded, no encoding", move || {
                let mut seed = [0; 64];
                drbg.fill(&mut seed);
                let key = ml_kem::DecapsulationKey::<ml_kem::$size>::from_seed(seed.into());
                black_box(key.encapsulation_key());
            })
        };
    }
    Some(match spec {
        KeyPairSpec::EccNistP256 => curve!(p256),
        KeyPairSpec::EccNistP384 => curve!(p384),
        KeyPairSpec::EccNistP521 => curve!(p521),
        KeyPairSpec::EccSecgP256k1 => curve!(k256),
        KeyPairSpec::Sm2 => curve!(sm2),
        KeyPairSpec::EccNistEdwards25519 => {
            Contender::one_by_one(spec, "ed25519-dalek", CURVE, move || {
                let mut seed = [0; 32];
                drbg.fill(&mut seed);
                black_box(ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key());
            })
        }
        KeyPairSpec::MlKem512 => lattice!(MlKem512),
        KeyPairSpec::MlKem768 => lattice!(MlKem768),
        KeyPairSpec::MlKem1024 => lattice!(MlKem1024),
        _ => return None,
    })
}
