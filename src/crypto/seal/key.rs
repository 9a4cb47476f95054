//! `WrappingKey`: one material of one KMS key, ready to seal and to open.

use crate::crypto::kdf::{HmacKey, hmac_sha256};
use crate::secret::Secret;
use crate::spec::{KeyArn, MaterialId, ResourceId};

/// The material that private keys are wrapped under, with the key it belongs to.
#[derive(Debug)]
pub struct WrappingKey {
    arn: KeyArn,
    material_id: MaterialId,
    /// The material, as keys are derived from it.
    deriving: HmacKey,
    /// Length and text of the ARN, as the associated data has them.
    binding: Vec<u8>,
}

impl WrappingKey {
    /// Joins a key with one of its materials.
    #[must_use]
    pub fn new(arn: KeyArn, material: &Secret<[u8; 32]>) -> Self {
        let text = arn.binding();
        // An ARN has a Region of at most 32 characters and else fixed parts: far below 2^16.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        let binding = [&length.to_be_bytes(), text.as_bytes()].concat();
        let material_id = material_id(material, arn.id);
        let deriving = HmacKey::new(material.expose());
        Self { arn, material_id, deriving, binding }
    }

    /// The key.
    #[must_use]
    pub const fn arn(&self) -> &KeyArn {
        &self.arn
    }

    /// Which of its materials.
    #[must_use]
    pub const fn material_id(&self) -> MaterialId {
        self.material_id
    }

    /// A key for one batch of seals.
    pub(super) fn derive(&self, label: &[u8], context: &[u8]) -> Secret<[u8; 32]> {
        self.deriving.derive(label, context)
    }

    pub(super) fn binding(&self) -> &[u8] {
        &self.binding
    }
}

/// The id of `material` in the key `key`: it shows nothing of the material, and the same material
/// in the same key always has the same one.
#[must_use]
pub fn material_id(material: &Secret<[u8; 32]>, key: ResourceId) -> MaterialId {
    MaterialId(*hmac_sha256(material.expose(), &[b"keymill/material-id/v1\0", &key.bytes]).expose())
}
