//! `GetKeyRotationStatus`: whether a key rotates by itself, and when.

use serde::Serialize;

use super::managed_key::{Members, managed};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::wire::{self, Date, Shown};
use crate::spec::ResourceId;

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    key_id: Shown<ResourceId>,
    key_rotation_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_rotation_date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_period_in_days: Option<u16>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let key = managed(call, members.key_id()?, &[])?.record();
    key.check(call.operation)?;
    let rotation = key.rotation();
    Ok(wire::write(&Answer {
        key_id: Shown(guesses::id_in_rotations(key.arn())),
        key_rotation_enabled: rotation.is_some(),
        next_rotation_date: rotation.map(|rotation| Date(rotation.next)),
        rotation_period_in_days: rotation.map(|rotation| rotation.period_days),
    }))
}
