//! Engines over the RustCrypto, dalek and libcrux crates, for all specs but RSA: they run
//! everywhere, and the fast engines are checked against them.
//!
//! ML-KEM comes from `libcrux-ml-kem`: formally verified, with AVX2 chosen at run time, and three
//! to four times as fast as `ml-kem`. The latter stays as the judge: what is made by one is
//! checked by the other ([`check`](crate::crypto::check)).

use ed25519_dalek::SigningKey;
use rand_core::Rng;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::der;
use crate::crypto::drbg::Drbg;
use crate::crypto::engine::{Engine, GenerateError};
use crate::crypto::key_pair::KeyPairBatch;
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;

/// Makes key pairs of one spec, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct PortableEngine {
    spec: KeyPairSpec,
}

impl PortableEngine {
    /// An engine for any spec but RSA.
    ///
    /// # Panics
    ///
    /// If `spec` is an RSA spec.
    #[must_use]
    pub const fn new(spec: KeyPairSpec) -> Self {
        assert!(spec.rsa_bits().is_none(), "RSA has an engine of its own on every backend");
        Self { spec }
    }
}

impl Engine for PortableEngine {
    fn backend(&self) -> Backend {
        Backend::Portable
    }

    fn generate(
        &mut self,
        drbg: &mut Drbg,
        batch: &mut KeyPairBatch,
        rows: usize,
    ) -> Result<(), GenerateError> {
        assert_eq!(batch.spec(), self.spec, "a batch of the engine's spec");
        for _ in 0..rows {
            generate_one(self.spec, drbg, batch);
        }
        Ok(())
    }
}

/// Draws a scalar uniformly from [1, n - 1] and multiplies the base point by it.
macro_rules! elliptic {
    ($curve:ident, $spec:expr, $drbg:expr, $batch:expr) => {{
        use $curve::elliptic_curve::Generate;
        use $curve::elliptic_curve::sec1::ToSec1Point;
        let secret = $curve::SecretKey::generate_from_rng($drbg);
        let point = secret.public_key().to_sec1_point(false);
        let scalar = Zeroizing::new(secret.to_bytes());
        $batch.push_with(|spki, pkcs8| {
            der::write_fixed($spec, &scalar, point.as_bytes(), spki, pkcs8)
        });
    }};
}

/// Hands `take` the encapsulation key that the seed `d || z` of FIPS 203 expands to.
///
/// What the expansion says of the private key is zeroed: an encoding holds the seed alone.
///
/// # Panics
///
/// If `spec` is not ML-KEM.
pub(super) fn expand<R>(
    spec: KeyPairSpec,
    seed: &[u8; libcrux_ml_kem::KEY_GENERATION_SEED_SIZE],
    take: impl FnOnce(&[u8]) -> R,
) -> R {
    macro_rules! by {
        ($kem:ident) => {{
            let (mut private, public) = libcrux_ml_kem::$kem::generate_key_pair(*seed).into_parts();
            private[0..].zeroize();
            take(public.as_slice())
        }};
    }
    match spec {
        KeyPairSpec::MlKem512 => by!(mlkem512),
        KeyPairSpec::MlKem768 => by!(mlkem768),
        KeyPairSpec::MlKem1024 => by!(mlkem1024),
        _ => panic!("{spec} has no seed of FIPS 203"),
    }
}

fn generate_one(spec: KeyPairSpec, drbg: &mut Drbg, batch: &mut KeyPairBatch) {
    match spec {
        KeyPairSpec::Rsa2048 | KeyPairSpec::Rsa3072 | KeyPairSpec::Rsa4096 => {
            unreachable!("refused by `new`")
        }
        KeyPairSpec::EccNistP256 => elliptic!(p256, spec, drbg, batch),
        KeyPairSpec::EccNistP384 => elliptic!(p384, spec, drbg, batch),
        KeyPairSpec::EccNistP521 => elliptic!(p521, spec, drbg, batch),
        KeyPairSpec::EccSecgP256k1 => elliptic!(k256, spec, drbg, batch),
        KeyPairSpec::Sm2 => elliptic!(sm2, spec, drbg, batch),
        KeyPairSpec::EccNistEdwards25519 => {
            let mut seed = Zeroizing::new([0; 32]);
            drbg.fill_bytes(seed.as_mut_slice());
            let public = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
            batch.push_with(|spki, pkcs8| {
                der::write_fixed(spec, seed.as_slice(), &public, spki, pkcs8)
            });
        }
        KeyPairSpec::MlKem512 | KeyPairSpec::MlKem768 | KeyPairSpec::MlKem1024 => {
            let mut seed = Zeroizing::new([0; libcrux_ml_kem::KEY_GENERATION_SEED_SIZE]);
            drbg.fill_bytes(seed.as_mut_slice());
            expand(spec, &seed, |public| {
                batch.push_with(|spki, pkcs8| {
                    der::write_fixed(spec, seed.as_slice(), public, spki, pkcs8)
                });
            });
        }
    }
}
