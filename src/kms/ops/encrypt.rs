//! `Encrypt`: up to 4096 bytes of the caller's, sealed under a key and a context; or as much as an
//! asymmetric key can encrypt.

use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::encryption_algorithm::{algorithm, algorithm_fact};
use super::key_members::KeyMembers;
use crate::crypto::seal::{Opened, Payload};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Pairs, Text};
use crate::limits::PLAINTEXT_BYTES_MAX;
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
    let (key_id, tokens) = (members.key_id.as_ref(), members.grant_tokens.as_deref());
    let key = KeyMembers::of(&mut check, key_id, tokens, members.dry_run);
    let plaintext = check.blob("plaintext", members.plaintext.as_ref(), 1..=PLAINTEXT_BYTES_MAX);
    let plaintext = check.required("plaintext", plaintext.map(Secret::new));
    let algorithm =
        algorithm(&mut check, "encryptionAlgorithm", members.encryption_algorithm.as_ref());
    let context = check.context(members.encryption_context);
    let plaintext = check.end(plaintext)?;
    let facts = [algorithm_fact(algorithm)];
    let wanted = key.key_use(call, Some(&context), &facts);
    let access = call.access(&wanted)?;
    let destination = Destination::of(&access, algorithm, &context)?;
    destination.check_length(plaintext.expose().len())?;
    key.end_dry_run()?;
    let plaintext = Opened { payload: Payload::Data, plaintext };
    Ok(wire::write(&Answer {
        ciphertext_blob: Blob(&destination.encrypt(call, plaintext).await?),
        key_id: access.key().arn(),
        encryption_algorithm: algorithm.name(),
    }))
}
