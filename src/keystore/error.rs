//! Why the keystore refuses.
//!
//! Two families: what AWS KMS itself would answer, with its exception name and its text to the
//! letter, since clients match on both; and faults of the files, which name the path and the mend.
//! Where the service's text is not known, `kms::guesses` says so and has the endpoint's answer.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::grant::GrantFault;
use super::import::ImportFault;
use super::key::{KeyState, Origin};
use super::multi_region::MultiRegionFault;
use super::policy::PolicyError;
use super::principal::PrincipalFault;
use super::tags::TagFault;
use crate::limits::{
    ALIAS_NAME_CHARS_MAX, ALIASES_PER_KEY_MAX, DESCRIPTION_CHARS_MAX, GRANT_CONSTRAINT_CHARS_MAX,
    GRANT_CONSTRAINT_PAIRS_MAX, GRANTS_PER_KEY_MAX, KEY_ID_CHARS_MAX, POLICY_BYTES_MAX,
};
use crate::spec::key_id::Scope;
use crate::spec::{
    Account, Action, AliasName, KeyArn, KeySpec, KeyUsage, MaterialId, Operation, Partition,
    PoolId, Region,
};

/// Why an operation on the keystore failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text has none of the four forms of a `KeyId`.
    KeyIdMalformed(String),
    /// The text of a `KeyId` is empty or over 2048 characters.
    KeyIdLength {
        /// Whether it is too long, not empty.
        too_long: bool,
    },
    /// No such key.
    KeyNotFound(KeyArn),
    /// The ARN lies in another Region than the one the keystore speaks for.
    ArnElsewhere(Region),
    /// No such alias.
    AliasNotFound(Scope, AliasName),
    /// The secret of an asymmetric or HMAC key does not open.
    SecretDamaged(KeyArn),
    /// The key has no material of this id.
    MaterialNotFound(KeyArn, MaterialId),
    /// The key is disabled.
    Disabled(KeyArn),
    /// The key waits for its deletion.
    PendingDeletion(KeyArn),
    /// The key does not wait for its deletion, so that there is nothing to cancel.
    NotPendingDeletion(KeyArn),
    /// The key waits for its material.
    PendingImport(KeyArn),
    /// The key is in another state that forbids it.
    InvalidState(KeyArn, KeyState),
    /// The operation is not for keys of this origin.
    OriginUnsupported(KeyArn, Origin),
    /// The key is for something else than the operation.
    KeyUsage(KeyArn, KeyUsage, Operation),
    /// The operation is not for keys of this spec.
    KeySpec(KeyArn, KeySpec, Operation),
    /// Keys of this kind do not rotate.
    RotationUnsupported,
    /// A key cannot be given these tags.
    Tag(TagFault),
    /// All on-demand rotations of the key are used up.
    RotationLimit(KeyArn),
    /// Material cannot be imported.
    Import(ImportFault),
    /// A multi-Region key cannot be replicated, or moved.
    MultiRegion(MultiRegionFault),
    /// The pending window is not 7 to 30 days.
    DeletionWindow(u16),
    /// The description is over 8192 characters.
    DescriptionLength,
    /// The alias exists already.
    AliasExists(Scope, AliasName),
    /// The alias name lies under `alias/aws/`.
    AliasReserved(AliasName),
    /// The alias name does not start with `alias/`.
    AliasPrefix,
    /// The alias name has characters or a length it may not have.
    AliasNameInvalid(String),
    /// The target of an alias is given as an alias.
    AliasToAlias,
    /// The target of an alias lies in another account.
    AliasTargetElsewhere(KeyArn),
    /// The key has as many aliases as it may have.
    AliasLimit(KeyArn),
    /// The key policy is none that can be understood.
    Policy(PolicyError),
    /// The key policy is too long.
    PolicyLength,
    /// The terms of a grant are not what they should be.
    Grant(GrantFault),
    /// The key has no use for a grant of this operation.
    GrantOperation(KeyArn, Action),
    /// The key has as many grants as it may have.
    GrantLimit(KeyArn),
    /// No such grant.
    GrantNotFound(String),
    /// A principal cannot be made or found.
    Principal(PrincipalFault),
    /// No sealed pool of this id was made with this keystore.
    PoolUnknown(PoolId),
    /// The Region does not belong to the partition.
    PartitionMismatch(Region, Partition),

    /// Another process has the keystore open.
    Busy(PathBuf),
    /// There is a keystore already.
    Exists(PathBuf),
    /// There is no keystore.
    Missing(PathBuf),
    /// The file is no keystore, or damaged.
    Damaged(PathBuf, Damage),
    /// The keystore was written by a newer keymill.
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format version.
        version: u64,
    },
    /// The root key file is gone.
    RootKeyMissing(PathBuf),
    /// The root key file is truncated, altered or of another kind.
    RootKeyDamaged(PathBuf),
    /// The root key file belongs to another keystore.
    WrongRootKey(PathBuf),
    /// The passphrase is wrong.
    WrongPassphrase,
    /// The keystore is locked by a passphrase and none was given.
    PassphraseNeeded(PathBuf),
    /// A passphrase was given for a keystore that has a root key file.
    PassphraseUnused(PathBuf),
    /// An empty passphrase for a new keystore.
    PassphraseEmpty,
    /// The passphrase could not be asked for.
    PassphraseUnread(io::Error),
    /// The operating system gave no random bytes, or no memory for the passphrase function.
    Resources(&'static str),
    /// The file is another keystore than the one that was opened before.
    Replaced(PathBuf),
    /// A file operation failed.
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What is wrong with a keystore file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Damage {
    /// Empty, cut off, or of another program.
    Foreign,
    /// The database's own structure or checksums do not hold.
    Pages(Box<redb::Error>),
    /// The header row is missing or malformed.
    Header,
    /// A row is malformed or contradicts another one.
    Row {
        /// `keys` or `aliases`.
        table: &'static str,
        /// The row's name.
        name: String,
    },
    /// Sealed key material does not open although the root key is right.
    Material(KeyArn),
}

/// What a caller can do about an [`Error`]: the doors choose exit codes and HTTP statuses by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong.
    Usage,
    /// The named key, alias or material does not exist.
    NotFound,
    /// The key's state, origin or a limit forbids it.
    Refused,
    /// There is no keystore or no root key where one is needed.
    Missing,
    /// There is a keystore where none is wanted.
    Exists,
    /// A file is damaged, foreign or too new.
    Damaged,
    /// Wrong or missing root key or passphrase.
    Locked,
    /// Another process is at work: try again.
    Busy,
    /// The operating system denies access.
    Permission,
    /// The disk is full: make room and try again.
    NoSpace,
    /// Any other failure of the operating system.
    Io,
}

