//! `ListKeyRotations`: the rotations of a key, oldest first, page by page.

use serde::{Deserialize, Serialize};

use super::managed_key::managed;
use crate::keystore::{KeyMaterial, KmsKey, RotationType};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::page::{Page, PageMembers};
use crate::kms::wire::{self, Date, Shown, Text};
use crate::spec::{MaterialId, ResourceId};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    include_key_material: Option<Text<'a>>,
    limit: Option<i64>,
    marker: Option<Text<'a>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    rotations: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

/// `RotationsListEntry`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key_id: Shown<ResourceId>,
    key_material_id: Shown<MaterialId>,
    key_material_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_type: Option<RotationType>,
}

impl Entry {
    fn of(key: &KmsKey, material: &KeyMaterial) -> Self {
        let is_current = key.current_material() == Some(material.id);
        Self {
            key_id: Shown(guesses::id_in_rotations(key.arn())),
            key_material_id: Shown(material.id),
            key_material_state: if is_current { "CURRENT" } else { "NON_CURRENT" },
            rotation_date: material.rotation.map(|_| Date(material.date)),
            rotation_type: material.rotation,
        }
    }
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let names = ["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"];
    let which = check.name_of("includeKeyMaterial", members.include_key_material.as_ref(), &names);
    let page = PageMembers::of(&mut check, members.limit, members.marker.as_ref());
    let key = managed(call, check.end(key_id)?, &[])?.record();
    key.check_rotates()?;
    let materials = key.key_materials();
    let wanted = materials
        .filter(|material| which == Some("ALL_KEY_MATERIAL") || material.rotation.is_some());
    // Their place is their name: materials are never taken out of the list.
    let named =
        wanted.map(|material| (format!("{:06}", material.place), Entry::of(key, &material)));
    let Page { entries, next_marker } = page.of_entries(named)?;
    Ok(wire::write(&Answer { rotations: entries, truncated: next_marker.is_some(), next_marker }))
}
