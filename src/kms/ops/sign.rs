//! `Sign`: the signature of a message, or of its digest, by the private half of a key.

use serde::{Deserialize, Serialize};

use super::key_members::KeyMembers;
use super::signed_message::SignedMessage;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Text};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    message: Option<Text<'a>>,
    message_type: Option<Text<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
    signing_algorithm: Option<Text<'a>>,
    dry_run: Option<bool>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    key_id: &'a str,
    signature: Blob<'a>,
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
    let message = check.end(message)?;
    let (algorithm, facts) = (message.algorithm, message.facts());
    let wanted = key.key_use(call, None, &facts);
    let access = call.access(&wanted)?;
    let secret = access.secret()?;
    message.check(&access)?;
    key.end_dry_run()?;
    let signature = call
        .with_secret(secret, move |pair, drbg| pair.sign(algorithm, message.message(), drbg))
        .await?;
    Ok(wire::write(&Answer {
        key_id: access.key().arn(),
        signature: Blob(&signature.ok_or_else(Error::internal)?),
        signing_algorithm: algorithm.name(),
    }))
}
