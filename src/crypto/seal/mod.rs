#![doc = include_str!("blob.md")]

#[cfg(target_arch = "x86_64")]
mod gcm;
#[cfg(target_arch = "x86_64")]
mod ghash;
mod header;
mod key;
mod sealer;
#[cfg(target_arch = "x86_64")]
mod single;
#[cfg(test)]
mod tests;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

use crate::crypto::drbg::Drbg;
use crate::crypto::key_pair::KeyPairBatch;
use crate::crypto::laps::Stage;
use crate::limits::SEALS_PER_DERIVED_KEY_MAX;
use crate::secret::Secret;
use crate::spec::{EncryptionContext, KeyPairSpec};
use crate::sys::features::Backend;
#[cfg(target_arch = "x86_64")]
use crate::sys::features::WideClmul;

#[cfg(target_arch = "x86_64")]
use gcm::{Common, Gcm};
#[cfg(target_arch = "x86_64")]
use header::HEADER_IV;
pub use header::{BlobError, BlobHeader, HEADER_BYTES, Payload, TAG_BYTES};
pub use key::{WrappingKey, material_id};
pub use sealer::Sealer;

const LABEL: &[u8] = b"keymill/blob/v1";

/// A batch whose private keys are sealed; the only thing a sink accepts.
#[derive(Debug)]
pub struct WrappedBatch(KeyPairBatch);

impl WrappedBatch {
    /// The spec of every pair.
    #[must_use]
    pub const fn spec(&self) -> KeyPairSpec {
        self.0.spec()
    }

    /// How many pairs.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The SPKI of pair `row`.
    #[must_use]
    pub fn public_key(&self, row: usize) -> &[u8] {
        self.0.public_key(row)
    }

    /// The sealed PKCS#8 of pair `row`.
    #[must_use]
    pub fn blob(&self, row: usize) -> &[u8] {
        self.0.blob_room(row)
    }

    /// All SPKIs, back to back.
    #[must_use]
    pub fn public_keys(&self) -> &[u8] {
        self.0.public_keys()
    }

    /// All sealed PKCS#8s, back to back, if the spec makes them equally long.
    #[must_use]
    pub fn blobs(&self) -> Option<&[u8]> {
        self.0.blob_rooms()
    }

    /// Counts the time since the last lap to `stage`.
    pub fn lap(&mut self, stage: Stage) {
        self.0.lap(stage);
    }

    /// The memory, for the next batch.
    #[must_use]
    pub fn recycle(mut self) -> KeyPairBatch {
        self.0.forget_sealed();
        self.0
    }
}

/// The encryption contexts of a batch, in their canonical encoding.
#[derive(Debug)]
pub struct Contexts<'c, F> {
    /// Bytes with which the encoding of every row begins.
    pub head: &'c [u8],
    /// Appends the rest of a row's encoding.
    pub rest: F,
}

