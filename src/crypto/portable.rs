//! Engines over the RustCrypto and dalek crates: they run everywhere, and the fast engines are
//! checked against them.

use ed25519_dalek::SigningKey;
use ml_kem::{MlKem512, MlKem768, MlKem1024};
use rand_core::Rng;
use rsa::PrivateKey;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use zeroize::Zeroizing;

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
    /// An engine for any of the twelve specs.
    #[must_use]
    pub const fn new(spec: KeyPairSpec) -> Self {
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
            generate_one(self.spec, drbg, batch)?;
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

/// Draws the 64-byte seed of FIPS 203 and expands it.
macro_rules! lattice {
    ($kem:ty, $spec:expr, $drbg:expr, $batch:expr) => {{
        use ml_kem::KeyExport;
        let mut seed = Zeroizing::new([0; 64]);
        $drbg.fill_bytes(seed.as_mut_slice());
        let key = ml_kem::DecapsulationKey::<$kem>::from_seed((*seed).into());
        let public = key.encapsulation_key().to_bytes();
        $batch.push_with(|spki, pkcs8| {
            der::write_fixed($spec, seed.as_slice(), &public, spki, pkcs8)
        });
    }};
}

fn generate_one(
    spec: KeyPairSpec,
    drbg: &mut Drbg,
    batch: &mut KeyPairBatch,
) -> Result<(), GenerateError> {
    match spec {
        KeyPairSpec::Rsa2048 => generate_rsa(spec, 2048, drbg, batch)?,
        KeyPairSpec::Rsa3072 => generate_rsa(spec, 3072, drbg, batch)?,
        KeyPairSpec::Rsa4096 => generate_rsa(spec, 4096, drbg, batch)?,
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
        KeyPairSpec::MlKem512 => lattice!(MlKem512, spec, drbg, batch),
        KeyPairSpec::MlKem768 => lattice!(MlKem768, spec, drbg, batch),
        KeyPairSpec::MlKem1024 => lattice!(MlKem1024, spec, drbg, batch),
    }
    Ok(())
}

fn generate_rsa(
    spec: KeyPairSpec,
    bits: usize,
    drbg: &mut Drbg,
    batch: &mut KeyPairBatch,
) -> Result<(), GenerateError> {
    let fault = GenerateError { spec };
    let key = PrivateKey::new(drbg, bits).map_err(|_| fault)?;
    let public = key.to_public_key().to_public_key_der().map_err(|_| fault)?;
    let private = key.to_pkcs8_der().map_err(|_| fault)?;
    batch.push_with(|spki, pkcs8| {
        spki.copy_from_slice(public.as_bytes());
        pkcs8[..private.as_bytes().len()].copy_from_slice(private.as_bytes());
        private.as_bytes().len()
    });
    Ok(())
}
