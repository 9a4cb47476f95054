//! `KeyId` in its four forms, and the ARN parts they are made of.
//!
//! A `KeyId` names a KMS key by key id, key ARN, alias name or alias ARN. Parsing is purely by
//! form; whether the key exists is the keystore's business.

use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use crate::limits::{ALIAS_NAME_CHARS_MAX, KEY_ID_CHARS_MAX, REGION_CHARS_MAX};

/// An AWS partition: a group of Regions with one ARN prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// `aws`, the commercial Regions.
    Aws,
    /// `aws-cn`, the China Regions.
    AwsCn,
    /// `aws-us-gov`, the US government Regions.
    AwsUsGov,
}

impl Partition {
    const ALL: [Self; 3] = [Self::Aws, Self::AwsCn, Self::AwsUsGov];

    /// The second field of an ARN.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Partition {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|partition| partition.name() == text)
            .ok_or(ParseKeyIdError::Partition)
    }
}

/// A Region name such as `eu-west-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition the Region's prefix belongs to.
    #[must_use]
    pub fn partition(&self) -> Partition {
        match &self.0 {
            name if name.starts_with("cn-") => Partition::AwsCn,
            name if name.starts_with("us-gov-") => Partition::AwsUsGov,
            _ => Partition::Aws,
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Region {
    type Err = ParseKeyIdError;

    /// Accepts `^([a-z]+-){2,3}\d+$`, the pattern of the service model, up to 32 characters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words: Vec<&str> = text.split('-').collect();
        let number = words.pop().unwrap_or_default();
        let is_word = |w: &&str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase());
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let fits = text.len() <= REGION_CHARS_MAX && (2..=3).contains(&words.len());
        if fits && is_number && words.iter().all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseKeyIdError::Region)
        }
    }
}

/// A 12-digit account number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account([u8; 12]);

impl Account {
    /// The twelve digits.
    ///
    /// # Panics
    ///
    /// Never: the digits were checked when the value was made.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("twelve ASCII digits")
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({self})")
    }
}

impl FromStr for Account {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 12]>::try_from(text.as_bytes()) {
            Ok(digits) if digits.iter().all(u8::is_ascii_digit) => Ok(Self(digits)),
            _ => Err(ParseKeyIdError::Account),
        }
    }
}

/// The id of a KMS key: a UUID, or `mrk-` and 32 hex digits for a multi-Region key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The 128 bits behind either form.
    pub bytes: [u8; 16],
    /// Whether it is written `mrk-...`.
    pub multi_region: bool,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.multi_region {
            f.write_str("mrk-")?;
        }
        for (position, byte) in self.bytes.iter().enumerate() {
            if !self.multi_region && matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceId({self})")
    }
}

impl FromStr for ResourceId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("mrk-");
        let multi_region = digits.is_some();
        if !multi_region && !has_uuid_dashes(text) {
            return Err(ParseKeyIdError::ResourceId);
        }
        let digits = digits.unwrap_or(text).bytes().filter(|b| multi_region || *b != b'-');
        let (mut number, mut count) = (0_u128, 0);
        for digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(ParseKeyIdError::ResourceId),
            };
            (number, count) = (number << 4 | u128::from(value), count + 1);
        }
        let bytes = number.to_be_bytes();
        if count == 32 {
            Ok(Self { bytes, multi_region })
        } else {
            Err(ParseKeyIdError::ResourceId)
        }
    }
}

fn has_uuid_dashes(text: &str) -> bool {
    let dashes = text.bytes().enumerate().filter(|(_, b)| *b == b'-').map(|(at, _)| at);
    text.len() == 36 && dashes.eq([8, 13, 18, 23])
}

/// An alias name with its `alias/` prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasName(String);

impl AliasName {
    /// The alias every new keystore has.
    ///
    /// # Panics
    ///
    /// Never: the name is a constant.
    #[must_use]
    pub fn default_key() -> Self {
        Self("alias/default".to_owned())
    }

    /// The name, prefix included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name lies under `alias/aws/`, which the service keeps for itself.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with("alias/aws/")
    }
}

/// A name is found by its text.
impl Borrow<str> for AliasName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AliasName {
    type Err = ParseKeyIdError;

    /// Accepts `alias/` and at least one character of `[a-zA-Z0-9:/_-]`, 256 characters in all.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix("alias/").ok_or(ParseKeyIdError::AliasPrefix)?;
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b":/_-".contains(&b);
        if name.is_empty() || text.len() > ALIAS_NAME_CHARS_MAX || !name.bytes().all(is_allowed) {
            return Err(ParseKeyIdError::AliasName);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Where a resource lives: partition, Region and account, the middle of every KMS ARN.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// First field after `arn:`.
    pub partition: Partition,
    /// The Region.
    pub region: Region,
    /// The owning account.
    pub account: Account,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:kms:{}:{}", self.partition, self.region, self.account)
    }
}

