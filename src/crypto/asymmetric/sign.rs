//! Signatures, in the encodings of the service: RSA as RFC 8017 has them, elliptic curves as DER
//! (RFC 3279, section 2.2.3), `EdDSA` and ML-DSA as their standards have them.

use std::borrow::Cow;

use ed25519_dalek::Verifier as _;
use p256::ecdsa::signature::hazmat::{PrehashVerifier, RandomizedPrehashSigner};
use p256::ecdsa::signature::{RandomizedSigner, SignatureEncoding};
use sha2::digest::typenum::U64;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{AsymmetricKey, PrivateKey};
use crate::crypto::drbg::Drbg;
use crate::spec::SigningAlgorithm;

use PrivateKey as K;
use SigningAlgorithm as A;

/// What SM2 signers are called if nobody says otherwise (GM/T 0009, section 10).
const SM2_IDENTIFIER: &str = "1234567812345678";

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A message.
    Raw(&'a [u8]),
    /// Its digest by the hash function of the algorithm; of ML-DSA, its representative "mu" (FIPS
    /// 204, section 6.2).
    Digest(&'a [u8]),
}

/// Length of the digest that `algorithm` signs, in bytes.
#[must_use]
pub const fn digest_bytes(algorithm: SigningAlgorithm) -> usize {
    match algorithm {
        A::RsassaPssSha256 | A::RsassaPkcs1V15Sha256 | A::EcdsaSha256 | A::Sm2Dsa => 32,
        A::RsassaPssSha384 | A::RsassaPkcs1V15Sha384 | A::EcdsaSha384 => 48,
        A::RsassaPssSha512
        | A::RsassaPkcs1V15Sha512
        | A::EcdsaSha512
        | A::Ed25519Sha512
        | A::Ed25519PhSha512
        | A::MlDsaShake256 => 64,
    }
}

impl<'a> Message<'a> {
    /// The digest by the SHA-2 function of `algorithm`.
    fn digest(self, algorithm: SigningAlgorithm) -> Cow<'a, [u8]> {
        match (self, digest_bytes(algorithm)) {
            (Self::Digest(digest), _) => Cow::Borrowed(digest),
            (Self::Raw(message), 32) => Cow::Owned(Sha256::digest(message).to_vec()),
            (Self::Raw(message), 48) => Cow::Owned(Sha384::digest(message).to_vec()),
            (Self::Raw(message), _) => Cow::Owned(Sha512::digest(message).to_vec()),
        }
    }
}

impl AsymmetricKey {
    /// Signs `message`. None if the key is not for `algorithm`, a digest has not the length that it
    /// wants, or the operation failed.
    pub fn sign(
        &self,
        algorithm: SigningAlgorithm,
        message: Message<'_>,
        drbg: &mut Drbg,
    ) -> Option<Vec<u8>> {
        match (&self.private, algorithm) {
            (K::Rsa(key), _) => sign_rsa(key, algorithm, &message.digest(algorithm), drbg),
            (K::EccNistP256(key), A::EcdsaSha256) => {
                sign_digest::<p256::ecdsa::DerSignature>(key, &message.digest(algorithm), drbg)
            }
            (K::EccNistP384(key), A::EcdsaSha384) => {
                sign_digest::<p384::ecdsa::DerSignature>(key, &message.digest(algorithm), drbg)
            }
            (K::EccNistP521(key), A::EcdsaSha512) => {
                sign_digest::<p521::ecdsa::DerSignature>(key, &message.digest(algorithm), drbg)
            }
            (K::EccSecgP256k1(key), A::EcdsaSha256) => {
                sign_digest::<k256::ecdsa::DerSignature>(key, &message.digest(algorithm), drbg)
            }
            (K::Sm2(key), A::Sm2Dsa) => sign_sm2(key, message, drbg),
            (K::EccNistEdwards25519(key), _) => sign_edwards(key, algorithm, message),
            (K::MlDsa44(key), A::MlDsaShake256) => sign_lattice(key, message, drbg),
            (K::MlDsa65(key), A::MlDsaShake256) => sign_lattice(key, message, drbg),
            (K::MlDsa87(key), A::MlDsaShake256) => sign_lattice(key, message, drbg),
            _ => None,
        }
    }

