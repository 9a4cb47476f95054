//! Why a request gets no permit, and in which words.

use core::fmt;

use super::key_use::KeyUse;
use crate::keystore;
use crate::keystore::policy::Refusal;
use crate::spec::{Action, KeyArn, KeyPairSpec};

/// Why a request gets no permit.
#[derive(Debug)]
pub enum AuthorizeError {
    /// The key cannot be found, opened or used.
    Keystore(keystore::Error),
    /// The caller may not do this.
    Denied {
        /// ARN of the principal.
        principal: String,
        /// What it wanted to do.
        action: Action,
        /// With what, and which policy forbids or lacks it; none if the caller may not even know
        /// whether the key exists.
        because: Option<(String, Refusal)>,
    },
    /// A grant token names no grant.
    GrantToken,
    /// The key's partition does not offer the spec.
    NotOffered {
        /// What was asked for.
        spec: KeyPairSpec,
        /// The key.
        key: KeyArn,
    },
}

impl AuthorizeError {
    /// The refusal of `wanted` with `resource`.
    pub(super) fn denied(wanted: &KeyUse<'_>, resource: &str, refusal: Refusal) -> Self {
        Self::of(wanted, Some((resource.to_owned(), refusal)))
    }

    /// The refusal of `wanted` that tells nothing of the key.
    #[must_use]
    pub fn hidden(wanted: &KeyUse<'_>) -> Self {
        Self::of(wanted, None)
    }

    fn of(wanted: &KeyUse<'_>, because: Option<(String, Refusal)>) -> Self {
        let principal = wanted.caller.principal.arn().to_owned();
        Self::Denied { principal, action: wanted.action, because }
    }

    /// The AWS exception for it, if the service has one.
    #[must_use]
    pub fn aws_name(&self) -> Option<&'static str> {
        match self {
            Self::Keystore(error) => error.aws_name(),
            Self::Denied { .. } => Some("AccessDeniedException"),
            Self::GrantToken => Some("InvalidGrantTokenException"),
            Self::NotOffered { .. } => Some("UnsupportedOperationException"),
        }
    }
}

impl fmt::Display for AuthorizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keystore(error) => error.fmt(f),
            Self::Denied { principal, action, because } => {
                write!(f, "User: {principal} is not authorized to perform: kms:{action} on ")?;
                match because {
                    Some((resource, refusal)) => {
                        let reason = refusal.reason(format_args!("kms:{action}"));
                        write!(f, "resource: {resource} {reason}")
                    }
                    None => f.write_str(
                        "this resource because the resource does not exist in this Region, no \
                         resource-based policies allow access, or a resource-based policy \
                         explicitly denies access",
                    ),
                }
            }
            Self::GrantToken => f.write_str("the grant token names no grant"),
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
