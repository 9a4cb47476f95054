//! Whether a private key and a public key belong together, by code that made neither.

use core::fmt;

use ed25519_dalek::SigningKey;
use ml_kem::{KeyExport, MlKem512, MlKem768, MlKem1024};
use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};

use crate::crypto::der;
use crate::spec::KeyPairSpec;

/// Why two keys are no pair of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// The private key cannot be parsed as one of the spec.
    PrivateKey,
    /// The public key is not the private key's.
    Mismatch,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrivateKey => "the private key is not a well-formed key of its spec",
            Self::Mismatch => "the public key does not belong to the private key",
        })
    }
}

impl core::error::Error for CheckError {}

/// Checks that `spki` is the public half of `pkcs8`, and both are of `spec`.
///
/// The public key is computed anew from the private key and compared with every byte of
/// `spki`. For RSA the numbers must also fit each other: p * q = n, and d inverts e.
pub fn check_pair(spec: KeyPairSpec, spki: &[u8], pkcs8: &[u8]) -> Result<(), CheckError> {
    if public_from_private(spec, pkcs8)? == spki { Ok(()) } else { Err(CheckError::Mismatch) }
}

macro_rules! elliptic {
    ($curve:ident, $pkcs8:expr) => {{
        let key = $curve::SecretKey::from_pkcs8_der($pkcs8).map_err(|_| CheckError::PrivateKey)?;
        key.public_key().to_public_key_der()
    }};
}

macro_rules! lattice {
    ($kem:ty, $seed:expr) => {{
        let seed: [u8; 64] = $seed.try_into().map_err(|_| CheckError::PrivateKey)?;
        let key = ml_kem::DecapsulationKey::<$kem>::from_seed(seed.into());
        key.encapsulation_key().to_bytes().to_vec()
    }};
}

/// The SPKI that belongs to a PKCS#8 of `spec`.
pub fn public_from_private(spec: KeyPairSpec, pkcs8: &[u8]) -> Result<Vec<u8>, CheckError> {
    let document = match spec {
        KeyPairSpec::EccNistP256 => elliptic!(p256, pkcs8),
        KeyPairSpec::EccNistP384 => elliptic!(p384, pkcs8),
        KeyPairSpec::EccNistP521 => elliptic!(p521, pkcs8),
        KeyPairSpec::EccSecgP256k1 => elliptic!(k256, pkcs8),
        KeyPairSpec::Sm2 => elliptic!(sm2, pkcs8),
        KeyPairSpec::Rsa2048 | KeyPairSpec::Rsa3072 | KeyPairSpec::Rsa4096 => {
            rsa_key(spec, pkcs8)?.to_public_key().to_public_key_der()
        }
        _ => return public_from_seed(spec, pkcs8),
    };
    Ok(document.map_err(|_| CheckError::PrivateKey)?.into_vec())
}

fn public_from_seed(spec: KeyPairSpec, pkcs8: &[u8]) -> Result<Vec<u8>, CheckError> {
    let seed = der::read_fixed(spec, pkcs8).ok_or(CheckError::PrivateKey)?;
    let public = match spec {
        KeyPairSpec::MlKem512 => lattice!(MlKem512, seed),
        KeyPairSpec::MlKem768 => lattice!(MlKem768, seed),
        KeyPairSpec::MlKem1024 => lattice!(MlKem1024, seed),
        _ => {
            let seed = seed.try_into().map_err(|_| CheckError::PrivateKey)?;
            SigningKey::from_bytes(seed).verifying_key().to_bytes().to_vec()
        }
    };
    let mut spki = vec![0; spec.public_key_bytes()];
    let mut copy = zeroize::Zeroizing::new(vec![0; spec.private_key_bytes_max()]);
    der::write_fixed(spec, seed, &public, &mut spki, &mut copy);
    if *copy == pkcs8 { Ok(spki) } else { Err(CheckError::PrivateKey) }
}

fn rsa_key(spec: KeyPairSpec, pkcs8: &[u8]) -> Result<PrivateKey, CheckError> {
    let key = PrivateKey::from_pkcs8_der(pkcs8).map_err(|_| CheckError::PrivateKey)?;
    key.validate().map_err(|_| CheckError::PrivateKey)?;
    let bits = spec.rsa_bits().and_then(|bits| u32::try_from(bits).ok());
    let is_sound = Some(key.n().bit_width()) == bits
        && key.primes().len() == 2
        && key.e_bytes().as_ref() == [1, 0, 1];
    // The parser computes the CRT values anew, so that the given ones are compared here.
    let again = key.to_pkcs8_der().map_err(|_| CheckError::PrivateKey)?;
    if is_sound && again.as_bytes() == pkcs8 { Ok(key) } else { Err(CheckError::PrivateKey) }
}
