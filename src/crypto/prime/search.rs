//! `Search`: keeps every lane busy from candidate to prime.
//!
//! Numbers wait in a queue before each stage of trial division, before Fermat and before
//! Miller-Rabin. The queues outlive a call, but not a reseed of the generator: see
//! [`Search::forget`]. Which lanes fail, and how often, is public; the numbers are not.

use zeroize::Zeroize;

use super::queue::Queue;
use super::sieve::{Sieve, Sixteen};
use super::source::Source;
use super::{division_bound, rounds};
use crate::crypto::arith::{
    DIGIT_BITS, DIGIT_MASK, Eight, Kernel, LANES, Modulus, Scratch, limbs, modulus_bits,
};
use crate::crypto::drbg::Drbg;

/// The public exponent.
pub const E: u64 = 65537;

/// Primes that can be searched for at once.
pub const WANTED_MAX: usize = 2 * LANES;

/// Finds primes of [`modulus_bits`]`(K)` bits.
#[derive(Debug)]
pub struct Search<N, const K: usize> {
    kernel: N,
    source: Source<K>,
    sieve: Sieve<K>,
    /// What waits for each stage, and at last for Fermat.
    sifted: Vec<Queue<K>>,
    /// What waits for Miller-Rabin.
    probable: Queue<K>,
    scratch: Box<Scratch>,
    sixteen: Box<Sixteen<K>>,
    base: Box<Eight<K>>,
    tally: Tally,
}

/// What a search has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Numbers put to a Fermat test.
    pub tested: u64,
    /// Primes found.
    pub primes: u64,
}

impl<N: Kernel, const K: usize> Search<N, K> {
    /// Allocates the tables and queues.
    #[must_use]
    pub fn new(kernel: N) -> Self {
        let source = Source::new();
        let sieve = Sieve::new(source.largest(), division_bound(K));
        Self {
            kernel,
            sifted: (0..=sieve.stages().len()).map(|_| Queue::new()).collect(),
            source,
            sieve,
            probable: Queue::new(),
            scratch: Box::default(),
            sixteen: Box::new([Eight::ZERO; 2]),
            base: Box::new(Eight::ZERO),
            tally: Tally::default(),
        }
    }

    /// Forgets every candidate that waits.
    ///
    /// To be called when the generator was reseeded: a candidate from before would come up in
    /// every copy of the process, and two moduli with one prime in common betray both.
    pub fn forget(&mut self) {
        self.sifted.iter_mut().for_each(Queue::clear);
        self.probable.clear();
        self.source.forget();
        self.wipe();
    }

    /// Fills `primes`, each independent of the others.
    ///
    /// # Panics
    ///
    /// If more than [`WANTED_MAX`] are wanted.
    pub fn primes(&mut self, drbg: &mut Drbg, primes: &mut [[u64; K]]) {
        assert!(primes.len() <= WANTED_MAX, "more primes than the queues hold");
        let mut found = 0;
        while found < primes.len() {
            let wanted = &mut primes[found..];
            while self.probable.len() < wanted.len() {
                self.fermat(drbg);
            }
            for prime in &mut *wanted {
                self.probable.pop(|number| *prime = *number);
            }
            let pass = self.miller_rabin(drbg, wanted);
            // What base 2 let through moves behind the primes, and is replaced.
            let mut kept = 0;
            for i in (0..wanted.len()).filter(|i| pass >> i & 1 == 1) {
                wanted.swap(kept, i);
                kept += 1;
            }
            found += kept;
            self.tally.primes += kept as u64;
        }
        self.wipe();
    }

    /// What was done since this was last asked.
    pub fn take_tally(&mut self) -> Tally {
        core::mem::take(&mut self.tally)
    }

    /// One step of a search: a batch of Fermat tests, or, once enough numbers have passed one,
    /// their confirmation. Returns whether `primes` holds primes.
    pub fn step(&mut self, drbg: &mut Drbg, primes: &mut [[u64; K]]) -> bool {
        if self.probable.len() < primes.len() {
            self.fermat(drbg);
            return false;
        }
        self.primes(drbg, primes);
        true
    }

    /// Tests eight sifted candidates to base 2.
    fn fermat(&mut self, drbg: &mut Drbg) {
        let last = self.sieve.stages().len();
        self.sift(last, drbg, LANES);
        self.tally.tested += LANES as u64;
        let batch = &mut self.sixteen[0];
        self.sifted[last].pop_lanes(batch);
        let modulus = Modulus::new(batch);
        let pass = self.kernel.fermat(&modulus, &mut self.scratch);
        let passed = (0..LANES).filter(|lane| pass >> lane & 1 == 1);
        let suitable = passed.filter(|&lane| modulo_order(&batch.lane(lane)) != 0);
        let pass = suitable.fold(0, |mask, lane| mask | 1 << lane);
        self.probable.push_lanes(batch, pass);
    }

