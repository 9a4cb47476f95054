//! `CreateKey`: a symmetric encryption key in the caller's account and Region.

use serde::Deserialize;

use super::describe_key::key_metadata;
use crate::keystore::{CreateKey, KeySpec, KeyUsage, parse_key_id};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::DESCRIPTION_CHARS_MAX;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    description: Option<Text<'a>>,
    key_usage: Option<Text<'a>>,
    key_spec: Option<Text<'a>>,
    customer_master_key_spec: Option<Text<'a>>,
    origin: Option<Text<'a>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let description =
        check.text("description", members.description.as_ref(), 0..=DESCRIPTION_CHARS_MAX);
    check.one_of::<KeyUsage>("keyUsage", members.key_usage.as_ref(), &["ENCRYPT_DECRYPT"]);
    let spec = members.key_spec.as_ref().or(members.customer_master_key_spec.as_ref());
    check.one_of::<KeySpec>("keySpec", spec, &["SYMMETRIC_DEFAULT"]);
    let origin = check.one_of("origin", members.origin.as_ref(), &["AWS_KMS", "EXTERNAL"]);
    check.end(Some(()))?;
    call.check_permission()?;
    let options = CreateKey {
        description: description.unwrap_or_default().to_owned(),
        origin: origin.unwrap_or_default(),
        ..CreateKey::default()
    };
    call.change(move |keystore| {
        let made = keystore.create_key(&options)?;
        Ok(key_metadata(keystore.resolve(&parse_key_id(&made.arn)?)?))
    })
    .await
}
