//! `Sealer`: seals what comes piece by piece, a batch of pieces under one derived key.
//!
//! To derive a key and expand it for AES costs more than to seal a private key of a curve. A job
//! derives a key for thousands of pairs at once; calls that come one by one are a batch too, as long
//! as they draw from the same entropy, and share a derived key like one.

use core::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

use super::header::{BlobError, BlobHeader, HEADER_BYTES, Payload, TAG_BYTES};
#[cfg(target_arch = "x86_64")]
use super::single::SingleGcm;
use super::{Contexts, Opened, WrappedBatch, WrappingKey};
use super::{associated_data, derived_key, nonce, parts};
use crate::crypto::drbg::Drbg;
use crate::crypto::key_pair::KeyPairBatch;
use crate::limits::{PLAINTEXT_BYTES_MAX, SEALS_PER_DERIVED_KEY_MAX};
use crate::spec::{EncryptionContext, MaterialId};
use crate::sys::features::Backend;
#[cfg(target_arch = "x86_64")]
use crate::sys::features::WideClmul;

/// Seals under one derived key until its batch ends, another material is wanted, or the key has
/// sealed as much as one may.
#[derive(Debug)]
pub struct Sealer {
    backend: Backend,
    derived: Option<DerivedKey>,
    /// The associated data in the making, kept for its room.
    aad: Vec<u8>,
}

impl Sealer {
    /// Has sealed nothing yet. `backend` chooses between equal results, as for
    /// [`seal_batch`](super::seal_batch).
    #[must_use]
    pub const fn new(backend: Backend) -> Self {
        Self { backend, derived: None, aad: Vec::new() }
    }

    /// Ends the batch: the derived key is forgotten, and what comes is sealed under another.
    pub fn end_batch(&mut self) {
        self.derived = None;
    }

    /// Seals every private key of `batch` in place, as [`seal_batch`](super::seal_batch).
    ///
    /// # Panics
    ///
    /// If there are more than [`SEALS_PER_DERIVED_KEY_MAX`].
    #[must_use]
    pub fn seal_batch<F: FnMut(usize, &mut Vec<u8>)>(
        &mut self,
        key: &WrappingKey,
        drbg: &mut Drbg,
        mut batch: KeyPairBatch,
        mut contexts: Contexts<'_, F>,
    ) -> WrappedBatch {
        let payload = Payload::PrivateKey(batch.spec());
        let (derived, aad) = self.derived(key, drbg, batch.len());
        for row in 0..batch.len() {
            let header = derived.next_header(key, payload);
            associated_data(&header, key, aad);
            aad.extend_from_slice(contexts.head);
            (contexts.rest)(row, aad);
            derived.cipher.seal(&header, aad, batch.blob_room_mut(row));
        }
        WrappedBatch(batch)
    }

