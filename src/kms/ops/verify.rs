//! `Verify`: whether a signature is one by a key. One that is not is an exception, never `false`.

use serde::{Deserialize, Serialize};

use super::key_members::KeyMembers;
use super::signed_message::SignedMessage;
use crate::crypto::asymmetric::AsymmetricKey;
use crate::crypto::drbg::Drbg;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Text};
use crate::limits::SIGNATURE_BYTES_MAX;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    message: Option<Text<'a>>,
    message_type: Option<Text<'a>>,
    signature: Option<Text<'a>>,
    signing_algorithm: Option<Text<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
    dry_run: Option<bool>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    key_id: &'a str,
    signature_valid: bool,
    signing_algorithm: &'a str,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let (key_id, tokens) = (members.key_id.as_ref(), members.grant_tokens.as_deref());
    let key = KeyMembers::of(&mut check, key_id, tokens, members.dry_run);
    let (message, kind) = (members.message.as_ref(), members.message_type.as_ref());
    let algorithm = members.signing_algorithm.as_ref();
    let message = SignedMessage::of(&mut check, message, kind, algorithm);
    let signature = check.blob("signature", members.signature.as_ref(), 1..=SIGNATURE_BYTES_MAX);
    let signature = check.required("signature", signature);
    let (message, signature) = check.end(message.zip(signature))?;
    let (algorithm, facts) = (message.algorithm, message.facts());
    let wanted = key.key_use(call, None, &facts);
    let access = call.access(&wanted)?;
    let secret = access.secret()?;
    message.check(&access)?;
    key.end_dry_run()?;
    let verify = move |pair: &AsymmetricKey, _: &mut Drbg| {
        pair.verify(algorithm, message.message(), &signature)
    };
    if !call.with_secret(secret, verify).await? {
        return Err(Error::bare("KMSInvalidSignatureException"));
    }
    let (key_id, signing_algorithm) = (access.key().arn(), algorithm.name());
    Ok(wire::write(&Answer { key_id, signature_valid: true, signing_algorithm }))
}
