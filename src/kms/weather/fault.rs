//! `Fault`: an exception that is answered to some calls in place of the work.

use core::fmt;
use core::str::FromStr;

use super::chance::Chance;
use super::forecast::ForecastError;

/// What the service answers when it does not answer: the exceptions of the KMS service model and of
/// the framework before it.
const EXCEPTIONS: [&str; 37] = [
    "AccessDeniedException",
    "AlreadyExistsException",
    "ConflictException",
    "CustomKeyStoreNotFoundException",
    "DependencyTimeoutException",
    "DisabledException",
    "DryRunOperationException",
    "ExpiredImportTokenException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "IncorrectKeyException",
    "IncorrectKeyMaterialException",
    "InvalidAliasNameException",
    "InvalidArnException",
    "InvalidCiphertextException",
    "InvalidGrantIdException",
    "InvalidGrantTokenException",
    "InvalidImportTokenException",
    "InvalidKeyUsageException",
    "InvalidMarkerException",
    "InvalidSignatureException",
    "KMSInternalException",
    "KMSInvalidMacException",
    "KMSInvalidSignatureException",
    "KMSInvalidStateException",
    "KeyUnavailableException",
    "LimitExceededException",
    "MalformedPolicyDocumentException",
    "MissingAuthenticationTokenException",
    "NotFoundException",
    "SerializationException",
    "TagException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "UnsupportedOperationException",
    "ValidationException",
];

/// An exception and how often it comes, written `ThrottlingException=1%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// The exception's bare name.
    pub exception: &'static str,
    /// How often it comes.
    pub chance: Chance,
}

impl Fault {
    /// The one of `faults` that comes at this draw from [0, 1), if any.
    pub(super) fn pick(faults: &[Self], draw: f64) -> Option<&'static str> {
        let mut below = 0.0;
        let comes = faults.iter().find(|fault| {
            below += fault.chance.percent();
            draw * 100.0 < below
        });
        comes.map(|fault| fault.exception)
    }
}

impl FromStr for Fault {
    type Err = ForecastError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((name, chance)) = text.split_once('=') else {
            let mend = "give an exception and a chance, like ThrottlingException=1%";
            return Err(ForecastError::new(text, mend));
        };
        let exception = EXCEPTIONS.into_iter().find(|exception| *exception == name);
        let exception = exception.ok_or_else(|| {
            let like = EXCEPTIONS.into_iter().find(|other| {
                let bare = |name: &str| name.to_lowercase().replace("exception", "");
                bare(other).contains(&bare(name)) && !bare(name).is_empty()
            });
            let like = like.unwrap_or("ThrottlingException");
            ForecastError::new(name, format!("KMS has no such exception; {like} is one"))
        })?;
        Ok(Self { exception, chance: chance.parse()? })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.exception, self.chance)
    }
}
