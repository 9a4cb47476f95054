//! `GenerateMac`: the authentication code of a message.

use serde::{Deserialize, Serialize};

use super::key_members::KeyMembers;
use super::mac_members::MacMembers;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Blob, Text};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    message: Option<Text<'a>>,
    key_id: Option<Text<'a>>,
    mac_algorithm: Option<Text<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
    dry_run: Option<bool>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    mac: Blob<'a>,
    mac_algorithm: &'a str,
    key_id: &'a str,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let (key_id, tokens) = (members.key_id.as_ref(), members.grant_tokens.as_deref());
    let key = KeyMembers::of(&mut check, key_id, tokens, members.dry_run);
    let (message, algorithm) = (members.message.as_ref(), members.mac_algorithm.as_ref());
    let asked = MacMembers::of(&mut check, message, algorithm);
    let asked = check.end(asked)?;
    let facts = asked.facts();
    let wanted = key.key_use(call, None, &facts);
    let access = call.access(&wanted)?;
    let mac_key = asked.key(&access)?;
    key.end_dry_run()?;
    Ok(wire::write(&Answer {
        mac: Blob(&mac_key.generate(asked.message.expose())),
        mac_algorithm: asked.algorithm.name(),
        key_id: access.key().arn(),
    }))
}
