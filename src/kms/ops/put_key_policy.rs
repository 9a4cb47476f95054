//! `PutKeyPolicy`: puts another policy in place of a key's.

use serde::Deserialize;

use super::managed_key::managed_access;
use super::policy_members::{
    bypass_fact, check_new_policy, check_policy_name, policy, policy_name,
};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::pipeline::authorize::KeyUse;
use crate::spec::KeyId;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    policy_name: Option<Text<'a>>,
    policy: Option<Text<'a>>,
    bypass_policy_lockout_safety_check: Option<bool>,
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
    let policy = policy(&mut check, members.policy.as_ref());
    let policy = check.required("policy", policy);
    let (key_id, policy) = check.end(key_id.zip(policy))?;
    check_policy_name(name)?;
    let bypass = members.bypass_policy_lockout_safety_check == Some(true);
    let wanted = KeyUse { members: &[bypass_fact(bypass)], ..call.use_of(key_id) };
    let access = managed_access(call, &wanted)?;
    let key = access.key();
    check_new_policy(call, &wanted, (Some(key), key.arn()), policy, bypass)?;
    let key = KeyId::KeyArn(key.record().arn().clone());
    let policy = policy.to_owned();
    call.change(move |keystore| keystore.put_key_policy(&key, &policy)).await?;
    Ok(Vec::new())
}
