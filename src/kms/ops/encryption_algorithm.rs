//! `EncryptionAlgorithm`: a member of several requests; and what of a key it works with.

use std::sync::Arc;

use crate::keystore::KeySecret;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::pipeline::authorize::{Access, Permit};
use crate::spec::{EncryptionAlgorithm, EncryptionContext, MaterialId};

/// The algorithm of symmetric keys, and the one that is meant if none is named.
pub(super) const DEFAULT: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;

/// Takes in the member.
pub(super) fn algorithm(
    check: &mut Check,
    member: &str,
    text: Option<&Text<'_>>,
) -> EncryptionAlgorithm {
    check.one_of(member, text, EncryptionAlgorithm::NAMES).unwrap_or(DEFAULT)
}

/// The algorithm, as policies may ask for it.
pub(super) const fn algorithm_fact(
    algorithm: EncryptionAlgorithm,
) -> (ConditionKey, Fact<'static>) {
    (ConditionKey::EncryptionAlgorithm, Fact::Text(algorithm.name()))
}

/// What encrypts or opens, by an algorithm that the key is for.
#[derive(Debug)]
pub(super) enum EncryptionKey {
    Symmetric(Permit),
    Asymmetric(Arc<KeySecret>),
}

impl EncryptionKey {
    /// Asks whether the key's state and kind allow it. `permit` gives the right to use a symmetric
    /// one; a context is of no use to others.
    pub(super) fn of(
        access: &Access<'_>,
        algorithm: EncryptionAlgorithm,
        context: &EncryptionContext,
        permit: impl FnOnce() -> Result<Permit, Error>,
    ) -> Result<Self, Error> {
        access.check()?;
        let record = access.key().record();
        if !record.algorithms().encryption.contains(&algorithm) {
            return Err(Error::algorithm_of_other_keys(algorithm, record.spec()));
        }
        match algorithm {
            DEFAULT => Ok(Self::Symmetric(permit()?)),
            _ if !context.is_empty() => Err(guesses::context_of_asymmetric_key()),
            _ => Ok(Self::Asymmetric(Arc::clone(access.secret()?))),
        }
    }

    /// The material of a symmetric key.
    pub(super) fn material_id(&self) -> Option<MaterialId> {
        match self {
            Self::Symmetric(permit) => Some(permit.key().material_id()),
            Self::Asymmetric(_) => None,
        }
    }
}
