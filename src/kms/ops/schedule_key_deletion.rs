//! `ScheduleKeyDeletion`: a key is of no use from now on, and gone after a while.

use serde::{Deserialize, Serialize};

use super::managed_key::managed_key;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::keystore::{DELETION_WINDOW_DAYS_DEFAULT, KeyState};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Date, Shown, Text};
use crate::spec::KeyId;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    pending_window_in_days: Option<i64>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    key_id: Shown<KeyId>,
    /// Not known while a primary waits for its replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Date>,
    key_state: KeyState,
    pending_window_in_days: u16,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let days = check.number("pendingWindowInDays", members.pending_window_in_days, 1..=365);
    let key_id = check.end(key_id)?;
    let facts = days.map(|days| (ConditionKey::PendingWindow, Fact::Number(days)));
    let key = managed_key(call, key_id, facts.as_slice())?;
    let days = days.and_then(|days| u16::try_from(days).ok());
    let days = days.unwrap_or(DELETION_WINDOW_DAYS_DEFAULT);
    let named = key.clone();
    let date = call.change(move |keystore| keystore.schedule_deletion(&named, days)).await?;
    Ok(wire::write(&Answer {
        key_id: Shown(key),
        deletion_date: date.map(Date),
        key_state: match date {
            Some(_) => KeyState::PendingDeletion,
            None => KeyState::PendingReplicaDeletion,
        },
        pending_window_in_days: days,
    }))
}
