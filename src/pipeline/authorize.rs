//! Stage 2: a request becomes a permit, if the key may be used for it.

use core::fmt;

use crate::crypto::seal::WrappingKey;
use crate::keystore::{self, Keystore};
use crate::pipeline::request::Request;
use crate::spec::{KeyArn, KeyPairSpec, MaterialId};

/// The right to wrap the key pairs of one request; made by [`authorize`] only.
#[derive(Debug)]
pub struct Permit {
    key: WrappingKey,
}

impl Permit {
    /// The key to wrap under.
    #[must_use]
    pub const fn key(&self) -> &WrappingKey {
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
        None => Ok(Permit { key }),
        Some(group) => Err(AuthorizeError::NotOffered { spec: group.spec, key: key.arn().clone() }),
    }
}

/// Why a request gets no permit.
#[derive(Debug)]
pub enum AuthorizeError {
    /// The key cannot be found, opened or used.
    Keystore(keystore::Error),
    /// The key's partition does not offer the spec.
    NotOffered {
        /// What was asked for.
        spec: KeyPairSpec,
        /// The key.
        key: KeyArn,
    },
}

impl AuthorizeError {
    /// The AWS exception for it, if the service has one.
    #[must_use]
    pub fn aws_name(&self) -> Option<&'static str> {
        match self {
            Self::Keystore(error) => error.aws_name(),
            Self::NotOffered { .. } => Some("UnsupportedOperationException"),
        }
    }
}

impl fmt::Display for AuthorizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keystore(error) => error.fmt(f),
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
