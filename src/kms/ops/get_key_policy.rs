//! `GetKeyPolicy`: a key's policy, as it was put.

use serde::{Deserialize, Serialize};

use super::managed_key::managed_access;
use super::policy_members::{POLICY_NAME, check_policy_name, policy_name};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Text};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    policy_name: Option<Text<'a>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    policy: &'a str,
    policy_name: &'static str,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let name = policy_name(&mut check, members.policy_name.as_ref());
    let wanted = call.use_of(check.end(key_id)?);
    let access = managed_access(call, &wanted)?;
    check_policy_name(name)?;
    let policy = access.key().record().policy();
    Ok(wire::write(&Answer { policy: &policy, policy_name: POLICY_NAME }))
}
