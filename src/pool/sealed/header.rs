//! The first 64 bytes of a sealed pool.

use super::record::record_bytes;
use crate::spec::{KeyPairSpec, PoolId};

/// Bytes in front of the first record.
pub(super) const HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 16] = b"keymill-pool\0\0\0\0";
const VERSION: u32 = 1;

/// Which pool a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: PoolId,
    pub(super) spec: KeyPairSpec,
}

/// Why some bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Of another program, or cut.
    Foreign,
    /// Of a newer version of this one.
    Newer(u32),
    /// Altered.
    Damaged,
}

impl Header {
    pub(super) fn encode(self) -> [u8; HEADER_BYTES] {
        let record = u32::try_from(record_bytes(self.spec)).expect("a record is a few kilobytes");
        let mut bytes = [0; HEADER_BYTES];
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16..20].copy_from_slice(&VERSION.to_le_bytes());
        bytes[20] = self.spec.code();
        bytes[24..28].copy_from_slice(&record.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.id.0);
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let bytes: &[u8; HEADER_BYTES] = bytes.try_into().map_err(|_| HeaderFault::Foreign)?;
        if bytes[..16] != *MAGIC {
            return Err(HeaderFault::Foreign);
        }
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]));
        if word(60) == crc32c::crc32c(&bytes[..60]) && word(16) > VERSION {
            return Err(HeaderFault::Newer(word(16)));
        }
        let spec = KeyPairSpec::from_code(bytes[20]).ok_or(HeaderFault::Damaged)?;
        let header = Self { id: PoolId(core::array::from_fn(|byte| bytes[32 + byte])), spec };
        // Compared whole with what would have been written.
        if header.encode() == *bytes { Ok(header) } else { Err(HeaderFault::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_every_flipped_bit_shows() {
        for spec in KeyPairSpec::ALL {
            let header = Header { id: PoolId::from_random([spec.code(); 16]), spec };
            let bytes = header.encode();
            assert_eq!(Header::decode(&bytes), Ok(header));
            for bit in 0..8 * HEADER_BYTES {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                let expected = if bit < 128 { HeaderFault::Foreign } else { HeaderFault::Damaged };
                assert_eq!(Header::decode(&flipped), Err(expected), "bit {bit}");
            }
            assert_eq!(Header::decode(&bytes[..63]), Err(HeaderFault::Foreign));
        }
    }

    #[test]
    fn a_newer_version_is_told() {
        let header = Header { id: PoolId([7; 16]), spec: KeyPairSpec::Rsa4096 };
        let mut bytes = header.encode();
        bytes[16] = 2;
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Header::decode(&bytes), Err(HeaderFault::Newer(2)));
    }
}
