//! `EnableKeyRotation`: new material every so many days.

use serde::Deserialize;

use super::managed_key::managed_key;
use crate::keystore::ROTATION_PERIOD_DAYS_DEFAULT;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::{ROTATION_PERIOD_DAYS_MAX, ROTATION_PERIOD_DAYS_MIN};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    rotation_period_in_days: Option<i64>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let bounds = ROTATION_PERIOD_DAYS_MIN..=ROTATION_PERIOD_DAYS_MAX;
    let days = check.number("rotationPeriodInDays", members.rotation_period_in_days, bounds);
    let key_id = check.end(key_id)?;
    let facts = days.map(|days| (ConditionKey::RotationPeriod, Fact::Number(days)));
    let key = managed_key(call, key_id, facts.as_slice())?;
    let days = days.and_then(|days| u16::try_from(days).ok());
    let days = days.unwrap_or(ROTATION_PERIOD_DAYS_DEFAULT);
    call.change(move |keystore| keystore.enable_rotation(&key, days)).await?;
    Ok(Vec::new())
}
