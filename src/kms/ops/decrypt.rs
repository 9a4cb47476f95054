//! `Decrypt`: opens what `Encrypt` and the data key operations sealed, and what anybody encrypted to
//! the public half of a key.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ciphertext::Ciphertext;
use super::encryption_algorithm::{algorithm, algorithm_fact};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Pairs, Shown, Text};
use crate::pipeline::authorize::KeyUse;
use crate::spec::MaterialId;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    ciphertext_blob: Option<Text<'a>>,
    encryption_context: Option<Pairs>,
    grant_tokens: Option<Vec<Text<'a>>>,
    key_id: Option<Text<'a>>,
    encryption_algorithm: Option<Text<'a>>,
    recipient: Option<&'a RawValue>,
    dry_run: Option<bool>,
    dry_run_modifiers: Option<Vec<Text<'a>>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    key_id: &'a str,
    plaintext: Blob<'a>,
    encryption_algorithm: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<Shown<MaterialId>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let algorithm =
        algorithm(&mut check, "encryptionAlgorithm", members.encryption_algorithm.as_ref());
    let grant_tokens = check.grant_tokens(members.grant_tokens.as_deref());
    let context = check.context(members.encryption_context);
    let only_permission = check.ignores_ciphertext(members.dry_run_modifiers.as_deref());
    let blob = check.ciphertext("ciphertextBlob", members.ciphertext_blob.as_ref());
    let dry_run = members.dry_run == Some(true);
    if dry_run && only_permission {
        check.required("keyId", key_id);
    } else {
        check.required("ciphertextBlob", blob.as_ref());
    }
    check.end(Some(()))?;
    if members.recipient.is_some() {
        return Err(guesses::recipient());
    }
    let wanted = KeyUse {
        context: Some(&context),
        grant_tokens: &grant_tokens,
        members: &[algorithm_fact(algorithm)],
        ..call.use_of(key_id.unwrap_or_default())
    };
    if dry_run && only_permission {
        call.access(&wanted)?.check()?;
        return Err(Error::dry_run());
    }
    let blob = blob.unwrap_or_default();
    let ciphertext = Ciphertext::find(call, &blob, algorithm, &wanted, &context)?;
    let opened = ciphertext.open(call).await?;
    if dry_run {
        return Err(Error::dry_run());
    }
    Ok(wire::write(&Answer {
        key_id: ciphertext.key().arn(),
        plaintext: Blob(opened.plaintext.expose()),
        encryption_algorithm: algorithm.name(),
        key_material_id: ciphertext.material_id().map(Shown),
    }))
}
