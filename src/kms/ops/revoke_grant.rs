//! `RevokeGrant`: takes a grant back, for who may do so with the key.

use serde::Deserialize;

use super::grant_members::{grant_id, parse_grant_id};
use super::managed_key::managed_access;
use crate::keystore::Error as KeystoreError;
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
    grant_id: Option<Text<'a>>,
    dry_run: Option<bool>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let id = grant_id(&mut check, members.grant_id.as_ref());
    let id = check.required("grantId", id);
    let (key_id, id) = check.end(key_id.zip(id))?;
    let wanted = call.use_of(key_id);
    let key = managed_access(call, &wanted)?.key();
    let id = parse_grant_id(id)?;
    if key.latest_grants().by_id(id).is_none() {
        return Err(KeystoreError::GrantNotFound(id.to_string()).into());
    }
    if members.dry_run == Some(true) {
        return Err(Error::dry_run());
    }
    let arn = key.record().arn().clone();
    call.change(move |keystore| keystore.remove_grant(&arn, id)).await?;
    Ok(Vec::new())
}
