//! `Encrypt`: up to 4096 bytes of the caller's, sealed under a key and a context.

use serde::{Deserialize, Serialize};

use super::encryption_algorithm::{algorithm, algorithm_fact, check_algorithm};
use crate::crypto::seal::seal;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Pairs, Text};
use crate::limits::PLAINTEXT_BYTES_MAX;
use crate::pipeline::authorize::KeyUse;
use crate::secret::Secret;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    plaintext: Option<Text<'a>>,
    encryption_context: Option<Pairs>,
    grant_tokens: Option<Vec<Text<'a>>>,
    encryption_algorithm: Option<Text<'a>>,
    dry_run: Option<bool>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    ciphertext_blob: Blob<'a>,
    key_id: &'a str,
    encryption_algorithm: &'a str,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let plaintext = check.blob("plaintext", members.plaintext.as_ref(), 1..=PLAINTEXT_BYTES_MAX);
    let plaintext = check.required("plaintext", plaintext.map(Secret::new));
    let algorithm =
        algorithm(&mut check, "encryptionAlgorithm", members.encryption_algorithm.as_ref());
    let grant_tokens = check.grant_tokens(members.grant_tokens.as_deref());
    let context = check.context(members.encryption_context);
    let (key_id, plaintext) = check.end(key_id.zip(plaintext))?;
    let wanted = KeyUse {
        context: Some(&context),
        grant_tokens: &grant_tokens,
        members: &[algorithm_fact(algorithm)],
        ..call.use_of(key_id)
    };
    let access = call.access(&wanted)?;
    let permit = access.to_wrap()?;
    check_algorithm(algorithm, access.key())?;
    if members.dry_run == Some(true) {
        return Err(Error::dry_run());
    }
    call.note_material(permit.key().material_id());
    let blob =
        call.worker.with_drbg(|drbg| seal(permit.key(), drbg, plaintext.expose(), &context))?;
    Ok(wire::write(&Answer {
        ciphertext_blob: Blob(&blob?),
        key_id: access.key().arn(),
        encryption_algorithm: algorithm,
    }))
}
