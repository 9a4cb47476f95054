//! `ListAliases`: the aliases of the caller's account and Region, or of one key of it.

use serde::{Deserialize, Serialize};

use crate::keystore::{self, Alias, parse_key_id};
use crate::kms::call::Call;
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::page::{Page, PageMembers};
use crate::kms::wire::{self, Date, Shown, Text};
use crate::spec::{KeyId, ResourceId};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct Members<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    limit: Option<i64>,
    marker: Option<Text<'a>>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    aliases: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

/// `AliasListEntry`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    alias_name: &'a str,
    alias_arn: String,
    target_key_id: Shown<ResourceId>,
    creation_date: Date,
    last_updated_date: Date,
}

impl<'a> From<&'a Alias> for Entry<'a> {
    fn from(alias: &'a Alias) -> Self {
        Self {
            alias_name: alias.name().as_str(),
            alias_arn: format!("{}:{}", alias.scope(), alias.name()),
            target_key_id: Shown(alias.target().id),
            creation_date: Date(alias.created()),
            last_updated_date: Date(alias.updated()),
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
    let page = PageMembers::of(&mut check, members.limit, members.marker.as_ref());
    check.end(Some(()))?;
    call.check_permission()?;
    let scope = &call.caller.scope;
    // Aliases are listed for one's own keys only; another's is as if it were not there.
    match key_id.map(parse_key_id).transpose()? {
        Some(KeyId::KeyArn(arn)) if arn.scope.account != scope.account => {
            return Err(keystore::Error::KeyNotFound(arn).into());
        }
        Some(KeyId::AliasArn(named, name)) if named.account != scope.account => {
            return Err(keystore::Error::AliasNotFound(named, name).into());
        }
        _ => {}
    }
    let key = key_id.map(|key_id| call.snapshot.resolve(scope, key_id)).transpose()?;
    let aliases = call.snapshot.aliases_in(scope);
    let aliases =
        aliases.filter(|alias| key.is_none_or(|key| alias.target() == key.record().arn()));
    let aliases = aliases.map(|alias| (alias.name().to_string(), alias));
    let Page { entries, next_marker } = page.of_entries(aliases)?;
    Ok(wire::write(&Answer {
        aliases: entries.into_iter().map(Entry::from).collect(),
        truncated: next_marker.is_some(),
        next_marker,
    }))
}
