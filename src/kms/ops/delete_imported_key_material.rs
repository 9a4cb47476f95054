//! `DeleteImportedKeyMaterial`: takes its material from a key, which waits until it comes back.

use serde::{Deserialize, Serialize};

use super::import_members::material_id;
use super::managed_key::managed;
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Shown, Text};
use crate::spec::{KeyId, MaterialId};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    key_material_id: Option<Text<'a>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<Shown<MaterialId>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let which = material_id(&mut check, members.key_material_id.as_ref());
    let key = managed(call, check.end(key_id)?, &[])?;
    let named = KeyId::KeyArn(key.record().arn().clone());
    let delete = move |keystore: &mut crate::keystore::Keystore| {
        keystore.delete_imported_material(&named, which)
    };
    let id = call.change(delete).await?;
    Ok(wire::write(&Answer { key_id: key.arn(), key_material_id: id.map(Shown) }))
}
