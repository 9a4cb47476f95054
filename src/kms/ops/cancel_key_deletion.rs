//! `CancelKeyDeletion`: a key that waits for its deletion is kept, disabled.

use serde::Serialize;

use super::managed_key::Members;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::wire::{self, Shown};
use crate::spec::KeyId;

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    key_id: Shown<KeyId>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let key = members.managed_key(call)?;
    let named = key.clone();
    call.change(move |keystore| keystore.cancel_deletion(&named)).await?;
    Ok(wire::write(&Answer { key_id: Shown(key) }))
}
