//! `ListResourceTags`: the tags of a key, page by page.

use serde::{Deserialize, Serialize};

use super::managed_key::managed;
use super::tags::Tag;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::page::{Page, PageMembers};
use crate::kms::wire::{self, Text};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    limit: Option<i64>,
    marker: Option<Text<'a>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    tags: Vec<Tag<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let page = PageMembers::of(&mut check, members.limit, members.marker.as_ref());
    let key = managed(call, check.end(key_id)?, &[])?;
    let tags = key.record().tags();
    let tags = tags.map(|(tag_key, tag_value)| (tag_key.to_owned(), Tag { tag_key, tag_value }));
    let Page { entries, next_marker } = page.of_entries(tags)?;
    Ok(wire::write(&Answer { tags: entries, truncated: next_marker.is_some(), next_marker }))
}
