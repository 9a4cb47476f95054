//! `ListRetirableGrants`: the grants of a Region that a principal of the caller's account may retire,
//! whichever account their keys belong to.

use serde::Deserialize;

use super::grant_members::{GrantEntry, GrantsAnswer, principal, service_principal};
use crate::keystore::{Error as KeystoreError, GrantFault};
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
    retiring_principal: Option<Text<'a>>,
    retiring_service_principal: Option<Text<'a>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let page = PageMembers::of(&mut check, members.limit, members.marker.as_ref());
    let retiring = principal(&mut check, "retiringPrincipal", members.retiring_principal.as_ref());
    let service = members.retiring_service_principal.as_ref();
    if !service_principal(&mut check, "retiringServicePrincipal", service) {
        check.required("retiringPrincipal", retiring);
    }
    check.end(Some(()))?;
    call.check_permission()?;
    let scope = &call.caller.scope;
    if let Some(other) = retiring.filter(|arn| account_of(arn) != Some(scope.account.as_str())) {
        return Err(KeystoreError::Grant(GrantFault::Principal(other.to_owned())).into());
    }
    let keys = call.snapshot.keys_of_region(&scope.region);
    let grants = keys.flat_map(|key| key.grants().iter().map(move |grant| (key, grant)));
    let grants = grants
        .filter(|(_, grant)| retiring.is_some() && grant.terms().retiring.as_deref() == retiring);
    let grants = grants.map(|(key, grant)| (grant.id().to_string(), (key, grant)));
    let Page { entries, next_marker } = page.of_entries(grants)?;
    let entries = entries.into_iter();
    let grants = entries.map(|(key, grant)| GrantEntry::new(key.arn(), grant)).collect();
    Ok(wire::write(&GrantsAnswer { grants, truncated: next_marker.is_some(), next_marker }))
}

/// The account in the ARN of a principal.
fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}
