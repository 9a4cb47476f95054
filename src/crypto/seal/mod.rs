#![doc = include_str!("blob.md")]

mod header;
mod key;
#[cfg(test)]
mod tests;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

use crate::crypto::drbg::Drbg;
use crate::crypto::kdf::kbkdf_hmac_sha256;
use crate::crypto::key_pair::KeyPairBatch;
use crate::limits::{PLAINTEXT_BYTES_MAX, SEALS_PER_DERIVED_KEY_MAX};
use crate::secret::Secret;
use crate::spec::{EncryptionContext, KeyPairSpec};

pub use header::{BlobError, BlobHeader, HEADER_BYTES, Payload, TAG_BYTES};
pub use key::{WrappingKey, material_id};

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

    /// The memory, for the next batch.
    #[must_use]
    pub fn recycle(mut self) -> KeyPairBatch {
        self.0.clear();
        self.0
    }
}

/// Seals every private key of `batch` in place, under one derived key.
///
/// `context` appends the canonical encoding of a row's encryption context to its buffer.
///
/// # Panics
///
/// If the batch is larger than [`SEALS_PER_DERIVED_KEY_MAX`].
#[must_use]
pub fn seal_batch(
    key: &WrappingKey,
    drbg: &mut Drbg,
    mut batch: KeyPairBatch,
    mut context: impl FnMut(usize, &mut Vec<u8>),
) -> WrappedBatch {
    assert!(batch.len() <= SEALS_PER_DERIVED_KEY_MAX, "one derived key seals no more");
    let mut header = BlobHeader::new(key, Payload::PrivateKey(batch.spec()), nonce(drbg));
    let cipher = cipher(key, &header);
    let mut aad = Vec::with_capacity(1024);
    for row in 0..batch.len() {
        header.set_counter(row as u64);
        associated_data(&header, key, &mut aad);
        context(row, &mut aad);
        seal_in_place(&cipher, &header, &aad, batch.blob_room_mut(row));
    }
    WrappedBatch(batch)
}

/// Seals up to [`PLAINTEXT_BYTES_MAX`] bytes of the caller's, under a derived key of their own.
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
    if plaintext.len() > PLAINTEXT_BYTES_MAX {
        return Err(BlobError::PlaintextTooLong { bytes: plaintext.len() });
    }
    let header = BlobHeader::new(key, Payload::Data, nonce(drbg));
    let mut aad = Vec::new();
    associated_data(&header, key, &mut aad);
    context.encode(&mut aad);
    let mut blob = vec![0; HEADER_BYTES + plaintext.len() + TAG_BYTES];
    blob[HEADER_BYTES..][..plaintext.len()].copy_from_slice(plaintext);
    seal_in_place(&cipher(key, &header), &header, &aad, &mut blob);
    Ok(blob)
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
    cipher(key, &header)
        .decrypt_inout_detached(&header.iv().into(), &aad, buffer, tag.into())
        .map_err(|_| BlobError::InvalidCiphertext)?;
    Ok(Opened { payload: header.payload(), plaintext })
}

fn nonce(drbg: &mut Drbg) -> [u8; 16] {
    let mut nonce = [0; 16];
    drbg.fill(&mut nonce);
    nonce
}

fn cipher(key: &WrappingKey, header: &BlobHeader) -> Aes256Gcm {
    let derived = kbkdf_hmac_sha256(key.material().expose(), LABEL, &header.nonce());
    Aes256Gcm::new(derived.expose().into())
}

/// Everything of the associated data but the encryption context.
fn associated_data(header: &BlobHeader, key: &WrappingKey, aad: &mut Vec<u8>) {
    aad.clear();
    aad.extend_from_slice(header.as_bytes());
    aad.extend_from_slice(key.binding());
}

/// Seals what stands between header and tag in `room`.
fn seal_in_place(cipher: &Aes256Gcm, header: &BlobHeader, aad: &[u8], room: &mut [u8]) {
    let (head, sealed) = room.split_at_mut(HEADER_BYTES);
    let (text, tag) = sealed.split_at_mut(sealed.len() - TAG_BYTES);
    head.copy_from_slice(header.as_bytes());
    let computed = cipher
        .encrypt_inout_detached(&header.iv().into(), aad, InOutBuf::from(text))
        .expect("a private key is far below the limit of GCM");
    tag.copy_from_slice(&computed);
}