/// Seals every private key of `batch` in place, under one derived key.
///
/// `backend` chooses between equal results: many messages at a time where it stands for the
/// CPU's widest instructions, or one call of `aes-gcm` a row.
///
/// # Panics
///
/// If the batch is larger than [`SEALS_PER_DERIVED_KEY_MAX`].
#[must_use]
pub fn seal_batch<F: FnMut(usize, &mut Vec<u8>)>(
    key: &WrappingKey,
    backend: Backend,
    drbg: &mut Drbg,
    batch: KeyPairBatch,
    contexts: Contexts<'_, F>,
) -> WrappedBatch {
    #[cfg(target_arch = "x86_64")]
    if let (Backend::Ifma(_), Some(token)) = (backend, WideClmul::detect()) {
        return seal_together(key, token, nonce(drbg), batch, contexts);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _: Backend = backend;
    Sealer::new(Backend::Portable).seal_batch(key, drbg, batch, contexts)
}

/// Seals the rows by [`gcm`].
#[cfg(target_arch = "x86_64")]
fn seal_together<F: FnMut(usize, &mut Vec<u8>)>(
    key: &WrappingKey,
    token: WideClmul,
    nonce: [u8; 16],
    mut batch: KeyPairBatch,
    mut contexts: Contexts<'_, F>,
) -> WrappedBatch {
    assert!(batch.len() <= SEALS_PER_DERIVED_KEY_MAX, "one derived key seals no more");
    let mut header = BlobHeader::new(key, Payload::PrivateKey(batch.spec()), nonce);
    let mut head = Vec::with_capacity(1024);
    associated_data(&header, key, &mut head);
    head.extend_from_slice(contexts.head);
    let common = Common {
        iv: header.iv(),
        head: &head,
        iv_at: HEADER_IV,
        messages: batch.len(),
        text_bytes_max: batch.spec().private_key_bytes_max(),
    };
    let derived = derived_key(key, nonce);
    let (mut gcm, left_over) = Gcm::new(token, derived.expose(), &common);
    let mut tail = Vec::with_capacity(1024);
    for row in 0..batch.len() {
        header.set_counter(row as u64);
        tail.clear();
        tail.extend_from_slice(left_over);
        (contexts.rest)(row, &mut tail);
        let (head, text, tag) = parts(batch.blob_room_mut(row));
        head.copy_from_slice(header.as_bytes());
        tag.copy_from_slice(&gcm.seal(&tail, text));
    }
    WrappedBatch(batch)
}

/// Seals up to [`PLAINTEXT_BYTES_MAX`](crate::limits::PLAINTEXT_BYTES_MAX) bytes of the caller's,
/// under a derived key of their own.
///
/// # Errors
///
/// [`BlobError::PlaintextTooLong`].
pub fn seal(
    key: &WrappingKey,
    drbg: &mut Drbg,
    plaintext: &[u8],
    context: &EncryptionContext,
) -> Result<Vec<u8>, BlobError> {
    Sealer::new(Backend::Portable).seal(key, drbg, plaintext, context)
}

/// What was in a blob.
#[derive(Debug)]
pub struct Opened {
    /// What the plaintext is.
    pub payload: Payload,
    /// The plaintext.
    pub plaintext: Secret<Vec<u8>>,
}

/// Opens `blob` under the material it names.
///
/// # Errors
///
/// A blob of another form or under another material is told as such. Everything the tag covers
/// fails alike, as [`BlobError::InvalidCiphertext`]: damage, a wrong context, another key.
pub fn open(
    key: &WrappingKey,
    blob: &[u8],
    context: &EncryptionContext,
) -> Result<Opened, BlobError> {
    let header = BlobHeader::parse(blob)?;
    if header.material_id() != key.material_id() || header.key_id() != key.arn().id {
        return Err(BlobError::OtherKey);
    }
    let sealed = &blob[HEADER_BYTES..];
    let (ciphertext, tag) = sealed.split_at(sealed.len() - TAG_BYTES);
    let tag: &[u8; TAG_BYTES] = tag.try_into().map_err(|_| BlobError::TooShort)?;
    let mut aad = Vec::new();
    associated_data(&header, key, &mut aad);
    context.encode(&mut aad);
    let mut plaintext = Secret::new(ciphertext.to_vec());
    let buffer = InOutBuf::from(plaintext.expose_mut().as_mut_slice());
    Aes256Gcm::new(derived_key(key, header.nonce()).expose().into())
        .decrypt_inout_detached(&header.iv().into(), &aad, buffer, tag.into())
        .map_err(|_| BlobError::InvalidCiphertext)?;
    Ok(Opened { payload: header.payload(), plaintext })
}

fn nonce(drbg: &mut Drbg) -> [u8; 16] {
    let mut nonce = [0; 16];
    drbg.fill(&mut nonce);
    nonce
}

fn derived_key(key: &WrappingKey, nonce: [u8; 16]) -> Secret<[u8; 32]> {
    key.derive(LABEL, &nonce)
}

/// Everything of the associated data but the encryption context.
fn associated_data(header: &BlobHeader, key: &WrappingKey, aad: &mut Vec<u8>) {
    aad.clear();
    aad.extend_from_slice(header.as_bytes());
    aad.extend_from_slice(key.binding());
}

/// Header, text and tag of the room of a blob.
fn parts(room: &mut [u8]) -> (&mut [u8], &mut [u8], &mut [u8]) {
    let (head, sealed) = room.split_at_mut(HEADER_BYTES);
    let (text, tag) = sealed.split_at_mut(sealed.len() - TAG_BYTES);
    (head, text, tag)
}
