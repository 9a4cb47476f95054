//! `ReplicateKey`: a replica of a multi-Region primary key in another Region.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::create_key::multi_region_facts;
use super::describe_key::KeyMetadata;
use super::managed_key::managed;
use super::policy_members::{bypass_fact, check_new_policy, policy};
use super::tags::{Tag, TagMember, key_facts, tags_of};
use crate::keystore::ReplicateKey;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::{self, Text};
use crate::limits::DESCRIPTION_CHARS_MAX;
use crate::pipeline::authorize::{Caller, KeyUse, ask_principal};
use crate::spec::key_id::Scope;
use crate::spec::{KeyArn, KeyId, Operation, Region};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    replica_region: Option<Text<'a>>,
    description: Option<Text<'a>>,
    policy: Option<Text<'a>>,
    bypass_policy_lockout_safety_check: Option<bool>,
    tags: Option<Vec<TagMember<'a>>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "the members are named like this")]
struct Answer<'a> {
    replica_key_metadata: KeyMetadata<'a>,
    replica_policy: &'a str,
    replica_tags: Vec<Tag<'a>>,
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let key_id = check.key_id("keyId", members.key_id.as_ref());
    let key_id = check.required("keyId", key_id);
    let region = check.required("replicaRegion", members.replica_region.as_ref());
    let region = check.region("replicaRegion", region);
    let description =
        check.text("description", members.description.as_ref(), 0..=DESCRIPTION_CHARS_MAX);
    let policy = policy(&mut check, members.policy.as_ref());
    let tags = tags_of(&mut check, members.tags.as_deref().unwrap_or_default());
    let (key_id, region) = check.end(key_id.zip(region))?;
    let facts = [(ConditionKey::ReplicaRegion, Fact::Text(region.as_str()))];
    let primary = managed(call, key_id, &facts)?.record().arn();
    let wanted = ReplicateKey {
        region,
        description: description.unwrap_or_default().to_owned(),
        policy: policy.map(str::to_owned),
        tags,
    };
    let bypass = members.bypass_policy_lockout_safety_check == Some(true);
    check_creation(call, primary, &wanted, bypass)?;
    let primary = KeyId::KeyArn(primary.clone());
    let replicate = move |keystore: &mut crate::keystore::Keystore| {
        let replica = keystore.replicate(&primary, &wanted)?;
        let related = keystore.multi_region(&replica);
        Ok((replica, related))
    };
    let (replica, related) = call.change(replicate).await?;
    call.note_made(replica.arn().to_string());
    let tags = replica.tags().map(|(tag_key, tag_value)| Tag { tag_key, tag_value });
    Ok(wire::write(&Answer {
        replica_key_metadata: KeyMetadata::of(&replica, related),
        replica_policy: &replica.policy(),
        replica_tags: tags.collect(),
    }))
}

/// Asks whether the caller may create the replica where it is to live, with that policy.
fn check_creation(
    call: &Call<'_>,
    primary: &KeyArn,
    wanted: &ReplicateKey,
    bypass: bool,
) -> Result<(), Error> {
    let caller = caller_in(call, &wanted.region);
    let mut facts = key_facts(&wanted.tags);
    facts.push(bypass_fact(bypass));
    facts.extend(multi_region_facts(Some("REPLICA")));
    let creation = KeyUse {
        action: Operation::CreateKey.into(),
        caller: &caller,
        members: &facts,
        ..call.use_of("")
    };
    ask_principal(&call.snapshot, &creation, "*")?;
    if let Some(policy) = &wanted.policy {
        let arn = KeyArn { scope: caller.scope.clone(), id: primary.id }.to_string();
        check_new_policy(call, &creation, (None, &arn), policy, bypass)?;
    }
    Ok(())
}

/// The caller, as it would call another Region.
pub(super) fn caller_in(call: &Call<'_>, region: &Region) -> Caller {
    let scope = Scope { region: region.clone(), ..call.caller.scope.clone() };
    Caller::new(Arc::clone(&call.caller.principal), scope)
}
