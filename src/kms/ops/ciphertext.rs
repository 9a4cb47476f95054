//! A ciphertext of a request: under which key it is, and whether the caller may open it.

use std::sync::Arc;

use super::encryption_algorithm::EncryptionKey;
use crate::crypto::asymmetric::AsymmetricKey;
use crate::crypto::drbg::Drbg;
use crate::crypto::seal::{BlobHeader, Opened, Payload, open};
use crate::keystore::{self, ServedKey};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::pipeline::authorize::{Access, AuthorizeError, KeyUse, Permit, access_to};
use crate::spec::{EncryptionAlgorithm, EncryptionContext, MaterialId};

/// A ciphertext that the caller may open.
#[derive(Debug)]
pub(super) struct Ciphertext<'a> {
    bytes: &'a [u8],
    algorithm: EncryptionAlgorithm,
    context: &'a EncryptionContext,
    key: &'a Arc<ServedKey>,
    with: EncryptionKey,
}

impl<'a> Ciphertext<'a> {
    /// Finds the key: the one that `wanted` names; if it names none, the one that the blob names. If
    /// both do, it must be the same. What an asymmetric key encrypted names nothing.
    pub(super) fn find(
        call: &'a Call<'_>,
        bytes: &'a [u8],
        algorithm: EncryptionAlgorithm,
        wanted: &'a KeyUse<'a>,
        context: &'a EncryptionContext,
    ) -> Result<Self, Error> {
        let access = if wanted.key_id.is_empty() {
            access_by_blob(call, bytes, wanted)?
        } else {
            call.access(wanted)?
        };
        let key = access.key();
        call.note_key(key);
        let with = EncryptionKey::of(&access, algorithm, context, || {
            permit_to_unwrap(call, &access, bytes)
        })?;
        Ok(Self { bytes, algorithm, context, key, with })
    }

    /// The key.
    pub(super) fn key(&self) -> &'a ServedKey {
        self.key
    }

    /// Which of its materials, if it is symmetric.
    pub(super) fn material_id(&self) -> Option<MaterialId> {
        self.with.material_id()
    }

    /// Opens it.
    pub(super) async fn open(&self, call: &Call<'_>) -> Result<Opened, Error> {
        match &self.with {
            EncryptionKey::Symmetric(permit) => Ok(open(permit.key(), self.bytes, self.context)?),
            EncryptionKey::Asymmetric(secret) => {
                let (algorithm, bytes) = (self.algorithm, self.bytes.to_vec());
                let decrypt = move |pair: &AsymmetricKey, drbg: &mut Drbg| {
                    pair.decrypt(algorithm, &bytes, drbg)
                };
                let opened = call.with_secret(secret, decrypt).await?;
                let plaintext = opened.ok_or_else(invalid)?;
                Ok(Opened { payload: Payload::Data, plaintext })
            }
        }
    }
}

/// The use of the key that a blob names, and nobody else.
fn access_by_blob<'a>(
    call: &'a Call<'_>,
    blob: &[u8],
    wanted: &'a KeyUse<'a>,
) -> Result<Access<'a>, Error> {
    let header = BlobHeader::parse(blob)?;
    let snapshot = &call.snapshot;
    let key = snapshot.key_of_blob(&wanted.caller.scope, header.key_id());
    let access = key.map(|key| access_to(snapshot, key, wanted)).ok_or_else(unknown_key)?;
    access.map_err(|error| match error {
        AuthorizeError::Denied { because: None, .. } => unknown_key(),
        error => error.into(),
    })
}

/// The right to open a blob of a symmetric key, if it is one of this key.
fn permit_to_unwrap(call: &Call<'_>, access: &Access<'_>, blob: &[u8]) -> Result<Permit, Error> {
    let header = BlobHeader::parse(blob)?;
    if access.key().record().arn().id != header.key_id() {
        return Err(incorrect_key());
    }
    call.note_material(header.material_id());
    access.to_unwrap(header.material_id()).map_err(|error| match error {
        AuthorizeError::Keystore(keystore::Error::MaterialNotFound(..)) => invalid(),
        error => error.into(),
    })
}

/// Which part of a ciphertext is wrong is for nobody to learn.
const fn invalid() -> Error {
    Error::bare("InvalidCiphertextException")
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
