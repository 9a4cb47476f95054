//! RSA key pairs (FIPS 186-5 A.1.3, e = 65537), eight at a time.
//!
//! Primes come from [`Search`]; `parts` computes the private values without an inversion that
//! depends on them; every key is checked before it is written.

mod der;
mod parts;
mod steps;

#[cfg(test)]
mod der_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;

use zeroize::{Zeroize, Zeroizing};

use crate::crypto::arith::{
    DIGIT_MASK, Eight, Kernel, LANES, Limbs, Modulus, Scratch, Vectors, limbs, modulus_bits,
};
use crate::crypto::drbg::Drbg;
use crate::crypto::engine::{Engine, GenerateError};
use crate::crypto::key_pair::KeyPairBatch;
use crate::crypto::prime::search::{Search, Tally, WANTED_MAX};
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;
use parts::{Parts, Workspace};

pub use steps::{PRIME_PAIRS, prime_pair_bytes};

/// Makes RSA key pairs of one size.
pub struct RsaEngine {
    spec: KeyPairSpec,
    backend: Backend,
    mill: Box<dyn Mill>,
}

impl core::fmt::Debug for RsaEngine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RsaEngine({}, {})", self.spec, self.backend)
    }
}

impl RsaEngine {
    /// Allocates everything the engine will ever need.
    ///
    /// # Panics
    ///
    /// If `spec` is not an RSA spec.
    #[must_use]
    pub fn new(spec: KeyPairSpec, backend: Backend) -> Self {
        match backend {
            Backend::Portable => Self::with_kernel(spec, backend, Limbs),
            Backend::Ifma(token) => Self::with_kernel(spec, backend, Vectors(token)),
        }
    }

    /// As [`new`](Self::new), on a kernel of the caller's, which stands for `backend`: a profile
    /// passes one that keeps account of the time.
    ///
    /// # Panics
    ///
    /// If `spec` is not an RSA spec.
    #[must_use]
    pub fn with_kernel<N: Kernel + 'static>(
        spec: KeyPairSpec,
        backend: Backend,
        kernel: N,
    ) -> Self {
        let mill: Box<dyn Mill> = match spec {
            KeyPairSpec::Rsa2048 => Box::new(KeyMill::<N, 20>::new(kernel)),
            KeyPairSpec::Rsa3072 => Box::new(KeyMill::<N, 30>::new(kernel)),
            KeyPairSpec::Rsa4096 => Box::new(KeyMill::<N, 40>::new(kernel)),
            other => panic!("{other} is not RSA"),
        };
        Self { spec, backend, mill }
    }
}

impl Engine for RsaEngine {
    fn backend(&self) -> Backend {
        self.backend
    }

    fn generate(
        &mut self,
        drbg: &mut Drbg,
        batch: &mut KeyPairBatch,
        rows: usize,
    ) -> Result<(), GenerateError> {
        assert_eq!(batch.spec(), self.spec, "the batch is of another spec");
        // The caller may have reseeded; what an older state drew must not come into new keys.
        self.mill.forget();
        for first in (0..rows).step_by(LANES) {
            if !self.mill.keys(drbg, batch, LANES.min(rows - first)) {
                return Err(GenerateError { spec: self.spec });
            }
        }
        Ok(())
    }
}

/// An engine for one kernel and size.
trait Mill: Send {
    /// Adds up to eight keys to `batch`; false if one failed its check.
    fn keys(&mut self, drbg: &mut Drbg, batch: &mut KeyPairBatch, keys: usize) -> bool;

    /// One step of a search for pairs of primes, as [`RsaEngine::seek`].
    fn seek(&mut self, drbg: &mut Drbg, pairs: usize, put: &mut dyn FnMut(&[u8])) -> bool;

    /// Adds the keys of one to eight pairs of primes; false if one failed its check.
    fn derive(
        &mut self,
        drbg: &mut Drbg,
        primes: &mut dyn ExactSizeIterator<Item = &[u8]>,
        batch: &mut KeyPairBatch,
    ) -> bool;

