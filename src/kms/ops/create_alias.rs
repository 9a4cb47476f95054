//! `CreateAlias`: names a key of the caller's own account and Region.

use serde::Deserialize;

use crate::keystore::{parse_alias_name, parse_key_id};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::spec::AliasName;

/// What is asked for, of `UpdateAlias` too.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    alias_name: Option<Text<'a>>,
    target_key_id: Option<Text<'a>>,
}

impl Members<'_> {
    /// The name, and the `KeyId` of what it is to stand for.
    pub(super) fn check(&self) -> Result<(AliasName, &str), Error> {
        let mut check = Check::default();
        let name = check.alias_name("aliasName", self.alias_name.as_ref());
        let name = check.required("aliasName", name);
        let target = check.key_id("targetKeyId", self.target_key_id.as_ref());
        let target = check.required("targetKeyId", target);
        let (name, target) = check.end(name.zip(target))?;
        Ok((parse_alias_name(name)?, target))
    }
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let (name, target) = members.check()?;
    call.check_alias(&name)?;
    call.access(&call.use_of(target))?;
    let target = parse_key_id(target)?;
    call.change(move |keystore| keystore.create_alias(&name, &target)).await?;
    Ok(Vec::new())
}
