//! `EncryptionAlgorithm`: a member of several requests, and whether a key is for it.

use crate::keystore::ServedKey;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::spec::{EncryptionAlgorithm, EncryptionContext};

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

/// Refuses an algorithm that `key` is not for, and a context where there can be none.
pub(super) fn check_algorithm(
    algorithm: EncryptionAlgorithm,
    context: &EncryptionContext,
    key: &ServedKey,
) -> Result<(), Error> {
    if !key.record().algorithms().encryption.contains(&algorithm) {
        return Err(Error::algorithm_of_other_keys(algorithm, key.record().spec()));
    }
    if algorithm != DEFAULT && !context.is_empty() {
        return Err(guesses::context_of_asymmetric_key());
    }
    Ok(())
}
