//! `EnableKey` and `DisableKey`: whether a key may be used.

use super::managed_key::Members;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::spec::Operation;

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let key = members.managed_key(call)?;
    let is_enabled = call.operation == Operation::EnableKey;
    call.change(
        move |keystore| {
            if is_enabled { keystore.enable(&key) } else { keystore.disable(&key) }
        },
    )
    .await?;
    Ok(Vec::new())
}
