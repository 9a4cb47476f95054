//! Whether a private key and a public key belong together, by code that made neither.
//!
//! Nothing of [`der`](crate::crypto::der) is used here: keys are parsed by the `pkcs8` crate
//! against the OIDs of the standards (RFC 5480, RFC 8410, RFC 9935, RFC 8017), the public key is
//! computed by the portable crates, and its SPKI is written by the `spki` crate. Whatever
//! differs from that in a single byte is refused.

use core::fmt;

use ed25519_dalek::SigningKey;
use ml_kem::{DecapsulationKey, KeyExport, MlKem512, MlKem768, MlKem1024};
use rsa::pkcs8::der::asn1::{BitStringRef, OctetStringRef};
use rsa::pkcs8::der::{Decode, Encode, Reader, SliceReader, TagMode, TagNumber};
use rsa::pkcs8::spki::AlgorithmIdentifier;
use rsa::pkcs8::{
    DecodePrivateKey, EncodePrivateKey, EncodePublicKey, ObjectIdentifier, PrivateKeyInfoRef,
    SubjectPublicKeyInfo,
};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{PrivateKey, Pss};
use sha2::Sha256;

use crate::crypto::drbg::Drbg;
use crate::spec::KeyPairSpec;

/// Why two keys are no pair of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// The private key cannot be parsed as one of the spec, or contradicts itself.
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
/// `spki`. An RSA key is also used once, which shows what no relation between its numbers does:
/// that its factors are primes.
pub fn check_pair(spec: KeyPairSpec, spki: &[u8], pkcs8: &[u8]) -> Result<(), CheckError> {
    if public_from_private(spec, pkcs8)? == spki { Ok(()) } else { Err(CheckError::Mismatch) }
}

/// The SPKI that belongs to a PKCS#8 of `spec`.
pub fn public_from_private(spec: KeyPairSpec, pkcs8: &[u8]) -> Result<Vec<u8>, CheckError> {
    let parsed = match spec.rsa_bits() {
        Some(bits) => rsa_public(bits, pkcs8),
        None => fixed_size_public(spec, pkcs8),
    };
    parsed.ok_or(CheckError::PrivateKey)
}

const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";

/// The algorithm, and the curve where it is a parameter.
const fn algorithm(spec: KeyPairSpec) -> AlgorithmIdentifier<ObjectIdentifier> {
    let (oid, curve) = match spec {
        KeyPairSpec::Rsa2048 | KeyPairSpec::Rsa3072 | KeyPairSpec::Rsa4096 => {
            ("1.2.840.113549.1.1.1", None)
        }
        KeyPairSpec::EccNistP256 => (EC_PUBLIC_KEY, Some("1.2.840.10045.3.1.7")),
        KeyPairSpec::EccNistP384 => (EC_PUBLIC_KEY, Some("1.3.132.0.34")),
        KeyPairSpec::EccNistP521 => (EC_PUBLIC_KEY, Some("1.3.132.0.35")),
        KeyPairSpec::EccSecgP256k1 => (EC_PUBLIC_KEY, Some("1.3.132.0.10")),
        KeyPairSpec::Sm2 => (EC_PUBLIC_KEY, Some("1.2.156.10197.1.301")),
        KeyPairSpec::EccNistEdwards25519 => ("1.3.101.112", None),
        KeyPairSpec::MlKem512 => ("2.16.840.1.101.3.4.4.1", None),
        KeyPairSpec::MlKem768 => ("2.16.840.1.101.3.4.4.2", None),
        KeyPairSpec::MlKem1024 => ("2.16.840.1.101.3.4.4.3", None),
    };
    let parameters = match curve {
        Some(curve) => Some(ObjectIdentifier::new_unwrap(curve)),
        None => None,
    };
    AlgorithmIdentifier { oid: ObjectIdentifier::new_unwrap(oid), parameters }
}

/// The SPKI of any spec but RSA.
fn fixed_size_public(spec: KeyPairSpec, pkcs8: &[u8]) -> Option<Vec<u8>> {
    if pkcs8.len() != spec.private_key_bytes_max() {
        return None;
    }
    let algorithm = algorithm(spec);
    let info = PrivateKeyInfoRef::from_der(pkcs8).ok()?;
    let found = info.algorithm.oids().ok()?;
    if found != (algorithm.oid, algorithm.parameters) || info.public_key.is_some() {
        return None;
    }
    let key = public_bytes(spec, info.private_key.as_bytes())?;
    let subject_public_key = BitStringRef::from_bytes(&key).ok()?;
    SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der().ok()
}

