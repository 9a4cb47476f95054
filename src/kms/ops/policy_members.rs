//! `Policy`, `PolicyName` and `BypassPolicyLockoutSafetyCheck`: members of several requests.

use crate::keystore::policy::{ConditionKey, Fact};
use crate::keystore::{ServedKey, check_policy};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::POLICY_CHARS_MAX;
use crate::pipeline::authorize::{KeyUse, keeps_control};

/// The one name that a policy has.
pub(super) const POLICY_NAME: &str = "default";

/// Takes in the document.
pub(super) fn policy<'t>(check: &mut Check, text: Option<&'t Text<'_>>) -> Option<&'t str> {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
    let pattern = "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+";
    check.pattern("policy", text, 1..=POLICY_CHARS_MAX, (pattern, is_allowed))
}

/// Takes in the name.
pub(super) fn policy_name<'t>(check: &mut Check, text: Option<&'t Text<'_>>) -> Option<&'t str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    check.pattern("policyName", text, 1..=128, ("[\\w]+", is_allowed))
}

/// Refuses any name but the one.
pub(super) fn check_policy_name(name: Option<&str>) -> Result<(), Error> {
    match name {
        None | Some(POLICY_NAME) => Ok(()),
        Some(_) => Err(guesses::no_such_policy()),
    }
}

/// Whether the lockout check is waived, as policies may ask for it.
pub(super) const fn bypass_fact(bypass: bool) -> (ConditionKey, Fact<'static>) {
    (ConditionKey::PolicyLockoutBypass, Fact::Bool(bypass))
}

/// Refuses a policy that cannot be understood, or that would let the caller never change it again.
/// The key is there already, or has an ARN like the one given.
pub(super) fn check_new_policy(
    call: &Call<'_>,
    wanted: &KeyUse<'_>,
    (key, arn): (Option<&ServedKey>, &str),
    policy: &str,
    bypass: bool,
) -> Result<(), Error> {
    let policy = check_policy(policy)?;
    if bypass || keeps_control(&call.snapshot, wanted, &policy, key, arn) {
        return Ok(());
    }
    let message = "The new key policy will not allow you to update the key policy in the future.";
    Err(Error::new("MalformedPolicyDocumentException", message))
}
