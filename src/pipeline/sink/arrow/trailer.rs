//! The record at the end of a slot that says whether the slot is whole.
//!
//! It lies in the padding that the message counts to the record batch's body, where no Arrow
//! reader looks. The page cache of a machine that lost its power reaches the disk in any order,
//! so the marker alone proves nothing; these checksums (CRC-32C, RFC 3720) do.
//!
//! ```text
//!  0   8  "KEYMSLOT"
//!  8   4  slot number          all integers little-endian
//! 12   4  rows in the slot
//! 16  32  job id
//! 48   4  CRC-32C of the file up to slot 0
//! 52   4  CRC-32C of the slot's header without its marker
//! 56   4  CRC-32C of the body up to this record
//! 60   4  CRC-32C of the 60 bytes above
//! ```

/// Length of the record.
pub(super) const TRAILER_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"KEYMSLOT";

/// What the record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) slot: u32,
    pub(super) rows: u32,
    pub(super) job_id: [u8; 32],
    pub(super) prefix_crc: u32,
    pub(super) header_crc: u32,
    pub(super) body_crc: u32,
}

impl Trailer {
    pub(super) fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.slot.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.rows.to_le_bytes());
        bytes[16..48].copy_from_slice(&self.job_id);
        bytes[48..52].copy_from_slice(&self.prefix_crc.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.header_crc.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` if the record is not whole.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; TRAILER_BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| read_u32(bytes, at);
        let trailer = Self {
            slot: word(8)?,
            rows: word(12)?,
            job_id: bytes[16..48].try_into().ok()?,
            prefix_crc: word(48)?,
            header_crc: word(52)?,
            body_crc: word(56)?,
        };
        let is_whole = bytes[..8] == MAGIC && word(60)? == crc32c::crc32c(&bytes[..60]);
        is_whole.then_some(trailer)
    }
}

/// The little-endian word at `at`, if it is inside.
pub(super) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}