/// Multiplies the base point by the scalar of an `ECPrivateKey` (RFC 5915, section 3); none if
/// the public key within it is another.
macro_rules! elliptic {
    ($curve:ident, $key:expr) => {{
        use $curve::elliptic_curve::sec1::ToSec1Point;
        let (scalar, claimed) = ec_private_key($key)?;
        let point = $curve::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_point(false);
        (point.as_bytes() == claimed).then(|| claimed.to_vec())
    }};
}

/// Expands the seed of FIPS 203 from its `[0]` (RFC 9935, section 6).
macro_rules! lattice {
    ($kem:ty, $key:expr) => {{
        let seed: [u8; 64] = $key.strip_prefix(&[0x80, 64])?.try_into().ok()?;
        let key = DecapsulationKey::<$kem>::from_seed(seed.into());
        Some(key.encapsulation_key().to_bytes().to_vec())
    }};
}

/// The content of the SPKI's BIT STRING, from the content of the PKCS#8's OCTET STRING.
fn public_bytes(spec: KeyPairSpec, key: &[u8]) -> Option<Vec<u8>> {
    match spec {
        KeyPairSpec::EccNistP256 => elliptic!(p256, key),
        KeyPairSpec::EccNistP384 => elliptic!(p384, key),
        KeyPairSpec::EccNistP521 => elliptic!(p521, key),
        KeyPairSpec::EccSecgP256k1 => elliptic!(k256, key),
        KeyPairSpec::Sm2 => elliptic!(sm2, key),
        KeyPairSpec::EccNistEdwards25519 => {
            let seed = key.strip_prefix(&[0x04, 32])?.try_into().ok()?;
            Some(SigningKey::from_bytes(seed).verifying_key().to_bytes().to_vec())
        }
        KeyPairSpec::MlKem512 => lattice!(MlKem512, key),
        KeyPairSpec::MlKem768 => lattice!(MlKem768, key),
        KeyPairSpec::MlKem1024 => lattice!(MlKem1024, key),
        KeyPairSpec::Rsa2048 | KeyPairSpec::Rsa3072 | KeyPairSpec::Rsa4096 => None,
    }
}

/// Scalar and uncompressed point of an `ECPrivateKey` without parameters.
fn ec_private_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(der).ok()?;
    let parts = reader.sequence(|reader| {
        let version = u8::decode(reader)?;
        let scalar = <&OctetStringRef>::decode(reader)?;
        let point = reader.context_specific::<BitStringRef<'_>>(TagNumber(1), TagMode::Explicit)?;
        Ok::<_, rsa::pkcs8::der::Error>((version, scalar.as_bytes(), point))
    });
    reader.finish().ok()?;
    match parts.ok()? {
        (1, scalar, Some(point)) => Some((scalar, point.as_bytes()?)),
        _ => None,
    }
}

/// The SPKI of an RSA key with a modulus of `bits`.
///
/// The parser already saw that p * q = n and that d inverts e modulo p - 1 and q - 1. It
/// computes the CRT values anew, so that the given ones are compared by encoding the key again.
fn rsa_public(bits: usize, pkcs8: &[u8]) -> Option<Vec<u8>> {
    let key = PrivateKey::from_pkcs8_der(pkcs8).ok()?;
    let is_of_spec = usize::try_from(key.n().bit_width()) == Ok(bits)
        && key.primes().len() == 2
        && key.e_bytes().as_ref() == [1, 0, 1];
    let again = key.to_pkcs8_der().ok()?;
    if !is_of_spec || again.as_bytes() != pkcs8 || !serves(&key) {
        return None;
    }
    Some(key.to_public_key().to_public_key_der().ok()?.into_vec())
}

/// Whether the public exponent undoes the private operation.
///
/// With a composite in place of a prime, d still inverts e modulo p - 1, but p - 1 is then no
/// multiple of the order of a random element, and the operation is not undone.
fn serves(key: &PrivateKey) -> bool {
    // A padding without salt draws nothing from the generator that it asks for.
    let mut unused = Drbg::from_seed([0; 32]);
    key.sign_with_rng(&mut unused, Pss::<Sha256>::new_with_salt(0), &[0; 32]).is_ok()
}
