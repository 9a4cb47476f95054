//! `ListGrants`: the grants of a key, page by page.

use serde::Deserialize;

use super::grant_members::{
    GrantEntry, GrantsAnswer, grant_id, parse_grant_id, principal, service_principal,
};
use super::managed_key::managed_access;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::page::{Page, PageMembers};
use crate::kms::wire::{self, Text};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    limit: Option<i64>,
    #[serde(borrow)]
    marker: Option<Text<'a>>,
    key_id: Option<Text<'a>>,
    grant_id: Option<Text<'a>>,
    grantee_principal: Option<Text<'a>>,
    grantee_service_principal: Option<Text<'a>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let page = PageMembers::of(&mut check, members.limit, members.marker.as_ref());
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let id = grant_id(&mut check, members.grant_id.as_ref());
    let grantee = principal(&mut check, "granteePrincipal", members.grantee_principal.as_ref());
    let service = members.grantee_service_principal.as_ref();
    let is_service = service_principal(&mut check, "granteeServicePrincipal", service);
    let wanted = call.use_of(check.end(key_id)?);
    let key = managed_access(call, &wanted)?.key();
    let id = id.map(parse_grant_id).transpose()?;
    let grants = key.grants().iter().filter(|grant| {
        id.is_none_or(|id| grant.id() == id)
            && grantee.is_none_or(|grantee| grant.terms().grantee == grantee)
            && !is_service
    });
    let grants = grants.map(|grant| (grant.id().to_string(), grant));
    let Page { entries, next_marker } = page.of_entries(grants)?;
    let grants = entries.into_iter().map(|grant| GrantEntry::new(key.arn(), grant)).collect();
    Ok(wire::write(&GrantsAnswer { grants, truncated: next_marker.is_some(), next_marker }))
}
