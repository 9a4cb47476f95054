//! `GenerateDataKey` and `GenerateDataKeyWithoutPlaintext`: fresh random bytes, sealed.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::encryption_algorithm::{DEFAULT, algorithm_fact};
use super::key_members::KeyMembers;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Pairs, Shown, Text};
use crate::limits::RANDOM_BYTES_MAX;
use crate::secret::Secret;
use crate::spec::{MaterialId, Operation};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    encryption_context: Option<Pairs>,
    number_of_bytes: Option<i64>,
    key_spec: Option<Text<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
    recipient: Option<&'a RawValue>,
    dry_run: Option<bool>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    ciphertext_blob: Blob<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Blob<'a>>,
    key_id: &'a str,
    key_material_id: Shown<MaterialId>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let (key_id, tokens) = (members.key_id.as_ref(), members.grant_tokens.as_deref());
    let key = KeyMembers::of(&mut check, key_id, tokens, members.dry_run);
    let spec = check.name_of("keySpec", members.key_spec.as_ref(), &["AES_256", "AES_128"]);
    let number = check.bytes("numberOfBytes", members.number_of_bytes, 1..=RANDOM_BYTES_MAX);
    let context = check.context(members.encryption_context);
    check.end(Some(()))?;
    let bytes = match (spec, number) {
        (Some("AES_128"), None) => 16,
        (Some(_), None) => 32,
        (None, Some(bytes)) => bytes,
        _ => return Err(guesses::number_or_spec()),
    };
    let shows_plaintext = call.operation == Operation::GenerateDataKey;
    if shows_plaintext && members.recipient.is_some() {
        return Err(guesses::recipient());
    }
    let facts = [algorithm_fact(DEFAULT)];
    let wanted = key.key_use(call, Some(&context), &facts);
    let access = call.access(&wanted)?;
    let permit = access.to_wrap()?;
    key.end_dry_run()?;
    call.note_material(permit.key().material_id());
    let mut data_key = Secret::new(vec![0; bytes]);
    let blob = call.worker.with_sealer(|sealer, drbg| {
        drbg.fill(data_key.expose_mut());
        sealer.seal(permit.key(), drbg, data_key.expose(), &context)
    })?;
    Ok(wire::write(&Answer {
        ciphertext_blob: Blob(&blob?),
        plaintext: shows_plaintext.then(|| Blob(data_key.expose())),
        key_id: access.key().arn(),
        key_material_id: Shown(permit.key().material_id()),
    }))
}
