//! `UntagResource`: takes tags from a key.

use serde::Deserialize;

use super::managed_key::managed_key;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::TAG_KEY_CHARS_MAX;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    tag_keys: Option<Vec<Text<'a>>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let keys = check.required("tagKeys", members.tag_keys.as_deref()).unwrap_or_default();
    for (at, key) in keys.iter().enumerate() {
        let member = format!("tagKeys.{}.member", at + 1);
        check.text(&member, Some(key), 1..=TAG_KEY_CHARS_MAX);
    }
    let key_id = check.end(key_id)?;
    let facts: Vec<_> =
        keys.iter().map(|key| (ConditionKey::TagKeys, Fact::Text(&key.0))).collect();
    let key = managed_key(call, key_id, &facts)?;
    let keys: Vec<String> = keys.iter().map(|key| key.0.to_string()).collect();
    call.change(move |keystore| keystore.untag(&key, &keys)).await?;
    Ok(Vec::new())
}
