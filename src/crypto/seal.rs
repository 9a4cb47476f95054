//! The ciphertext blob.

/// Bytes before the ciphertext.
pub const HEADER_BYTES: usize = 84;

/// Bytes after the ciphertext.
pub const TAG_BYTES: usize = 16;
