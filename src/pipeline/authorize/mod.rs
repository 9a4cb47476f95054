//! Stage 2: a request becomes a permit, if the key may be used for it.
//!
//! Two ways in. A job of the command line works for the owner of the keystore and asks for the key's
//! state only ([`authorize`]). A call of the endpoint has a [`Caller`], and what it wants, a
//! [`KeyUse`], is put to the policy of the key, to the caller's own, and to the grants of the key
//! ([`access`]). Whoever is let in may still find the key disabled: permission comes before state.
//!
//! What concerns no key (`ListKeys`, or the name of an alias) is put to the caller's policy alone
//! ([`ask_principal`]).

mod caller;
mod error;
mod grants;
mod key_use;

use std::sync::Arc;

pub use caller::Caller;
pub use error::AuthorizeError;
pub use grants::find_granted;
pub use key_use::{KeyUse, Via};

use crate::crypto::seal::WrappingKey;
use crate::keystore::policy::{Policy, Reach, Refusal, Verdict, decide_together};
use crate::keystore::{Grant, KeySecret, Keystore, ServedKey, Snapshot};
use crate::pipeline::request::Request;
use crate::spec::MaterialId;
use key_use::UseFacts;

/// The right to wrap the key pairs of one request; made by [`authorize`] and [`access`] only.
#[derive(Debug)]
pub struct Permit {
    key: Arc<WrappingKey>,
}

impl Permit {
    /// The key to wrap under.
    #[must_use]
    pub fn key(&self) -> &WrappingKey {
        &self.key
    }
}

/// Checks that the key exists, is enabled, and lives where the specs are offered.
///
/// A job that was begun under an older material stays under it: `begun_under` names that
/// material, so that one output never mixes two.
pub fn authorize(
    keystore: &Keystore,
    request: &Request,
    begun_under: Option<MaterialId>,
) -> Result<Permit, AuthorizeError> {
    let material = match begun_under {
        None => keystore.wrapping_key(request.key_id())?,
        Some(material) => keystore.material_for_resumed_job(request.key_id(), material)?,
    };
    let key = WrappingKey::new(material.arn, &material.material);
    let partition = key.arn().scope.partition;
    match request.groups().iter().find(|group| !group.spec.offered_in(partition)) {
        None => Ok(Permit { key: Arc::new(key) }),
        Some(group) => Err(AuthorizeError::NotOffered { spec: group.spec, key: key.arn().clone() }),
    }
}

/// A key that the caller may use for the operation, in whatever state it is; made by [`access`]
/// only.
#[derive(Debug)]
pub struct Access<'a> {
    key: &'a Arc<ServedKey>,
    wanted: &'a KeyUse<'a>,
}

/// Finds the key and asks whether the caller may use it so. What does not exist and what the caller
/// may not see are told apart only within the caller's own account.
pub fn access<'a>(
    snapshot: &'a Snapshot,
    wanted: &'a KeyUse<'a>,
) -> Result<Access<'a>, AuthorizeError> {
    access_to(snapshot, find_key(snapshot, wanted)?, wanted)
}

/// Finds the key; asks nothing, so that what is done with it must ask.
pub fn find_key<'a>(
    snapshot: &'a Snapshot,
    wanted: &KeyUse<'_>,
) -> Result<&'a Arc<ServedKey>, AuthorizeError> {
    let scope = &wanted.caller.scope;
    snapshot.resolve(scope, wanted.key_id).map_err(|error| {
        if error.names_account_other_than(scope.account) {
            AuthorizeError::hidden(wanted)
        } else {
            error.into()
        }
    })
}

/// As [`access`], for a key that a blob names.
pub fn access_to<'a>(
    snapshot: &'a Snapshot,
    key: &'a Arc<ServedKey>,
    wanted: &'a KeyUse<'a>,
) -> Result<Access<'a>, AuthorizeError> {
    let is_own = is_own(key, wanted);
    if !is_own && !wanted.action.reaches_other_accounts() {
        return Err(AuthorizeError::hidden(wanted));
    }
    let tokens = grants::read_tokens(snapshot, wanted)?;
    let facts = UseFacts { wanted, snapshot, key: Some(key) };
    let (by_key, to_principal) = wanted.caller.verdicts(wanted.action, key, &facts);
    match decide_together(by_key, to_principal, is_own) {
        Ok(()) => Ok(Access { key, wanted }),
        Err(refusal) if refusal.is_deny() => Err(refused(key, wanted, refusal)),
        Err(_) if grants::is_granted(key, wanted, &tokens, to_principal) => {
            Ok(Access { key, wanted })
        }
        Err(refusal) => Err(refused(key, wanted, refusal)),
    }
}

