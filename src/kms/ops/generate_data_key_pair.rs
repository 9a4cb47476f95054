//! `GenerateDataKeyPairWithoutPlaintext`, and `GenerateDataKeyPair`, which shows the private key
//! too: a batch of one through the corridor.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::encryption_algorithm::{DEFAULT, algorithm_fact};
use super::key_members::KeyMembers;
use crate::crypto::seal::Contexts;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::weather::Class;
use crate::kms::wire::{self, Blob, Pairs, Text};
use crate::pipeline::authorize::{AuthorizeError, KeyUse};
use crate::secret::Secret;
use crate::spec::{KeyPairSpec, Operation};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    key_pair_spec: Option<Text<'a>>,
    encryption_context: Option<Pairs>,
    grant_tokens: Option<Vec<Text<'a>>>,
    recipient: Option<&'a RawValue>,
    dry_run: Option<bool>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    private_key_ciphertext_blob: Blob<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_plaintext: Option<Blob<'a>>,
    public_key: Blob<'a>,
    key_id: &'a str,
    key_pair_spec: &'static str,
    key_material_id: &'a str,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let (key_id, tokens) = (members.key_id.as_ref(), members.grant_tokens.as_deref());
    let key = KeyMembers::of(&mut check, key_id, tokens, members.dry_run);
    let names = KeyPairSpec::ALL.map(KeyPairSpec::name);
    let spec = check.one_of("keyPairSpec", members.key_pair_spec.as_ref(), &names);
    check.required("keyPairSpec", members.key_pair_spec.as_ref());
    let context = check.context(members.encryption_context);
    let spec: KeyPairSpec = check.end(spec)?;
    call.admit(Class::KeyPair(spec))?;
    let shows_plaintext = call.operation == Operation::GenerateDataKeyPair;
    if shows_plaintext && members.recipient.is_some() {
        return Err(guesses::recipient());
    }
    let facts = [algorithm_fact(DEFAULT)];
    let wanted = KeyUse { spec: Some(spec), ..key.key_use(call, Some(&context), &facts) };
    let access = call.access(&wanted)?;
    let permit = access.to_wrap().map_err(|error| match error {
        AuthorizeError::NotOffered { spec, .. } => {
            guesses::spec_not_offered("KeyPairSpec", spec.name())
        }
        error => error.into(),
    })?;
    key.end_dry_run()?;
    let batch = call.take(spec).await?;
    call.note_material(permit.key().material_id());
    let plaintext = shows_plaintext.then(|| Secret::new(batch.private_key(0).to_vec()));
    let contexts = Contexts { head: &[], rest: |_, aad: &mut Vec<u8>| context.encode(aad) };
    let wrapped = call
        .worker
        .with_sealer(|sealer, drbg| sealer.seal_batch(permit.key(), drbg, batch, contexts))?;
    let answer = wire::write(&Answer {
        private_key_ciphertext_blob: Blob(wrapped.blob(0)),
        private_key_plaintext: plaintext.as_ref().map(|plaintext| Blob(plaintext.expose())),
        public_key: Blob(wrapped.public_key(0)),
        key_id: access.key().arn(),
        key_pair_spec: spec.name(),
        key_material_id: permit.key().material_id().text(&mut [0; 64]),
    });
    call.worker.keep_spare(wrapped);
    Ok(answer)
}
