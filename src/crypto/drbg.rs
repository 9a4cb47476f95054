//! The random generator of one worker: ChaCha20, seeded from the operating system.
//!
//! A generator belongs to one thread, and makes no system call between two reseeds.
//!
//! # When it is reseeded
//!
//! At the head of every batch of keys (4096, or 16 of RSA), never in between. The new state is
//! the XOR of 32 bytes of the old generator and 32 fresh ones of the system, so that it is no
//! worse than the better of the two: who knows the system's bytes still lacks the old state, and
//! who learned the old state loses it at the next batch.
//!
//! - A copy of the process (a fork, a restored snapshot) can repeat at most the batch in which the
//!   copy was taken, and those whose seeds were drawn by then. A worker never forks; whoever
//!   restores snapshots of running machines discards these batches in one of the copies.
//! - Of an earlier batch nothing can be computed from the state: the seed of the next generator
//!   is drawn from the last one, and the last one is dropped and zeroed. Within a batch it can.
//! - If the system refuses, the state stays as it was and the batch is not begun.

use core::convert::Infallible;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use zeroize::Zeroize;

pub use crate::sys::entropy::EntropyError;
use crate::sys::entropy::SEED_BYTES;

/// A deterministic random bit generator with 256 bits of seed.
pub struct Drbg(ChaCha20Rng);

impl Drbg {
    /// Seeds a generator from the operating system.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the operating system has no random bytes to give.
    pub fn from_system() -> Result<Self, EntropyError> {
        let mut drbg = Self::from_seed([0; 32]);
        drbg.reseed()?;
        Ok(drbg)
    }

    /// A generator with a known seed: the same output every time, for tests and benchmarks.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Replaces the state by one that depends on the old state and on fresh system entropy.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the operating system has no random bytes to give; the state is then
    /// as before.
    pub fn reseed(&mut self) -> Result<(), EntropyError> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed).map_err(|_| EntropyError)?;
        self.mix(&seed);
        seed.zeroize();
        Ok(())
    }

    /// Replaces the state by one that depends on the old state and on `seed`.
    pub fn mix(&mut self, seed: &[u8; SEED_BYTES]) {
        let mut next = [0; SEED_BYTES];
        self.0.fill_bytes(&mut next);
        for (byte, fresh) in next.iter_mut().zip(seed) {
            *byte ^= fresh;
        }
        self.0 = ChaCha20Rng::from_seed(next);
        next.zeroize();
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

impl core::fmt::Debug for Drbg {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Drbg(..)")
    }
}

impl TryRng for Drbg {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(out);
        Ok(())
    }
}

impl TryCryptoRng for Drbg {}