/// As [`access_to`], for the one operation that no policy allows: retiring a grant is for whom the
/// grant names, and for the root user of the key's account. A policy can only forbid it.
pub fn access_to_retire<'a>(
    snapshot: &'a Snapshot,
    key: &'a Arc<ServedKey>,
    grant: &Grant,
    wanted: &'a KeyUse<'a>,
) -> Result<Access<'a>, AuthorizeError> {
    let facts = UseFacts { wanted, snapshot, key: Some(key) };
    let (by_key, to_principal) = wanted.caller.verdicts(wanted.action, key, &facts);
    let denied = decide_together(by_key, to_principal, true).err().filter(|why| why.is_deny());
    let is_named = match grant.retired_by(&wanted.caller.who()) {
        Some(Reach::Named) => true,
        Some(Reach::Account) => to_principal == Verdict::Allowed,
        None => wanted.caller.principal.is_root() && is_own(key, wanted),
    };
    match denied {
        None if is_named => Ok(Access { key, wanted }),
        denied => Err(refused(key, wanted, denied.unwrap_or(Refusal::NotAllowedByKey))),
    }
}

fn is_own(key: &ServedKey, wanted: &KeyUse<'_>) -> bool {
    key.record().arn().scope.account == wanted.caller.scope.account
}

/// The answer to who may not use `key` so. Who belongs to another account learns that the key is
/// there only if the key's policy speaks for that account.
fn refused(key: &ServedKey, wanted: &KeyUse<'_>, refusal: Refusal) -> AuthorizeError {
    if is_own(key, wanted) || refusal == Refusal::NotAllowedToPrincipal {
        AuthorizeError::denied(wanted, key.arn(), refusal)
    } else {
        AuthorizeError::hidden(wanted)
    }
}

/// Asks the caller's own policy alone, for what is no key: `resource` is `*` or the ARN of an alias.
pub fn ask_principal(
    snapshot: &Snapshot,
    wanted: &KeyUse<'_>,
    resource: &str,
) -> Result<(), AuthorizeError> {
    let facts = UseFacts { wanted, snapshot, key: None };
    let refusal = match wanted.caller.own_verdict(wanted.action, resource, &facts) {
        Verdict::Allowed => return Ok(()),
        Verdict::Denied => Refusal::DeniedToPrincipal,
        Verdict::LeftToAccount | Verdict::Silent => Refusal::NotAllowedToPrincipal,
    };
    Err(AuthorizeError::denied(wanted, resource, refusal))
}

/// Whether a key with this policy could have its policy changed by the caller again (KMS API
/// reference, `BypassPolicyLockoutSafetyCheck`). `key` is the key, if it is there already, whose
/// facts the policy may ask for; `arn` is the key's, or one like it.
#[must_use]
pub fn keeps_control(
    snapshot: &Snapshot,
    wanted: &KeyUse<'_>,
    policy: &Policy,
    key: Option<&ServedKey>,
    arn: &str,
) -> bool {
    let facts = UseFacts { wanted, snapshot, key };
    let permission = "kms:PutKeyPolicy";
    let verdict = policy.evaluate(&wanted.caller.who(), permission, arn, &facts);
    matches!(verdict, Verdict::Allowed | Verdict::LeftToAccount)
}

impl<'a> Access<'a> {
    /// The key.
    #[must_use]
    pub const fn key(&self) -> &'a Arc<ServedKey> {
        self.key
    }

    /// Whether the key's state and kind allow it.
    pub fn check(&self) -> Result<(), AuthorizeError> {
        Ok(self.key.record().check_use(self.wanted.action.operation())?)
    }

    /// The secret of an asymmetric or HMAC key, if its state and kind allow it.
    pub fn secret(&self) -> Result<&'a Arc<KeySecret>, AuthorizeError> {
        Ok(self.key.secret(self.wanted.action.operation())?)
    }

    /// The right to wrap under the key's current material, if its state and partition allow it.
    pub fn to_wrap(&self) -> Result<Permit, AuthorizeError> {
        self.check()?;
        let key = self.key.wrapping_key()?;
        let partition = key.arn().scope.partition;
        match self.wanted.spec.filter(|spec| !spec.offered_in(partition)) {
            None => Ok(Permit { key: Arc::clone(key) }),
            Some(spec) => Err(AuthorizeError::NotOffered { spec, key: key.arn().clone() }),
        }
    }

    /// The right to unwrap what `material` sealed, if the key's state allows it.
    pub fn to_unwrap(&self, material: MaterialId) -> Result<Permit, AuthorizeError> {
        Ok(Permit { key: Arc::clone(self.key.unwrapping_key(material)?) })
    }
}
