//! Key material: 32 secret bytes, sealed at rest under a key derived from the root key.
//!
//! AES-256-GCM (SP 800-38D) with a random 96-bit nonce for every seal. A keystore seals once per
//! key, rotation and import, far below the 2^32 seals for which random nonces are safe. The sealing key
//! comes from the root key by the SP 800-108 counter KDF with the keystore's id as context, so
//! that two keystores that share a root key share no sealing key. A sealed material is nonce (12),
//! ciphertext (32) and tag (16), in base64; the associated data has fixed widths:
//!
//! ```text
//!  0  24  "keymill/keystore/sealed/"
//! 24   4  format version of the keystore, little-endian
//! 28   1  whether the key is multi-Region
//! 29  16  key id
//! 45  32  material id
//! ```

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::Error;
use super::root::{RootKey, random};
use crate::crypto::kdf::kbkdf_hmac_sha256;
use crate::crypto::seal::material_id;
use crate::secret::Secret;
use crate::spec::{KeyArn, MaterialId, PoolId, ResourceId};

const SEAL_LABEL: &[u8] = b"keymill/keystore/material/v1";
const POOLS_LABEL: &[u8] = b"keymill/keystore/pools/v1";
const POOL_LABEL: &[u8] = b"keymill/pool/v1";
const AAD_BYTES: usize = 77;
const AAD_MAGIC: &[u8; 24] = b"keymill/keystore/sealed/";
const SEAL_VERSION: u32 = 1;

/// What wraps data keys: one material of one key, opened.
#[derive(Debug)]
pub struct Material {
    /// The key.
    pub arn: KeyArn,
    /// Which of its materials.
    pub material_id: MaterialId,
    /// The material itself.
    pub material: Secret<[u8; 32]>,
}

impl Material {
    /// Pairs a key with its material, whose id is derived from both.
    pub(super) fn new(arn: KeyArn, material: Secret<[u8; 32]>) -> Self {
        let material_id = material_id(&material, arn.id);
        Self { arn, material_id, material }
    }
}

/// Seals and opens materials, and derives the keys of sealed pools.
pub(super) struct SealingKey {
    cipher: Aes256Gcm,
    pools: Secret<[u8; 32]>,
}

impl SealingKey {
    pub(super) fn derive(root: &RootKey, store_id: &[u8; 16]) -> Self {
        let key = kbkdf_hmac_sha256(root.0.expose(), SEAL_LABEL, store_id);
        let pools = kbkdf_hmac_sha256(root.0.expose(), POOLS_LABEL, store_id);
        Self { cipher: Aes256Gcm::new(key.expose().into()), pools }
    }

    /// The key of one sealed pool: no other pool, and no other keystore, has it.
    pub(super) fn pool_key(&self, id: PoolId) -> Secret<[u8; 32]> {
        kbkdf_hmac_sha256(self.pools.expose(), POOL_LABEL, &id.0)
    }

    pub(super) fn seal(&self, material: &Material) -> Result<String, Error> {
        let aad = associated_data(material.arn.id, material.material_id);
        self.seal_bytes(&aad, material.material.expose())
    }

    /// Opens what [`Self::seal`] made for the same key and material id.
    pub(super) fn open(&self, arn: &KeyArn, id: MaterialId, sealed: &str) -> Option<Material> {
        let opened = self.open_bytes(&associated_data(arn.id, id), sealed)?;
        let material = Secret::new(opened.expose().as_slice().try_into().ok()?);
        Some(Material { arn: arn.clone(), material_id: id, material })
    }

    /// Seals a secret of any kind; `aad` says which, and in whose name.
    pub(super) fn seal_bytes(&self, aad: &[u8], secret: &[u8]) -> Result<String, Error> {
        Ok(STANDARD.encode(self.seal_blob(aad, secret)?))
    }

    /// Opens what [`Self::seal_bytes`] made under the same `aad`.
    pub(super) fn open_bytes(&self, aad: &[u8], sealed: &str) -> Option<Secret<Vec<u8>>> {
        self.open_blob(aad, &STANDARD.decode(sealed).ok()?)
    }

    /// As [`Self::seal_bytes`], without base64.
    pub(super) fn seal_blob(&self, aad: &[u8], secret: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce: [u8; 12] = random()?;
        let mut sealed = [&nonce[..], secret, &[0; 16]].concat();
        let (text, tag) = sealed[12..].split_at_mut(secret.len());
        let computed = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), aad, InOutBuf::from(text))
            .expect("a secret is within the limit of GCM");
        tag.copy_from_slice(&computed);
        Ok(sealed)
    }

    /// Opens what [`Self::seal_blob`] made under the same `aad`.
    pub(super) fn open_blob(&self, aad: &[u8], sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<12>()?;
        let (ciphertext, tag) = rest.split_last_chunk::<16>()?;
        let mut secret = Secret::new(ciphertext.to_vec());
        let buffer = InOutBuf::from(secret.expose_mut().as_mut_slice());
        self.cipher.decrypt_inout_detached(nonce.into(), aad, buffer, tag.into()).ok()?;
        Some(secret)
    }
}

fn associated_data(key: ResourceId, material: MaterialId) -> [u8; AAD_BYTES] {
    let mut aad = [0; AAD_BYTES];
    aad[..24].copy_from_slice(AAD_MAGIC);
    aad[24..28].copy_from_slice(&SEAL_VERSION.to_le_bytes());
    aad[28] = u8::from(key.multi_region);
    aad[29..45].copy_from_slice(&key.bytes);
    aad[45..].copy_from_slice(&material.0);
    aad
}
