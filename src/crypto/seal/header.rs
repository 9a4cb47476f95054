//! The head of a blob: what it was sealed under. Laid out in the module documentation.

use core::fmt;

use super::WrappingKey;
use crate::limits::{CIPHERTEXT_BYTES_MAX, PLAINTEXT_BYTES_MAX};
use crate::spec::{KeyPairSpec, MaterialId, ResourceId};

/// Bytes before the ciphertext.
pub const HEADER_BYTES: usize = 84;

/// Where in the header the IV stands.
pub(super) const HEADER_IV: usize = 72;

/// Bytes after the ciphertext.
pub const TAG_BYTES: usize = 16;

const MAGIC: [u8; 3] = *b"KMB";
const VERSION: u8 = 1;
const AES_256_GCM_KBKDF: u8 = 1;
const FLAG_MULTI_REGION: u8 = 1;

const _: () = assert!(HEADER_BYTES + PLAINTEXT_BYTES_MAX + TAG_BYTES <= CIPHERTEXT_BYTES_MAX);

/// What a blob protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Bytes of the caller.
    Data,
    /// The PKCS#8 of a key pair.
    PrivateKey(KeyPairSpec),
}

impl Payload {
    fn code(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::PrivateKey(spec) => spec.code(),
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Data),
            code => KeyPairSpec::from_code(code).map(Self::PrivateKey),
        }
    }
}

/// The first 84 bytes of a blob, known to be well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobHeader([u8; HEADER_BYTES]);

impl BlobHeader {
    /// The header of the first blob under `nonce`.
    pub(super) fn new(key: &WrappingKey, payload: Payload, nonce: [u8; 16]) -> Self {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..3].copy_from_slice(&MAGIC);
        bytes[3] = VERSION;
        bytes[4] = AES_256_GCM_KBKDF;
        bytes[5] = payload.code();
        bytes[7] = if key.arn().id.multi_region { FLAG_MULTI_REGION } else { 0 };
        bytes[8..24].copy_from_slice(&key.arn().id.bytes);
        bytes[24..56].copy_from_slice(&key.material_id().0);
        bytes[56..72].copy_from_slice(&nonce);
        Self(bytes)
    }

    /// Reads the head of `blob`.
    ///
    /// # Errors
    ///
    /// What the blob lacks to be one that this version can open.
    pub fn parse(blob: &[u8]) -> Result<Self, BlobError> {
        let (magic, rest) = blob.split_first_chunk::<3>().ok_or(BlobError::NotABlob)?;
        if *magic != MAGIC {
            return Err(BlobError::NotABlob);
        }
        match rest.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(BlobError::Version { version }),
            None => return Err(BlobError::TooShort),
        }
        if blob.len() < HEADER_BYTES + TAG_BYTES {
            return Err(BlobError::TooShort);
        }
        if blob.len() > CIPHERTEXT_BYTES_MAX {
            return Err(BlobError::TooLong);
        }
        let bytes = *blob.first_chunk::<HEADER_BYTES>().ok_or(BlobError::TooShort)?;
        let known = bytes[4] == AES_256_GCM_KBKDF
            && Payload::from_code(bytes[5]).is_some()
            && bytes[6] == 0
            && bytes[7] & !FLAG_MULTI_REGION == 0;
        if known { Ok(Self(bytes)) } else { Err(BlobError::Malformed) }
    }

    /// What the blob protects.
    #[must_use]
    pub fn payload(&self) -> Payload {
        Payload::from_code(self.0[5]).unwrap_or(Payload::Data)
    }

    /// The key the blob was sealed under.
    #[must_use]
    pub fn key_id(&self) -> ResourceId {
        ResourceId { bytes: self.array(8), multi_region: self.0[7] & FLAG_MULTI_REGION != 0 }
    }

    /// The material the blob was sealed under.
    #[must_use]
    pub fn material_id(&self) -> MaterialId {
        MaterialId(self.array(24))
    }

    /// The derivation nonce.
    pub(super) fn nonce(&self) -> [u8; 16] {
        self.array(56)
    }

    /// The IV.
    pub(super) fn iv(&self) -> [u8; 12] {
        self.array(HEADER_IV)
    }

    /// Makes this the header of blob `counter` under its nonce.
    pub(super) fn set_counter(&mut self, counter: u64) {
        self.0[76..84].copy_from_slice(&counter.to_be_bytes());
    }

    pub(super) const fn as_bytes(&self) -> &[u8; HEADER_BYTES] {
        &self.0
    }

    fn array<const N: usize>(&self, start: usize) -> [u8; N] {
        core::array::from_fn(|at| self.0[start + at])
    }
}

/// Why a blob cannot be made or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobError {
    /// The first bytes are not keymill's.
    NotABlob,
    /// A format this version does not know.
    Version {
        /// The format's number.
        version: u8,
    },
    /// Cut off.
    TooShort,
    /// Longer than any blob.
    TooLong,
    /// Unknown algorithm, payload or flag.
    Malformed,
    /// Sealed under another key or material.
    OtherKey,
    /// The tag does not fit: damage, or another context.
    InvalidCiphertext,
    /// More plaintext than a blob takes.
    PlaintextTooLong {
        /// How much.
        bytes: usize,
    },
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABlob => f.write_str("not a keymill ciphertext blob"),
            Self::Version { version } => {
                write!(f, "a ciphertext blob of format {version}; this keymill knows {VERSION}")
            }
            Self::TooShort => f.write_str("the ciphertext blob is cut off"),
            Self::TooLong => {
                write!(f, "a ciphertext blob has at most {CIPHERTEXT_BYTES_MAX} bytes")
            }
            Self::Malformed => f.write_str("the header of the ciphertext blob is damaged"),
            Self::OtherKey => f.write_str("the ciphertext blob was sealed under another key"),
            Self::InvalidCiphertext => {
                f.write_str("the ciphertext blob is damaged, or the encryption context is another")
            }
            Self::PlaintextTooLong { bytes } => {
                write!(f, "{bytes} bytes of plaintext; at most {PLAINTEXT_BYTES_MAX} can be sealed")
            }
        }
    }
}

impl core::error::Error for BlobError {}
