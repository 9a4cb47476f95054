//! `DeleteAlias`: takes a name away. The key stays.

use serde::Deserialize;

use crate::keystore::parse_alias_name;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    alias_name: Option<Text<'a>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let name = check.alias_name("aliasName", members.alias_name.as_ref());
    let name = check.required("aliasName", name);
    let name = parse_alias_name(check.end(name)?)?;
    call.check_alias(&name)?;
    call.access(&call.use_of(name.as_str()))?;
    call.change(move |keystore| keystore.delete_alias(&name)).await?;
    Ok(Vec::new())
}
