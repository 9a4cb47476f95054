//! AES-256-GCM (NIST SP 800-38D) of messages that have only the key in common, for CPUs with 512-bit
//! carry-less multiplication.
//!
//! [`gcm`](super::gcm) is for rows of a batch, which differ in little. What an endpoint seals under one
//! key comes call by call, in any form: each message is hashed from its first byte on, in one pass
//! ([`ghash`](super::ghash)), and its key stream is made in whole steps of the `aes` crate's widest
//! form, since to make too much of it costs less than the last blocks of a message one by one.

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

use super::ghash::{BLOCK_BYTES, Ghash, blocks_in};
use crate::secret::Secret;
use crate::sys::features::WideClmul;

/// Blocks that the `aes` crate encrypts in one step.
const STEP: usize = 64;

/// Powers of the hash key to begin with: a key of a curve takes no more, unless its context is long.
const POWERS: usize = 32;

/// Seals one message after the other, whatever they are.
pub(super) struct SingleGcm {
    cipher: Aes256Enc,
    hash: Ghash,
    /// Key stream of the last message, kept for its room.
    keystream: Secret<Vec<[u8; BLOCK_BYTES]>>,
}

impl SingleGcm {
    /// Prepares `key`.
    pub(super) fn new(token: WideClmul, key: &[u8; 32]) -> Self {
        let cipher = Aes256Enc::new(key.into());
        let mut hash_key = Secret::new([0; BLOCK_BYTES]);
        cipher.encrypt_block(hash_key.expose_mut().into());
        let hash = Ghash::new(token, *hash_key.expose(), POWERS);
        Self { cipher, hash, keystream: Secret::new(Vec::new()) }
    }

    /// Encrypts `text` in place and returns its tag. No two messages may have the same `iv`.
    pub(super) fn seal(&mut self, iv: [u8; 12], aad: &[u8], text: &mut [u8]) -> [u8; BLOCK_BYTES] {
        let text_blocks = blocks_in(text.len());
        self.make_keystream(iv, 1 + text_blocks);
        self.hash.reserve(blocks_in(aad.len()) + text_blocks + 1);
        let lengths = [aad.len(), text.len()].map(|bytes| bytes as u128 * 8);
        let keystream = &self.keystream.expose()[..=text_blocks];
        self.hash.seal(0, aad, keystream, text, (lengths[0] << 64) | lengths[1])
    }

    /// At least so many blocks of key stream.
    fn make_keystream(&mut self, iv: [u8; 12], blocks: usize) {
        let blocks = blocks.next_multiple_of(STEP);
        if self.keystream.expose().len() < blocks {
            self.keystream = Secret::new(vec![[0; BLOCK_BYTES]; blocks]);
        }
        let stream = &mut self.keystream.expose_mut()[..blocks];
        for (block, counter) in stream.iter_mut().zip(1_u32..) {
            block[..12].copy_from_slice(&iv);
            block[12..].copy_from_slice(&counter.to_be_bytes());
        }
        self.cipher.encrypt_blocks(Array::cast_slice_from_core_mut(stream));
    }
}
