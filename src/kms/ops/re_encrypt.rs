//! `ReEncrypt`: opens a ciphertext and encrypts its content under another key or context, unseen.

use serde::{Deserialize, Serialize};

use super::ciphertext::Ciphertext;
use super::destination::Destination;
use super::encryption_algorithm::{algorithm, algorithm_fact};
use crate::crypto::seal::BlobHeader;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Pairs, Shown, Text};
use crate::pipeline::authorize::KeyUse;
use crate::spec::{Action, MaterialId};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    ciphertext_blob: Option<Text<'a>>,
    source_encryption_context: Option<Pairs>,
    source_key_id: Option<Text<'a>>,
    destination_key_id: Option<Text<'a>>,
    destination_encryption_context: Option<Pairs>,
    source_encryption_algorithm: Option<Text<'a>>,
    destination_encryption_algorithm: Option<Text<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
    dry_run: Option<bool>,
    dry_run_modifiers: Option<Vec<Text<'a>>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    ciphertext_blob: Blob<'a>,
    source_key_id: &'a str,
    key_id: &'a str,
    source_encryption_algorithm: &'a str,
    destination_encryption_algorithm: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_key_material_id: Option<Shown<MaterialId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_key_material_id: Option<Shown<MaterialId>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let from = check.key_id("sourceKeyId", members.source_key_id.as_ref());
    let to = check.key_id("destinationKeyId", members.destination_key_id.as_ref());
    let to = check.required("destinationKeyId", to);
    let from_algorithm = members.source_encryption_algorithm.as_ref();
    let from_algorithm = algorithm(&mut check, "sourceEncryptionAlgorithm", from_algorithm);
    let to_algorithm = members.destination_encryption_algorithm.as_ref();
    let to_algorithm = algorithm(&mut check, "destinationEncryptionAlgorithm", to_algorithm);
    let grant_tokens = check.grant_tokens(members.grant_tokens.as_deref());
    let from_context = check.context(members.source_encryption_context);
    let to_context = check.context(members.destination_encryption_context);
    let only_permission = check.ignores_ciphertext(members.dry_run_modifiers.as_deref());
    let blob = check.ciphertext("ciphertextBlob", members.ciphertext_blob.as_ref());
    let dry_run = members.dry_run == Some(true);
    if dry_run && only_permission {
        check.required("sourceKeyId", from);
    } else {
        check.required("ciphertextBlob", blob.as_ref());
    }
    let to = check.end(to)?;
    let blob = blob.unwrap_or_default();
    let from = from.unwrap_or_default();
    let same = (ConditionKey::ReEncryptOnSameKey, Fact::Bool(on_same_key(call, &blob, from, to)));
    let from = KeyUse {
        action: Action::ReEncryptFrom,
        context: Some(&from_context),
        grant_tokens: &grant_tokens,
        members: &[algorithm_fact(from_algorithm), same.clone()],
        ..call.use_of(from)
    };
    let to = KeyUse {
        action: Action::ReEncryptTo,
        context: Some(&to_context),
        members: &[algorithm_fact(to_algorithm), same],
        key_id: to,
        ..from
    };
    if dry_run && only_permission {
        call.access(&from)?.check()?;
        call.access(&to)?.check()?;
        return Err(Error::dry_run());
    }
    let source = Ciphertext::find(call, &blob, from_algorithm, &from, &from_context)?;
    let access = call.access(&to)?;
    let destination = Destination::of(&access, to_algorithm, &to_context)?;
    let opened = source.open(call).await?;
    destination.check_length(opened.plaintext.expose().len())?;
    if dry_run {
        return Err(Error::dry_run());
    }
    Ok(wire::write(&Answer {
        ciphertext_blob: Blob(&destination.encrypt(call, opened).await?),
        source_key_id: source.key().arn(),
        key_id: destination.key().arn(),
        source_encryption_algorithm: from_algorithm.name(),
        destination_encryption_algorithm: to_algorithm.name(),
        source_key_material_id: source.material_id().map(Shown),
        destination_key_material_id: destination.material_id().map(Shown),
    }))
}

/// Whether source and destination are one key, for policies to ask.
fn on_same_key(call: &Call<'_>, blob: &[u8], from: &str, to: &str) -> bool {
    let (snapshot, scope) = (&call.snapshot, &call.caller.scope);
    let source = if from.is_empty() {
        let header = BlobHeader::parse(blob).ok();
        header.and_then(|header| snapshot.key_of_blob(scope, header.key_id()))
    } else {
        snapshot.resolve(scope, from).ok()
    };
    let destination = snapshot.resolve(scope, to).ok();
    source.zip(destination).is_some_and(|(source, destination)| source.arn() == destination.arn())
}
