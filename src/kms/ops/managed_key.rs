//! The key of a management operation: named by its id or its ARN, never by an alias.

use std::sync::Arc;

use serde::Deserialize;

use crate::keystore::policy::{ConditionKey, Fact};
use crate::keystore::{ServedKey, parse_key_id};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::pipeline::authorize::{Access, KeyUse, find_key};
use crate::spec::KeyId;

/// The members of an operation that is told which key, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
}

impl Members<'_> {
    /// The `KeyId` as it was given.
    pub(super) fn key_id(&self) -> Result<&str, Error> {
        let mut check = Check::default();
        let key_id = check.key_id("keyId", self.key_id.as_ref());
        let key_id = check.required("keyId", key_id);
        check.end(key_id)
    }

    /// The ARN of the key, if the caller may do this to it.
    pub(super) fn managed_key(&self, call: &Call<'_>) -> Result<KeyId, Error> {
        managed_key(call, self.key_id()?, &[])
    }
}

/// The ARN of the key that `key_id` names, if the caller may do this to it; `members` are those of
/// the request that policies may ask for.
pub(super) fn managed_key(
    call: &Call<'_>,
    key_id: &str,
    members: &[(ConditionKey, Fact<'_>)],
) -> Result<KeyId, Error> {
    Ok(KeyId::KeyArn(managed(call, key_id, members)?.record().arn().clone()))
}

/// As [`managed_key`], the key itself.
pub(super) fn managed<'c>(
    call: &'c Call<'_>,
    key_id: &str,
    members: &[(ConditionKey, Fact<'_>)],
) -> Result<&'c Arc<ServedKey>, Error> {
    let wanted = KeyUse { members, ..call.use_of(key_id) };
    managed_access(call, &wanted)?;
    find_managed(call, &wanted)
}

/// As [`access`], for a key that may be named by its id or its ARN only.
pub(super) fn managed_access<'a>(
    call: &'a Call<'_>,
    wanted: &'a KeyUse<'a>,
) -> Result<Access<'a>, Error> {
    check_form(wanted.key_id)?;
    Ok(call.access(wanted)?)
}

/// The key, whether or not the caller may do anything with it.
pub(super) fn find_managed<'a>(
    call: &'a Call<'_>,
    wanted: &KeyUse<'_>,
) -> Result<&'a Arc<ServedKey>, Error> {
    check_form(wanted.key_id)?;
    Ok(find_key(&call.snapshot, wanted)?)
}

fn check_form(key_id: &str) -> Result<(), Error> {
    match parse_key_id(key_id) {
        Ok(KeyId::Alias(_) | KeyId::AliasArn(..)) => Err(guesses::alias_refused(key_id)),
        Err(_) if key_id.starts_with("arn:") => Err(guesses::invalid_arn(key_id)),
        _ => Ok(()),
    }
}
