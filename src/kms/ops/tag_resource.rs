//! `TagResource`: gives a key tags, or its tags other values.

use serde::Deserialize;

use super::managed_key::managed_key;
use super::tags::{TagMember, key_facts, tags_of};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    tags: Option<Vec<TagMember<'a>>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let tags = check.required("tags", members.tags.as_deref());
    let tags = tags_of(&mut check, tags.unwrap_or_default());
    let key_id = check.end(key_id)?;
    let key = managed_key(call, key_id, &key_facts(&tags))?;
    call.change(move |keystore| keystore.tag(&key, tags)).await?;
    Ok(Vec::new())
}
