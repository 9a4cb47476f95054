//! `CreateKey`: a key of any kind in the caller's account and Region.

use serde::Deserialize;

use super::describe_key::key_metadata;
use super::key_kind::KeyKind;
use super::policy_members::{bypass_fact, check_new_policy, policy};
use super::tags::{TagMember, key_facts, tags_of};
use crate::keystore::policy::{ConditionKey, Fact};
use crate::keystore::{CreateKey, Origin, parse_key_id};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::DESCRIPTION_CHARS_MAX;
use crate::pipeline::authorize::{KeyUse, ask_principal};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    description: Option<Text<'a>>,
    key_usage: Option<Text<'a>>,
    key_spec: Option<Text<'a>>,
    customer_master_key_spec: Option<Text<'a>>,
    origin: Option<Text<'a>>,
    policy: Option<Text<'a>>,
    bypass_policy_lockout_safety_check: Option<bool>,
    tags: Option<Vec<TagMember<'a>>>,
    multi_region: Option<bool>,
}

/// `OriginType` of the service model.
const ORIGINS: [&str; 4] = ["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"];

/// Whether the new key is a multi-Region key, and of which kind, as policies may ask for it.
pub(super) fn multi_region_facts(
    kind: Option<&str>,
) -> impl Iterator<Item = (ConditionKey, Fact<'_>)> {
    let kind_fact = kind.map(|kind| (ConditionKey::MultiRegionKeyType, Fact::Text(kind)));
    kind_fact.into_iter().chain([(ConditionKey::MultiRegion, Fact::Bool(kind.is_some()))])
}

/// Answers the call.
pub(in crate::kms) async fn answer(
    call: &Call<'_>,
    members: Members<'_>,
) -> Result<Vec<u8>, Error> {
    let mut check = Check::default();
    let description =
        check.text("description", members.description.as_ref(), 0..=DESCRIPTION_CHARS_MAX);
    let spec = members.key_spec.as_ref().or(members.customer_master_key_spec.as_ref());
    let kind = KeyKind::of(&mut check, spec, members.key_usage.as_ref());
    let origin = check.name_of("origin", members.origin.as_ref(), &ORIGINS).unwrap_or("AWS_KMS");
    let policy = policy(&mut check, members.policy.as_ref());
    let tags = tags_of(&mut check, members.tags.as_deref().unwrap_or_default());
    check.end(Some(()))?;
    let bypass = members.bypass_policy_lockout_safety_check == Some(true);
    let mut facts = key_facts(&tags);
    let multi_region = members.multi_region == Some(true);
    facts.extend([bypass_fact(bypass), (ConditionKey::KeyOrigin, Fact::Text(origin))]);
    facts.extend(multi_region_facts(multi_region.then_some("PRIMARY")));
    facts.extend(kind.facts());
    let wanted = KeyUse { members: &facts, ..call.use_of("") };
    ask_principal(&call.snapshot, &wanted, "*")?;
    let usage = kind.usage()?;
    let origin: Origin = origin.parse().map_err(|_| guesses::origin_not_built(origin))?;
    if let Some(policy) = policy {
        let arn = format!("{}:key/00000000-0000-0000-0000-000000000000", call.caller.scope);
        check_new_policy(call, &wanted, (None, &arn), policy, bypass)?;
    }
    let new = kind.new_key(call, origin).await?;
    let options = CreateKey {
        description: description.unwrap_or_default().to_owned(),
        origin,
        multi_region,
        policy: policy.map(str::to_owned),
        tags: tags.clone(),
        ..CreateKey::default()
    };
    let (arn, metadata) = call
        .change(move |keystore| {
            let made = keystore.create_key_of(&options, &new, usage)?;
            let key = keystore.resolve(&parse_key_id(&made.arn)?)?;
            let metadata = key_metadata(key, keystore.multi_region(key));
            Ok((made.arn, metadata))
        })
        .await?;
    call.note_made(arn);
    Ok(metadata)
}
