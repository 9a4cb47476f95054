//! Grants: one principal may do some operations with one key, until the grant is retired or revoked
//! (KMS developer guide, "Grants in AWS KMS").
//!
//! A grant only allows. It speaks for its grantee, by name or, if that is an account, for those of
//! the account whose own policies allow the operation too; whoever it lets make grants can give away
//! no more than it holds itself. Constraints bind the operations that take an encryption context,
//! and no others: keys of the context are compared without their case, values with it.

mod id;
mod lifecycle;
mod operations;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use id::{GrantId, ParseGrantIdError};
pub use lifecycle::new_grant_token;
pub use operations::{GRANT_OPERATIONS, grant_operation};
pub use token::GrantToken;

use super::error::Error;
use super::policy::principal::{is_principal, reach};
use super::policy::{Reach, Who};
use super::text;
use crate::limits::{GRANT_CONSTRAINT_CHARS_MAX, GRANT_CONSTRAINT_PAIRS_MAX};
use crate::spec::{Action, EncryptionContext, KeyArn, KeySpec, KeyUsage, Operation};

/// A grant as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    #[serde(with = "text")]
    pub(super) id: GrantId,
    #[serde(with = "text")]
    pub(super) key: KeyArn,
    #[serde(with = "text")]
    pub(super) created: Timestamp,
    pub(super) terms: GrantTerms,
}

/// What a grant gives to whom. Two grants of one name and the same terms are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantTerms {
    /// A name that makes repeated requests for the grant one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// ARN of who may use the key.
    pub grantee: String,
    /// ARN of who may take the grant back, besides the account of the key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retiring: Option<String>,
    /// What the grantee may do.
    #[serde(with = "operations::serde")]
    pub operations: BTreeSet<Action>,
    /// Under which encryption contexts.
    #[serde(default)]
    pub constraints: GrantConstraints,
}

/// What the encryption context of a call must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantConstraints {
    /// The whole context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub equals: Option<BTreeMap<String, String>>,
    /// Part of the context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subset: Option<BTreeMap<String, String>>,
}

impl Grant {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> GrantId {
        self.id
    }

    /// When it was made.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// What it gives to whom.
    #[must_use]
    pub const fn terms(&self) -> &GrantTerms {
        &self.terms
    }

    /// The account that made it, by its root user: the one of the key.
    #[must_use]
    pub fn issuing_account(&self) -> String {
        format!("arn:{}:iam::{}:root", self.key.scope.partition, self.key.scope.account)
    }

    /// How the caller may take the grant back without being let by a policy: as the one it names
    /// for that, or as its grantee, if that may retire it.
    #[must_use]
    pub fn retired_by(&self, who: &Who<'_>) -> Option<Reach> {
        let retire = Action::Call(Operation::RetireGrant);
        let grantee = self.terms.operations.contains(&retire).then_some(&self.terms.grantee);
        let names = [self.terms.retiring.as_ref(), grantee].into_iter().flatten();
        let reaches = names.filter_map(|name| reach(name, who));
        reaches.reduce(|one, other| if one == Reach::Named { one } else { other })
    }

    /// Whether its grantee may do this, with a context if the operation takes one.
    #[must_use]
    pub fn allows(&self, action: Action, context: Option<&EncryptionContext>) -> bool {
        let fits = |context| self.terms.constraints.meets(context);
        self.terms.operations.contains(&action) && context.is_none_or(fits)
    }

    /// Whether its grantee may make a grant of `terms`: one that gives no more than this one.
    #[must_use]
    pub fn covers(&self, terms: &GrantTerms) -> bool {
        terms.operations.is_subset(&self.terms.operations)
            && self.terms.constraints.are_implied_by(&terms.constraints)
    }

    /// Whether the parts of a record read from disk are what they should be.
    pub(super) fn is_consistent(&self) -> bool {
        self.terms.fault().is_none()
    }
}

/// What is wrong with the terms of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantFault {
    /// An ARN that names no account, user, role or session.
    Principal(String),
    /// No operation.
    NoOperation,
    /// An operation that grants cannot give.
    Operation(Action),
    /// No pair, or too many, or too long ones.
    Constraint,
}

impl GrantTerms {
    /// The first thing that is wrong, whatever the key.
    #[must_use]
    pub fn fault(&self) -> Option<GrantFault> {
        let mut principals = [Some(&self.grantee), self.retiring.as_ref()].into_iter().flatten();
        if let Some(other) = principals.find(|text| !is_principal(text)) {
            return Some(GrantFault::Principal(other.clone()));
        }
        if self.operations.is_empty() {
            return Some(GrantFault::NoOperation);
        }
        let is_known = |action: &&Action| GRANT_OPERATIONS.contains(*action);
        if let Some(other) = self.operations.iter().find(|action| !is_known(action)) {
            return Some(GrantFault::Operation(*other));
        }
        (!self.constraints.are_within_limits()).then_some(GrantFault::Constraint)
    }
}

