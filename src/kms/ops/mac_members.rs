//! What `GenerateMac` and `VerifyMac` share: a message and an algorithm.

use crate::crypto::mac::MacKey;
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::error::Error;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::pipeline::authorize::Access;
use crate::secret::Secret;
use crate::spec::MacAlgorithm;

/// `Message` and `MacAlgorithm`.
#[derive(Debug)]
pub(super) struct MacMembers {
    pub(super) message: Secret<Vec<u8>>,
    pub(super) algorithm: MacAlgorithm,
}

impl MacMembers {
    /// Takes in the members.
    pub(super) fn of(
        check: &mut Check,
        message: Option<&Text<'_>>,
        algorithm: Option<&Text<'_>>,
    ) -> Option<Self> {
        let message = check.blob("message", message, 1..=MESSAGE_BYTES_MAX).map(Secret::new);
        let message = check.required("message", message);
        check.required("macAlgorithm", algorithm);
        let algorithm = check.one_of("macAlgorithm", algorithm, MacAlgorithm::NAMES);
        message.zip(algorithm).map(|(message, algorithm)| Self { message, algorithm })
    }

    /// What policies may ask for.
    pub(super) fn facts(&self) -> [(ConditionKey, Fact<'static>); 1] {
        [(ConditionKey::MacAlgorithm, Fact::Text(self.algorithm.name()))]
    }

    /// The key, if its state and kind allow it, and it is for the algorithm.
    pub(super) fn key<'a>(&self, access: &Access<'a>) -> Result<&'a MacKey, Error> {
        let secret = access.secret()?;
        let record = access.key().record();
        if !record.algorithms().mac.contains(&self.algorithm) {
            return Err(Error::algorithm_of_other_keys(self.algorithm, record.spec()));
        }
        secret.mac().ok_or_else(Error::internal)
    }
}
