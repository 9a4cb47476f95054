//! Tags as they are in requests and answers.

use serde::{Deserialize, Serialize};

use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX};

/// A `Tag` of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::kms) struct TagMember<'a> {
    #[serde(borrow)]
    tag_key: Option<Text<'a>>,
    tag_value: Option<Text<'a>>,
}

/// A `Tag` of an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag<'a> {
    pub(super) tag_key: &'a str,
    pub(super) tag_value: &'a str,
}

/// Takes in the members of every tag.
pub(super) fn tags_of(check: &mut Check, tags: &[TagMember<'_>]) -> Vec<(String, String)> {
    let mut pairs = Vec::with_capacity(tags.len());
    for (at, tag) in tags.iter().enumerate() {
        let member = |name: &str| format!("tags.{}.member.{name}", at + 1);
        let key = check.text(&member("tagKey"), tag.tag_key.as_ref(), 1..=TAG_KEY_CHARS_MAX);
        let key = check.required(&member("tagKey"), key);
        let value =
            check.text(&member("tagValue"), tag.tag_value.as_ref(), 0..=TAG_VALUE_CHARS_MAX);
        let value = check.required(&member("tagValue"), value);
        pairs.extend(key.zip(value).map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    pairs
}

/// The tags of a request, as policies may ask for them.
pub(super) fn key_facts(tags: &[(String, String)]) -> Vec<(ConditionKey, Fact<'_>)> {
    let mut facts = Vec::with_capacity(2 * tags.len());
    for (key, value) in tags {
        facts.push((ConditionKey::TagKeys, Fact::Text(key)));
        facts.push((ConditionKey::RequestTag(key.to_lowercase().into()), Fact::Text(value)));
    }
    facts
}
