//! Asymmetric KMS keys: key pairs that sign, verify, encrypt and decrypt for a client.
//!
//! Unlike data key pairs, of which millions are made and none is used here, these are few and used
//! one call at a time, so that everything is left to the crates: `rsa`, those of the curves,
//! `ed25519-dalek`, `ml-dsa`. Private operations take a generator: RSA is blinded by it, signatures
//! by elliptic curves mix it into the nonce that RFC 6979 derives, ML-DSA is hedged by it.

mod encrypt;
mod sign;
#[cfg(test)]
mod tests;

use core::fmt;

use ml_dsa::{MlDsa44, MlDsa65, MlDsa87};
use rand_core::Rng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};

use crate::crypto::drbg::Drbg;
use crate::secret::Secret;
use crate::spec::{KeyPairSpec, MlDsaSpec};

pub use sign::{Message, digest_bytes};

/// A key pair, ready for use. Its private half is zeroed on drop and cannot be printed.
pub struct AsymmetricKey {
    private: PrivateKey,
    /// DER `SubjectPublicKeyInfo`.
    public: Vec<u8>,
}

enum PrivateKey {
    Rsa(Box<rsa::PrivateKey>),
    EccNistP256(p256::ecdsa::SigningKey),
    EccNistP384(p384::ecdsa::SigningKey),
    EccNistP521(p521::ecdsa::SigningKey),
    EccSecgP256k1(k256::ecdsa::SigningKey),
    Sm2(sm2::SecretKey),
    EccNistEdwards25519(ed25519_dalek::SigningKey),
    MlDsa44(Box<ml_dsa::SigningKey<MlDsa44>>),
    MlDsa65(Box<ml_dsa::SigningKey<MlDsa65>>),
    MlDsa87(Box<ml_dsa::SigningKey<MlDsa87>>),
    /// Nothing is done with it here.
    MlKem,
}

impl AsymmetricKey {
    /// The pair of this `spec` with the given DER PKCS#8 and `SubjectPublicKeyInfo`, which were
    /// made together; none if the former is malformed.
    #[must_use]
    pub fn of_pair(spec: KeyPairSpec, pkcs8: &[u8], public: &[u8]) -> Option<Self> {
        use KeyPairSpec as P;
        let private = match spec {
            P::Rsa2048 | P::Rsa3072 | P::Rsa4096 => PrivateKey::Rsa(parsed(pkcs8).map(Box::new)?),
            P::EccNistP256 => PrivateKey::EccNistP256(parsed::<p256::SecretKey>(pkcs8)?.into()),
            P::EccNistP384 => PrivateKey::EccNistP384(parsed::<p384::SecretKey>(pkcs8)?.into()),
            P::EccNistP521 => PrivateKey::EccNistP521(parsed::<p521::SecretKey>(pkcs8)?.into()),
            P::EccSecgP256k1 => PrivateKey::EccSecgP256k1(parsed::<k256::SecretKey>(pkcs8)?.into()),
            P::Sm2 => PrivateKey::Sm2(parsed(pkcs8)?),
            P::EccNistEdwards25519 => PrivateKey::EccNistEdwards25519(parsed(pkcs8)?),
            P::MlKem512 | P::MlKem768 | P::MlKem1024 => PrivateKey::MlKem,
        };
        Some(Self { private, public: public.to_vec() })
    }

    /// The ML-DSA pair with the given DER PKCS#8 and `SubjectPublicKeyInfo`; none if the former is
    /// malformed.
    #[must_use]
    pub fn of_ml_dsa(spec: MlDsaSpec, pkcs8: &[u8], public: &[u8]) -> Option<Self> {
        let private = match spec {
            MlDsaSpec::MlDsa44 => PrivateKey::MlDsa44(parsed(pkcs8).map(Box::new)?),
            MlDsaSpec::MlDsa65 => PrivateKey::MlDsa65(parsed(pkcs8).map(Box::new)?),
            MlDsaSpec::MlDsa87 => PrivateKey::MlDsa87(parsed(pkcs8).map(Box::new)?),
        };
        Some(Self { private, public: public.to_vec() })
    }

    /// The public half: DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public
    }
}

impl fmt::Debug for AsymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsymmetricKey(..)")
    }
}

fn parsed<K: DecodePrivateKey>(pkcs8: &[u8]) -> Option<K> {
    K::from_pkcs8_der(pkcs8).ok()
}

/// A fresh ML-DSA pair: DER PKCS#8, with the seed as its private key (RFC 9881, section 6), and
/// `SubjectPublicKeyInfo`.
///
/// # Panics
///
/// Never: keys of a fixed size have an encoding.
#[must_use]
pub fn new_ml_dsa_pair(spec: MlDsaSpec, drbg: &mut Drbg) -> (Secret<Vec<u8>>, Vec<u8>) {
    macro_rules! pair {
        ($parameters:ty) => {{
            let mut seed = zeroize::Zeroizing::new(ml_dsa::Seed::default());
            drbg.fill_bytes(&mut seed);
            let key = ml_dsa::SigningKey::<$parameters>::from_seed(&seed);
            let public = key.expanded_key().verifying_key().to_public_key_der();
            let public = public.expect("keys of a fixed size have an encoding");
            (key.to_pkcs8_der().expect("keys of a fixed size have an encoding"), public.into_vec())
        }};
    }
    let (private, public) = match spec {
        MlDsaSpec::MlDsa44 => pair!(MlDsa44),
        MlDsaSpec::MlDsa65 => pair!(MlDsa65),
        MlDsaSpec::MlDsa87 => pair!(MlDsa87),
    };
    (Secret::new(private.as_bytes().to_vec()), public)
}