    /// Forgets the candidates of earlier batches.
    fn forget(&mut self);

    /// What the search has done since this was last asked.
    fn take_tally(&mut self) -> Tally;
}

/// Makes up to eight keys at a time; fewer share the lanes, so that one key has all of them.
struct KeyMill<N: Kernel, const K: usize> {
    kernel: N,
    search: Search<N, K>,
    primes: Box<[[u64; K]; WANTED_MAX]>,
    lanes: Box<PowerLanes<K>>,
    scratch: Box<Scratch>,
    parts: [Parts; LANES],
    workspace: Workspace,
    /// Batches of powers made.
    batches: u64,
}

/// Of so many batches of powers the first is made again in plain integers.
const SAMPLED: u64 = 32;

/// Eight powers: their operands, the result, and the result to the power e.
struct PowerLanes<const K: usize> {
    modulus: Eight<K>,
    base: Eight<K>,
    exponent: Eight<K>,
    power: Eight<K>,
    back: Eight<K>,
}

impl<const K: usize> PowerLanes<K> {
    const ZERO: Self = Self {
        modulus: Eight::ZERO,
        base: Eight::ZERO,
        exponent: Eight::ZERO,
        power: Eight::ZERO,
        back: Eight::ZERO,
    };
}

impl<const K: usize> Zeroize for PowerLanes<K> {
    fn zeroize(&mut self) {
        let Self { modulus, base, exponent, power, back } = self;
        [modulus, base, exponent, power, back].into_iter().for_each(Zeroize::zeroize);
    }
}

impl<N: Kernel, const K: usize> KeyMill<N, K> {
    fn new(kernel: N) -> Self {
        let limbs = modulus_bits(K) / 64;
        Self {
            kernel,
            search: Search::new(kernel),
            primes: Box::new([[0; K]; WANTED_MAX]),
            lanes: Box::new(PowerLanes::ZERO),
            scratch: Box::default(),
            parts: core::array::from_fn(|_| Parts::new(limbs)),
            workspace: Workspace::new(limbs),
            batches: 0,
        }
    }

    /// Draws the primes of `keys` keys, those of a key far apart.
    fn draw_primes(&mut self, drbg: &mut Drbg, keys: usize) {
        let primes = &mut self.primes[..2 * keys];
        loop {
            self.search.primes(drbg, primes);
            if primes.as_chunks().0.iter().all(|[p, q]| parts::far_apart(p, q)) {
                break;
            }
        }
    }

    /// `qinv = q^(p-2) mod p` for every key, and whether both its primes undo `x^d` by `x^e` for a
    /// random x; now and then also whether [`Limbs`] come to the same powers. The three powers of
    /// each key fill the lanes, whatever keys they belong to.
    fn raise(&mut self, drbg: &mut Drbg, keys: usize) -> bool {
        let jobs = 3 * keys;
        let mut good = true;
        for first in (0..jobs).step_by(LANES) {
            // Spare lanes repeat the first jobs.
            let job = |lane: usize| ((first + lane) % jobs / 3, (first + lane) % 3);
            for lane in 0..LANES {
                let (key, which) = job(lane);
                self.lanes.load(lane, &self.parts[key], which, drbg);
            }
            let Self { kernel, lanes, scratch, parts, batches, .. } = self;
            let modulus = Modulus::new(&lanes.modulus);
            lanes.power = kernel.power(&modulus, &lanes.base, &lanes.exponent, scratch);
            if batches.is_multiple_of(SAMPLED) {
                lanes.back = Limbs.power(&modulus, &lanes.base, &lanes.exponent, scratch);
                good &= lanes.back == lanes.power;
            }
            *batches += 1;
            lanes.back = kernel.power_e(&modulus, &lanes.power, scratch);
            for lane in 0..LANES {
                match job(lane) {
                    (_, 0) if first + lane >= jobs => {}
                    (key, 0) => parts[key].set_qinv(&lanes.power.lane(lane)),
                    _ => good &= lanes.back.lane(lane) == lanes.base.lane(lane),
                }
            }
        }
        good
    }