    /// Whether `signature` is one of `message` by this key.
    #[must_use]
    pub fn verify(
        &self,
        algorithm: SigningAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> bool {
        let digest = || message.digest(algorithm);
        match (&self.private, algorithm) {
            (K::Rsa(key), _) => verify_rsa(key.as_public_key(), algorithm, &digest(), signature),
            (K::EccNistP256(key), A::EcdsaSha256) => verify_digest::<p256::ecdsa::DerSignature>(
                key.verifying_key(),
                &digest(),
                signature,
            ),
            (K::EccNistP384(key), A::EcdsaSha384) => verify_digest::<p384::ecdsa::DerSignature>(
                key.verifying_key(),
                &digest(),
                signature,
            ),
            (K::EccNistP521(key), A::EcdsaSha512) => verify_digest::<p521::ecdsa::DerSignature>(
                key.verifying_key(),
                &digest(),
                signature,
            ),
            (K::EccSecgP256k1(key), A::EcdsaSha256) => {
                verify_secg(key.verifying_key(), &digest(), signature)
            }
            (K::Sm2(key), A::Sm2Dsa) => verify_sm2(key, message, signature),
            (K::EccNistEdwards25519(key), _) => {
                verify_edwards(&key.verifying_key(), algorithm, message, signature)
            }
            (K::MlDsa44(key), A::MlDsaShake256) => verify_lattice(key, message, signature),
            (K::MlDsa65(key), A::MlDsaShake256) => verify_lattice(key, message, signature),
            (K::MlDsa87(key), A::MlDsaShake256) => verify_lattice(key, message, signature),
            _ => false,
        }
    }
}

fn sign_rsa(
    key: &rsa::PrivateKey,
    algorithm: SigningAlgorithm,
    digest: &[u8],
    drbg: &mut Drbg,
) -> Option<Vec<u8>> {
    let signed = match algorithm {
        A::RsassaPssSha256 => key.pss_sign_prehash_with_rng::<Sha256, _>(drbg, digest),
        A::RsassaPssSha384 => key.pss_sign_prehash_with_rng::<Sha384, _>(drbg, digest),
        A::RsassaPssSha512 => key.pss_sign_prehash_with_rng::<Sha512, _>(drbg, digest),
        A::RsassaPkcs1V15Sha256 => key.pkcs1v15_sign_prehash_with_rng::<Sha256, _>(drbg, digest),
        A::RsassaPkcs1V15Sha384 => key.pkcs1v15_sign_prehash_with_rng::<Sha384, _>(drbg, digest),
        A::RsassaPkcs1V15Sha512 => key.pkcs1v15_sign_prehash_with_rng::<Sha512, _>(drbg, digest),
        _ => return None,
    };
    signed.ok()
}

fn verify_rsa(
    key: &rsa::PublicKey,
    algorithm: SigningAlgorithm,
    digest: &[u8],
    signature: &[u8],
) -> bool {
    let verified = match algorithm {
        A::RsassaPssSha256 => key.pss_verify_prehash::<Sha256>(digest, signature),
        A::RsassaPssSha384 => key.pss_verify_prehash::<Sha384>(digest, signature),
        A::RsassaPssSha512 => key.pss_verify_prehash::<Sha512>(digest, signature),
        A::RsassaPkcs1V15Sha256 => key.pkcs1v15_verify_prehash::<Sha256>(digest, signature),
        A::RsassaPkcs1V15Sha384 => key.pkcs1v15_verify_prehash::<Sha384>(digest, signature),
        A::RsassaPkcs1V15Sha512 => key.pkcs1v15_verify_prehash::<Sha512>(digest, signature),
        _ => return false,
    };
    verified.is_ok()
}

fn sign_digest<S: SignatureEncoding>(
    key: &impl RandomizedPrehashSigner<S>,
    digest: &[u8],
    drbg: &mut Drbg,
) -> Option<Vec<u8>> {
    Some(key.sign_prehash_with_rng(drbg, digest).ok()?.to_vec())
}

fn verify_digest<S: SignatureEncoding>(
    key: &impl PrehashVerifier<S>,
    digest: &[u8],
    signature: &[u8],
) -> bool {
    S::try_from(signature).is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
}

/// Of the two signatures that differ in the sign of s, `k256` makes and takes the lower only, as
/// blockchains want it; the service takes either.
fn verify_secg(key: &k256::ecdsa::VerifyingKey, digest: &[u8], signature: &[u8]) -> bool {
    k256::ecdsa::Signature::from_der(signature)
        .is_ok_and(|signature| key.verify_prehash(digest, &signature.normalize_s()).is_ok())
}

fn sign_sm2(key: &sm2::SecretKey, message: Message<'_>, drbg: &mut Drbg) -> Option<Vec<u8>> {
    let signer = sm2::dsa::SigningKey::new(SM2_IDENTIFIER, key).ok()?;
    let signature = match message {
        Message::Raw(message) => signer.try_sign_with_rng(drbg, message),
        Message::Digest(digest) => signer.sign_prehash_with_rng(drbg, digest),
    };
    Some(signature.ok()?.to_der().to_vec())
}

fn verify_sm2(key: &sm2::SecretKey, message: Message<'_>, signature: &[u8]) -> bool {
    let verified = || {
        let verifier = sm2::dsa::VerifyingKey::new(SM2_IDENTIFIER, key.public_key())?;
        let signature = sm2::dsa::Signature::from_der(signature)?;
        match message {
            Message::Raw(message) => verifier.verify(message, &signature),
            Message::Digest(digest) => verifier.verify_prehash(digest, &signature),
        }
    };
    verified().is_ok()
}

/// Ed25519 signs messages, Ed25519ph their digests: neither has the other form.
fn sign_edwards(
    key: &ed25519_dalek::SigningKey,
    algorithm: SigningAlgorithm,
    message: Message<'_>,
) -> Option<Vec<u8>> {
    let signature = match (algorithm, message) {
        (A::Ed25519Sha512, Message::Raw(message)) => ed25519_dalek::Signer::sign(key, message),
        (A::Ed25519PhSha512, Message::Digest(digest)) => {
            key.sign_prehashed(Digested::new(digest)?, None).ok()?
        }
        _ => return None,
    };
    Some(signature.to_vec())
}

fn verify_edwards(
    key: &ed25519_dalek::VerifyingKey,
    algorithm: SigningAlgorithm,
    message: Message<'_>,
    signature: &[u8],
) -> bool {
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
    let verified = match (algorithm, message) {
        (A::Ed25519Sha512, Message::Raw(message)) => key.verify(message, &signature),
        (A::Ed25519PhSha512, Message::Digest(digest)) => match Digested::new(digest) {
            Some(digest) => key.verify_prehashed(digest, None, &signature),
            None => return false,
        },
        _ => return false,
    };
    verified.is_ok()
}

fn sign_lattice<P: ml_dsa::MlDsaParams>(
    key: &ml_dsa::SigningKey<P>,
    message: Message<'_>,
    drbg: &mut Drbg,
) -> Option<Vec<u8>> {
    let key = key.expanded_key();
    let signature = match message {
        Message::Raw(message) => key.sign_randomized(message, &[], drbg),
        Message::Digest(mu) => key.sign_mu_randomized(mu.try_into().ok()?, drbg),
    };
    Some(signature.ok()?.to_vec())
}

fn verify_lattice<P: ml_dsa::MlDsaParams>(
    key: &ml_dsa::SigningKey<P>,
    message: Message<'_>,
    signature: &[u8],
) -> bool {
    let key = key.expanded_key().verifying_key();
    let Ok(signature) = ml_dsa::Signature::try_from(signature) else { return false };
    match message {
        Message::Raw(message) => key.verify_with_context(message, &[], &signature),
        Message::Digest(mu) => mu.try_into().is_ok_and(|mu| key.verify_mu(mu, &signature)),
    }
}

/// A SHA-512 that somebody else has computed, for `ed25519-dalek`, which asks for the function.
#[derive(Default)]
struct Digested(Output<Self>);

impl Digested {
    fn new(digest: &[u8]) -> Option<Self> {
        Some(Self(*<&Output<Self>>::try_from(digest).ok()?))
    }
}

impl OutputSizeUser for Digested {
    type OutputSize = U64;
}

impl HashMarker for Digested {}

impl Update for Digested {
    fn update(&mut self, _: &[u8]) {
        unreachable!("a digest is complete");
    }
}

impl FixedOutput for Digested {
    fn finalize_into(self, out: &mut Output<Self>) {
        *out = self.0;
    }
}
