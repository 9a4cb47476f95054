//! How a command fails: a message, a hint, an exit code.
//!
//! Exit codes follow sysexits: 64 to 78 for faults that a repetition will not cure, 75 for
//! those it may.

use std::fmt;
use std::process::ExitCode;

use keymill::keystore;
use keymill::kms::TlsError;
use keymill::pipeline::authorize::AuthorizeError;
use keymill::pipeline::manifest::ManifestError;
use keymill::pipeline::request::RequestError;
use keymill::pipeline::reserve::ReserveError;
use keymill::pipeline::sink::arrow;
use keymill::pipeline::{self};
use keymill::pool::sealed;

/// The sysexits codes in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Usage = 64,
    BadData = 65,
    NoInput = 66,
    Unavailable = 69,
    Internal = 70,
    CannotCreate = 73,
    Io = 74,
    TryAgain = 75,
    NoPermission = 77,
    BadConfiguration = 78,
}

/// A failure as it is shown.
#[derive(Debug)]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
    pub code: Code,
}

impl Failure {
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Shows the failure on standard error.
    pub fn report(&self) -> ExitCode {
        eprintln!("keymill: error: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("keymill: hint: {hint}");
        }
        ExitCode::from(self.code as u8)
    }
}

impl From<keystore::Error> for Failure {
    fn from(error: keystore::Error) -> Self {
        use keystore::Kind;
        let code = match error.kind() {
            Kind::Usage => Code::Usage,
            Kind::NotFound => Code::Unavailable,
            Kind::Refused | Kind::Permission | Kind::Locked => Code::NoPermission,
            Kind::Missing => Code::NoInput,
            Kind::Exists => Code::CannotCreate,
            Kind::Damaged => Code::BadData,
            Kind::Busy | Kind::NoSpace => Code::TryAgain,
            Kind::Io => Code::Io,
        };
        let hint = keystore_hint(&error);
        let message = named(error.aws_name(), &error);
        Self { message, hint: hint.map(str::to_owned), code }
    }
}

impl From<keystore::SeedError> for Failure {
    fn from(error: keystore::SeedError) -> Self {
        use std::io::ErrorKind;
        let code = match error.io_kind() {
            None => Code::BadData,
            Some(ErrorKind::NotFound) => Code::NoInput,
            Some(ErrorKind::PermissionDenied) => Code::NoPermission,
            Some(_) => Code::Io,
        };
        Self::new(code, error)
    }
}

/// What the user can do about it.
fn keystore_hint(error: &keystore::Error) -> Option<&'static str> {
    use keystore::{Error, MultiRegionFault};
    Some(match error {
        Error::KeyNotFound(_) | Error::KeyIdMalformed(_) => "keymill key list shows what is there",
        Error::AliasNotFound(..) => "keymill alias list shows what is there",
        Error::ArnElsewhere(_) => "the keystore speaks for one Region; see keymill key list",
        Error::Disabled(_) => "keymill key enable --key-id KEY",
        Error::PendingDeletion(_) => "keymill key cancel-deletion --key-id KEY, then key enable",
        Error::PendingImport(_) => "keymill key import --key-id KEY --material-file FILE",
        Error::MultiRegion(MultiRegionFault::NotPrimary(_)) => {
            "keymill key describe names the primary of a multi-Region key"
        }
        Error::AliasExists(..) => "keymill alias update lets it stand for another key",
        Error::Busy(_) => "another keymill has the keystore open; try again when it is done",
        Error::WrongPassphrase => "nothing was changed; try again",
        Error::PassphraseNeeded(_) | Error::PassphraseUnread(_) => {
            "run it on a terminal, or give --passphrase-file FILE"
        }
        _ => return None,
    })
}

/// The message with the AWS exception's name in front, if it has one.
fn named(aws_name: Option<&'static str>, error: &impl fmt::Display) -> String {
    match aws_name {
        Some(name) => format!("{name}: {error}"),
        None => error.to_string(),
    }
}

