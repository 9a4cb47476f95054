//! Bytes as lower-case hexadecimal digits: ids, and hashes of what is no secret.

/// The two digits of each of `bytes`, in `digits`, which has room for just as many.
///
/// No table and no branch, so that a CPU does many bytes at a time.
pub(crate) fn encode<'d>(bytes: &[u8], digits: &'d mut [u8]) -> &'d str {
    debug_assert_eq!(digits.len(), 2 * bytes.len());
    let (pairs, _) = digits.as_chunks_mut();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    core::str::from_utf8(digits).expect("digits are ASCII")
}

const fn digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_digits() {
        let bytes: [u8; 256] = core::array::from_fn(|byte| u8::try_from(byte).unwrap());
        let expected = bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(encode(&bytes, &mut [0; 512]), expected);
    }
}
