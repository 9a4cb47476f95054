//! `RetireGrant`: takes a grant back, for whom the grant itself names for it.

use std::sync::Arc;

use serde::Deserialize;

use super::grant_members::{grant_id, parse_grant_id};
use super::managed_key::find_managed;
use crate::keystore::{Error as KeystoreError, Grant, ServedKey};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::GRANT_TOKEN_CHARS_MAX;
use crate::pipeline::authorize::{AuthorizeError, KeyUse, access_to_retire, find_granted};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    grant_token: Option<Text<'a>>,
    key_id: Option<Text<'a>>,
    grant_id: Option<Text<'a>>,
    dry_run: Option<bool>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let token = check.text("grantToken", members.grant_token.as_ref(), 1..=GRANT_TOKEN_CHARS_MAX);
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let id = grant_id(&mut check, members.grant_id.as_ref());
    check.end(Some(()))?;
    let wanted = call.use_of(key_id.unwrap_or_default());
    let (key, grant) = match (token, id) {
        (Some(token), _) => {
            let (_, key, grant) = find_granted(&call.snapshot, &wanted, token)?;
            (key, grant)
        }
        (None, Some(id)) if key_id.is_some() => find(call, &wanted, id)?,
        _ => return Err(guesses::no_grant_named()),
    };
    access_to_retire(&call.snapshot, key, grant, &wanted)?;
    if members.dry_run == Some(true) {
        return Err(Error::dry_run());
    }
    let (arn, id) = (key.record().arn().clone(), grant.id());
    call.change(move |keystore| keystore.remove_grant(&arn, id)).await?;
    Ok(Vec::new())
}

/// The grant that is named by its key and its id. That it does not exist is for the key's own
/// account to know.
fn find<'a>(
    call: &'a Call<'_>,
    wanted: &KeyUse<'_>,
    id: &str,
) -> Result<(&'a Arc<ServedKey>, &'a Arc<Grant>), Error> {
    let id = parse_grant_id(id)?;
    let key = find_managed(call, wanted)?;
    match key.latest_grants().by_id(id) {
        Some(grant) => Ok((key, grant)),
        None if key.record().arn().scope.account == call.caller.scope.account => {
            Err(KeystoreError::GrantNotFound(id.to_string()).into())
        }
        None => Err(AuthorizeError::hidden(wanted).into()),
    }
}
