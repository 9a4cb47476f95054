//! `ListKeyPolicies`: the names of a key's policies, of which there is one.

use serde::{Deserialize, Serialize};

use super::managed_key::managed_key;
use super::policy_members::POLICY_NAME;
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
struct Answer {
    policy_names: Vec<&'static str>,
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
    managed_key(call, check.end(key_id)?, &[])?;
    let names = core::iter::once((POLICY_NAME.to_owned(), POLICY_NAME));
    let Page { entries: policy_names, next_marker } = page.of_entries(names)?;
    Ok(wire::write(&Answer { policy_names, truncated: next_marker.is_some(), next_marker }))
}
