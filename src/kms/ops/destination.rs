//! What is encrypted, and under which key: the last steps of `Encrypt` and `ReEncrypt`.

use std::sync::Arc;

use super::encryption_algorithm::EncryptionKey;
use crate::crypto::asymmetric::AsymmetricKey;
use crate::crypto::drbg::Drbg;
use crate::crypto::seal::Opened;
use crate::keystore::ServedKey;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::pipeline::authorize::Access;
use crate::spec::{EncryptionAlgorithm, EncryptionContext, MaterialId};

/// A key that the caller may encrypt under, by one of its algorithms.
#[derive(Debug)]
pub(super) struct Destination<'a> {
    key: &'a Arc<ServedKey>,
    algorithm: EncryptionAlgorithm,
    context: &'a EncryptionContext,
    with: EncryptionKey,
}

impl<'a> Destination<'a> {
    /// Asks whether the key's state and kind allow it.
    pub(super) fn of(
        access: &Access<'a>,
        algorithm: EncryptionAlgorithm,
        context: &'a EncryptionContext,
    ) -> Result<Self, Error> {
        let key = access.key();
        let with = EncryptionKey::of(access, algorithm, context, || Ok(access.to_wrap()?))?;
        Ok(Self { key, algorithm, context, with })
    }

    /// The key.
    pub(super) fn key(&self) -> &'a ServedKey {
        self.key
    }

    /// Which of its materials, if it is symmetric.
    pub(super) fn material_id(&self) -> Option<MaterialId> {
        self.with.material_id()
    }

    /// Refuses more than the algorithm can encrypt.
    pub(super) fn check_length(&self, bytes: usize) -> Result<(), Error> {
        let (algorithm, spec) = (self.algorithm, self.key.record().spec());
        let most = algorithm.plaintext_bytes_max(spec);
        if bytes <= most {
            return Ok(());
        }
        Err(Error::validation(format!(
            "Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {most} bytes."
        )))
    }

    /// Encrypts what was opened, or what came as if it had been.
    pub(super) async fn encrypt(&self, call: &Call<'_>, opened: Opened) -> Result<Vec<u8>, Error> {
        self.check_length(opened.plaintext.expose().len())?;
        match &self.with {
            EncryptionKey::Symmetric(permit) => {
                let (key, context) = (permit.key(), self.context);
                call.note_material(key.material_id());
                let sealed = call
                    .worker
                    .with_sealer(|sealer, drbg| sealer.seal_again(key, drbg, &opened, context));
                Ok(sealed??)
            }
            EncryptionKey::Asymmetric(secret) => {
                let algorithm = self.algorithm;
                let encrypt = move |pair: &AsymmetricKey, drbg: &mut Drbg| {
                    pair.encrypt(algorithm, opened.plaintext.expose(), drbg)
                };
                call.with_secret(secret, encrypt).await?.ok_or_else(Error::internal)
            }
        }
    }
}
