//! The key of a management operation: named by its id or its ARN, never by an alias.

use serde::Deserialize;

use crate::keystore::parse_key_id;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::pipeline::authorize::access;
use crate::spec::KeyId;

/// The members of an operation that is told which key, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
}

impl Members<'_> {
    /// The ARN of the key, if the caller may do this to it.
    pub(super) fn managed_key(&self, call: &Call<'_>) -> Result<KeyId, Error> {
        let mut check = Check::default();
        let key_id = check.key_id("keyId", self.key_id.as_ref());
        let key_id = check.required("keyId", key_id);
        managed_key(call, check.end(key_id)?)
    }
}

/// The ARN of the key that `key_id` names, if the caller may do this to it.
pub(super) fn managed_key(call: &Call<'_>, key_id: &str) -> Result<KeyId, Error> {
    match parse_key_id(key_id) {
        Ok(KeyId::Alias(_) | KeyId::AliasArn(..)) => Err(guesses::alias_refused(key_id)),
        Err(_) if key_id.starts_with("arn:") => Err(guesses::invalid_arn(key_id)),
        _ => {
            let wanted = call.use_of(key_id);
            Ok(KeyId::KeyArn(access(&call.snapshot, &wanted)?.key().record().arn().clone()))
        }
    }
}
