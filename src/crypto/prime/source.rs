//! `Source`: sixteen candidates at a time, uniform over the numbers of the range coprime to a
//! primorial.
//!
//! With `Pi = p_1 .. p_y`, every unit modulo `Pi` is `sum r_i (Pi / p_i)` for exactly one choice
//! of `1 <= r_i < p_i`: the residue modulo `p_i` is `r_i` times a unit. The sum is not reduced;
//! it is below `y Pi`, so adding `k Pi` with `k` uniform over a range `y` wider than needed,
//! and dropping what falls outside, meets every candidate of the range equally often.

use zeroize::Zeroize;

use super::sieve::Sixteen;
use crate::crypto::arith::{
    DIGIT_BITS, DIGIT_MASK, Digit, Eight, LANES, Lanes, limbs, modulus_bits,
};
use crate::crypto::drbg::Drbg;

/// Bits that the primorial leaves for `k`.
const K_BITS: usize = 68;

/// Digits whose columns of sixteen numbers stay in registers; divides 20, 30 and 40.
const BLOCK: usize = 5;

/// Draws candidates of `K` digits.
#[derive(Debug)]
pub struct Source<const K: usize> {
    spans: Vec<Span>,
    /// `Pi / p_i`, then `Pi` and `2^52 Pi` for the two digits of `k`.
    rows: Vec<[u64; K]>,
    lowest: [u64; K],
    highest: [u64; K],
    k_first: u128,
    k_count: u128,
    /// Sixteen random words for each prime.
    words: Vec<[u8; 32]>,
    /// What each row is multiplied by, for sixteen numbers.
    factors: Vec<[Digit; 2]>,
    columns: Box<Columns<K>>,
}

/// The sums of low halves and of high halves.
type Columns<const K: usize> = [[[Digit; 2]; 2]; K];

/// The numbers `1..=width`, to be drawn from 16 random bits.
#[derive(Clone, Copy, Debug)]
struct Span {
    prime: u64,
    width: u64,
    /// Low halves below this are the uneven rest.
    refused: u64,
}

impl Span {
    const fn new(prime: u64) -> Self {
        Self { prime, width: prime - 1, refused: (1 << 16) % (prime - 1) }
    }

    /// The number a random word stands for, and whether the word falls into the uneven rest.
    #[inline(always)]
    fn draw(self, word: [u8; 2]) -> (u64, bool) {
        let wide = u64::from(u16::from_le_bytes(word)) * self.width;
        ((wide >> 16) + 1, wide & 0xffff < self.refused)
    }
}

impl<const K: usize> Source<K> {
    /// Prepares the primorial for candidates of [`modulus_bits`]`(K)` bits.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it computes for milliseconds")]
    pub fn new() -> Self {
        Self::of_size(modulus_bits(K), K_BITS)
    }

    /// Candidates in `[sqrt(2) 2^(bits-1), 2^bits)`, of which the primorial leaves `k_bits`.
    pub(super) fn of_size(bits: usize, k_bits: usize) -> Self {
        let (spans, primorial) = primorial_vartime(bits, k_bits);
        let mut rows: Vec<[u64; K]> = spans
            .iter()
            .map(|span| limbs::digits(&divide_vartime(&primorial, span.prime)))
            .collect();
        let product: [u64; K] = limbs::digits(&primorial);
        let raised = core::array::from_fn(|i| if i > 0 { product[i - 1] } else { 0 });
        rows.extend([product, raised]);
        let whole = 64 * primorial.len();
        let mut lowest = limbs::sqrt_half_vartime(whole);
        let mut highest = vec![u64::MAX; primorial.len()];
        for end in [&mut lowest, &mut highest] {
            limbs::shift_right(end, (whole - bits) as u64);
        }
        lowest[0] += 1;
        let k_first = quotient_vartime(&lowest, &primorial) - spans.len() as u128;
        let k_last = quotient_vartime(&highest, &primorial);
        Self {
            lowest: limbs::digits(&lowest),
            highest: limbs::digits(&highest),
            k_first,
            k_count: k_last - k_first + 1,
            words: vec![[0; 32]; spans.len()],
            factors: vec![[[0; LANES]; 2]; rows.len()],
            columns: Box::new([[[[0; LANES]; 2]; 2]; K]),
            spans,
            rows,
        }
    }

