//! `UpdatePrimaryRegion`: a replica becomes the primary, and the primary a replica.

use serde::Deserialize;

use super::managed_key::managed;
use super::replicate_key::caller_in;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::pipeline::authorize::{KeyUse, access_to};
use crate::spec::{KeyArn, KeyId};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    primary_region: Option<Text<'a>>,
}

/// Answers the call. The caller needs the permission in both Regions.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let region = check.required("primaryRegion", members.primary_region.as_ref());
    let region = check.region("primaryRegion", region);
    let (key_id, region) = check.end(key_id.zip(region))?;
    let facts = [(ConditionKey::PrimaryRegion, Fact::Text(region.as_str()))];
    let primary = managed(call, key_id, &facts)?.record().arn();
    let caller = caller_in(call, &region);
    let replica = KeyArn { scope: caller.scope.clone(), id: primary.id };
    if let Some(replica) = call.snapshot.key(&replica) {
        let wanted = KeyUse { caller: &caller, members: &facts, ..call.use_of("") };
        access_to(&call.snapshot, replica, &wanted)?;
    }
    let primary = KeyId::KeyArn(primary.clone());
    let region = region.clone();
    call.change(move |keystore| keystore.update_primary_region(&primary, &region)).await?;
    Ok(Vec::new())
}
