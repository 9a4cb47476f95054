//! `Sieve`: trial division by three or four primes at a time.
//!
//! For a product M of primes the table holds `2^(52 i) mod M`, so that two multiply-adds a digit
//! give a number modulo M in two columns. One Montgomery step folds the columns together; what is
//! left is a multiple of a prime of M exactly if the number is. That is one multiplication and one
//! comparison a prime: a multiple v of an odd p has `v p^-1 mod 2^52` at most
//! `floor((2^52 - 1) / p)`, and nothing else below 2^52 has (Granlund and Montgomery, 1994).
//!
//! Two groups of primes meet sixteen numbers: four loads feed eight multiply-adds in eight
//! independent chains. [`prime`](super) has the counts.
//!
//! Division goes in stages. Numbers are packed anew between them, so that no lane carries a
//! number that is known to be composite for long.

use crate::crypto::arith::{DIGIT_BITS, DIGIT_MASK, Digit, Eight, Lanes};

/// Sixteen numbers: what two registers hold of each digit.
pub type Sixteen<const K: usize> = [Eight<K>; 2];

/// Upper bounds of all stages but the last.
const STAGES: [usize; 3] = [1 << 12, 1 << 14, 3 << 14];

/// Products stay so far below 2^52 that a remainder estimated from above still fits a digit.
const PRODUCT_MAX: u64 = (1 << DIGIT_BITS) - (1 << 45);

/// Bits of a folded sum that its quotient is estimated without.
const DROPPED: u64 = 40;

/// Primes to divide by, in stages.
#[derive(Debug)]
pub struct Sieve<const K: usize>(Vec<Stage<K>>);

impl<const K: usize> Sieve<K> {
    /// Divides by the primes in `(above, bound]`, none of them 2.
    #[must_use]
    pub fn new(above: u64, bound: usize) -> Self {
        let ends = STAGES.into_iter().filter(|&end| end < bound).chain([bound]);
        let mut start = above;
        let stage = |end| Stage::new(core::mem::replace(&mut start, end as u64), end);
        Self(ends.map(stage).collect())
    }

    /// The stages, small primes first.
    #[must_use]
    pub fn stages(&self) -> &[Stage<K>] {
        &self.0
    }

    /// Lanes of each register whose number no stage finds a divisor of.
    #[inline(always)]
    #[must_use]
    pub fn survivors<V: Lanes>(&self, numbers: &Sixteen<K>) -> [u8; 2] {
        let mut alive = [0xff; 2];
        for stage in &self.0 {
            let [x, y] = stage.survivors::<V>(numbers);
            alive = [alive[0] & x, alive[1] & y];
        }
        alive
    }
}

/// Primes divided by between two packings.
#[derive(Debug)]
pub struct Stage<const K: usize> {
    fours: Vec<[Group<K, 4>; 2]>,
    threes: Vec<[Group<K, 3>; 2]>,
}

impl<const K: usize> Stage<K> {
    /// Divides by the primes in `(above, bound]`.
    fn new(above: u64, bound: usize) -> Self {
        let mut primes = super::primes_up_to(bound);
        primes.retain(|&p| p > above);
        let small = primes.partition_point(|&p| u128::from(p).pow(4) < u128::from(PRODUCT_MAX));
        let (small, large) = primes.split_at(small);
        Self { fours: pairs(small), threes: pairs(large) }
    }

    /// Lanes of each register whose number has no divisor here.
    #[inline(always)]
    #[must_use]
    pub fn survivors<V: Lanes>(&self, numbers: &Sixteen<K>) -> [u8; 2] {
        let mut alive = [0xff; 2];
        for pair in &self.fours {
            alive = divide::<V, K, 4>(pair, numbers, alive);
        }
        for pair in &self.threes {
            alive = divide::<V, K, 3>(pair, numbers, alive);
        }
        alive
    }
}

/// The constants of `G` primes with the product M, or a small multiple of it.
#[derive(Clone, Copy, Debug)]
struct Group<const K: usize, const G: usize> {
    /// `2^(52 i) mod M`; 0 in place of the 1, which nothing reads.
    powers: [u64; K],
    modulus: u64,
    /// `-M^-1 mod 2^52`.
    k0: u64,
    /// `floor(2^(52 + DROPPED) / M)`.
    reciprocal: u64,
    /// `p^-1 mod 2^52` and `floor((2^52 - 1) / p)`.
    tests: [(u64, u64); G],
}

