//! `DisableKeyRotation`: the key keeps the material that it has.

use super::managed_key::Members;
use crate::kms::call::Call;
use crate::kms::error::Error;

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let key = members.managed_key(call)?;
    call.change(move |keystore| keystore.disable_rotation(&key)).await?;
    Ok(Vec::new())
}