    /// Fills queue `level` with at least `count` numbers, at most sixteen.
    fn sift(&mut self, level: usize, drbg: &mut Drbg, count: usize) {
        while self.sifted[level].len() < count {
            let alive = if level == 0 {
                let Self { kernel, source, sixteen, .. } = self;
                kernel.run(
                    #[inline(always)]
                    || source.draw::<N::V>(drbg, sixteen),
                )
            } else {
                self.sift(level - 1, drbg, 2 * LANES);
                let Self { kernel, sieve, sixteen, sifted, .. } = self;
                let stage = &sieve.stages()[level - 1];
                sixteen.iter_mut().for_each(|eight| sifted[level - 1].pop_lanes(eight));
                kernel.run(
                    #[inline(always)]
                    || stage.survivors::<N::V>(sixteen),
                )
            };
            for (eight, alive) in self.sixteen.iter().zip(alive) {
                self.sifted[level].push_lanes(eight, alive);
            }
        }
    }

    /// All rounds for up to sixteen numbers; one bit for each that passed. A job is one round for
    /// one number, and eight jobs fill the lanes whatever their numbers.
    fn miller_rabin(&mut self, drbg: &mut Drbg, numbers: &[[u64; K]]) -> u16 {
        let jobs = rounds(modulus_bits(K)) * numbers.len();
        let mut pass = u16::MAX;
        for first in (0..jobs).step_by(LANES) {
            // Spare lanes repeat the last round's numbers to further bases.
            let number = |lane: usize| (first + lane) % numbers.len();
            let batch = &mut self.sixteen[0];
            (0..LANES).for_each(|lane| batch.set_lane(lane, &numbers[number(lane)]));
            draw_bases(drbg, batch, &mut self.base);
            let modulus = Modulus::new(batch);
            let verdict = self.kernel.miller_rabin(&modulus, &self.base, &mut self.scratch);
            let failed = (0..LANES).filter(|lane| verdict >> lane & 1 == 0);
            failed.for_each(|lane| pass &= !(1 << number(lane)));
        }
        pass
    }

    /// Overwrites what the last batch left.
    fn wipe(&mut self) {
        self.scratch.zeroize();
        self.sixteen.iter_mut().for_each(Zeroize::zeroize);
        self.base.zeroize();
    }
}

impl<N, const K: usize> Drop for Search<N, K> {
    fn drop(&mut self) {
        self.scratch.zeroize();
        self.sixteen.iter_mut().for_each(Zeroize::zeroize);
        self.base.zeroize();
    }
}

/// `(p - 1) mod e`.
fn modulo_order<const K: usize>(digits: &[u64; K]) -> u64 {
    let mut number = [0; 32];
    limbs::from_digits(digits, &mut number);
    number[0] -= 1;
    let rest = limbs::modulo_e(&number);
    number.zeroize();
    rest
}

/// Draws each lane's base, uniform in `[2, n - 2]`; a refused draw is forgotten.
fn draw_bases<const K: usize>(drbg: &mut Drbg, n: &Eight<K>, base: &mut Eight<K>) {
    let top_mask = (1 << (modulus_bits(K) - DIGIT_BITS * (K - 1))) - 1;
    for lane in 0..LANES {
        let mut bytes = [[0; 8]; K];
        loop {
            drbg.fill(bytes.as_flattened_mut());
            let mut digits = bytes.map(|b| u64::from_le_bytes(b) & DIGIT_MASK);
            digits[K - 1] &= top_mask;
            // n - 1 - a does not borrow if a <= n - 1, and is zero if a = n - 1.
            let (mut borrow, mut rest, mut high) = (1, 0, digits[0] >> 1);
            for (i, &a) in digits.iter().enumerate() {
                let difference = n.0[i][lane].wrapping_sub(a).wrapping_sub(borrow);
                borrow = difference >> 63;
                rest |= difference & DIGIT_MASK;
                high |= if i > 0 { a } else { 0 };
            }
            if borrow == 0 && rest != 0 && high != 0 {
                base.set_lane(lane, &digits);
                digits.zeroize();
                break;
            }
        }
        bytes.zeroize();
    }
}
