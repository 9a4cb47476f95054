//! `VerifyMac`: whether an authentication code is that of a message. One that is not is an
//! exception, never `false`.

use serde::{Deserialize, Serialize};

use super::key_members::KeyMembers;
use super::mac_members::MacMembers;
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
    message: Option<Text<'a>>,
    key_id: Option<Text<'a>>,
    mac_algorithm: Option<Text<'a>>,
    mac: Option<Text<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
    dry_run: Option<bool>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    key_id: &'a str,
    mac_valid: bool,
    mac_algorithm: &'a str,
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
    let mac = check.blob("mac", members.mac.as_ref(), 1..=SIGNATURE_BYTES_MAX);
    let mac = check.required("mac", mac);
    let (asked, mac) = check.end(asked.zip(mac))?;
    let facts = asked.facts();
    let wanted = key.key_use(call, None, &facts);
    let access = call.access(&wanted)?;
    let mac_key = asked.key(&access)?;
    key.end_dry_run()?;
    if !mac_key.verify(asked.message.expose(), &mac) {
        return Err(Error::bare("KMSInvalidMacException"));
    }
    let (key_id, mac_algorithm) = (access.key().arn(), asked.algorithm.name());
    Ok(wire::write(&Answer { key_id, mac_valid: true, mac_algorithm }))
}
