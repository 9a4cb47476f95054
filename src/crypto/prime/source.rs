//! `Source`: eight candidates at a time, uniform over the numbers of the range coprime to a
//! primorial.
//!
//! With `Pi = p_1 .. p_y`, every unit modulo `Pi` is `sum r_i (Pi / p_i)` for exactly one choice
//! of `1 <= r_i < p_i`: the residue modulo `p_i` is `r_i` times a unit. The sum is not reduced;
//! it is below `y Pi`, so adding `k Pi` with `k` uniform over a range `y` wider than needed,
//! and dropping what falls outside, meets every candidate of the range equally often.

use zeroize::Zeroize;

use crate::crypto::arith::{DIGIT_BITS, DIGIT_MASK, Eight, LANES, Lanes, limbs, modulus_bits};
use crate::crypto::drbg::Drbg;

/// Bits that the primorial leaves for `k`.
const K_BITS: usize = 68;

/// Draws candidates of `K` digits.
#[derive(Debug)]
pub struct Source<const K: usize> {
    /// The primes of the primorial and `Pi / p_i`.
    terms: Vec<(u64, [u64; K])>,
    primorial: [u64; K],
    lowest: [u64; K],
    k_first: u128,
    k_count: u128,
    random: Vec<[u32; LANES]>,
}

impl<const K: usize> Source<K> {
    /// Prepares the primorial.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it computes for milliseconds")]
    pub fn new() -> Self {
        let bits = modulus_bits(K);
        let mut primorial = vec![0; bits / 64];
        primorial[0] = 1;
        let mut small = Vec::new();
        for p in super::primes_up_to(2048) {
            let mut next = vec![0; bits / 64];
            if limbs::add_product(&mut next, &primorial, p) != 0
                || bit_length(&next) > bits - K_BITS
            {
                break;
            }
            primorial = next;
            small.push(p);
        }
        let terms = small.iter().map(|&p| (p, limbs::digits(&divide_vartime(&primorial, p))));
        let mut lowest = limbs::sqrt_half_vartime(bits);
        lowest[0] += 1;
        let count = small.len() as u128;
        let k_first = quotient_vartime(&lowest, &primorial) - count;
        let k_last = quotient_vartime(&vec![u64::MAX; bits / 64], &primorial);
        Self {
            terms: terms.collect(),
            primorial: limbs::digits(&primorial),
            lowest: limbs::digits(&lowest),
            k_first,
            k_count: k_last - k_first + 1,
            random: vec![[0; LANES]; small.len()],
        }
    }