impl Error {
    /// The name of the AWS exception, for what AWS KMS would refuse too.
    #[must_use]
    pub fn aws_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::KeyIdMalformed(_)
            | Self::KeyNotFound(_)
            | Self::ArnElsewhere(_)
            | Self::GrantNotFound(_)
            | Self::AliasNotFound(..) => "NotFoundException",
            Self::Grant(GrantFault::Principal(_)) => "InvalidArnException",
            Self::Disabled(_) => "DisabledException",
            Self::PendingDeletion(_)
            | Self::NotPendingDeletion(_)
            | Self::PendingImport(_)
            | Self::InvalidState(..) => "KMSInvalidStateException",
            Self::OriginUnsupported(..) | Self::RotationUnsupported => {
                "UnsupportedOperationException"
            }
            Self::KeyUsage(..) | Self::KeySpec(..) => "InvalidKeyUsageException",
            Self::Tag(_) => "TagException",
            Self::RotationLimit(_)
            | Self::AliasLimit(_)
            | Self::GrantLimit(_)
            | Self::PolicyLength => "LimitExceededException",
            Self::Policy(_) => "MalformedPolicyDocumentException",
            Self::Import(fault) => fault.aws_name(),
            Self::MultiRegion(fault) => fault.aws_name(),
            Self::AliasExists(..) => "AlreadyExistsException",
            Self::AliasReserved(_) => "InvalidAliasNameException",
            Self::KeyIdLength { .. }
            | Self::DeletionWindow(_)
            | Self::DescriptionLength
            | Self::Grant(_)
            | Self::GrantOperation(..)
            | Self::AliasPrefix
            | Self::AliasNameInvalid(_)
            | Self::AliasToAlias
            | Self::AliasTargetElsewhere(_) => "ValidationException",
            _ => return None,
        })
    }

    /// Whether the error is about a key or alias that is said to lie in an account other than
    /// `account`.
    #[must_use]
    pub fn names_account_other_than(&self, account: Account) -> bool {
        match self {
            Self::KeyNotFound(arn) => arn.scope.account != account,
            Self::AliasNotFound(scope, _) => scope.account != account,
            _ => false,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::KeyIdMalformed(_)
            | Self::KeyIdLength { .. }
            | Self::DeletionWindow(_)
            | Self::DescriptionLength
            | Self::Tag(_)
            | Self::AliasPrefix
            | Self::AliasNameInvalid(_)
            | Self::AliasReserved(_)
            | Self::AliasToAlias
            | Self::AliasTargetElsewhere(_)
            | Self::PartitionMismatch(..)
            | Self::Policy(_)
            | Self::PolicyLength
            | Self::Grant(_)
            | Self::GrantOperation(..)
            | Self::Principal(
                PrincipalFault::Name
                | PrincipalFault::AccessKeyId
                | PrincipalFault::SecretAccessKey
                | PrincipalFault::SessionToken
                | PrincipalFault::Policy(_),
            )
            | Self::PassphraseUnused(_)
            | Self::PassphraseEmpty => Kind::Usage,
            Self::KeyNotFound(_)
            | Self::ArnElsewhere(_)
            | Self::AliasNotFound(..)
            | Self::GrantNotFound(_)
            | Self::Principal(PrincipalFault::Missing(_))
            | Self::PoolUnknown(_)
            | Self::MaterialNotFound(..) => Kind::NotFound,
            Self::Disabled(_)
            | Self::PendingDeletion(_)
            | Self::NotPendingDeletion(_)
            | Self::PendingImport(_)
            | Self::InvalidState(..)
            | Self::OriginUnsupported(..)
            | Self::KeyUsage(..)
            | Self::KeySpec(..)
            | Self::RotationUnsupported
            | Self::RotationLimit(_)
            | Self::Import(_)
            | Self::MultiRegion(_)
            | Self::AliasExists(..)
            | Self::Principal(PrincipalFault::Exists(_))
            | Self::GrantLimit(_)
            | Self::AliasLimit(_) => Kind::Refused,
            Self::Missing(_) | Self::RootKeyMissing(_) => Kind::Missing,
            Self::Exists(_) => Kind::Exists,
            Self::Damaged(..)
            | Self::SecretDamaged(_)
            | Self::Replaced(_)
            | Self::Newer { .. }
            | Self::RootKeyDamaged(_) => Kind::Damaged,
            Self::WrongRootKey(_) | Self::WrongPassphrase | Self::PassphraseNeeded(_) => {
                Kind::Locked
            }
            Self::Busy(_) => Kind::Busy,
            Self::Resources(_) => Kind::Io,
            Self::PassphraseUnread(source) | Self::Io { source, .. } => io_kind(source),
        }
    }

    /// Wraps what the operating system said; made for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Wraps what the database said about the file at `path`.
    pub(super) fn store(path: &Path, error: redb::Error) -> Self {
        let path = path.to_owned();
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
                Self::Busy(path)
            }
            redb::Error::Io(source) => match source.kind() {
                io::ErrorKind::NotFound => Self::Missing(path),
                // redb's words for a file that is none of its own, and for one that ends too soon.
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    Self::Damaged(path, Damage::Foreign)
                }
                _ => Self::Io { action: "use", path, source },
            },
            redb::Error::PreviousIo | redb::Error::Unsupported | redb::Error::Backend(_) => {
                Self::Io { action: "use", path, source: io::Error::other(error) }
            }
            // What is left speaks of the file's content: checksums, format, tables, types.
            other => Self::Damaged(path, Damage::Pages(Box::new(other))),
        }
    }
}

