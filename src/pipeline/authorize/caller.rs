//! Who calls, and what policies were found to say of them.
//!
//! Which statements of two policies speak of one caller, operation and key does not change from call
//! to call, so it is looked up once and remembered; only the conditions of those statements are
//! asked each time. A caller that is allowed plainly therefore costs one look into a table, and no
//! memory.

use core::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::keystore::policy::{Applicable, Facts, Policy, Verdict, Who};
use crate::keystore::{ServedKey, ServedPrincipal};
use crate::limits::DECISIONS_PER_CALLER_MAX;
use crate::spec::key_id::Scope;
use crate::spec::{Action, ResourceId};

/// Who calls, and for which account and Region. Each thread has its own of a principal, for as long
/// as the principal and its policy stay the same.
#[derive(Debug)]
pub struct Caller {
    /// The principal that signed the call.
    pub principal: Arc<ServedPrincipal>,
    /// Its account, in the Region of the call.
    pub scope: Scope,
    /// By the id of the key; good for the policy that the entry holds.
    decisions: RefCell<HashMap<(ResourceId, Action), Decision>>,
}

/// The statements that speak of one operation with one key.
#[derive(Debug)]
struct Decision {
    key_policy: Arc<Policy>,
    of_key: Applicable,
    /// None if the caller has no policy of its own.
    of_principal: Option<Applicable>,
}

impl Caller {
    /// A caller of whom nothing is remembered yet.
    #[must_use]
    pub fn new(principal: Arc<ServedPrincipal>, scope: Scope) -> Self {
        Self { principal, scope, decisions: RefCell::default() }
    }

    /// The caller, as policies see it.
    #[must_use]
    pub fn who(&self) -> Who<'_> {
        Who { arn: self.principal.arn(), account: self.scope.account.as_str() }
    }

    /// What the policy of `key` and the caller's own say.
    pub(super) fn verdicts(
        &self,
        action: Action,
        key: &ServedKey,
        facts: &dyn Facts,
    ) -> (Verdict, Verdict) {
        let name = (key.record().arn().id, action);
        let known = self.decisions.borrow();
        let found = known.get(&name);
        if let Some(decision) = found.filter(|found| Arc::ptr_eq(&found.key_policy, key.policy())) {
            return self.weigh(decision, facts);
        }
        drop(known);
        let decision = self.decision(action, key);
        let verdicts = self.weigh(&decision, facts);
        let mut known = self.decisions.borrow_mut();
        if known.len() >= DECISIONS_PER_CALLER_MAX {
            known.clear();
        }
        known.insert(name, decision);
        verdicts
    }

    /// What the caller's own policy says of a resource that has none.
    pub(super) fn own_verdict(&self, action: Action, resource: &str, facts: &dyn Facts) -> Verdict {
        let permission = format!("kms:{action}");
        let policy = self.principal.policy();
        policy.map_or(Verdict::Allowed, |policy| {
            policy.evaluate(&self.who(), &permission, resource, facts)
        })
    }

    fn decision(&self, action: Action, key: &ServedKey) -> Decision {
        let permission = format!("kms:{action}");
        let speaks = |policy: &Policy| policy.applicable(&self.who(), &permission, key.arn());
        Decision {
            key_policy: Arc::clone(key.policy()),
            of_key: speaks(key.policy()),
            of_principal: self.principal.policy().map(speaks),
        }
    }

    fn weigh(&self, decision: &Decision, facts: &dyn Facts) -> (Verdict, Verdict) {
        let own = self.principal.policy().zip(decision.of_principal.as_ref());
        (
            decision.key_policy.decide(&decision.of_key, facts),
            own.map_or(Verdict::Allowed, |(policy, applicable)| policy.decide(applicable, facts)),
        )
    }
}
