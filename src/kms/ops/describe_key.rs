//! `DescribeKey`: a key's metadata, in any state.

use serde::{Deserialize, Serialize};

use super::key_members::KeyMembers;
use crate::keystore::{
    AlgorithmNames, ExpirationModel, KeyState, KmsKey, MultiRegionConfiguration, Origin,
};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Date, Shown, Text};
use crate::spec::{Account, KeySpec, KeyUsage, MaterialId, ResourceId};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    grant_tokens: Option<Vec<Text<'a>>>,
}

/// `KeyMetadata` as it is on the wire.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyMetadata<'a> {
    #[serde(rename = "AWSAccountId")]
    account: Shown<Account>,
    arn: String,
    creation_date: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_key_material_id: Option<Shown<MaterialId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_master_key_spec: Option<Shown<KeySpec>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Date>,
    description: &'a str,
    enabled: bool,
    #[serde(flatten)]
    algorithms: AlgorithmNames,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_model: Option<ExpirationModel>,
    key_id: Shown<ResourceId>,
    key_manager: &'static str,
    key_spec: Shown<KeySpec>,
    key_state: KeyState,
    key_usage: Shown<KeyUsage>,
    multi_region: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_region_configuration: Option<MultiRegionConfiguration>,
    origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_deletion_window_in_days: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_to: Option<Date>,
}

impl<'a> KeyMetadata<'a> {
    /// The metadata of a key, with what it does not know itself.
    pub(super) fn of(key: &'a KmsKey, multi_region: Option<MultiRegionConfiguration>) -> Self {
        let arn = key.arn();
        Self {
            account: Shown(arn.scope.account),
            arn: arn.to_string(),
            creation_date: Date(key.created()),
            current_key_material_id: key.current_material().map(Shown),
            customer_master_key_spec: key.spec().in_older_enum().map(Shown),
            deletion_date: key.deletion_date().map(Date),
            description: key.description(),
            enabled: key.state() == KeyState::Enabled,
            algorithms: key.algorithms().into(),
            expiration_model: key.expiration_model(),
            key_id: Shown(arn.id),
            key_manager: "CUSTOMER",
            key_spec: Shown(key.spec()),
            key_state: key.state(),
            key_usage: Shown(key.usage()),
            multi_region: arn.id.multi_region,
            multi_region_configuration: multi_region,
            origin: key.origin(),
            pending_deletion_window_in_days: key.pending_window_days(),
            valid_to: key.valid_to().map(Date),
        }
    }
}

/// An answer that is a key's metadata.
pub(super) fn key_metadata(
    key: &KmsKey,
    multi_region: Option<MultiRegionConfiguration>,
) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer<'a> {
        key_metadata: KeyMetadata<'a>,
    }

    wire::write(&Answer { key_metadata: KeyMetadata::of(key, multi_region) })
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let (key_id, tokens) = (members.key_id.as_ref(), members.grant_tokens.as_deref());
    let key = KeyMembers::of(&mut check, key_id, tokens, None);
    check.end(Some(()))?;
    let wanted = key.key_use(call, None, &[]);
    let key = call.access(&wanted)?.key().record();
    Ok(key_metadata(key, call.snapshot.multi_region(key)))
}
