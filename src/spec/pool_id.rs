//! `PoolId`: one sealed pool of key pairs, told apart from every other.

use core::fmt;
use core::str::FromStr;

use uuid::{Builder, Uuid};

/// Sixteen random bytes, written as a UUID (RFC 9562, version 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub [u8; 16]);

impl PoolId {
    /// The id that `random` bytes make.
    #[must_use]
    pub const fn from_random(random: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(random).into_uuid().into_bytes())
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolId({self})")
    }
}

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePoolIdError;

impl fmt::Display for ParsePoolIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pool id is a UUID")
    }
}

impl core::error::Error for ParsePoolIdError {}

impl FromStr for PoolId {
    type Err = ParsePoolIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(|id| Self(id.into_bytes())).map_err(|_| ParsePoolIdError)
    }
}
