//! `KeyMaterialId`: which of a KMS key's materials sealed a blob.

use core::fmt;
use core::str::FromStr;

use super::hex;

/// Thirty-two bytes, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaterialId(pub [u8; 32]);

impl MaterialId {
    /// The digits, in `room`: it stands in every answer and every line of the audit log.
    pub fn text<'r>(&self, room: &'r mut [u8; 64]) -> &'r str {
        hex::encode(&self.0, room)
    }
}

impl fmt::Display for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; 64]))
    }
}

impl fmt::Debug for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaterialId({self})")
    }
}

/// The text is not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseMaterialIdError;

impl fmt::Display for ParseMaterialIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key material id is 64 lower-case hex digits")
    }
}

impl core::error::Error for ParseMaterialIdError {}

impl FromStr for MaterialId {
    type Err = ParseMaterialIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ParseMaterialIdError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

const fn hex_digit(digit: u8) -> Result<u8, ParseMaterialIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(ParseMaterialIdError),
    }
}
