//! AES-256-GCM (NIST SP 800-38D) of many messages under one key, for CPUs with 512-bit
//! carry-less multiplication.
//!
//! The blobs of a batch have one key, IVs that count up, and associated data that begins alike
//! but for the IV. So the work is divided anew:
//!
//! - key schedule, hash key and its powers are computed once;
//! - the key stream of 64 messages is made by one call, which fills every register of the `aes`
//!   crate's widest form;
//! - GHASH is linear: where two inputs differ by a pattern, their hashes differ by the hash of
//!   that pattern. Counting from `i - 1` to `i` flips the lowest `t + 1` bits, `t` the number of
//!   trailing zeros of `i`; so the state behind the common head changes by one of a few values
//!   that depend on `t` alone. A head of any length costs one XOR a message;
//! - what is left of the associated data, the text and the lengths are hashed as one sum
//!   ([`ghash`](super::ghash)), while the text is in registers for its encryption.
//!
//! Against one call of `aes-gcm` a message, which also hashes the head each time, this takes a
//! fifth of the time for a P-256 key. The tests hold the two against each other.

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

use super::ghash::{BLOCK_BYTES, Ghash, blocks_in};
use crate::secret::Secret;
use crate::sys::features::WideClmul;

/// Messages whose key stream is made at once: their blocks are a multiple of what the `aes` crate
/// takes in one step.
const AHEAD: usize = 64;

/// Blocks of associated data that are hashed together with the text; more come before.
const TAIL_BLOCKS_MAX: usize = 8;

/// Bits of the counter in which two messages of one key differ.
const COUNTER_BITS: usize = 16;

const _: () = assert!(crate::limits::SEALS_PER_DERIVED_KEY_MAX <= 1 << COUNTER_BITS);

type Block = [u8; BLOCK_BYTES];

/// What the messages have in common.
pub(super) struct Common<'h> {
    /// IV of the first message; that of message `i` is greater by `i`. If there are several, it
    /// ends in sixteen zero bits, so that to add is to XOR.
    pub(super) iv: [u8; 12],
    /// Beginning of the associated data of the first message.
    pub(super) head: &'h [u8],
    /// Where in `head` the IV stands.
    pub(super) iv_at: usize,
    /// How many messages there are.
    pub(super) messages: usize,
    /// Length of the longest.
    pub(super) text_bytes_max: usize,
}

/// Seals one message after the other.
pub(super) struct Gcm {
    cipher: Aes256Enc,
    hash: Ghash,
    /// State behind the whole blocks of the head of the next message.
    state: u128,
    /// By what the state changes from one message to the next.
    steps: [u128; COUNTER_BITS],
    /// Bytes of these blocks.
    head_bytes: usize,
    /// First block of the next message: IV and block counter 1.
    first: u128,
    /// Number of the next message.
    next: usize,
    messages: usize,
    /// Blocks of key stream a message.
    stride: usize,
    /// Key stream of the messages up to the next multiple of [`AHEAD`].
    keystream: Secret<Vec<Block>>,
}

impl Gcm {
    /// Prepares `key`. Returns with it what the head leaves over to the tail of every message:
    /// the bytes behind its last whole block.
    ///
    /// # Panics
    ///
    /// If there are more messages than a key may seal, or there are several and their counter does
    /// not begin at zero or not lie in the whole blocks of the head.
    pub(super) fn new<'h>(
        token: WideClmul,
        key: &[u8; 32],
        common: &Common<'h>,
    ) -> (Self, &'h [u8]) {
        let cipher = Aes256Enc::new(key.into());
        let mut hash_key = Secret::new([0; BLOCK_BYTES]);
        cipher.encrypt_block(hash_key.expose_mut().into());
        let stride = blocks_in(common.text_bytes_max) + 1;
        let hash = Ghash::new(token, *hash_key.expose(), stride + TAIL_BLOCKS_MAX);
        let (head, rest) = common.head.split_at(common.head.len() / BLOCK_BYTES * BLOCK_BYTES);
        let state = hash.absorb(0, head);
        let steps = steps(&hash, head, common);
        let mut first = [0; BLOCK_BYTES];
        first[..12].copy_from_slice(&common.iv);
        first[15] = 1;
        let keystream = Secret::new(vec![[0; BLOCK_BYTES]; stride * common.messages.min(AHEAD)]);
        let gcm = Self {
            cipher,
            hash,
            state,
            steps,
            head_bytes: head.len(),
            first: u128::from_be_bytes(first),
            next: 0,
            messages: common.messages,
            stride,
            keystream,
        };
        (gcm, rest)
    }

    /// Encrypts the next message in place and returns its tag. `tail` is its associated data
    /// behind the whole blocks of the head.
    ///
    /// # Panics
    ///
    /// If there is no next message or it is longer than was said.
    pub(super) fn seal(&mut self, tail: &[u8], text: &mut [u8]) -> Block {
        assert!(self.next < self.messages, "no more messages than were announced");
        let ahead = self.next % AHEAD;
        if ahead == 0 {
            self.make_keystream();
        }
        if self.next > 0 {
            self.state ^= self.steps[self.next.trailing_zeros() as usize];
        }
        self.next += 1;
        let lengths = (bits(self.head_bytes + tail.len()) << 64) | bits(text.len());
        let excess = blocks_in(tail.len()).saturating_sub(TAIL_BLOCKS_MAX) * BLOCK_BYTES;
        let (before, tail) = tail.split_at(excess.min(tail.len()));
        let state = self.hash.absorb(self.state, before);
        let keystream = &self.keystream.expose()[ahead * self.stride..][..self.stride];
        self.hash.seal(state, tail, keystream, text, lengths)
    }

    /// The key stream of the next messages, up to [`AHEAD`] of them.
    fn make_keystream(&mut self) {
        let messages = AHEAD.min(self.messages - self.next);
        let blocks = &mut self.keystream.expose_mut()[..messages * self.stride];
        let mut iv = self.first.wrapping_add((self.next as u128) << 32);
        for message in blocks.chunks_exact_mut(self.stride) {
            for (block, counter) in message.iter_mut().zip(iv..) {
                *block = counter.to_be_bytes();
            }
            iv = iv.wrapping_add(1 << 32);
        }
        self.cipher.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    }
}

impl Drop for Gcm {
    /// What else is here zeroes itself; hashes of known data would tell the hash key.
    fn drop(&mut self) {
        self.state.zeroize();
        self.steps.zeroize();
    }
}

/// For each `t`: the hash of a head that is zero but for the lowest `t + 1` bits of its IV.
fn steps(hash: &Ghash, head: &[u8], common: &Common<'_>) -> [u128; COUNTER_BITS] {
    assert!(common.messages <= 1 << COUNTER_BITS, "a key seals no more messages");
    if common.messages < 2 {
        return [0; COUNTER_BITS];
    }
    assert!(common.iv[10..] == [0; 2], "the counter of the messages begins at zero");
    let mut pattern = vec![0; head.len()];
    let low = common.iv_at + 12 - 4;
    core::array::from_fn(|t| {
        let bits: u32 = (2 << t) - 1;
        pattern[low..low + 4].copy_from_slice(&bits.to_be_bytes());
        hash.absorb(0, &pattern)
    })
}

/// A length in bits, as GCM counts it.
const fn bits(bytes: usize) -> u128 {
    bytes as u128 * 8
}
