//! `Sieve`: trial division of eight numbers by one prime after the other.
//!
//! For each prime the table holds `2^(52 i) mod p`; two multiply-adds a digit give the number
//! modulo p as a sum below 2^64. A multiple v of an odd p has `v * p^-1 mod 2^64` at most
//! `floor((2^64 - 1) / p)`, and nothing else has (Granlund and Montgomery, 1994).

use crate::crypto::arith::{DIGIT_MASK, Eight, Lanes};

/// The public exponent.
pub const E: u64 = 65537;

/// One prime's constants.
#[derive(Debug)]
struct Row<const K: usize> {
    powers: [u64; K],
    inverse: u64,
    limit: u64,
    offset: u64,
}

/// Primes to divide by.
#[derive(Debug)]
pub struct Sieve<const K: usize>(Vec<Row<K>>);

impl<const K: usize> Sieve<K> {
    /// Divides by the primes in `(above, bound]`, and p - 1 by the public exponent.
    #[must_use]
    pub fn new(above: u64, bound: usize) -> Self {
        let primes = super::primes_up_to(bound).into_iter().filter(|&p| p > above);
        // p - 1 + e has the residue of p - 1 and no borrow.
        Self(primes.map(|p| Row::new(p, 0)).chain([Row::new(E, E - 1)]).collect())
    }

    /// Lanes that have no divisor, and whose predecessor is coprime to the public exponent.
    #[inline(always)]
    #[must_use]
    pub fn survivors<V: Lanes>(&self, numbers: &Eight<K>) -> u8 {
        // A closure would be compiled on its own, without the vector features.
        let mut alive = 0xff;
        for row in &self.0 {
            alive &= !row.divides::<V>(numbers);
        }
        alive
    }
}

impl<const K: usize> Row<K> {
    fn new(p: u64, offset: u64) -> Self {
        let mut power = 1;
        let powers = core::array::from_fn(|_| {
            let this = power;
            let next = (u128::from(power) << 52) % u128::from(p);
            power = u64::try_from(next).expect("below p");
            this
        });
        let inverse = (0..5).fold(p.wrapping_mul(3) ^ 2, |x, _| {
            x.wrapping_mul(2_u64.wrapping_sub(p.wrapping_mul(x)))
        });
        Self { powers, inverse, limit: u64::MAX / p, offset }
    }

    #[inline(always)]
    fn divides<V: Lanes>(&self, numbers: &Eight<K>) -> u8 {
        let zero = V::splat(0);
        let mut low = [V::splat(self.offset), zero];
        let mut high = [zero, zero];
        for (i, (digit, &power)) in numbers.0.iter().zip(&self.powers).enumerate() {
            let (digit, power) = (V::load(digit), V::splat(power));
            low[i % 2] = low[i % 2].madd_lo(digit, power);
            high[i % 2] = high[i % 2].madd_hi(digit, power);
        }
        let (low, high) = (low[0].add(low[1]), high[0].add(high[1]));
        let above = low.shr(V::splat(52)).add(high);
        let sum = low.and(V::splat(DIGIT_MASK)).add(above.mul(V::splat(self.powers[1])));
        sum.mul(V::splat(self.inverse)).at_most(V::splat(self.limit))
    }
}
