//! Policies: who may do what with a key, in the JSON language of IAM.
//!
//! A [`Policy`] is parsed once, with every mistake named by its place, and then asked. Asking has
//! two halves, so that the first can be kept: which statements speak of a caller, an action and a
//! key ([`Policy::applicable`]), and what they say under the [`Facts`] of one call
//! ([`Policy::decide`]), which allocates nothing.
//!
//! # What is understood
//!
//! | element | understood as |
//! |---|---|
//! | `Version` | `2012-10-17` or `2008-10-17` (the latter if absent); `Id` and `Sid` are kept for reading |
//! | `Effect` | `Allow`, `Deny`; a deny that applies beats every allow |
//! | `Principal`, `NotPrincipal` | `"*"`, or `AWS` with account ids, root ARNs, user, role and session ARNs; `Service`, `Federated` and `CanonicalUser` parse and meet no caller of this endpoint |
//! | `Action`, `NotAction` | names with `*` and `?`, case ignored |
//! | `Resource`, `NotResource` | ARNs with `*` and `?`; in a key policy `"*"` is the key it belongs to |
//! | `Condition` | the operators and keys of [`condition`] and [`key`] |
//!
//! Everything else is refused when the policy is put: an unknown element, operator or condition
//! key, a value that its operator cannot read, a policy variable (`${..}`). So nothing that is
//! not understood is ever evaluated, and a policy never grants by mistake.

pub mod condition;
mod decision;
pub mod document;
pub mod key;
mod pattern;
pub mod principal;

#[cfg(test)]
mod tests;

pub use decision::{Refusal, decide_together};
pub use document::PolicyError;
pub use key::{ConditionKey, Fact, Facts};
pub use principal::{Reach, Who};

use condition::Condition;
use pattern::Pattern;
use principal::Principals;

/// Whether a statement gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// Patterns that one must meet, or none (`NotAction`, `NotResource`).
#[derive(Debug)]
struct Selection {
    patterns: Vec<Pattern>,
    inverted: bool,
}

impl Selection {
    fn meets(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.meets(text)) != self.inverted
    }
}

#[derive(Debug)]
struct Statement {
    effect: Effect,
    /// Absent in a policy of a principal, which speaks of that principal.
    principals: Option<Principals>,
    actions: Selection,
    resources: Selection,
    conditions: Vec<Condition>,
}

impl Statement {
    fn reach(&self, who: &Who<'_>, action: &str, resource: &str) -> Option<Reach> {
        let reach = match &self.principals {
            None => Reach::Named,
            Some(principals) => principals.reach(who, self.effect == Effect::Deny)?,
        };
        let meets = self.actions.meets(action) && self.resources.meets(resource);
        meets.then_some(reach)
    }

    fn holds(&self, facts: &dyn Facts) -> bool {
        self.conditions.iter().all(|condition| condition.holds(facts))
    }
}

/// A policy document, checked.
#[derive(Debug)]
pub struct Policy(Vec<Statement>);

/// The statements of a policy that speak of one caller, action and resource.
#[derive(Debug)]
pub struct Applicable {
    /// Index of the statement, and how it names the caller; denies first.
    statements: Box<[(u16, Reach)]>,
}

/// What a policy says of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A statement forbids it.
    Denied,
    /// A statement names the caller and allows it.
    Allowed,
    /// A statement allows it to the caller's account, which decides itself.
    LeftToAccount,
    /// No statement speaks of it.
    Silent,
}

impl Policy {
    /// The statements that speak of `who` doing `action` (`kms:Decrypt`) to `resource`, an ARN.
    #[must_use]
    pub fn applicable(&self, who: &Who<'_>, action: &str, resource: &str) -> Applicable {
        let of = |effect: Effect| {
            let statements = (0_u16..).zip(&self.0).filter(move |(_, s)| s.effect == effect);
            statements.filter_map(|(at, s)| Some((at, s.reach(who, action, resource)?)))
        };
        Applicable { statements: of(Effect::Deny).chain(of(Effect::Allow)).collect() }
    }

    /// What the `applicable` statements of this policy say under the facts of one call.
    #[must_use]
    pub fn decide(&self, applicable: &Applicable, facts: &dyn Facts) -> Verdict {
        let mut verdict = Verdict::Silent;
        for &(at, reach) in &applicable.statements {
            let Some(statement) = self.0.get(usize::from(at)) else { continue };
            if verdict == Verdict::Allowed || !statement.holds(facts) {
                continue;
            }
            verdict = match (statement.effect, reach) {
                (Effect::Deny, _) => return Verdict::Denied,
                (Effect::Allow, Reach::Named) => Verdict::Allowed,
                (Effect::Allow, Reach::Account) => Verdict::LeftToAccount,
            };
        }
        verdict
    }

    /// Both halves in one.
    #[must_use]
    pub fn evaluate(
        &self,
        who: &Who<'_>,
        action: &str,
        resource: &str,
        facts: &dyn Facts,
    ) -> Verdict {
        self.decide(&self.applicable(who, action, resource), facts)
    }
}