fn io_kind(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Permission,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::NoSpace,
        _ => Kind::Io,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.aws_name().is_some() { self.fmt_aws(f) } else { self.fmt_own(f) }
    }
}

impl Error {
    /// The texts of AWS KMS. Those of the service's generic validator are in its form.
    fn fmt_aws(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyIdMalformed(text) => write!(f, "Invalid keyId '{text}'"),
            Self::KeyIdLength { too_long: true } => {
                invalid(f, "", "keyId", LENGTH_MAX, KEY_ID_CHARS_MAX)
            }
            Self::KeyIdLength { too_long: false } => invalid(f, "''", "keyId", LENGTH_MIN, 1),
            Self::KeyNotFound(arn) => write!(f, "Key '{arn}' does not exist"),
            Self::ArnElsewhere(region) => write!(f, "Invalid arn {region}"),
            Self::AliasNotFound(scope, name) => write!(f, "Alias {scope}:{name} is not found."),
            Self::Disabled(arn) => write!(f, "{arn} is disabled."),
            Self::PendingDeletion(arn) => write!(f, "{arn} is pending deletion."),
            Self::NotPendingDeletion(arn) => write!(f, "{arn} is not pending deletion."),
            Self::PendingImport(arn) => write!(f, "{arn} is pending import."),
            Self::InvalidState(arn, state) => write!(f, "{arn} is {state}."),
            Self::OriginUnsupported(arn, origin) => {
                write!(f, "{arn} origin is {origin} which is not valid for this operation.")
            }
            Self::KeyUsage(arn, usage, operation) => {
                write!(f, "{arn} key usage is {usage} which is not valid for {operation}.")
            }
            Self::KeySpec(arn, spec, operation) => {
                write!(f, "{arn} key KeySpec is {spec} which is not valid for {operation}.")
            }
            Self::RotationUnsupported => f.write_str("only symmetric keys rotate"),
            Self::Tag(fault) => write!(f, "{fault}"),
            Self::RotationLimit(arn) => write!(
                f,
                "The on-demand rotations limit has been reached for the given keyId. \
                 No more on-demand rotations can be performed for this key: {arn}"
            ),
            Self::Import(fault) => write!(f, "{fault}"),
            Self::MultiRegion(fault) => write!(f, "{fault}"),
            Self::DeletionWindow(days) if *days < 7 => {
                invalid(f, &format!("'{days}'"), "pendingWindowInDays", VALUE_MIN, 7)
            }
            Self::DeletionWindow(days) => {
                invalid(f, &format!("'{days}'"), "pendingWindowInDays", VALUE_MAX, 30)
            }
            Self::Policy(error) => write!(f, "{error}"),
            Self::PolicyLength => {
                write!(f, "The key policy has more than {POLICY_BYTES_MAX} bytes.")
            }
            Self::DescriptionLength => {
                invalid(f, "", "description", LENGTH_MAX, DESCRIPTION_CHARS_MAX)
            }
            _ => self.fmt_grant(f),
        }
    }

    fn fmt_grant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant(GrantFault::Principal(text)) => {
                write!(f, "ARN does not refer to a valid principal: {text}")
            }
            Self::Grant(GrantFault::NoOperation) => invalid(f, "'[]'", "operations", LENGTH_MIN, 1),
            Self::Grant(GrantFault::Operation(action)) => {
                write!(f, "{action} is not an operation that a grant can allow")
            }
            Self::Grant(GrantFault::Constraint) => write!(
                f,
                "A grant constraint has 1 to {GRANT_CONSTRAINT_PAIRS_MAX} pairs with at most \
                 {GRANT_CONSTRAINT_CHARS_MAX} characters"
            ),
            Self::GrantOperation(arn, action) => {
                write!(f, "{action} is not an operation of {arn} that a grant can allow")
            }
            Self::GrantLimit(arn) => {
                write!(f, "{arn} has {GRANTS_PER_KEY_MAX} grants, the most a key may have")
            }
            Self::GrantNotFound(id) => write!(f, "Grant ID {id} not found"),
            _ => self.fmt_alias(f),
        }
    }

    fn fmt_alias(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AliasExists(scope, name) => {
                write!(f, "An alias with the name {scope}:{name} already exists")
            }
            Self::AliasReserved(name) => {
                write!(f, "{name} is not valid: names under alias/aws/ are reserved")
            }
            Self::AliasPrefix => f.write_str(
                "Alias must start with the prefix \"alias/\". Please see \
                 https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
            ),
            Self::AliasNameInvalid(text) if text.len() > ALIAS_NAME_CHARS_MAX => {
                invalid(f, "", "aliasName", LENGTH_MAX, ALIAS_NAME_CHARS_MAX)
            }
            Self::AliasNameInvalid(text) => {
                invalid(f, &format!("'{text}'"), "aliasName", PATTERN, "^alias/[a-zA-Z0-9:/_-]+$")
            }
            Self::AliasToAlias => f.write_str("Aliases must refer to keys. Not aliases"),
            Self::AliasTargetElsewhere(arn) => {
                write!(f, "{arn} is in another account: an alias and its key share one")
            }
            Self::AliasLimit(arn) => {
                write!(f, "{arn} has {ALIASES_PER_KEY_MAX} aliases, the most a key may have")
            }
            _ => f.write_str("the request is not valid"),
        }
    }

    /// Texts of our own: what, where, and the mend.
    fn fmt_own(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaterialNotFound(arn, id) => {
                write!(f, "{arn} has no key material {id}")
            }
            Self::SecretDamaged(arn) => write!(f, "the key material of {arn} is damaged"),
            Self::Principal(fault) => write!(f, "{fault}"),
            Self::PoolUnknown(id) => {
                write!(f, "the keystore knows no pool {id}: it is another's, or was made later")
            }
            Self::PartitionMismatch(region, partition) => write!(
                f,
                "Region {region} belongs to partition {}, not {partition}: give a Region of \
                 {partition}, or leave the partition out",
                region.partition()
            ),
            Self::Busy(path) => {
                write!(f, "{}: in use by another process; try again", path.display())
            }
            Self::Exists(path) => {
                write!(f, "{}: there is a keystore here already", path.display())
            }
            Self::Missing(path) => {
                write!(f, "{}: no keystore here; create one with init", path.display())
            }
            Self::Damaged(path, damage) => {
                write!(f, "{}: {damage}; restore the file from a backup", path.display())
            }
            Self::Replaced(path) => {
                write!(f, "{}: another keystore was put in its place", path.display())
            }
            Self::Newer { path, version } => write!(
                f,
                "{}: keystore format {version} is newer than this program; update keymill",
                path.display()
            ),
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            _ => self.fmt_root(f),
        }
    }

    fn fmt_root(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootKeyMissing(path) => write!(
                f,
                "{}: the root key of this keystore is missing; restore it from a backup, since \
                 nothing else opens the keys",
                path.display()
            ),
            Self::RootKeyDamaged(path) => write!(
                f,
                "{}: not a keymill root key, or damaged; restore the file from a backup",
                path.display()
            ),
            Self::WrongRootKey(path) => write!(
                f,
                "{}: this root key belongs to another keystore; put the right one in its place",
                path.display()
            ),
            Self::WrongPassphrase => f.write_str("the passphrase of the keystore is wrong"),
            Self::PassphraseNeeded(path) => {
                write!(f, "{}: this keystore is locked by a passphrase; give it", path.display())
            }
            Self::PassphraseUnused(path) => write!(
                f,
                "{}: this keystore has a root key file and no passphrase; leave the passphrase out",
                path.display()
            ),
            Self::PassphraseEmpty => f.write_str("an empty passphrase protects nothing"),
            Self::PassphraseUnread(source) => write!(f, "cannot read the passphrase: {source}"),
            Self::Resources(what) => write!(f, "the operating system gave no {what}"),
            _ => f.write_str("the keystore cannot be used"),
        }
    }
}

