//! Bytes as lower-case hexadecimal digits, in buffers that are there already.

use base16ct::lower;

use crate::spec::hex::encode;

/// Appends two digits for each byte.
pub(super) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    encode(bytes, &mut out[start..]);
}

/// The 64 digits of 32 bytes.
pub(super) fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut digits = [0; 64];
    encode(bytes, &mut digits);
    digits
}

/// 32 bytes from 64 digits, none of them a capital.
pub(super) fn parse_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let decoded = lower::decode(digits, &mut bytes).ok()?.len();
    (decoded == bytes.len()).then_some(bytes)
}
