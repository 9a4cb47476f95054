//! Condition keys: the facts of a call that a policy may ask for.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// A fact as a condition sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact<'a> {
    /// Text, an ARN among others.
    Text(&'a str),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
    /// Seconds since 1970.
    Time(i64),
    /// An address of the network.
    Address(IpAddr),
}

/// What is known of one call.
pub trait Facts {
    /// Hands every value of `key` to `see`: none if the key is absent from the call.
    fn each(&self, key: &ConditionKey, see: &mut dyn FnMut(Fact<'_>));
}

/// No facts at all.
impl Facts for () {
    fn each(&self, _: &ConditionKey, _: &mut dyn FnMut(Fact<'_>)) {}
}

/// Declares the keys of one name each.
macro_rules! condition_keys {
    ($($variant:ident = $name:literal, $what:literal;)+) => {
        /// A condition key. Its name is not case-sensitive; [`Facts`] give its values.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum ConditionKey {
            $(#[doc = concat!("`", $name, "`: ", $what, ".")] $variant,)+
            /// `kms:EncryptionContext:KEY`: the value of one pair. `KEY` in lower case: it is not
            /// case-sensitive here, though it is in the encryption context itself.
            EncryptionContext(Box<str>),
            /// `aws:ResourceTag/KEY`: a tag of the key. `KEY` in lower case, for the same reason.
            ResourceTag(Box<str>),
            /// `aws:RequestTag/KEY`: a tag in the request. `KEY` in lower case, for the same reason.
            RequestTag(Box<str>),
        }

        impl ConditionKey {
            /// Every key of one name.
            #[cfg(test)]
            pub(super) const NAMED: &[(Self, &str)] = &[$((Self::$variant, $name)),+];

            fn named(text: &str) -> Option<Self> {
                $(if text.eq_ignore_ascii_case($name) { return Some(Self::$variant); })+
                None
            }
        }

        impl fmt::Display for ConditionKey {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($name),)+
                    Self::EncryptionContext(key) => write!(f, "{ENCRYPTION_CONTEXT}{key}"),
                    Self::ResourceTag(key) => write!(f, "{RESOURCE_TAG}{key}"),
                    Self::RequestTag(key) => write!(f, "{REQUEST_TAG}{key}"),
                }
            }
        }
    };
}

const ENCRYPTION_CONTEXT: &str = "kms:EncryptionContext:";
const RESOURCE_TAG: &str = "aws:ResourceTag/";
const REQUEST_TAG: &str = "aws:RequestTag/";

condition_keys! {
    CallerAccount = "kms:CallerAccount", "account of the caller";
    ViaService = "kms:ViaService", "the AWS service that calls for the principal: never present here";
    DataKeyPairSpec = "kms:DataKeyPairSpec", "`KeyPairSpec` of the request";
    EncryptionAlgorithm = "kms:EncryptionAlgorithm", "`EncryptionAlgorithm` of the request";
    SigningAlgorithm = "kms:SigningAlgorithm", "`SigningAlgorithm` of the request";
    MacAlgorithm = "kms:MacAlgorithm", "`MacAlgorithm` of the request";
    MessageType = "kms:MessageType", "`MessageType` of the request";
    EncryptionContextKeys = "kms:EncryptionContextKeys", "keys of the encryption context (many)";
    RequestAlias = "kms:RequestAlias", "the alias that the request names the key by";
    ReEncryptOnSameKey = "kms:ReEncryptOnSameKey", "whether source and destination are one key";
    KeySpec = "kms:KeySpec", "`KeySpec` of the key";
    KeyUsage = "kms:KeyUsage", "`KeyUsage` of the key";
    KeyOrigin = "kms:KeyOrigin", "`Origin` of the key";
    MultiRegion = "kms:MultiRegion", "whether the key is a multi-Region key";
    MultiRegionKeyType = "kms:MultiRegionKeyType", "`PRIMARY` or `REPLICA`";
    ResourceAliases = "kms:ResourceAliases", "aliases of the key (many)";
    GranteePrincipal = "kms:GranteePrincipal", "`GranteePrincipal` of the request";
    RetiringPrincipal = "kms:RetiringPrincipal", "`RetiringPrincipal` of the request";
    GrantOperations = "kms:GrantOperations", "`Operations` of the request (many)";
    GrantConstraintType = "kms:GrantConstraintType", "`EncryptionContextEquals` or `EncryptionContextSubset`";
    GrantIsForAwsResource = "kms:GrantIsForAWSResource", "whether an AWS service asks for the grant: never";
    PolicyLockoutBypass = "kms:BypassPolicyLockoutSafetyCheck", "that member of the request";
    PendingWindow = "kms:ScheduleKeyDeletionPendingWindowInDays", "`PendingWindowInDays` of the request";
    RotationPeriod = "kms:RotationPeriodInDays", "`RotationPeriodInDays` of the request";
    ExpirationModel = "kms:ExpirationModel", "`ExpirationModel` of the request";
    ValidTo = "kms:ValidTo", "`ValidTo` of the request";
    WrappingAlgorithm = "kms:WrappingAlgorithm", "`WrappingAlgorithm` of the request";
    WrappingKeySpec = "kms:WrappingKeySpec", "`WrappingKeySpec` of the request";
    PrimaryRegion = "kms:PrimaryRegion", "Region of the primary key";
    ReplicaRegion = "kms:ReplicaRegion", "`ReplicaRegion` of the request";
    PrincipalArn = "aws:PrincipalArn", "ARN of the caller";
    PrincipalAccount = "aws:PrincipalAccount", "account of the caller";
    PrincipalType = "aws:PrincipalType", "`Account`, `User` or `AssumedRole`";
    UserName = "aws:username", "name of the calling user";
    RequestedRegion = "aws:RequestedRegion", "Region of the endpoint";
    ResourceAccount = "aws:ResourceAccount", "account of the key";
    TagKeys = "aws:TagKeys", "keys of the tags in the request (many)";
    SourceIp = "aws:SourceIp", "address the call comes from";
    SecureTransport = "aws:SecureTransport", "whether the call came over TLS";
    CurrentTime = "aws:CurrentTime", "the time of the call";
    EpochTime = "aws:EpochTime", "the time of the call, in seconds";
    UserAgent = "aws:UserAgent", "the client, by its own word";
}

impl FromStr for ConditionKey {
    type Err = UnknownConditionKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let behind = |prefix: &str| {
            let (head, rest) = text.split_at_checked(prefix.len())?;
            (head.eq_ignore_ascii_case(prefix) && !rest.is_empty()).then_some(rest)
        };
        let lower = |prefix: &str| behind(prefix).map(|name| name.to_lowercase().into());
        let named = lower(ENCRYPTION_CONTEXT).map(Self::EncryptionContext);
        let named = named.or_else(|| lower(RESOURCE_TAG).map(Self::ResourceTag));
        let named = named.or_else(|| lower(REQUEST_TAG).map(Self::RequestTag));
        named.or_else(|| Self::named(text)).ok_or(UnknownConditionKey)
    }
}

/// The text names no condition key that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownConditionKey;

impl fmt::Display for UnknownConditionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a condition key that is known here")
    }
}

impl core::error::Error for UnknownConditionKey {}