    /// The largest prime of the primorial.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.spans.last().map_or(1, |span| span.prime)
    }

    /// Draws sixteen candidates; returns the lanes that are in the range.
    #[inline(always)]
    pub fn draw<V: Lanes>(&mut self, drbg: &mut Drbg, out: &mut Sixteen<K>) -> [u8; 2] {
        self.draw_factors(drbg);
        for block in (0..K).step_by(BLOCK) {
            self.sum::<V>(block);
        }
        let [first, second] = out;
        [self.carry::<V>(0, first), self.carry::<V>(1, second)]
    }

    /// `sum factor row`, in the columns from `block` on.
    #[inline(always)]
    fn sum<V: Lanes>(&mut self, block: usize) {
        let mut columns = [[[V::splat(0); 2]; 2]; BLOCK];
        for (row, factors) in self.rows.iter().zip(&self.factors) {
            let factors = [V::load(&factors[0]), V::load(&factors[1])];
            for ([low, high], &digit) in columns.iter_mut().zip(&row[block..][..BLOCK]) {
                let digit = V::splat(digit);
                for lanes in 0..2 {
                    low[lanes] = low[lanes].madd_lo(factors[lanes], digit);
                    high[lanes] = high[lanes].madd_hi(factors[lanes], digit);
                }
            }
        }
        let sums = columns.as_flattened().as_flattened();
        let out = self.columns[block..][..BLOCK].as_flattened_mut().as_flattened_mut();
        for (sum, out) in sums.iter().zip(out) {
            sum.store(out);
        }
    }

    /// Carries the columns of one register; returns the lanes in `[lowest, highest]`.
    #[inline(always)]
    fn carry<V: Lanes>(&self, lanes: usize, out: &mut Eight<K>) -> u8 {
        let (mask, width) = (V::splat(DIGIT_MASK), V::splat(DIGIT_BITS as u64));
        let (bias, one) = (V::splat(1 << DIGIT_BITS), V::splat(1));
        let mut carry = V::splat(0);
        let [mut reaches, mut keeps] = [one; 2];
        for (i, digit) in out.0.iter_mut().enumerate() {
            let low = V::load(&self.columns[i][0][lanes]);
            let value = if i > 0 { low.add(V::load(&self.columns[i - 1][1][lanes])) } else { low };
            let value = value.add(carry);
            carry = value.shr(width);
            let value = value.and(mask);
            value.store(digit);
            // Each difference is biased by one digit, so that a borrow is a carry that lacks one.
            let [lowest, highest] = [&self.lowest, &self.highest].map(|end| V::splat(end[i]));
            reaches = value.add(bias).sub(lowest).add(reaches).sub(one).shr(width);
            keeps = highest.add(bias).sub(value).add(keeps).sub(one).shr(width);
        }
        reaches.equal(one) & keeps.equal(one)
    }

    /// Draws `r_i`, uniform in `[1, p_i - 1]`: the high half of a 16-bit random word times
    /// `p_i - 1`, drawn again where the low half falls into the uneven rest (Lemire, "Fast random
    /// integer generation in an interval", 2019). Then `k`.
    #[inline(always)]
    fn draw_factors(&mut self, drbg: &mut Drbg) {
        drbg.fill(self.words.as_flattened_mut());
        for ((factors, words), &span) in self.factors.iter_mut().zip(&self.words).zip(&self.spans) {
            let (words, _) = words.as_chunks::<2>();
            let mut uneven = false;
            for (factor, &word) in factors.as_flattened_mut().iter_mut().zip(words) {
                let (r, refused) = span.draw(word);
                *factor = r;
                uneven |= refused;
            }
            if uneven {
                draw_again(drbg, span, words, factors.as_flattened_mut());
            }
        }
        let count = self.spans.len();
        for lane in 0..2 * LANES {
            let k = self.draw_k(drbg);
            self.factors[count].as_flattened_mut()[lane] = truncate(k) & DIGIT_MASK;
            self.factors[count + 1].as_flattened_mut()[lane] = truncate(k >> DIGIT_BITS);
        }
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

    /// Overwrites what the last candidates were made of.
    pub fn forget(&mut self) {
        self.words.as_flattened_mut().zeroize();
        self.factors.as_flattened_mut().as_flattened_mut().zeroize();
        self.columns.as_flattened_mut().as_flattened_mut().as_flattened_mut().zeroize();
    }
}

impl<const K: usize> Drop for Source<K> {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Replaces what refused words gave. Which were refused tells nothing of those that replace them.
#[cold]
fn draw_again(drbg: &mut Drbg, span: Span, words: &[[u8; 2]], factors: &mut [u64]) {
    for (factor, &word) in factors.iter_mut().zip(words) {
        let (mut r, mut refused) = span.draw(word);
        while refused {
            let mut word = [0; 2];
            drbg.fill(&mut word);
            (r, refused) = span.draw(word);
        }
        *factor = r;
    }
}

/// The first primes, as many as leave `k_bits` of `bits`, and their product.
fn primorial_vartime(bits: usize, k_bits: usize) -> (Vec<Span>, Vec<u64>) {
    let mut spans = Vec::new();
    let mut product = vec![0; bits.div_ceil(64)];
    product[0] = 1;
    for p in super::primes_up_to(2048) {
        let mut next = vec![0; product.len()];
        if limbs::add_product(&mut next, &product, p) != 0 || bit_length(&next) > bits - k_bits {
            break;
        }
        product = next;
        spans.push(Span::new(p));
    }
    (spans, product)
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