    /// Adds the keys of the first primes; false if one failed its check.
    fn finish(&mut self, drbg: &mut Drbg, batch: &mut KeyPairBatch, keys: usize) -> bool {
        let pairs = self.primes[..2 * keys].as_chunks().0;
        for ([p, q], parts) in pairs.iter().zip(&mut self.parts) {
            parts.exponents(p, q);
        }
        let good = self.raise(drbg, keys)
            && self.parts[..keys].iter_mut().all(|parts| parts.complete(&mut self.workspace));
        if good {
            for parts in &self.parts[..keys] {
                batch.push_with(|spki, pkcs8| der::encode(parts, spki, pkcs8));
            }
        }
        self.wipe();
        good
    }

    fn wipe(&mut self) {
        self.primes.as_flattened_mut().zeroize();
        self.lanes.zeroize();
        self.scratch.zeroize();
        self.parts.iter_mut().for_each(Parts::wipe);
        self.workspace.wipe();
    }
}

impl<const K: usize> PowerLanes<K> {
    /// Puts one of a key's three powers into `lane`: qinv, a message to dp, a message to dq.
    fn load(&mut self, lane: usize, parts: &Parts, which: usize, drbg: &mut Drbg) {
        let mut message = [[0; 8]; K];
        // One digit short of the primes.
        drbg.fill(message[..K - 1].as_flattened_mut());
        let message = message.map(|bytes| u64::from_le_bytes(bytes) & DIGIT_MASK);
        let Parts { p, q, dp, dq, .. } = parts;
        let mut inverting = Zeroizing::new([0; 32]);
        let inverting = &mut inverting[..p.len()];
        inverting.copy_from_slice(p);
        limbs::subtract(inverting, &[2]);
        let (modulus, exponent) = [(p, &*inverting), (p, &dp[..]), (q, &dq[..])][which];
        let base = if which == 0 { limbs::digits(q) } else { message };
        self.modulus.set_lane(lane, &limbs::digits(modulus));
        self.base.set_lane(lane, &base);
        self.exponent.set_lane(lane, &limbs::digits(exponent));
    }
}

impl<N: Kernel, const K: usize> Mill for KeyMill<N, K> {
    fn keys(&mut self, drbg: &mut Drbg, batch: &mut KeyPairBatch, keys: usize) -> bool {
        self.draw_primes(drbg, keys);
        self.finish(drbg, batch, keys)
    }

    fn seek(&mut self, drbg: &mut Drbg, pairs: usize, put: &mut dyn FnMut(&[u8])) -> bool {
        assert!((1..=PRIME_PAIRS).contains(&pairs), "one to four pairs of primes");
        let primes = &mut self.primes[..2 * pairs];
        if !self.search.step(drbg, primes) {
            return false;
        }
        for [p, q] in primes.as_chunks().0 {
            if parts::far_apart(p, q) {
                steps::show([p, q], put);
            }
        }
        primes.as_flattened_mut().zeroize();
        true
    }

    fn derive(
        &mut self,
        drbg: &mut Drbg,
        primes: &mut dyn ExactSizeIterator<Item = &[u8]>,
        batch: &mut KeyPairBatch,
    ) -> bool {
        let keys = primes.len();
        assert!((1..=LANES).contains(&keys), "one to eight pairs of primes");
        for (key, primes) in primes.enumerate() {
            let primes = Zeroizing::new(steps::read::<K>(primes));
            self.primes[2 * key..][..2].copy_from_slice(&*primes);
        }
        self.finish(drbg, batch, keys)
    }

    fn forget(&mut self) {
        self.search.forget();
    }

    fn take_tally(&mut self) -> Tally {
        self.search.take_tally()
    }
}

impl<N: Kernel, const K: usize> Drop for KeyMill<N, K> {
    fn drop(&mut self) {
        self.wipe();
    }
}
