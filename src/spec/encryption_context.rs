//! `EncryptionContext`: the pairs a ciphertext is bound to.
//!
//! # Canonical encoding
//!
//! ```text
//! u32 number of pairs
//! then, in ascending order of the keys' UTF-8 bytes, for each pair:
//!     u32 length of key     key, UTF-8
//!     u32 length of value   value, UTF-8
//! ```
//!
//! All integers big-endian. Every length is explicit, so that two contexts encode alike only if
//! they are equal: `{"ab": "c"}` and `{"a": "bc"}` do not.

use core::fmt;
use std::collections::BTreeMap;

use crate::limits::{CONTEXT_BYTES_MAX, CONTEXT_PAIRS_MAX};

/// String pairs, bound to a ciphertext as additional authenticated data.
///
/// Keys and values are compared byte by byte, case included; order does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// Builds a context from pairs.
    ///
    /// # Errors
    ///
    /// An empty key or value, a key given twice, or more than the limits allow.
    pub fn from_pairs<K, V>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, EncryptionContextError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut context = Self::default();
        for (key, value) in pairs {
            context.insert(key.into(), value.into())?;
        }
        context.check_size()?;
        Ok(context)
    }

    fn insert(&mut self, key: String, value: String) -> Result<(), EncryptionContextError> {
        if key.is_empty() {
            return Err(EncryptionContextError::EmptyKey);
        }
        if value.is_empty() {
            return Err(EncryptionContextError::EmptyValue { key });
        }
        if self.0.contains_key(&key) {
            return Err(EncryptionContextError::DuplicateKey { key });
        }
        self.0.insert(key, value);
        Ok(())
    }

    fn check_size(&self) -> Result<(), EncryptionContextError> {
        let bytes: usize = self.iter().map(|(key, value)| key.len() + value.len()).sum();
        if self.0.len() > CONTEXT_PAIRS_MAX {
            return Err(EncryptionContextError::TooManyPairs { pairs: self.0.len() });
        }
        if bytes > CONTEXT_BYTES_MAX {
            return Err(EncryptionContextError::TooLarge { bytes });
        }
        Ok(())
    }

    /// Whether there is no pair at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs in ascending order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Appends the canonical encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.0.len(), out);
        for (key, value) in self.iter() {
            encode_text(key, out);
            encode_text(value, out);
        }
    }
}

impl EncryptionContext {
    /// Reads an encoding, its pairs in any order; `None` if it is none. No bytes at all stand for
    /// no pairs.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Result<Self, EncryptionContextError>> {
        if bytes.is_empty() {
            return Some(Ok(Self::default()));
        }
        let pairs = read_length(&mut bytes)?;
        let mut read = Vec::new();
        for _ in 0..pairs {
            read.push((read_text(&mut bytes)?, read_text(&mut bytes)?));
        }
        bytes.is_empty().then(|| Self::from_pairs(read))
    }
}

fn read_length(bytes: &mut &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

fn read_text<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    let length = read_length(bytes)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    core::str::from_utf8(text).ok()
}

/// Appends the leading count of the canonical encoding.
pub fn encode_count(pairs: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&length(pairs));
}

/// Appends one key or value of the canonical encoding.
pub fn encode_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&length(text.len()));
    out.extend_from_slice(text.as_bytes());
}

/// Appends a key or value that `write` puts together in place.
pub fn encode_text_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let bytes = length(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&bytes);
}

fn length(n: usize) -> [u8; 4] {
    u32::try_from(n).expect("bounded by CONTEXT_BYTES_MAX").to_be_bytes()
}

/// Why pairs are no acceptable encryption context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncryptionContextError {
    /// A key of no characters.
    EmptyKey,
    /// A value of no characters.
    EmptyValue {
        /// Its key.
        key: String,
    },
    /// The same key twice.
    DuplicateKey {
        /// That key.
        key: String,
    },
    /// More pairs than [`CONTEXT_PAIRS_MAX`].
    TooManyPairs {
        /// How many.
        pairs: usize,
    },
    /// Keys and values together over [`CONTEXT_BYTES_MAX`] bytes.
    TooLarge {
        /// How many bytes.
        bytes: usize,
    },
}

impl fmt::Display for EncryptionContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyKey => f.write_str("an encryption context key is empty"),
            Self::EmptyValue { key } => {
                write!(f, "the encryption context value of {key:?} is empty")
            }
            Self::DuplicateKey { key } => {
                write!(f, "the encryption context names {key:?} twice")
            }
            Self::TooManyPairs { pairs } => write!(
                f,
                "the encryption context has {pairs} pairs, at most {CONTEXT_PAIRS_MAX} are allowed"
            ),
            Self::TooLarge { bytes } => write!(
                f,
                "the encryption context has {bytes} bytes, at most {CONTEXT_BYTES_MAX} are allowed"
            ),
        }
    }
}

impl core::error::Error for EncryptionContextError {}
