//! Members that the requests and answers about grants share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::keystore::{Grant, GrantConstraints, GrantId};
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::{Date, Pairs, Shown, Text};
use crate::limits::{GRANT_ID_CHARS_MAX, GRANT_NAME_CHARS_MAX};

/// Takes in an ARN of a principal.
pub(super) fn principal<'t>(
    check: &mut Check,
    member: &str,
    text: Option<&'t Text<'_>>,
) -> Option<&'t str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    check.pattern(member, text, 1..=GRANT_NAME_CHARS_MAX, ("^[\\w+=,.@:/-]+$", is_allowed))
}

/// Takes in the name of a service, which is understood but never called by.
pub(super) fn service_principal(check: &mut Check, member: &str, text: Option<&Text<'_>>) -> bool {
    check.text(member, text, 1..=128).is_some()
}

/// Takes in the id of a grant, by length only.
pub(super) fn grant_id<'t>(check: &mut Check, text: Option<&'t Text<'_>>) -> Option<&'t str> {
    check.text("grantId", text, 1..=GRANT_ID_CHARS_MAX)
}

/// Reads the id of a grant.
pub(super) fn parse_grant_id(text: &str) -> Result<GrantId, Error> {
    text.parse().map_err(|_| guesses::invalid_grant_id())
}

/// `GrantConstraints` of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Constraints<'a> {
    encryption_context_equals: Option<Pairs>,
    encryption_context_subset: Option<Pairs>,
    #[serde(borrow)]
    source_arn: Option<Text<'a>>,
}

impl Constraints<'_> {
    /// Whether the constraint is for services only.
    pub(super) const fn names_source(&self) -> bool {
        self.source_arn.is_some()
    }

    /// The constraints as they are kept.
    pub(super) fn into_kept(self) -> GrantConstraints {
        let kept = |pairs: Pairs| pairs.0.into_iter().collect();
        GrantConstraints {
            equals: self.encryption_context_equals.map(kept),
            subset: self.encryption_context_subset.map(kept),
        }
    }
}

/// A list of grants, as it is answered.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GrantsAnswer<'a> {
    pub(super) grants: Vec<GrantEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_marker: Option<String>,
    pub(super) truncated: bool,
}

/// `GrantListEntry`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GrantEntry<'a> {
    key_id: &'a str,
    grant_id: Shown<GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    creation_date: Date,
    grantee_principal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring_principal: Option<&'a str>,
    issuing_account: String,
    operations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraints: Option<ConstraintsEntry<'a>>,
}

/// `GrantConstraints` of an answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConstraintsEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_subset: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_equals: Option<&'a BTreeMap<String, String>>,
}

impl<'a> GrantEntry<'a> {
    /// The entry of a grant of the key with this ARN.
    pub(super) fn new(key_arn: &'a str, grant: &'a Grant) -> Self {
        let terms = grant.terms();
        let constraints = ConstraintsEntry {
            encryption_context_subset: terms.constraints.subset.as_ref(),
            encryption_context_equals: terms.constraints.equals.as_ref(),
        };
        Self {
            key_id: key_arn,
            grant_id: Shown(grant.id()),
            name: terms.name.as_deref(),
            creation_date: Date(grant.created()),
            grantee_principal: &terms.grantee,
            retiring_principal: terms.retiring.as_deref(),
            issuing_account: grant.issuing_account(),
            operations: terms.operations.iter().map(|action| action.name()).collect(),
            constraints: (terms.constraints != GrantConstraints::default()).then_some(constraints),
        }
    }
}
