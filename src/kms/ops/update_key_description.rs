//! `UpdateKeyDescription`: the free text that a key carries.

use serde::Deserialize;

use super::managed_key::managed_key;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::DESCRIPTION_CHARS_MAX;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    description: Option<Text<'a>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let text = check.text("description", members.description.as_ref(), 0..=DESCRIPTION_CHARS_MAX);
    let text = check.required("description", text);
    let (key_id, text) = check.end(key_id.zip(text))?;
    let key = managed_key(call, key_id, &[])?;
    let text = text.to_owned();
    call.change(move |keystore| keystore.update_description(&key, &text)).await?;
    Ok(Vec::new())
}