/// A key ARN: `arn:<partition>:kms:<region>:<account>:key/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyArn {
    /// Partition, Region and account.
    pub scope: Scope,
    /// The key's id within them.
    pub id: ResourceId,
}

impl KeyArn {
    /// The form of the ARN that ciphertexts are bound to.
    ///
    /// It is the ARN itself, but with an empty Region field for a multi-Region key, whose
    /// replicas share material and must open each other's blobs.
    #[must_use]
    pub fn binding(&self) -> String {
        if self.id.multi_region {
            format!("arn:{}:kms::{}:key/{}", self.scope.partition, self.scope.account, self.id)
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:key/{}", self.scope, self.id)
    }
}

impl FromStr for KeyArn {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            KeyId::KeyArn(arn) => Ok(arn),
            _ => Err(ParseKeyIdError::NotAKeyArn),
        }
    }
}

/// A reference to a KMS key, in one of the four forms the service accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyId {
    /// `1234abcd-12ab-34cd-56ef-1234567890ab` or `mrk-...`.
    Id(ResourceId),
    /// `arn:aws:kms:eu-west-1:111122223333:key/1234abcd-...`.
    KeyArn(KeyArn),
    /// `alias/name`.
    Alias(AliasName),
    /// `arn:aws:kms:eu-west-1:111122223333:alias/name`.
    AliasArn(Scope, AliasName),
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::KeyArn(arn) => arn.fmt(f),
            Self::Alias(name) => name.fmt(f),
            Self::AliasArn(scope, name) => write!(f, "{scope}:{name}"),
        }
    }
}

impl FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > KEY_ID_CHARS_MAX {
            return Err(ParseKeyIdError::Length);
        }
        if let Some(rest) = text.strip_prefix("arn:") {
            return parse_arn(rest);
        }
        if text.starts_with("alias/") {
            return text.parse().map(Self::Alias);
        }
        text.parse().map(Self::Id)
    }
}

/// Parses an ARN without its `arn:`.
fn parse_arn(rest: &str) -> Result<KeyId, ParseKeyIdError> {
    let fields: Vec<&str> = rest.splitn(5, ':').collect();
    let &[partition, "kms", region, account, resource] = fields.as_slice() else {
        return Err(ParseKeyIdError::Arn);
    };
    let scope =
        Scope { partition: partition.parse()?, region: region.parse()?, account: account.parse()? };
    match resource.strip_prefix("key/") {
        Some(id) => Ok(KeyId::KeyArn(KeyArn { scope, id: id.parse()? })),
        None if resource.starts_with("alias/") => Ok(KeyId::AliasArn(scope, resource.parse()?)),
        None => Err(ParseKeyIdError::Arn),
    }
}

/// Why a text is no `KeyId`, or no part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseKeyIdError {
    /// Empty, or over 2048 characters.
    Length,
    /// Neither a UUID nor `mrk-` and 32 hex digits.
    ResourceId,
    /// An ARN without the five fields of a KMS key or alias.
    Arn,
    /// A well-formed `KeyId` of another form where a key ARN is wanted.
    NotAKeyArn,
    /// Unknown partition.
    Partition,
    /// Not a Region name.
    Region,
    /// Not twelve digits.
    Account,
    /// An alias without `alias/` in front.
    AliasPrefix,
    /// Characters or length an alias may not have.
    AliasName,
}

impl fmt::Display for ParseKeyIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a key id has 1 to 2048 characters",
            Self::ResourceId => {
                "a key id is a UUID (1234abcd-12ab-34cd-56ef-1234567890ab) or mrk- and 32 hex digits"
            }
            Self::Arn => "a KMS ARN is arn:PARTITION:kms:REGION:ACCOUNT:key/ID or ...:alias/NAME",
            Self::NotAKeyArn => {
                "a key ARN is needed here: arn:PARTITION:kms:REGION:ACCOUNT:key/ID"
            }
            Self::Partition => "the partition is one of aws, aws-cn, aws-us-gov",
            Self::Region => "a Region looks like eu-west-1",
            Self::Account => "an account number has twelve digits",
            Self::AliasPrefix => "an alias starts with alias/",
            Self::AliasName => {
                "an alias is alias/ and up to 250 letters, digits or characters of :/_-"
            }
        })
    }
}

impl core::error::Error for ParseKeyIdError {}
