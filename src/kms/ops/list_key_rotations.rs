//! `ListKeyRotations`: the rotations of a key, oldest first, page by page.

use serde::{Deserialize, Serialize};

use super::managed_key::managed;
use crate::keystore::{ExpirationModel, KeyMaterial, KmsKey, Origin, RotationType, Snapshot};
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
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    imported: Option<Imported>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_type: Option<RotationType>,
}

/// What else is said of imported material.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Imported {
    import_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_model: Option<ExpirationModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_to: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_description: Option<String>,
}

impl Imported {
    fn of(key: &KmsKey, material: &KeyMaterial<'_>) -> Option<Self> {
        let is_there = material.is_there;
        (key.origin() == Origin::External).then(|| Self {
            import_state: if is_there { "IMPORTED" } else { "PENDING_IMPORT" },
            expiration_model: is_there.then(|| ExpirationModel::of(material.expires)),
            valid_to: material.expires.map(Date),
            key_material_description: material.description.map(str::to_owned),
        })
    }
}

impl Entry {
    fn of(snapshot: &Snapshot, key: &KmsKey, material: &KeyMaterial<'_>) -> Self {
        let is_current = key.current_material() == Some(material.id);
        let is_awaiting = key.awaiting_material().is_some_and(|other| other.id == material.id);
        Self {
            key_id: Shown(guesses::id_in_rotations(key.arn())),
            key_material_id: Shown(material.id),
            key_material_state: match () {
                () if is_awaiting && is_lacking(snapshot, key) => {
                    "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
                }
                () if is_awaiting => "PENDING_ROTATION",
                () if is_current => "CURRENT",
                () => "NON_CURRENT",
            },
            imported: Imported::of(key, material),
            rotation_date: material.rotation.map(|_| Date(material.date)),
            rotation_type: material.rotation,
        }
    }
}

/// Whether a related key has not been given the material that waits for rotation.
fn is_lacking(snapshot: &Snapshot, key: &KmsKey) -> bool {
    let mut awaiting = snapshot.related(key).filter_map(KmsKey::awaiting_material);
    awaiting.any(|material| !material.is_there)
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
    let materials = key.key_materials().chain(key.awaiting_material());
    let wanted = materials
        .filter(|material| which == Some("ALL_KEY_MATERIAL") || material.rotation.is_some());
    // Their place is their name: materials are never taken out of the list.
    let named = wanted.map(|material| {
        (format!("{:06}", material.place), Entry::of(&call.snapshot, key, &material))
    });
    let Page { entries, next_marker } = page.of_entries(named)?;
    Ok(wire::write(&Answer { rotations: entries, truncated: next_marker.is_some(), next_marker }))
}
