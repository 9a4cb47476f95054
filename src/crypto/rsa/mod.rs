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
mod tests;

use zeroize::{Zeroize, Zeroizing};

use crate::crypto::arith::{
    DIGIT_MASK, Eight, Kernel, LANES, Limbs, Modulus, Scratch, Vectors, limbs,
};
use crate::crypto::drbg::Drbg;
use crate::crypto::engine::{Engine, GenerateError};
use crate::crypto::key_pair::KeyPairBatch;
use crate::crypto::prime::Search;
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;
use parts::Parts;

pub use steps::prime_pair_bytes;

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
        let mut left = rows;
        while left > 0 {
            // A power of two, so that the keys fill the lanes evenly: one key has all eight.
            let keys = 1 << left.min(LANES).ilog2();
            if !self.mill.keys(drbg, batch, keys) {
                return Err(GenerateError { spec: self.spec });
            }
            left -= keys;
        }
        Ok(())
    }
}

/// An engine for one kernel and size.
trait Mill: Send {
    /// Adds 1, 2, 4 or 8 keys to `batch`; false if one failed its check.
    fn keys(&mut self, drbg: &mut Drbg, batch: &mut KeyPairBatch, keys: usize) -> bool;

    /// One step of a search for pairs of primes, as [`RsaEngine::seek`].
    fn seek(&mut self, drbg: &mut Drbg, put: &mut dyn FnMut(&[u8])) -> bool;

    /// Adds the keys of one to eight pairs of primes; false if one failed its check.
    fn derive(
        &mut self,
        drbg: &mut Drbg,
        primes: &mut dyn ExactSizeIterator<Item = &[u8]>,
        batch: &mut KeyPairBatch,
    ) -> bool;

    /// Forgets the candidates of earlier batches.
    fn forget(&mut self);
}

struct KeyMill<N: Kernel, const K: usize> {
    kernel: N,
    search: Search<N, K>,
    lanes: Box<KeyLanes<K>>,
    scratch: Box<Scratch>,
    parts: Parts,
}

/// Eight keys in the making.
struct KeyLanes<const K: usize> {
    p: Eight<K>,
    q: Eight<K>,
    dp: Eight<K>,
    dq: Eight<K>,
    qinv: Eight<K>,
    message: Eight<K>,
}

impl<const K: usize> Zeroize for KeyLanes<K> {
    fn zeroize(&mut self) {
        for number in [
            &mut self.p,
            &mut self.q,
            &mut self.dp,
            &mut self.dq,
            &mut self.qinv,
            &mut self.message,
        ] {
            number.zeroize();
        }
    }
}

impl<N: Kernel, const K: usize> Drop for KeyMill<N, K> {
    fn drop(&mut self) {
        self.lanes.zeroize();
        self.scratch.zeroize();
    }
}

impl<N: Kernel, const K: usize> KeyMill<N, K> {
    fn new(kernel: N) -> Self {
        let zero = Eight::ZERO;
        Self {
            kernel,
            search: Search::new(kernel),
            lanes: Box::new(KeyLanes {
                p: zero,
                q: zero,
                dp: zero,
                dq: zero,
                qinv: zero,
                message: zero,
            }),
            scratch: Box::default(),
            parts: Parts::default(),
        }
    }

    /// `q^(p-2) mod p`, and whether both primes undo `x^e` by `x^dp` and `x^dq` in every lane.
    fn finish_lanes(&mut self) -> bool {
        let Self { kernel, lanes, scratch, .. } = self;
        let mut exponent = lanes.p;
        // p is odd and its low digit above 2 but for a chance of 2^-51, where the check fails.
        exponent.0[0].iter_mut().for_each(|digit| *digit = digit.wrapping_sub(2) & DIGIT_MASK);
        let mut p = Modulus::new(&lanes.p);
        lanes.qinv = kernel.power(&p, &lanes.q, &exponent, scratch);
        let good = kernel.inverse_holds(&p, &lanes.qinv, &lanes.q, scratch) == 0xff;
        let good = good
            & round_trip(*kernel, &lanes.p, &lanes.dp, &lanes.message, scratch)
            & round_trip(*kernel, &lanes.q, &lanes.dq, &lanes.message, scratch);
        p.n.zeroize();
        exponent.zeroize();
        good
    }

    /// Adds the keys of the primes in the first `keys` lanes; false if one failed its check.
    fn finish(&mut self, drbg: &mut Drbg, batch: &mut KeyPairBatch, keys: usize) -> bool {
        for digit in &mut self.lanes.message.0[..K - 1] {
            let mut bytes = [[0; 8]; LANES];
            drbg.fill(bytes.as_flattened_mut());
            *digit = bytes.map(|b| u64::from_le_bytes(b) & DIGIT_MASK);
        }
        for lane in 0..LANES {
            self.parts.exponents(&self.lanes.p.lane(lane), &self.lanes.q.lane(lane));
            self.lanes.dp.set_lane(lane, &limbs::digits(&self.parts.dp));
            self.lanes.dq.set_lane(lane, &limbs::digits(&self.parts.dq));
        }
        if !self.finish_lanes() {
            return false;
        }
        for lane in 0..keys {
            self.parts.exponents(&self.lanes.p.lane(lane), &self.lanes.q.lane(lane));
            if !self.parts.complete(&self.lanes.qinv.lane(lane)) {
                return false;
            }
            let parts = &self.parts;
            batch.push_with(|spki, pkcs8| der::encode(parts, spki, pkcs8));
        }
        self.lanes.zeroize();
        true
    }
}

/// Whether `(x^d)^e = x mod n` in every lane.
fn round_trip<N: Kernel, const K: usize>(
    kernel: N,
    n: &Eight<K>,
    d: &Eight<K>,
    message: &Eight<K>,
    scratch: &mut Scratch,
) -> bool {
    let mut modulus = Modulus::new(n);
    let mut signed = kernel.power(&modulus, message, d, scratch);
    let good = kernel.power_e(&modulus, &signed, scratch) == *message;
    modulus.n.zeroize();
    signed.zeroize();
    good
}

impl<N: Kernel, const K: usize> Mill for KeyMill<N, K> {
    fn keys(&mut self, drbg: &mut Drbg, batch: &mut KeyPairBatch, keys: usize) -> bool {
        loop {
            self.search.primes(drbg, keys, &mut self.lanes.p);
            self.search.primes(drbg, keys, &mut self.lanes.q);
            let far =
                |lane| parts::far_apart::<K>(&self.lanes.p.lane(lane), &self.lanes.q.lane(lane));
            if (0..keys).all(far) {
                break;
            }
        }
        self.finish(drbg, batch, keys)
    }

    fn seek(&mut self, drbg: &mut Drbg, put: &mut dyn FnMut(&[u8])) -> bool {
        if !self.search.step(drbg, &mut self.lanes.p) {
            return false;
        }
        for lane in (0..LANES).step_by(2) {
            let [p, q] = [lane, lane + 1].map(|lane| Zeroizing::new(self.lanes.p.lane(lane)));
            if parts::far_apart::<K>(&p, &q) {
                steps::show([&p, &q], put);
            }
        }
        self.lanes.zeroize();
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
            for lane in (key..LANES).step_by(keys) {
                self.lanes.p.set_lane(lane, &primes[0]);
                self.lanes.q.set_lane(lane, &primes[1]);
            }
        }
        self.finish(drbg, batch, keys)
    }

    fn forget(&mut self) {
        self.search.forget();
    }
}
