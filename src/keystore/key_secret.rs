//! The secret of an asymmetric or HMAC key: one for the life of the key, since these do not rotate.
//!
//! It is sealed like the [material](super::material) of a symmetric key, under the same key. Sealed
//! is the PKCS#8 of a pair, or the key of an HMAC. The associated data binds the public half, which
//! lies open in the file, and what the key is and is for:
//!
//! ```text
//!  0  24  "keymill/keystore/secret/"
//! 24   4  format version, 1, little-endian
//! 28   1  whether the key is multi-Region
//! 29  16  key id
//! 45   1  length of the spec's name, and the name
//!      1  length of the usage's name, and the name
//!         DER SubjectPublicKeyInfo; nothing for HMAC
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::key::KmsKey;
use super::material::SealingKey;
use crate::crypto::KeyPairBatch;
use crate::crypto::asymmetric::{AsymmetricKey, new_ml_dsa_pair};
use crate::crypto::drbg::Drbg;
use crate::crypto::mac::MacKey;
use crate::secret::Secret;
use crate::spec::{KeySpec, MacAlgorithm, MlDsaSpec, ResourceId};

const AAD_MAGIC: &[u8; 24] = b"keymill/keystore/secret/";
const SEAL_VERSION: u32 = 1;

/// What a new key is.
#[derive(Debug, Default)]
pub enum NewKey {
    /// A symmetric key; its material is made here, or waited for.
    #[default]
    Symmetric,
    /// An HMAC key, made here.
    Hmac(MacAlgorithm),
    /// An ML-DSA pair, made here.
    MlDsa(MlDsaSpec),
    /// The first pair of a batch.
    Pair(KeyPairBatch),
}

impl NewKey {
    /// Its spec.
    #[must_use]
    pub const fn spec(&self) -> KeySpec {
        match self {
            Self::Symmetric => KeySpec::SymmetricDefault,
            Self::Hmac(algorithm) => KeySpec::Hmac(*algorithm),
            Self::MlDsa(spec) => KeySpec::MlDsa(*spec),
            Self::Pair(pair) => KeySpec::Pair(pair.spec()),
        }
    }

    /// The secret and the public half, if it is not symmetric.
    fn halves(&self) -> Result<Option<Halves>, Error> {
        let mut drbg = Drbg::from_system().map_err(|_| Error::Resources("random bytes"))?;
        Ok(match self {
            Self::Symmetric => None,
            Self::Hmac(algorithm) => {
                let mut key = Secret::new(vec![0; algorithm.bytes()]);
                drbg.fill(key.expose_mut());
                Some(Halves { secret: key, public: None })
            }
            Self::MlDsa(spec) => {
                let (secret, public) = new_ml_dsa_pair(*spec, &mut drbg);
                Some(Halves { secret, public: Some(public) })
            }
            Self::Pair(pair) => {
                let secret = Secret::new(pair.private_key(0).to_vec());
                Some(Halves { secret, public: Some(pair.public_key(0).to_vec()) })
            }
        })
    }
}

/// What a key that is not symmetric is made of.
struct Halves {
    secret: Secret<Vec<u8>>,
    public: Option<Vec<u8>>,
}

/// A secret at rest, with the public half if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedSecret {
    /// DER `SubjectPublicKeyInfo`, in base64.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    public: Option<String>,
    /// Nonce, ciphertext and tag, in base64.
    sealed: String,
}

/// The secret of a key that is not symmetric, ready for use.
#[derive(Debug)]
pub enum KeySecret {
    /// A key pair.
    Pair(Box<AsymmetricKey>),
    /// The key of an HMAC.
    Mac(MacKey),
}

impl KeySecret {
    /// The pair, if it is one.
    #[must_use]
    pub const fn pair(&self) -> Option<&AsymmetricKey> {
        match self {
            Self::Pair(pair) => Some(pair),
            Self::Mac(_) => None,
        }
    }

    /// The key of an HMAC, if it is one.
    #[must_use]
    pub const fn mac(&self) -> Option<&MacKey> {
        match self {
            Self::Mac(mac) => Some(mac),
            Self::Pair(_) => None,
        }
    }
}

impl KmsKey {
    /// Gives the key the secret of `new`, if it is of a kind that has one.
    pub(super) fn seal_secret(&mut self, new: &NewKey, sealing: &SealingKey) -> Result<(), Error> {
        let Some(Halves { secret, public }) = new.halves()? else { return Ok(()) };
        let aad = self.secret_aad(public.as_deref());
        let sealed = sealing.seal_bytes(&aad, secret.expose())?;
        let public = public.map(|public| STANDARD.encode(public));
        self.secret = Some(SealedSecret { public, sealed });
        Ok(())
    }

    /// Opens the key's secret; none if it is damaged, or the key is symmetric.
    pub(super) fn open_secret(&self, sealing: &SealingKey) -> Option<KeySecret> {
        let SealedSecret { public, sealed } = self.secret.as_ref()?;
        let public = public.as_ref().map(|public| STANDARD.decode(public)).transpose().ok()?;
        let aad = self.secret_aad(public.as_deref());
        let secret = sealing.open_bytes(&aad, sealed)?;
        let pair = |pair| KeySecret::Pair(Box::new(pair));
        match (self.spec, public) {
            (KeySpec::Hmac(algorithm), None) => MacKey::new(algorithm, secret).map(KeySecret::Mac),
            (KeySpec::Pair(spec), Some(public)) => {
                AsymmetricKey::of_pair(spec, secret.expose(), &public).map(pair)
            }
            (KeySpec::MlDsa(spec), Some(public)) => {
                AsymmetricKey::of_ml_dsa(spec, secret.expose(), &public).map(pair)
            }
            _ => None,
        }
    }

    fn secret_aad(&self, public: Option<&[u8]>) -> Vec<u8> {
        let ResourceId { bytes, multi_region } = self.arn.id;
        let mut aad = AAD_MAGIC.to_vec();
        aad.extend(SEAL_VERSION.to_le_bytes());
        aad.push(u8::from(multi_region));
        aad.extend(bytes);
        for name in [self.spec.name(), self.usage.name()] {
            aad.push(u8::try_from(name.len()).expect("names are short"));
            aad.extend(name.as_bytes());
        }
        aad.extend(public.unwrap_or_default());
        aad
    }
}