impl<const K: usize, const G: usize> Group<K, G> {
    fn new(primes: [u64; G]) -> Self {
        let mut modulus = primes.iter().product::<u64>();
        // Tiny primes: any odd multiple of them serves as well.
        while modulus >> DROPPED == 0 {
            modulus *= 3;
        }
        assert!(modulus < PRODUCT_MAX, "the product of {primes:?} overflows a digit");
        let mut power = 1;
        let powers = core::array::from_fn(|i| {
            if i > 0 {
                power = remainder(u128::from(power) << DIGIT_BITS, modulus);
            }
            power
        });
        let tests = primes.map(|p| (inverse(p), DIGIT_MASK / p));
        let reciprocal =
            u64::try_from((1_u128 << (DIGIT_BITS as u64 + DROPPED)) / u128::from(modulus));
        Self {
            powers,
            modulus,
            k0: inverse(modulus).wrapping_neg() & DIGIT_MASK,
            reciprocal: reciprocal.expect("M is above 2^DROPPED"),
            tests,
        }
    }

    /// Takes out of `alive` the lanes in which `low + 2^52 high` is a multiple of a prime.
    #[inline(always)]
    fn judge<V: Lanes>(&self, Sum { low, high }: Sum<V>, mut alive: u8) -> u8 {
        let zero = V::splat(0);
        let modulus = V::splat(self.modulus);
        // Below K M + K, and not taller than 2^58: each high half is below M.
        let quotient = zero.madd_lo(low, V::splat(self.k0));
        let carry = low.madd_lo(quotient, modulus).shr(V::splat(DIGIT_BITS as u64));
        let sum = carry.add(high).madd_hi(quotient, modulus);
        // The quotient by M, or one less; of the difference only the low digit is right.
        let quotient = zero.madd_hi(sum.shr(V::splat(DROPPED)), V::splat(self.reciprocal));
        let rest = sum.madd_lo(quotient, V::splat((1 << DIGIT_BITS) - self.modulus));
        for &(inverse, limit) in &self.tests {
            alive = zero.madd_lo(rest, V::splat(inverse)).above(V::splat(limit), alive);
        }
        alive
    }
}

/// Groups `G` primes of about the same product each, and the groups in pairs.
///
/// The sorted primes are cut into `G` equal parts and one is taken of each, the last part read
/// backwards. Where they do not come out even, the first primes serve twice.
fn pairs<const K: usize, const G: usize>(primes: &[u64]) -> Vec<[Group<K, G>; 2]> {
    let part = primes.len().div_ceil(2 * G) * 2;
    let at = |i: usize| primes[i.saturating_sub(part * G - primes.len())];
    let of = |j: usize| {
        core::array::from_fn(|i| at(i * part + if i + 1 < G { j } else { part - 1 - j }))
    };
    (0..part).step_by(2).map(|j| [Group::new(of(j)), Group::new(of(j + 1))]).collect()
}

/// Columns of a dot product: `low + 2^52 high`.
#[derive(Clone, Copy)]
struct Sum<V> {
    low: V,
    high: V,
}

impl<V: Lanes> Sum<V> {
    #[inline(always)]
    fn start(digit: &Digit) -> Self {
        Self { low: V::load(digit), high: V::splat(0) }
    }

    #[inline(always)]
    fn add(self, digit: V, power: V) -> Self {
        Self { low: self.low.madd_lo(digit, power), high: self.high.madd_hi(digit, power) }
    }
}

/// Tests sixteen numbers, in two registers, for the primes of two groups.
#[inline(always)]
fn divide<V: Lanes, const K: usize, const G: usize>(
    [a, b]: &[Group<K, G>; 2],
    [x, y]: &Sixteen<K>,
    [x_alive, y_alive]: [u8; 2],
) -> [u8; 2] {
    let (mut xa, mut ya) = (Sum::start(&x.0[0]), Sum::start(&y.0[0]));
    let (mut xb, mut yb) = (xa, ya);
    for i in 1..K {
        let (x, y) = (V::load(&x.0[i]), V::load(&y.0[i]));
        let (a, b) = (V::splat(a.powers[i]), V::splat(b.powers[i]));
        (xa, ya) = (xa.add(x, a), ya.add(y, a));
        (xb, yb) = (xb.add(x, b), yb.add(y, b));
    }
    let (x_alive, y_alive) = (a.judge(xa, x_alive), a.judge(ya, y_alive));
    [b.judge(xb, x_alive), b.judge(yb, y_alive)]
}

/// `wide mod modulus`.
fn remainder(wide: u128, modulus: u64) -> u64 {
    u64::try_from(wide % u128::from(modulus)).expect("below the modulus")
}

/// `p^-1 mod 2^52`: four Newton steps double 5 correct bits to 80.
fn inverse(p: u64) -> u64 {
    let step = |x: u64, _| x.wrapping_mul(2_u64.wrapping_sub(p.wrapping_mul(x)));
    (0..4).fold(p.wrapping_mul(3) ^ 2, step) & DIGIT_MASK
}
