//! The policy of a key: the document that says who may use it.
//!
//! It is kept and shown as it was put. A key that was given none has the default policy, by which the
//! account decides for its own users (KMS developer guide, "Default key policy").

use std::borrow::Cow;

use super::Keystore;
use super::error::Error;
use super::key::KmsKey;
use super::policy::Policy;
use super::state::Change;
use crate::limits::POLICY_BYTES_MAX;
use crate::spec::KeyId;
use crate::spec::key_id::Scope;

impl KmsKey {
    /// Its policy, as JSON.
    #[must_use]
    pub fn policy(&self) -> Cow<'_, str> {
        let own = self.policy.as_deref().map(Cow::Borrowed);
        own.unwrap_or_else(|| Cow::Owned(default_policy(&self.arn.scope)))
    }
}

impl Keystore {
    /// `PutKeyPolicy`: works in every state. Whether the caller locks itself out is for the door to
    /// ask, which knows the caller.
    pub fn put_key_policy(&mut self, id: &KeyId, text: &str) -> Result<(), Error> {
        check_policy(text)?;
        let mut key = self.resolve(id)?.clone();
        key.policy = Some(text.to_owned());
        self.commit(vec![Change::PutKey(key)])
    }
}

/// Reads a policy that a key is to have, with AWS's answer for one that is too long or none.
pub fn check_policy(text: &str) -> Result<Policy, Error> {
    if text.len() > POLICY_BYTES_MAX {
        return Err(Error::PolicyLength);
    }
    Policy::of_key(text).map_err(Error::Policy)
}

/// The policy of a key that was given none, spaced as the service does.
fn default_policy(scope: &Scope) -> String {
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:{}:iam::{}:root"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#,
        scope.partition, scope.account
    )
}
