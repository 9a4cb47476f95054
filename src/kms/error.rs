//! What a client is told when a call fails: exception name, status, message.
//!
//! Clients match on names and texts, so both are AWS's to the letter. Every failure is status 400,
//! but for the three that are the service's own fault (KMS API reference, "Common Errors").

use std::borrow::Cow;

use super::guesses;
use crate::crypto::seal::BlobError;
use crate::keystore;
use crate::pipeline::authorize::AuthorizeError;
use crate::pipeline::take::TakeError;
use crate::pool;
use crate::spec::KeySpec;

/// A failure as it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    /// The exception's bare name.
    pub(super) name: &'static str,
    /// Absent where AWS sends none.
    pub(super) message: Option<Cow<'static, str>>,
}

impl Error {
    /// An exception with its message.
    pub(super) fn new(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { name, message: Some(message.into()) }
    }

    /// An exception that AWS sends without a message.
    pub(super) const fn bare(name: &'static str) -> Self {
        Self { name, message: None }
    }

    /// `ValidationException`.
    pub(super) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("ValidationException", message)
    }

    /// The answer to a dry run that found nothing wrong.
    pub(super) fn dry_run() -> Self {
        let message = "The request would have succeeded, but the DryRun option is set.";
        Self::new("DryRunOperationException", message)
    }

    /// More calls than may be answered.
    pub(super) fn throttled() -> Self {
        let message = "You have exceeded the rate at which you may call KMS. Reduce the frequency \
                       of your calls.";
        Self::new("ThrottlingException", message)
    }

    /// A key that is not for `algorithm`.
    pub(super) fn algorithm_of_other_keys(
        algorithm: impl core::fmt::Display,
        spec: KeySpec,
    ) -> Self {
        let message = format!("Algorithm {algorithm} is incompatible with key spec {spec}.");
        Self::new("InvalidKeyUsageException", message)
    }

    /// A failure of this program or machine. What it is goes nowhere but to the operator.
    pub(super) const fn internal() -> Self {
        Self::bare("KMSInternalException")
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> hyper::StatusCode {
        match self.name {
            "KMSInternalException" | "KeyUnavailableException" | "DependencyTimeoutException" => {
                hyper::StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => hyper::StatusCode::BAD_REQUEST,
        }
    }
}

impl From<keystore::Error> for Error {
    fn from(error: keystore::Error) -> Self {
        if let Some(guess) = guesses::of_keystore(&error) {
            return guess;
        }
        match error.aws_name() {
            // The service says nothing more.
            Some(name) if matches!(error, keystore::Error::RotationUnsupported) => Self::bare(name),
            Some(name) => Self::new(name, error.to_string()),
            None => Self::internal(),
        }
    }
}

impl From<AuthorizeError> for Error {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Keystore(error) => error.into(),
            AuthorizeError::GrantToken => guesses::invalid_grant_token(),
            AuthorizeError::NotOffered { spec, .. } => {
                guesses::spec_not_offered("KeyPairSpec", spec.name())
            }
            AuthorizeError::Denied { .. } => Self::new("AccessDeniedException", error.to_string()),
        }
    }
}

impl From<TakeError> for Error {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Pool(pool::TakeError::Throttled { .. }) => Self::throttled(),
            _ => Self::internal(),
        }
    }
}

impl From<BlobError> for Error {
    /// Which part of a blob is wrong is for nobody to learn.
    fn from(_: BlobError) -> Self {
        Self::bare("InvalidCiphertextException")
    }
}
