//! RSA in steps of a few milliseconds, for threads that must be able to turn to other work: first
//! primes, and some time later keys of given primes.

use zeroize::Zeroizing;

use super::RsaEngine;
use crate::crypto::arith::{LANES, limbs, modulus_bits};
use crate::crypto::drbg::Drbg;
use crate::crypto::engine::GenerateError;
use crate::crypto::key_pair::KeyPairBatch;
use crate::crypto::prime::search::Tally;
use crate::spec::KeyPairSpec;

/// Bytes of a pair of primes as [`RsaEngine::seek`] finds it: p and q, little-endian. `None` if
/// `spec` is not RSA.
#[must_use]
pub const fn prime_pair_bytes(spec: KeyPairSpec) -> Option<usize> {
    match spec.rsa_bits() {
        Some(bits) => Some(bits / 8),
        None => None,
    }
}

/// Pairs of primes of one search that keeps its lanes full to the end.
pub const PRIME_PAIRS: usize = LANES / 2;

impl RsaEngine {
    /// One step of a search for `pairs` pairs of primes: a batch of tests to base 2, or, once enough
    /// numbers have passed one, all rounds of Miller-Rabin. The last step shows each pair to `put`
    /// and returns true.
    ///
    /// # Panics
    ///
    /// If `pairs` is 0 or more than [`PRIME_PAIRS`].
    pub fn seek(&mut self, drbg: &mut Drbg, pairs: usize, mut put: impl FnMut(&[u8])) -> bool {
        self.mill.seek(drbg, pairs, &mut put)
    }

    /// Forgets every candidate of the search. Due whenever the generator was reseeded: what an
    /// older state drew must not come into new keys.
    pub fn forget(&mut self) {
        self.mill.forget();
    }

    /// What the search has done since this was last asked.
    pub fn take_tally(&mut self) -> Tally {
        self.mill.take_tally()
    }

    /// Adds the keys of one to eight pairs of primes from [`seek`](Self::seek) to `batch`, checked
    /// like any others.
    ///
    /// # Errors
    ///
    /// As [`generate`](crate::crypto::Engine::generate).
    ///
    /// # Panics
    ///
    /// If there are none or more than eight, a pair is not [`prime_pair_bytes`] long, or `batch`
    /// has no room.
    pub fn derive<'p>(
        &mut self,
        drbg: &mut Drbg,
        mut primes: impl ExactSizeIterator<Item = &'p [u8]>,
        batch: &mut KeyPairBatch,
    ) -> Result<(), GenerateError> {
        let is_good = self.mill.derive(drbg, &mut primes, batch);
        is_good.then_some(()).ok_or(GenerateError { spec: self.spec })
    }
}

/// Shows the bytes of a pair of primes to `put`.
pub(super) fn show<const K: usize>(primes: [&[u64; K]; 2], put: &mut dyn FnMut(&[u8])) {
    let half = modulus_bits(K) / 8;
    let mut bytes = Zeroizing::new(vec![0; 2 * half]);
    let mut words = Zeroizing::new(vec![0; half / 8]);
    for (digits, bytes) in primes.into_iter().zip(bytes.chunks_exact_mut(half)) {
        limbs::from_digits(digits, &mut words);
        for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }
    put(&bytes);
}

/// The pair of primes that `show` wrote.
pub(super) fn read<const K: usize>(bytes: &[u8]) -> [[u64; K]; 2] {
    let half = modulus_bits(K) / 8;
    assert_eq!(bytes.len(), 2 * half, "a pair of primes of this size");
    [0, half].map(|start| {
        let words = bytes[start..][..half].as_chunks().0.iter();
        let words: Zeroizing<Vec<u64>> =
            Zeroizing::new(words.map(|word| u64::from_le_bytes(*word)).collect());
        limbs::digits(&words)
    })
}
