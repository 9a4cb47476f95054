//! A ciphertext blob of a request: whose key sealed it, and whether the caller may open it.

use std::sync::Arc;

use crate::crypto::seal::{BlobHeader, Opened, open};
use crate::keystore::{self, ServedKey};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::pipeline::authorize::{AuthorizeError, KeyUse, Permit, access_to};
use crate::spec::{EncryptionContext, MaterialId};

/// A blob that the caller may open.
#[derive(Debug)]
pub(super) struct Ciphertext<'a> {
    blob: &'a [u8],
    key: &'a Arc<ServedKey>,
    permit: Permit,
}

impl<'a> Ciphertext<'a> {
    /// Finds the key that `blob` names. If the request names one too, in `wanted`, it must be the
    /// same.
    pub(super) fn find(
        call: &'a Call<'_>,
        blob: &'a [u8],
        wanted: &'a KeyUse<'a>,
    ) -> Result<Self, Error> {
        let header = BlobHeader::parse(blob)?;
        let access = if wanted.key_id.is_empty() {
            let snapshot = &call.snapshot;
            let key = snapshot.key_of_blob(&wanted.caller.scope, header.key_id());
            let access = key.map(|key| access_to(snapshot, key, wanted)).ok_or_else(unknown_key)?;
            access.map_err(|error| match error {
                AuthorizeError::Denied { because: None, .. } => unknown_key(),
                error => error.into(),
            })?
        } else {
            let named = call.access(wanted)?;
            if named.key().record().arn().id != header.key_id() {
                return Err(incorrect_key());
            }
            named
        };
        let permit = access.to_unwrap(header.material_id()).map_err(|error| match error {
            AuthorizeError::Keystore(keystore::Error::MaterialNotFound(..)) => {
                Error::bare("InvalidCiphertextException")
            }
            error => error.into(),
        })?;
        call.note_key(access.key());
        call.note_material(header.material_id());
        Ok(Self { blob, key: access.key(), permit })
    }

    /// The key.
    pub(super) fn key(&self) -> &'a ServedKey {
        self.key
    }

    /// Which of its materials.
    pub(super) fn material_id(&self) -> MaterialId {
        self.permit.key().material_id()
    }

    /// Opens the blob.
    pub(super) fn open(&self, context: &EncryptionContext) -> Result<Opened, Error> {
        Ok(open(self.permit.key(), self.blob, context)?)
    }
}

fn unknown_key() -> Error {
    Error::new(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in \
         this region, or you are not allowed to access.",
    )
}

fn incorrect_key() -> Error {
    let message =
        "The key ID in the request does not identify a CMK that can perform this operation.";
    Error::new("IncorrectKeyException", message)
}
