//! `UpdateAlias`: lets a name stand for another key. The caller must be allowed to do so with the
//! name and with both keys.

use super::create_alias::Members;
use crate::keystore::parse_key_id;
use crate::kms::call::Call;
use crate::kms::error::Error;

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let (name, target) = members.check()?;
    call.check_alias(&name)?;
    for key_id in [name.as_str(), target] {
        call.access(&call.use_of(key_id))?;
    }
    let target = parse_key_id(target)?;
    call.change(move |keystore| keystore.update_alias(&name, &target)).await?;
    Ok(Vec::new())
}
