//! `GrantId`: 32 random bytes, written as 64 hexadecimal digits.

use core::fmt;
use core::str::FromStr;

/// The id of a grant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(pub [u8; 32]);

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantId({self})")
    }
}

impl FromStr for GrantId {
    type Err = ParseGrantIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(is_hex) {
            return Err(ParseGrantIdError);
        }
        let mut id = [0; 32];
        for (byte, at) in id.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| ParseGrantIdError)?;
        }
        Ok(Self(id))
    }
}

/// The text is no grant id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseGrantIdError;

impl fmt::Display for ParseGrantIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a grant id has 64 hexadecimal digits in lower case")
    }
}

impl core::error::Error for ParseGrantIdError {}
