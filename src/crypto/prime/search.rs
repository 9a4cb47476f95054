//! `Search`: keeps every lane busy from candidate to prime.
//!
//! Survivors of the sieve wait in one queue, survivors of Fermat in another, and both outlive a
//! call, but not a reseed of the generator: see [`Search::forget`]. Which lanes fail, and how often, is public; the numbers are not.

use zeroize::Zeroize;

use super::sieve::Sieve;
use super::source::Source;
use crate::crypto::arith::{
    DIGIT_BITS, DIGIT_MASK, Eight, Kernel, LANES, Modulus, Scratch, modulus_bits,
};
use crate::crypto::drbg::Drbg;

/// Numbers waiting, most recent first. All room is allocated at the start.
#[derive(Debug)]
struct Queue<const K: usize>(Vec<[u64; K]>);

impl<const K: usize> Queue<K> {
    fn push_lanes(&mut self, numbers: &Eight<K>, mask: u8) {
        for lane in (0..LANES).filter(|lane| mask >> lane & 1 == 1) {
            self.0.push(numbers.lane(lane));
        }
    }

    /// Takes the last number; its place is overwritten with zeros first.
    fn pop(&mut self) -> Option<[u64; K]> {
        let number = *self.0.last()?;
        self.0.last_mut()?.zeroize();
        self.0.pop();
        Some(number)
    }

    fn clear(&mut self) {
        self.0.as_flattened_mut().zeroize();
        self.0.clear();
    }
}

impl<const K: usize> Drop for Queue<K> {
    fn drop(&mut self) {
        self.0.as_flattened_mut().zeroize();
    }
}

/// Finds primes of [`modulus_bits`]`(K)` bits.
#[derive(Debug)]
pub struct Search<N, const K: usize> {
    kernel: N,
    source: Source<K>,
    sieve: Sieve<K>,
    sifted: Queue<K>,
    probable: Queue<K>,
    scratch: Box<Scratch>,
    batch: Box<Eight<K>>,
}

impl<N: Kernel, const K: usize> Search<N, K> {
    /// Allocates the tables and queues.
    #[must_use]
    pub fn new(kernel: N) -> Self {
        let source = Source::new();
        let sieve = Sieve::new(source.largest(), super::division_bound(K));
        Self {
            kernel,
            source,
            sieve,
            sifted: Queue(Vec::with_capacity(2 * LANES)),
            probable: Queue(Vec::with_capacity(2 * LANES)),
            scratch: Box::default(),
            batch: Box::new(Eight::ZERO),
        }
    }

    /// Forgets every candidate that waits.
    ///
    /// To be called when the generator was reseeded: a candidate from before would come up in
    /// every copy of the process, and two moduli with one prime in common betray both.
    pub fn forget(&mut self) {
        self.sifted.clear();
        self.probable.clear();
    }

    /// Fills the lanes of `out` with primes, each independent; with `count` below eight the
    /// lanes repeat the first `count` primes.
    ///
    /// # Panics
    ///
    /// If `count` is not 1, 2, 4 or 8.
    pub fn primes(&mut self, drbg: &mut Drbg, count: usize, out: &mut Eight<K>) {
        assert!(count.is_power_of_two() && count <= LANES, "lanes repeat evenly");
        let mut done = 0;
        while done < count {
            while self.probable.0.len() < count - done {
                self.fermat_batch(drbg);
            }
            let wanted = count - done;
            for lane in done..count {
                let number = self.probable.pop().expect("the queue was filled");
                out.set_lane(lane, &number);
            }
            let pass = self.confirm(drbg, out, done, wanted);
            // A composite is replaced by the last prime's place; Fermat errs too rarely to tune.
            let mut kept = done;
            for lane in done..count {
                if pass >> lane & 1 == 1 {
                    let number = out.lane(lane);
                    out.set_lane(kept, &number);
                    kept += 1;
                }
            }
            done = kept;
        }
        for lane in count..LANES {
            let number = out.lane(lane % count);
            out.set_lane(lane, &number);
        }
    }