impl GrantTerms {
    /// The first thing that is wrong for a key of this kind, in words.
    pub(super) fn fault_for(&self, spec: KeySpec, usage: KeyUsage) -> Option<String> {
        if let Some(fault) = self.fault() {
            return Some(Error::Grant(fault).to_string());
        }
        let other = self.operations.iter().find(|action| !action.suits(spec, usage));
        other.map(|action| format!("the key has no use for {action}"))
    }
}

impl GrantConstraints {
    fn all(&self) -> impl Iterator<Item = &BTreeMap<String, String>> {
        self.equals.iter().chain(&self.subset)
    }

    fn are_within_limits(&self) -> bool {
        self.all().all(|pairs| {
            let chars = |text: &String| text.chars().count();
            let total: usize = pairs.iter().map(|(key, value)| chars(key) + chars(value)).sum();
            (1..=GRANT_CONSTRAINT_PAIRS_MAX).contains(&pairs.len())
                && total <= GRANT_CONSTRAINT_CHARS_MAX
        })
    }

    /// Whether a context is like this.
    fn meets(&self, context: &EncryptionContext) -> bool {
        let is_in = |pairs: &BTreeMap<String, String>| {
            pairs.iter().all(|(key, value)| context.iter().any(|pair| same(pair, (key, value))))
        };
        let holds_nothing_else = |pairs: &BTreeMap<String, String>| {
            context.iter().all(|pair| pairs.iter().any(|(key, value)| same(pair, (key, value))))
        };
        self.all().all(is_in) && self.equals.as_ref().is_none_or(holds_nothing_else)
    }

    /// Whether every context that meets `other` meets this one too.
    fn are_implied_by(&self, other: &Self) -> bool {
        let given = other.equals.as_ref().or(other.subset.as_ref());
        let is_given = |pairs: &BTreeMap<String, String>| {
            let has = |key: &String, value: &String| {
                given.into_iter().flatten().any(|(k, v)| same((k, v), (key, value)))
            };
            pairs.iter().all(|(key, value)| has(key, value))
        };
        let subset_holds = self.subset.as_ref().is_none_or(is_given);
        let equals_holds = self.equals.as_ref().is_none_or(|pairs| {
            let all = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
                one.iter().all(|a| other.iter().any(|b| same((a.0, a.1), (b.0, b.1))))
            };
            other.equals.as_ref().is_some_and(|other| all(pairs, other) && all(other, pairs))
        });
        subset_holds && equals_holds
    }
}

/// Whether two pairs are one: keys without their case, values with it.
fn same(one: (&str, &str), other: (&str, &str)) -> bool {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    one.1 == other.1 && (one.0 == other.0 || lower(one.0) == lower(other.0))
}

/// The grants of one key, by grantee and id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(Vec<Arc<Grant>>);

impl Grants {
    /// Every grant.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Grant>> {
        self.0.iter()
    }

    /// The grant of this id.
    #[must_use]
    pub fn by_id(&self, id: GrantId) -> Option<&Arc<Grant>> {
        self.0.iter().find(|grant| grant.id == id)
    }

    /// The grants whose grantee is the caller, or its account.
    ///
    /// Callers are users and root users, so that a grantee is the caller's ARN or one of the two
    /// names of its account, and is found by its place.
    pub fn of<'g>(&'g self, who: &Who<'_>) -> impl Iterator<Item = (Reach, &'g Arc<Grant>)> {
        let partition = who.arn.split(':').nth(1).unwrap_or_default();
        let root = format!("arn:{partition}:iam::{}:root", who.account);
        let named = (who.arn != root).then(|| self.with_grantee(who.arn));
        let named = named.unwrap_or_default().iter().map(|grant| (Reach::Named, grant));
        let account = [&*root, who.account].map(|name| self.with_grantee(name));
        let account = account.into_iter().flatten().map(|grant| (Reach::Account, grant));
        named.chain(account)
    }

    fn with_grantee(&self, grantee: &str) -> &[Arc<Grant>] {
        let place = |after: bool| {
            self.0.partition_point(|grant| {
                let order = grant.terms.grantee.as_str().cmp(grantee);
                order.is_lt() || after && order.is_eq()
            })
        };
        &self.0[place(false)..place(true)]
    }

    pub(super) fn put(&mut self, grant: Arc<Grant>) {
        self.remove(grant.id);
        let order = |other: &Arc<Grant>| {
            (&other.terms.grantee, other.id) < (&grant.terms.grantee, grant.id)
        };
        let place = self.0.partition_point(order);
        self.0.insert(place, grant);
    }

    pub(super) fn remove(&mut self, id: GrantId) {
        self.0.retain(|grant| grant.id != id);
    }
}
