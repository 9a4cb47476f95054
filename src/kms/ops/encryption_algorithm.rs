//! `EncryptionAlgorithm`: a member of several requests, of which symmetric keys take one value.

use crate::keystore::ServedKey;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;

/// `EncryptionAlgorithmSpec` of the service model.
const NAMES: [&str; 4] = [DEFAULT, "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"];

/// The algorithm of symmetric keys, and the one that is meant if none is named.
pub(super) const DEFAULT: &str = "SYMMETRIC_DEFAULT";

/// Takes in the member.
pub(super) fn algorithm(check: &mut Check, member: &str, text: Option<&Text<'_>>) -> &'static str {
    check.name_of(member, text, &NAMES).unwrap_or(DEFAULT)
}

/// The algorithm, as policies may ask for it.
pub(super) const fn algorithm_fact(algorithm: &str) -> (ConditionKey, Fact<'_>) {
    (ConditionKey::EncryptionAlgorithm, Fact::Text(algorithm))
}

/// Refuses an algorithm that `key` is not for.
pub(super) fn check_algorithm(algorithm: &str, key: &ServedKey) -> Result<(), Error> {
    if algorithm == DEFAULT {
        return Ok(());
    }
    let spec = key.record().spec();
    let message = format!("Algorithm {algorithm} is incompatible with key spec {spec}.");
    Err(Error::new("InvalidKeyUsageException", message))
}