const LENGTH_MIN: &str = "have length greater than or equal to";
const LENGTH_MAX: &str = "have length less than or equal to";
const VALUE_MIN: &str = "have value greater than or equal to";
const VALUE_MAX: &str = "have value less than or equal to";
const PATTERN: &str = "satisfy regular expression pattern:";

/// The form in which the service's validator reports one fault; an empty `value` is left out.
fn invalid(
    f: &mut fmt::Formatter<'_>,
    value: &str,
    member: &str,
    rule: &str,
    bound: impl fmt::Display,
) -> fmt::Result {
    let space = if value.is_empty() { "" } else { " " };
    write!(
        f,
        "1 validation error detected: Value{space}{value} at '{member}' failed to satisfy \
         constraint: Member must {rule} {bound}"
    )
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a keystore, or cut off"),
            Self::Pages(error) => write!(f, "the keystore is damaged ({error})"),
            Self::Header => f.write_str("the keystore has no valid header"),
            Self::Row { table, name } => {
                write!(f, "the keystore is damaged (table {table}, row {name})")
            }
            Self::Material(arn) => write!(f, "the key material of {arn} is damaged"),
        }
    }
}

impl From<PrincipalFault> for Error {
    fn from(fault: PrincipalFault) -> Self {
        Self::Principal(fault)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::PassphraseUnread(source) => Some(source),
            Self::Damaged(_, Damage::Pages(error)) => Some(error.as_ref()),
            _ => None,
        }
    }
}
