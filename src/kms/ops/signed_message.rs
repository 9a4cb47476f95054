//! What `Sign` and `Verify` share: a message, whether it was hashed already, and an algorithm.

use crate::crypto::asymmetric::{Message, digest_bytes};
use crate::keystore::policy::{ConditionKey, Fact};
use crate::kms::error::Error;
use crate::kms::guesses;
use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::pipeline::authorize::Access;
use crate::secret::Secret;
use crate::spec::SigningAlgorithm;

/// `MessageType` of the service model.
const TYPES: [&str; 3] = [RAW, DIGEST, EXTERNAL_MU];
const RAW: &str = "RAW";
const DIGEST: &str = "DIGEST";
const EXTERNAL_MU: &str = "EXTERNAL_MU";

/// `Message`, `MessageType` and `SigningAlgorithm`.
#[derive(Debug)]
pub(super) struct SignedMessage {
    message: Secret<Vec<u8>>,
    kind: &'static str,
    pub(super) algorithm: SigningAlgorithm,
}

impl SignedMessage {
    /// Takes in the members.
    pub(super) fn of(
        check: &mut Check,
        message: Option<&Text<'_>>,
        kind: Option<&Text<'_>>,
        algorithm: Option<&Text<'_>>,
    ) -> Option<Self> {
        let message = check.blob("message", message, 1..=MESSAGE_BYTES_MAX).map(Secret::new);
        let message = check.required("message", message);
        let kind = check.name_of("messageType", kind, &TYPES).unwrap_or(RAW);
        check.required("signingAlgorithm", algorithm);
        let algorithm = check.one_of("signingAlgorithm", algorithm, SigningAlgorithm::NAMES);
        message.zip(algorithm).map(|(message, algorithm)| Self { message, kind, algorithm })
    }

    /// What policies may ask for.
    pub(super) fn facts(&self) -> [(ConditionKey, Fact<'static>); 2] {
        [
            (ConditionKey::SigningAlgorithm, Fact::Text(self.algorithm.name())),
            (ConditionKey::MessageType, Fact::Text(self.kind)),
        ]
    }

    /// Refuses what the key is not for, and a digest that is none.
    pub(super) fn check(&self, access: &Access<'_>) -> Result<(), Error> {
        let (algorithm, record) = (self.algorithm, access.key().record());
        if !record.algorithms().signing.contains(&algorithm) {
            return Err(Error::algorithm_of_other_keys(algorithm, record.spec()));
        }
        let takes = match algorithm {
            SigningAlgorithm::MlDsaShake256 => [RAW, EXTERNAL_MU].contains(&self.kind),
            SigningAlgorithm::Ed25519Sha512 => self.kind == RAW,
            SigningAlgorithm::Ed25519PhSha512 => self.kind == DIGEST,
            _ => [RAW, DIGEST].contains(&self.kind),
        };
        if !takes {
            return Err(guesses::message_type_of_other_algorithms(self.kind, algorithm));
        }
        if self.kind != RAW && self.message.expose().len() != digest_bytes(algorithm) {
            let message = format!("Digest is invalid length for algorithm {algorithm}.");
            return Err(Error::validation(message));
        }
        Ok(())
    }

    /// What is signed.
    pub(super) fn message(&self) -> Message<'_> {
        let message = self.message.expose();
        if self.kind == RAW { Message::Raw(message) } else { Message::Digest(message) }
    }
}
