//! The operations, one file each: members -> values -> authorize -> work -> answer.
//!
//! An operation is built by adding its file and naming it in [`answer`], whose match is exhaustive:
//! what stands in its last arm is answered as the service answers what it does not know.

mod cancel_key_deletion;
mod ciphertext;
mod create_alias;
mod create_grant;
mod create_key;
mod decrypt;
mod delete_alias;
mod delete_imported_key_material;
mod describe_key;
mod destination;
mod disable_key_rotation;
mod enable_key;
mod enable_key_rotation;
mod encrypt;
mod encryption_algorithm;
mod generate_data_key;
mod generate_data_key_pair;
mod generate_mac;
mod generate_random;
mod get_key_policy;
mod get_key_rotation_status;
mod get_parameters_for_import;
mod get_public_key;
mod grant_members;
mod import_key_material;
mod import_members;
mod key_kind;
mod key_members;
mod list_aliases;
mod list_grants;
mod list_key_policies;
mod list_key_rotations;
mod list_keys;
mod list_resource_tags;
mod list_retirable_grants;
mod mac_members;
mod managed_key;
mod policy_members;
mod put_key_policy;
mod re_encrypt;
mod replicate_key;
mod retire_grant;
mod revoke_grant;
mod rotate_key_on_demand;
mod schedule_key_deletion;
mod sign;
mod signed_message;
mod tag_resource;
mod tags;
mod untag_resource;
mod update_alias;
mod update_key_description;
mod update_primary_region;
mod verify;
mod verify_mac;

use super::body::AnswerBody;
use super::call::Unverified;
use super::error::Error;
use super::target;
use crate::spec::Operation;

/// The JSON that answers `call`; empty for an operation without output.
pub(super) async fn answer(call: &Unverified<'_>) -> Result<AnswerBody, Error> {
    match call.operation {
        Operation::CancelKeyDeletion => call.walk(cancel_key_deletion::answer).await,
        Operation::CreateAlias => call.walk(create_alias::answer).await,
        Operation::CreateGrant => call.walk(create_grant::answer).await,
        Operation::CreateKey => call.walk(create_key::answer).await,
        Operation::Decrypt => call.walk(decrypt::answer).await,
        Operation::DeleteAlias => call.walk(delete_alias::answer).await,
        Operation::DeleteImportedKeyMaterial => {
            call.walk(delete_imported_key_material::answer).await
        }
        Operation::DescribeKey => call.walk(describe_key::answer).await,
        Operation::DisableKey | Operation::EnableKey => call.walk(enable_key::answer).await,
        Operation::DisableKeyRotation => call.walk(disable_key_rotation::answer).await,
        Operation::EnableKeyRotation => call.walk(enable_key_rotation::answer).await,
        Operation::Encrypt => call.walk(encrypt::answer).await,
        Operation::GenerateDataKey | Operation::GenerateDataKeyWithoutPlaintext => {
            call.walk(generate_data_key::answer).await
        }
        Operation::GenerateDataKeyPair | Operation::GenerateDataKeyPairWithoutPlaintext => {
            call.walk(generate_data_key_pair::answer).await
        }
        Operation::GenerateMac => call.walk(generate_mac::answer).await,
        Operation::GenerateRandom => call.walk(generate_random::answer).await,
        Operation::GetKeyPolicy => call.walk(get_key_policy::answer).await,
        Operation::GetKeyRotationStatus => call.walk(get_key_rotation_status::answer).await,
        Operation::GetParametersForImport => call.walk(get_parameters_for_import::answer).await,
        Operation::ImportKeyMaterial => call.walk(import_key_material::answer).await,
        Operation::GetPublicKey => call.walk(get_public_key::answer).await,
        Operation::ListAliases => call.walk(list_aliases::answer).await,
        Operation::ListGrants => call.walk(list_grants::answer).await,
        Operation::ListKeyPolicies => call.walk(list_key_policies::answer).await,
        Operation::ListKeyRotations => call.walk(list_key_rotations::answer).await,
        Operation::ListKeys => call.walk(list_keys::answer).await,
        Operation::ListResourceTags => call.walk(list_resource_tags::answer).await,
        Operation::ListRetirableGrants => call.walk(list_retirable_grants::answer).await,
        Operation::PutKeyPolicy => call.walk(put_key_policy::answer).await,
        Operation::ReEncrypt => call.walk(re_encrypt::answer).await,
        Operation::ReplicateKey => call.walk(replicate_key::answer).await,
        Operation::RetireGrant => call.walk(retire_grant::answer).await,
        Operation::RevokeGrant => call.walk(revoke_grant::answer).await,
        Operation::RotateKeyOnDemand => call.walk(rotate_key_on_demand::answer).await,
        Operation::ScheduleKeyDeletion => call.walk(schedule_key_deletion::answer).await,
        Operation::Sign => call.walk(sign::answer).await,
        Operation::TagResource => call.walk(tag_resource::answer).await,
        Operation::UntagResource => call.walk(untag_resource::answer).await,
        Operation::UpdateAlias => call.walk(update_alias::answer).await,
        Operation::UpdateKeyDescription => call.walk(update_key_description::answer).await,
        Operation::UpdatePrimaryRegion => call.walk(update_primary_region::answer).await,
        Operation::Verify => call.walk(verify::answer).await,
        Operation::VerifyMac => call.walk(verify_mac::answer).await,
        _ => Err(target::unknown()),
    }
}
