//! `RotateKeyOnDemand`: new material now.

use serde::Serialize;

use super::managed_key::{Members, managed};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::wire::{self, Shown};
use crate::spec::{KeyId, ResourceId};

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    key_id: Shown<ResourceId>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let arn = managed(call, members.key_id()?, &[])?.record().arn().clone();
    let key_id = Shown(guesses::id_in_rotations(&arn));
    call.change(move |keystore| keystore.rotate(&KeyId::KeyArn(arn))).await?;
    Ok(wire::write(&Answer { key_id }))
}
