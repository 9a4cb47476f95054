//! `CreateAlias`: names a key of the caller's own account and Region.

use serde::Deserialize;

use crate::keystore::{parse_alias_name, parse_key_id};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::ALIAS_NAME_CHARS_MAX;
use crate::pipeline::authorize::access;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    alias_name: Option<Text<'a>>,
    target_key_id: Option<Text<'a>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let name = check.text("aliasName", members.alias_name.as_ref(), 1..=ALIAS_NAME_CHARS_MAX);
    let name = check.required("aliasName", name);
    let target = check.key_id("targetKeyId", members.target_key_id.as_ref());
    let target = check.required("targetKeyId", target);
    let (name, target) = check.end(name.zip(target))?;
    let name = parse_alias_name(name)?;
    call.check_alias(&name)?;
    access(&call.snapshot, &call.use_of(target))?;
    let target = parse_key_id(target)?;
    call.change(move |keystore| keystore.create_alias(&name, &target)).await?;
    Ok(Vec::new())
}