    /// One step of a search for eight primes: a batch of Fermat tests, or, once eight numbers have
    /// passed one, their confirmation. Returns whether `out` holds the primes.
    pub fn step(&mut self, drbg: &mut Drbg, out: &mut Eight<K>) -> bool {
        if self.probable.0.len() < LANES {
            self.fermat_batch(drbg);
            return false;
        }
        self.primes(drbg, LANES, out);
        true
    }

    /// Tests eight sifted candidates to base 2.
    fn fermat_batch(&mut self, drbg: &mut Drbg) {
        let Self { kernel, source, sieve, sifted, probable, scratch, batch } = self;
        kernel.run(
            #[inline(always)]
            || {
                while sifted.0.len() < LANES {
                    let inside = source.draw::<N::V>(drbg, batch);
                    let alive = inside & sieve.survivors::<N::V>(batch);
                    sifted.push_lanes(batch, alive);
                }
            },
        );
        for lane in 0..LANES {
            batch.set_lane(lane, &sifted.pop().expect("the queue was filled"));
        }
        let mut modulus = Modulus::new(batch);
        let pass = kernel.fermat(&modulus, scratch);
        probable.push_lanes(batch, pass);
        modulus.n.zeroize();
    }

    /// Miller-Rabin on lanes `first..first + wanted`: spare lanes test the same numbers to more
    /// bases. Returns the lanes that passed every round.
    fn confirm(&mut self, drbg: &mut Drbg, out: &Eight<K>, first: usize, wanted: usize) -> u8 {
        let Self { kernel, scratch, batch, .. } = self;
        for lane in 0..LANES {
            batch.set_lane(lane, &out.lane(first + lane % wanted));
        }
        let bases_a_run = LANES / wanted;
        let runs = super::rounds(modulus_bits(K)).div_ceil(bases_a_run);
        let mut modulus = Modulus::new(batch);
        let mut base = Eight::ZERO;
        let mut pass = 0xff;
        for _ in 0..runs {
            draw_bases(drbg, &modulus.n, &mut base);
            pass &= kernel.miller_rabin(&modulus, &base, scratch);
        }
        modulus.n.zeroize();
        base.zeroize();
        let passed = |i: usize| (i..LANES).step_by(wanted).all(|lane| pass >> lane & 1 == 1);
        (0..wanted).fold(0, |mask, i| mask | u8::from(passed(i)) << (first + i))
    }
}

impl<N, const K: usize> Drop for Search<N, K> {
    fn drop(&mut self) {
        self.scratch.zeroize();
        self.batch.zeroize();
    }
}

/// Draws each lane's base, uniform in `[2, n - 2]`; a refused draw is forgotten.
fn draw_bases<const K: usize>(drbg: &mut Drbg, n: &Eight<K>, base: &mut Eight<K>) {
    let top_mask = (1 << (modulus_bits(K) - DIGIT_BITS * (K - 1))) - 1;
    for lane in 0..LANES {
        let n = n.lane(lane);
        loop {
            let mut bytes = [[0; 8]; K];
            drbg.fill(bytes.as_flattened_mut());
            let mut digits = bytes.map(|b| u64::from_le_bytes(b) & DIGIT_MASK);
            digits[K - 1] &= top_mask;
            // n - 1 - a does not borrow if a <= n - 1, and is zero if a = n - 1.
            let (mut borrow, mut rest, mut high) = (1, 0, digits[0] >> 1);
            for (n, a) in n.iter().zip(&digits) {
                let difference = n.wrapping_sub(*a).wrapping_sub(borrow);
                borrow = difference >> 63;
                rest |= difference & DIGIT_MASK;
            }
            digits[1..].iter().for_each(|a| high |= a);
            if borrow == 0 && rest != 0 && high != 0 {
                base.set_lane(lane, &digits);
                digits.zeroize();
                break;
            }
        }
    }
}
