//! Stage 2: a request becomes a permit, if the key may be used for it.

use core::fmt;
use std::sync::Arc;

use crate::crypto::seal::WrappingKey;
use crate::keystore::{self, Keystore, ServedKey, ServedPrincipal, Snapshot};
use crate::pipeline::request::Request;
use crate::spec::key_id::Scope;
use crate::spec::{Action, EncryptionContext, KeyArn, KeyPairSpec, MaterialId, Operation};

/// The right to wrap the key pairs of one request; made by [`authorize`] only.
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
    let key = WrappingKey::new(material.arn, material.material);
    let partition = key.arn().scope.partition;
    match request.groups().iter().find(|group| !group.spec.offered_in(partition)) {
        None => Ok(Permit { key: Arc::new(key) }),
        Some(group) => Err(AuthorizeError::NotOffered { spec: group.spec, key: key.arn().clone() }),
    }
}

/// Who calls, and for which account and Region.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The principal that signed the call.
    pub principal: Arc<ServedPrincipal>,
    /// Its account, in the Region of the call.
    pub scope: Scope,
}

/// One use of one key, as a caller asks for it.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse<'a> {
    /// What is to be done.
    pub action: Action,
    /// By whom.
    pub caller: &'a Caller,
    /// With which key, in any form of a `KeyId`.
    pub key_id: &'a str,
    /// The kind of key pair, for the operations that make one.
    pub spec: Option<KeyPairSpec>,
    /// The encryption context, for the operations that take one.
    pub context: Option<&'a EncryptionContext>,
    /// Grants that may not be known everywhere yet.
    pub grant_tokens: &'a [&'a str],
}

impl<'a> KeyUse<'a> {
    /// The use of a key by an operation that neither wraps nor unwraps.
    #[must_use]
    pub const fn management(operation: Operation, caller: &'a Caller, key_id: &'a str) -> Self {
        let action = Action::Call(operation);
        Self { action, caller, key_id, spec: None, context: None, grant_tokens: &[] }
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
    let caller = wanted.caller;
    match snapshot.resolve(&caller.scope, wanted.key_id) {
        Ok(key) => access_to(key, wanted),
        Err(error) if error.names_account_other_than(caller.scope.account) => {
            Err(AuthorizeError::denied(wanted, None))
        }
        Err(error) => Err(error.into()),
    }
}

/// As [`access`], for a key that a blob names.
pub fn access_to<'a>(
    key: &'a Arc<ServedKey>,
    wanted: &'a KeyUse<'a>,
) -> Result<Access<'a>, AuthorizeError> {
    let owner = key.record().arn().scope.account;
    if owner == wanted.caller.scope.account {
        Ok(Access { key, wanted })
    } else {
        Err(AuthorizeError::denied(wanted, None))
    }
}

impl<'a> Access<'a> {
    /// The key.
    #[must_use]
    pub const fn key(&self) -> &'a Arc<ServedKey> {
        self.key
    }

    /// The right to wrap under the key's current material, if its state and partition allow it.
    pub fn to_wrap(&self) -> Result<Permit, AuthorizeError> {
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

/// Why a request gets no permit.
#[derive(Debug)]
pub enum AuthorizeError {
    /// The key cannot be found, opened or used.
    Keystore(keystore::Error),
    /// The caller may not do this with this key.
    Denied {
        /// ARN of the principal.
        principal: String,
        /// What it wanted to do.
        action: Action,
        /// ARN of the key, if the caller may know of it.
        key: Option<String>,
    },
    /// The key's partition does not offer the spec.
    NotOffered {
        /// What was asked for.
        spec: KeyPairSpec,
        /// The key.
        key: KeyArn,
    },
}

impl AuthorizeError {
    /// The refusal of `wanted`; names the key only if the caller may know that it exists.
    fn denied(wanted: &KeyUse<'_>, key: Option<&ServedKey>) -> Self {
        Self::Denied {
            principal: wanted.caller.principal.arn().to_owned(),
            action: wanted.action,
            key: key.map(|key| key.arn().to_owned()),
        }
    }

    /// The AWS exception for it, if the service has one.
    #[must_use]
    pub fn aws_name(&self) -> Option<&'static str> {
        match self {
            Self::Keystore(error) => error.aws_name(),
            Self::Denied { .. } => Some("AccessDeniedException"),
            Self::NotOffered { .. } => Some("UnsupportedOperationException"),
        }
    }
}

impl fmt::Display for AuthorizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keystore(error) => error.fmt(f),
            Self::Denied { principal, action, key: Some(key) } => write!(
                f,
                "User: {principal} is not authorized to perform: kms:{action} on resource: \
                 {key} because no resource-based policy allows the kms:{action} action"
            ),
            Self::Denied { principal, action, key: None } => write!(
                f,
                "User: {principal} is not authorized to perform: kms:{action} on this resource \
                 because the resource does not exist in this Region, no resource-based policies \
                 allow access, or a resource-based policy explicitly denies access"
            ),
            Self::NotOffered { spec, key } => {
                write!(f, "{spec} is not offered in the partition {} of {key}", key.scope.partition)
            }
        }
    }
}

impl core::error::Error for AuthorizeError {}

impl From<keystore::Error> for AuthorizeError {
    fn from(error: keystore::Error) -> Self {
        Self::Keystore(error)
    }
}
