//! `ListKeys`: the keys of the caller's account and Region, page by page.

use serde::{Deserialize, Serialize};

use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::page::{Page, PageMembers};
use crate::kms::wire::{self, Shown, Text};
use crate::spec::ResourceId;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    limit: Option<i64>,
    #[serde(borrow)]
    marker: Option<Text<'a>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    keys: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

/// `KeyListEntry`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    key_id: Shown<ResourceId>,
    key_arn: &'a str,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let page = PageMembers::of(&mut check, members.limit, members.marker.as_ref());
    check.end(Some(()))?;
    call.check_permission()?;
    let keys = call.snapshot.keys_in(&call.caller.scope);
    let keys = keys.map(|key| (key.record().arn().id.to_string(), key));
    let Page { entries, next_marker } = page.of_entries(keys)?;
    Ok(wire::write(&Answer {
        keys: entries
            .into_iter()
            .map(|key| Entry { key_id: Shown(key.record().arn().id), key_arn: key.arn() })
            .collect(),
        truncated: next_marker.is_some(),
        next_marker,
    }))
}