    /// The largest prime of the primorial.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.terms.last().map_or(1, |term| term.0)
    }

    /// Draws eight candidates; returns the lanes that are in the range.
    #[inline(always)]
    pub fn draw<V: Lanes>(&mut self, drbg: &mut Drbg, out: &mut Eight<K>) -> u8 {
        self.fill(drbg);
        let (mut low, mut high) = ([V::splat(0); K], [V::splat(0); K]);
        for ((_, cofactor), random) in self.terms.iter().zip(&self.random) {
            let r = V::load(&random.map(u64::from));
            for i in 0..K {
                let digit = V::splat(cofactor[i]);
                low[i] = low[i].madd_lo(r, digit);
                high[i] = high[i].madd_hi(r, digit);
            }
        }
        let ks: [u128; LANES] = core::array::from_fn(|_| self.draw_k(drbg));
        let k_low = V::load(&ks.map(|k| truncate(k) & DIGIT_MASK));
        let k_high = V::load(&ks.map(|k| truncate(k >> DIGIT_BITS)));
        for i in 0..K {
            let digit = V::splat(self.primorial[i]);
            low[i] = low[i].madd_lo(k_low, digit);
            high[i] = high[i].madd_hi(k_low, digit);
            if i + 1 < K {
                low[i + 1] = low[i + 1].madd_lo(k_high, digit);
                high[i + 1] = high[i + 1].madd_hi(k_high, digit);
            }
        }
        self.carry(&low, &high, out)
    }

    /// Carries the columns; returns the lanes in `[lowest, 2^bits)`.
    #[inline(always)]
    fn carry<V: Lanes>(&self, low: &[V; K], high: &[V; K], out: &mut Eight<K>) -> u8 {
        let (mask, width) = (V::splat(DIGIT_MASK), V::splat(DIGIT_BITS as u64));
        let (bias, one) = (V::splat(1 << DIGIT_BITS), V::splat(1));
        let (mut carry, mut no_borrow, mut top) = (V::splat(0), one, V::splat(0));
        for i in 0..K {
            let below = if i > 0 { high[i - 1] } else { V::splat(0) };
            let value = low[i].add(below).add(carry);
            carry = value.shr(width);
            top = value;
            let digit = value.and(mask);
            digit.store(&mut out.0[i]);
            let difference = digit.add(bias).sub(V::splat(self.lowest[i])).add(no_borrow).sub(one);
            no_borrow = difference.shr(width);
        }
        let top_bits = modulus_bits(K) - DIGIT_BITS * (K - 1);
        no_borrow.equal(one) & top.at_most(V::splat((1 << top_bits) - 1))
    }

    /// Fills `random` with `r_i`, uniform in `[1, p_i - 1]`: the high half of a 32-bit random
    /// number times `p_i - 1`, drawn again where the low half falls into the uneven rest
    /// (Lemire, "Fast random integer generation in an interval", 2019).
    fn fill(&mut self, drbg: &mut Drbg) {
        let mut bytes = [0; 4 * LANES];
        for (random, &(p, _)) in self.random.iter_mut().zip(&self.terms) {
            drbg.fill(&mut bytes);
            let span = u32::try_from(p - 1).expect("a small prime");
            for (r, word) in random.iter_mut().zip(bytes.chunks_exact(4)) {
                let mut wide = scale(word, span);
                while (wide & 0xffff_ffff) < (1 << 32) % u64::from(span) {
                    let mut again = [0; 4];
                    drbg.fill(&mut again);
                    wide = scale(&again, span);
                }
                *r = (wide >> 32) as u32 + 1;
            }
        }
        bytes.zeroize();
    }

    fn draw_k(&self, drbg: &mut Drbg) -> u128 {
        let spare = self.k_count.leading_zeros();
        loop {
            let mut bytes = [0; 16];
            drbg.fill(&mut bytes);
            let k = u128::from_le_bytes(bytes) >> spare;
            if k < self.k_count {
                return self.k_first + k;
            }
        }
    }
}

impl<const K: usize> Drop for Source<K> {
    fn drop(&mut self) {
        self.random.as_flattened_mut().zeroize();
    }
}

fn scale(word: &[u8], span: u32) -> u64 {
    let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
    u64::from(word) * u64::from(span)
}

#[expect(clippy::cast_possible_truncation, reason = "the caller masks or shifts to 64 bits")]
const fn truncate(wide: u128) -> u64 {
    wide as u64
}

fn bit_length(limbs: &[u64]) -> usize {
    let top = limbs.iter().rposition(|&limb| limb != 0).unwrap_or(0);
    64 * (top + 1) - limbs[top].leading_zeros() as usize
}

fn divide_vartime(limbs: &[u64], divisor: u64) -> Vec<u64> {
    let mut rest = 0;
    let mut quotient = vec![0; limbs.len()];
    for (quotient, &limb) in quotient.iter_mut().zip(limbs).rev() {
        let wide = u128::from(rest) << 64 | u128::from(limb);
        *quotient = truncate(wide / u128::from(divisor));
        rest = truncate(wide % u128::from(divisor));
    }
    quotient
}

/// `floor(a / b)` where it is below `2^100`, bit by bit.
fn quotient_vartime(a: &[u64], b: &[u64]) -> u128 {
    let mut quotient = 0_u128;
    let mut product = vec![0; a.len() + 2];
    for bit in (0..100).rev() {
        let trial = quotient | 1 << bit;
        limbs::multiply(&mut product, &[truncate(trial), truncate(trial >> 64)], b);
        let mut rest = a.to_vec();
        rest.resize(product.len(), 0);
        if limbs::subtract(&mut rest, &product) == 0 {
            quotient = trial;
        }
    }
    quotient
}