impl From<AuthorizeError> for Failure {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Keystore(error) => error.into(),
            error @ (AuthorizeError::Denied { .. } | AuthorizeError::GrantToken) => {
                Self::new(Code::NoPermission, named(error.aws_name(), &error))
            }
            error @ AuthorizeError::NotOffered { .. } => {
                let message = named(error.aws_name(), &error);
                Self::new(Code::NoPermission, message).hint(
                    "SM2 is offered in the China Regions only, ML-KEM in all others; \
                     keymill key create --region NAME makes a key elsewhere",
                )
            }
        }
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        let code = match &error {
            TlsError::Cpu => Code::Unavailable,
            TlsError::Unread(..) => Code::NoInput,
            TlsError::Unfit(..) | TlsError::Untrusted(..) => Code::BadData,
        };
        Self::new(code, error)
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Manifest(error) => error.into(),
            RequestError::Template(error) => Self::new(Code::Usage, error),
            error @ RequestError::NoRows => Self::new(Code::Usage, error),
            error @ RequestError::NoSpec => Self::new(Code::Usage, error)
                .hint("give --key-pair-spec, or a column key_pair_spec in the manifest"),
            error @ RequestError::TwoSpecs => Self::new(Code::Usage, error)
                .hint("leave --key-pair-spec out, or rename the column"),
        }
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        use std::io::ErrorKind;
        let code = match &error {
            ManifestError::Io { error, .. } => match error.kind() {
                ErrorKind::NotFound => Code::NoInput,
                ErrorKind::PermissionDenied => Code::NoPermission,
                _ => Code::Io,
            },
            ManifestError::NotAFile { .. } => Code::NoInput,
            ManifestError::UnknownFormat { .. } | ManifestError::UnknownColumn { .. } => {
                Code::Usage
            }
            ManifestError::Changed { .. } => Code::TryAgain,
            _ => Code::BadData,
        };
        let hint = match &error {
            ManifestError::UnknownFormat { .. } => "give --manifest-format csv, ndjson or arrow",
            ManifestError::ReservedColumn { .. } | ManifestError::RepeatedColumn { .. } => {
                "rename the column"
            }
            ManifestError::Changed { .. } => "nothing was published; run the command again",
            ManifestError::Duplicate { .. } => "no key was made; mend the manifest and run again",
            ManifestError::NotUtf8 { .. } => "save the file as UTF-8",
            _ => return Self::new(code, error),
        };
        Self::new(code, error).hint(hint)
    }
}

impl From<pipeline::Error> for Failure {
    fn from(error: pipeline::Error) -> Self {
        match error {
            pipeline::Error::Request(error) => error.into(),
            pipeline::Error::Authorize(error) => error.into(),
            pipeline::Error::Reserve(error) => error.into(),
            pipeline::Error::Arrow(error) => error.into(),
            pipeline::Error::Take(error) => Self::new(Code::Internal, error).hint(UNFIT),
            pipeline::Error::Layout(error) => Self::new(Code::Usage, error),
            pipeline::Error::Push(error) => Self::new(Code::Internal, error),
            error @ pipeline::Error::Output(_) => Self::new(Code::Io, error),
            pipeline::Error::Threads(error) => Self::new(Code::TryAgain, error),
        }
    }
}

/// What a failed check of a key pair, or a lack of randomness, says of the machine.
const UNFIT: &str = "this machine computes wrongly or has no randomness; do not use it for keys";

impl From<ReserveError> for Failure {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::Pool(error) => error.into(),
            ReserveError::Keystore(error) => error.into(),
            error @ ReserveError::Strange { .. } => Self::new(Code::Unavailable, error)
                .hint("name the keystore that made it with --home DIR; no older copy will do"),
            error @ ReserveError::Short { .. } => Self::new(Code::BadData, error)
                .hint("put the newest copy back; or keymill pool fill, which goes on behind them"),
        }
    }
}

impl From<sealed::Error> for Failure {
    fn from(error: sealed::Error) -> Self {
        use sealed::Error;
        use std::io::ErrorKind;
        let code = match &error {
            Error::Foreign(_)
            | Error::Damaged(_)
            | Error::Newer { .. }
            | Error::Misnamed { .. } => Code::BadData,
            Error::Busy(_) | Error::DiskFull(_) => Code::TryAgain,
            Error::Exhausted(_) => Code::CannotCreate,
            Error::Make(_) => Code::Internal,
            Error::Io { source, .. } => match source.kind() {
                ErrorKind::NotFound => Code::NoInput,
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Code::NoPermission,
                _ => Code::Io,
            },
        };
        let hint = match &error {
            Error::Foreign(_) | Error::Damaged(_) => {
                "restore the file from a copy; pairs taken since then are not handed out again"
            }
            Error::Misnamed { .. } => "give the file its name back",
            Error::DiskFull(_) => "what was made is in the pool; make room and run it again",
            Error::Exhausted(_) => "move the file away; keymill pool fill then makes a new pool",
            Error::Make(_) => UNFIT,
            error if error.is_missing() => "keymill pool fill makes a pool",
            _ => return Self::new(code, error),
        };
        Self::new(code, error).hint(hint)
    }
}

impl From<arrow::Error> for Failure {
    fn from(error: arrow::Error) -> Self {
        use arrow::Error;
        use std::io::ErrorKind;
        let code = match &error {
            Error::Busy { .. } | Error::DiskFull { .. } | Error::Unfinished { .. } => {
                Code::TryAgain
            }
            Error::OtherJob { .. } | Error::Exists { .. } | Error::Reserved { .. } => {
                Code::CannotCreate
            }
            Error::NotOurs { .. } | Error::Damaged { .. } | Error::RowDamaged { .. } => {
                Code::BadData
            }
            Error::Layout(_) | Error::NoSuchRow { .. } => Code::Usage,
            Error::Io { source, .. } => match source.kind() {
                ErrorKind::NotFound => Code::NoInput,
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Code::NoPermission,
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::TryAgain,
                _ => Code::Io,
            },
        };
        let hint = match &error {
            Error::DiskFull { .. } => "make room and run the same command again",
            _ => return Self::new(code, error),
        };
        Self::new(code, error).hint(hint)
    }
}
