//! Members that every use of a key has: which key, by which grants, and whether it is meant.

use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::pipeline::authorize::KeyUse;
use crate::spec::EncryptionContext;

/// `KeyId`, `GrantTokens` and `DryRun`.
#[derive(Debug)]
pub(super) struct KeyMembers<'t> {
    key_id: &'t str,
    grant_tokens: Vec<&'t str>,
    is_dry_run: bool,
}

impl<'t> KeyMembers<'t> {
    /// Takes in the members. An absent `KeyId` is a fault like others: there is no key then, and
    /// the check does not end well.
    pub(super) fn of(
        check: &mut Check,
        key_id: Option<&'t Text<'_>>,
        grant_tokens: Option<&'t [Text<'_>]>,
        dry_run: Option<bool>,
    ) -> Self {
        let key_id = check.key_id("keyId", key_id);
        Self {
            key_id: check.required("keyId", key_id).unwrap_or_default(),
            grant_tokens: check.grant_tokens(grant_tokens),
            is_dry_run: dry_run == Some(true),
        }
    }

    /// The use of the key that `call` is, with a context if it takes one; `facts` are what else of
    /// the request policies may ask for.
    pub(super) fn key_use<'u>(
        &'u self,
        call: &'u Call<'_>,
        context: Option<&'u EncryptionContext>,
        facts: &'u [(ConditionKey, Fact<'u>)],
    ) -> KeyUse<'u> {
        KeyUse {
            context,
            grant_tokens: &self.grant_tokens,
            members: facts,
            ..call.use_of(self.key_id)
        }
    }

    /// Ends a dry run, which got as far as it may.
    pub(super) fn end_dry_run(&self) -> Result<(), Error> {
        if self.is_dry_run { Err(Error::dry_run()) } else { Ok(()) }
    }
}