    /// Seals up to [`PLAINTEXT_BYTES_MAX`] bytes of the caller's.
    ///
    /// # Errors
    ///
    /// [`BlobError::PlaintextTooLong`].
    pub fn seal(
        &mut self,
        key: &WrappingKey,
        drbg: &mut Drbg,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, BlobError> {
        self.seal_payload(key, drbg, Payload::Data, plaintext, context)
    }

    /// Seals what was opened again, as what it was: a private key stays one.
    ///
    /// # Errors
    ///
    /// [`BlobError::PlaintextTooLong`].
    pub fn seal_again(
        &mut self,
        key: &WrappingKey,
        drbg: &mut Drbg,
        opened: &Opened,
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, BlobError> {
        self.seal_payload(key, drbg, opened.payload, opened.plaintext.expose(), context)
    }

    fn seal_payload(
        &mut self,
        key: &WrappingKey,
        drbg: &mut Drbg,
        payload: Payload,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, BlobError> {
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(BlobError::PlaintextTooLong { bytes: plaintext.len() });
        }
        let (derived, aad) = self.derived(key, drbg, 1);
        let header = derived.next_header(key, payload);
        associated_data(&header, key, aad);
        context.encode(aad);
        let mut blob = vec![0; HEADER_BYTES + plaintext.len() + TAG_BYTES];
        blob[HEADER_BYTES..][..plaintext.len()].copy_from_slice(plaintext);
        derived.cipher.seal(&header, aad, &mut blob);
        Ok(blob)
    }

    /// A derived key with room for `blobs` more, and the room of the associated data.
    fn derived(
        &mut self,
        key: &WrappingKey,
        drbg: &mut Drbg,
        blobs: usize,
    ) -> (&mut DerivedKey, &mut Vec<u8>) {
        assert!(blobs <= SEALS_PER_DERIVED_KEY_MAX, "one derived key seals no more");
        self.derived.take_if(|derived| !derived.takes(key, blobs));
        let new = || DerivedKey::new(key, self.backend, drbg);
        (self.derived.get_or_insert_with(new), &mut self.aad)
    }
}

/// A key derived from a material and a nonce. The cipher is zeroed on drop.
struct DerivedKey {
    material_id: MaterialId,
    nonce: [u8; 16],
    cipher: Cipher,
    /// Blobs sealed so far, and the IV of the next.
    sealed: usize,
}

impl DerivedKey {
    fn new(key: &WrappingKey, backend: Backend, drbg: &mut Drbg) -> Self {
        let (material_id, nonce) = (key.material_id(), nonce(drbg));
        let cipher = Cipher::new(backend, derived_key(key, nonce).expose());
        Self { material_id, nonce, cipher, sealed: 0 }
    }

    /// Whether it is one of `key` and may seal `blobs` more.
    fn takes(&self, key: &WrappingKey, blobs: usize) -> bool {
        self.material_id == key.material_id() && self.sealed + blobs <= SEALS_PER_DERIVED_KEY_MAX
    }

    /// The header of the next blob; no two of a derived key have the same IV.
    fn next_header(&mut self, key: &WrappingKey, payload: Payload) -> BlobHeader {
        let mut header = BlobHeader::new(key, payload, self.nonce);
        header.set_counter(self.sealed as u64);
        self.sealed += 1;
        header
    }
}

/// AES-256-GCM.
enum Cipher {
    #[cfg(target_arch = "x86_64")]
    Wide(Box<SingleGcm>),
    Portable(Box<Aes256Gcm>),
}

impl Cipher {
    fn new(backend: Backend, key: &[u8; 32]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let (Backend::Ifma(_), Some(token)) = (backend, WideClmul::detect()) {
            return Self::Wide(Box::new(SingleGcm::new(token, key)));
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _: Backend = backend;
        Self::Portable(Box::new(Aes256Gcm::new(key.into())))
    }

    /// Seals what stands between header and tag in `room`.
    fn seal(&mut self, header: &BlobHeader, aad: &[u8], room: &mut [u8]) {
        let (head, text, tag) = parts(room);
        head.copy_from_slice(header.as_bytes());
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Wide(cipher) => tag.copy_from_slice(&cipher.seal(header.iv(), aad, text)),
            Self::Portable(cipher) => {
                let computed = cipher
                    .encrypt_inout_detached(&header.iv().into(), aad, InOutBuf::from(text))
                    .expect("a private key is far below the limit of GCM");
                tag.copy_from_slice(&computed);
            }
        }
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerivedKey").field("sealed", &self.sealed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::super::tests::{ARN, backends, context, drbg, key_of};
    use super::*;
    use crate::limits::SEALS_PER_DERIVED_KEY_MAX as MAX;

    /// Under which derived key a blob is, and its IV.
    fn place(blob: &[u8]) -> ([u8; 16], [u8; 12]) {
        let header = BlobHeader::parse(blob).unwrap();
        (header.nonce(), header.iv())
    }

    fn iv(counter: usize) -> [u8; 12] {
        (counter as u128).to_be_bytes()[4..].try_into().unwrap()
    }

    #[test]
    fn blobs_of_a_batch_share_a_derived_key_and_no_iv() {
        let (key, bound) = (key_of(ARN, 1), context(&[("k", "v")]));
        let (mut sealer, mut drbg) = (Sealer::new(Backend::Portable), drbg());
        let mut seal = |text: &[u8]| sealer.seal(&key, &mut drbg, text, &bound).unwrap();
        let blobs = [seal(b"one"), seal(b"two"), seal(b"one")];
        let nonce = place(&blobs[0]).0;
        for (at, blob) in blobs.iter().enumerate() {
            assert_eq!(place(blob), (nonce, iv(at)));
            let expected: &[u8] = if at == 1 { b"two" } else { b"one" };
            assert_eq!(open(&key, blob, &bound).unwrap().plaintext.expose(), expected);
        }
    }

    /// Whatever the instructions, to the byte.
    #[test]
    fn all_backends_seal_alike() {
        let (key, bound) = (key_of(ARN, 1), context(&[("k", "v")]));
        let seal = |backend| {
            let (mut sealer, mut drbg) = (Sealer::new(backend), drbg());
            let lengths = [0, 1, 138, 1218, 16, PLAINTEXT_BYTES_MAX, 17];
            let blob = |bytes| sealer.seal(&key, &mut drbg, &vec![7; bytes], &bound).unwrap();
            lengths.map(blob)
        };
        let expected = seal(Backend::Portable);
        for backend in backends() {
            assert_eq!(seal(backend), expected, "{backend}");
        }
        assert!(expected.iter().all(|blob| open(&key, blob, &bound).is_ok()));
    }

    #[test]
    fn another_batch_and_another_material_have_a_derived_key_of_their_own() {
        let (mut sealer, mut drbg, bound) = (Sealer::new(Backend::Portable), drbg(), context(&[]));
        let keys = [key_of(ARN, 1), key_of(ARN, 2)];
        let mut nonces = Vec::new();
        for key in [&keys[0], &keys[1], &keys[0], &keys[0]] {
            let blob = sealer.seal(key, &mut drbg, b"secret", &bound).unwrap();
            assert!(open(key, &blob, &bound).is_ok());
            assert_eq!(place(&blob).1, iv(0));
            nonces.push(place(&blob).0);
            if nonces.len() == 3 {
                sealer.end_batch();
            }
        }
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 4);
    }

    #[test]
    fn a_derived_key_seals_no_more_than_its_limit() {
        let (key, mut sealer, mut drbg) = (key_of(ARN, 1), Sealer::new(Backend::Portable), drbg());
        let mut seal = || place(&sealer.seal(&key, &mut drbg, b"", &context(&[])).unwrap());
        let nonce = seal().0;
        let last = (2..=MAX).map(|_| seal()).last().unwrap();
        assert_eq!(last, (nonce, iv(MAX - 1)));
        let next = seal();
        assert_eq!((next.0 == nonce, next.1), (false, iv(0)));
    }
}
