//! One record: a key pair, or its primes, sealed for its place in one pool.

use core::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

use crate::crypto::drbg::Drbg;
use crate::crypto::rsa::prime_pair_bytes;
use crate::secret::Secret;
use crate::spec::{KeyPairSpec, PoolId};

const LABEL: &[u8; 22] = b"keymill/pool/record/v1";
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Bytes that are sealed in a record: a pair of primes of RSA, else both halves of the pair.
#[must_use]
pub const fn text_bytes(spec: KeyPairSpec) -> usize {
    match prime_pair_bytes(spec) {
        Some(bytes) => bytes,
        None => spec.public_key_bytes() + spec.private_key_bytes_max(),
    }
}

/// Bytes of a record.
#[must_use]
pub const fn record_bytes(spec: KeyPairSpec) -> usize {
    NONCE_BYTES + text_bytes(spec) + TAG_BYTES
}

/// Seals and opens the records of one pool.
pub struct RecordKey {
    cipher: Aes256Gcm,
    spec: KeyPairSpec,
    id: PoolId,
}

impl RecordKey {
    /// The key of the pool `id`, which holds pairs of `spec`.
    #[must_use]
    pub fn new(key: &Secret<[u8; 32]>, id: PoolId, spec: KeyPairSpec) -> Self {
        Self { cipher: Aes256Gcm::new(key.expose().into()), spec, id }
    }

    /// Appends record `number`, which holds `text`, to `out`.
    ///
    /// # Panics
    ///
    /// If `text` is not [`text_bytes`] long.
    pub fn seal(&self, drbg: &mut Drbg, number: u64, text: &[u8], out: &mut Vec<u8>) {
        assert_eq!(text.len(), text_bytes(self.spec), "the text of a record of this spec");
        let mut nonce = [0; NONCE_BYTES];
        drbg.fill(&mut nonce);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(text);
        let place = InOutBuf::from(&mut out[start..]);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), &self.associated_data(number), place)
            .expect("a record is far below the limit of GCM");
        out.extend_from_slice(&tag);
    }

    /// Opens record `number` into `text`; false, and `text` is then of no use, if it is not the
    /// record that was sealed for this place.
    ///
    /// # Panics
    ///
    /// If `text` is not [`text_bytes`] long, or `record` not [`record_bytes`].
    #[must_use]
    pub fn open(&self, number: u64, record: &[u8], text: &mut [u8]) -> bool {
        assert_eq!(record.len(), record_bytes(self.spec), "a record of this spec");
        let (nonce, sealed) = record.split_at(NONCE_BYTES);
        let (ciphertext, tag) = sealed.split_at(text.len());
        text.copy_from_slice(ciphertext);
        let nonce: [u8; NONCE_BYTES] = core::array::from_fn(|byte| nonce[byte]);
        let tag: [u8; TAG_BYTES] = core::array::from_fn(|byte| tag[byte]);
        let place = InOutBuf::from(text);
        self.cipher
            .decrypt_inout_detached(
                &nonce.into(),
                &self.associated_data(number),
                place,
                &tag.into(),
            )
            .is_ok()
    }

    /// What a record is bound to: every part has a fixed width.
    fn associated_data(&self, number: u64) -> [u8; 47] {
        let mut data = [0; 47];
        data[..22].copy_from_slice(LABEL);
        data[22] = self.spec.code();
        data[23..39].copy_from_slice(&self.id.0);
        data[39..].copy_from_slice(&number.to_le_bytes());
        data
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKey({}, {})", self.id, self.spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_in_its_place_only() {
        let spec = KeyPairSpec::EccNistEdwards25519;
        let (id, other_id) = (PoolId([1; 16]), PoolId([2; 16]));
        let key = Secret::new([3; 32]);
        let records = RecordKey::new(&key, id, spec);
        let text: Vec<u8> = (0..92).collect();
        let mut record = Vec::new();
        records.seal(&mut Drbg::from_seed([4; 32]), 5, &text, &mut record);
        assert_eq!(record.len(), record_bytes(spec));
        let mut opened = vec![0; 92];
        assert!(records.open(5, &record, &mut opened));
        assert_eq!(opened, text);
        for number in [0, 4, 6, 5 << 32, u64::MAX] {
            assert!(!records.open(number, &record, &mut opened), "as number {number}");
        }
        for bit in 0..8 * record.len() {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!records.open(5, &flipped, &mut opened), "bit {bit}");
        }
        assert!(!RecordKey::new(&key, other_id, spec).open(5, &record, &mut opened));
        assert!(!RecordKey::new(&Secret::new([0; 32]), id, spec).open(5, &record, &mut opened));
    }

    /// Sealed by pyca/cryptography, AESGCM, from the description of the format alone.
    #[test]
    fn a_record_made_elsewhere_opens() {
        let spec = KeyPairSpec::EccNistEdwards25519;
        let key = Secret::new(core::array::from_fn(|i| u8::try_from(i).unwrap()));
        let id = PoolId(core::array::from_fn(|i| u8::try_from(0xa0 + i).unwrap()));
        let byte = |at| u8::from_str_radix(&KNOWN[at..at + 2], 16).unwrap();
        let record: Vec<u8> = (0..KNOWN.len()).step_by(2).map(byte).collect();
        let mut text = vec![0; 92];
        assert!(RecordKey::new(&key, id, spec).open(0x0102_0304, &record, &mut text));
        assert!(text.iter().zip(0..).all(|(&byte, i)| byte == i));
    }

    const KNOWN: &str = "\
         505152535455565758595a5b92263477e055bfe154bf376ec1ec8ddaf33eeff836648c353c90fac0\
         ec5d8b6b71cea8fe4f03b59341f3cfb5f9afd7f8e11a442a1e28645aa7ffde3f93f43aad702b9ed9\
         cdb651366abeae44d20b040cd7accd54a0a3503ba822179a27ebfd7574043f58928f76a3f892a332";
}
