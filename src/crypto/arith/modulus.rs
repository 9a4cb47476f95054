//! `Modulus`: almost Montgomery multiplication and squaring modulo eight odd numbers.

use zeroize::Zeroize;

use super::{DIGIT_BITS, DIGIT_MASK, Digit, Eight, Lanes, modulus_bits};

/// Columns of one product and digits of one quotient; reused by every operation, never read
/// before it is written.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Scratch {
    product: [Digit; 80],
    quotient: [Digit; 20],
}

impl Default for Scratch {
    fn default() -> Self {
        Self { product: [[0; 8]; 80], quotient: [[0; 8]; 20] }
    }
}

impl zeroize::Zeroize for Scratch {
    fn zeroize(&mut self) {
        self.product.as_flattened_mut().zeroize();
        self.quotient.as_flattened_mut().zeroize();
    }
}

/// Eight odd moduli of exactly [`modulus_bits`] bits, with `-n^-1 mod 2^52`.
#[derive(Clone, Debug)]
pub struct Modulus<const K: usize> {
    /// The moduli.
    pub n: Eight<K>,
    k0: Digit,
}

impl<const K: usize> Drop for Modulus<K> {
    fn drop(&mut self) {
        self.n.zeroize();
        self.k0.zeroize();
    }
}

impl<const K: usize> Modulus<K> {
    /// Prepares eight odd numbers. Four Newton steps double 5 correct bits of the inverse to 80.
    #[must_use]
    pub fn new(n: &Eight<K>) -> Self {
        let inverse = |n: u64| {
            (0..4).fold(n.wrapping_mul(3) ^ 2, |x, _| {
                x.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(x)))
            })
        };
        let k0 = core::array::from_fn(|lane| inverse(n.0[0][lane]).wrapping_neg() & DIGIT_MASK);
        Self { n: *n, k0 }
    }

    /// `a = a^2 / R mod n`, below `2^(bits + 1)`. Digits are left loose.
    #[inline(always)]
    pub fn square<V: Lanes>(&self, a: &mut Eight<K>, scratch: &mut Scratch) {
        V::square(&mut scratch.product, &a.0);
        self.finish::<V>(a, None, scratch);
    }

    /// `a = a^2 * 2^shift / R mod n` for a shift of at most 3, below `2^(bits + 4)`. Digits are
    /// left loose.
    #[inline(always)]
    pub fn square_shift<V: Lanes>(&self, a: &mut Eight<K>, shift: V, scratch: &mut Scratch) {
        V::square(&mut scratch.product, &a.0);
        self.finish::<V>(a, Some(shift), scratch);
    }

    /// `a = a * b / R mod n`, below `2^(bits + 1)`. Digits are left loose.
    #[inline(always)]
    pub fn multiply<V: Lanes>(&self, a: &mut Eight<K>, b: &Eight<K>, scratch: &mut Scratch) {
        V::product(&mut scratch.product, &a.0, &b.0);
        self.finish::<V>(a, None, scratch);
    }

    /// Montgomery reduction of the product, with one pass of carries.
    #[inline(always)]
    fn finish<V: Lanes>(
        &self,
        out: &mut Eight<K>,
        shift: Option<V>,
        Scratch { product, quotient }: &mut Scratch,
    ) {
        V::reduce::<K>(&mut out.0, product, quotient, (&self.n.0, &self.k0), shift);
    }

    /// `R mod n`, one in Montgomery form: `(R - n * 2^spare)^2 / R`.
    #[inline(always)]
    fn one<V: Lanes>(&self, scratch: &mut Scratch) -> Eight<K> {
        let spare = (DIGIT_BITS * K - modulus_bits(K)) as u64;
        let mut one = Eight::ZERO;
        let (mask, mut carry, mut low) = (V::splat(DIGIT_MASK), V::splat(1), V::splat(0));
        for i in 0..K {
            let n = V::load(&self.n.0[i]);
            let shifted = n.shl(V::splat(spare)).or(low).and(mask);
            low = n.shr(V::splat(DIGIT_BITS as u64 - spare));
            let value = mask.xor(shifted).add(carry);
            carry = value.shr(V::splat(DIGIT_BITS as u64));
            value.and(mask).store(&mut one.0[i]);
        }
        self.square::<V>(&mut one, scratch);
        one
    }

    /// `R^2 mod n`, by raising two to the power `52 K` in Montgomery form.
    #[inline(always)]
    pub fn r_squared<V: Lanes>(&self, scratch: &mut Scratch) -> Eight<K> {
        let exponent = DIGIT_BITS * K;
        let mut power = self.one::<V>(scratch);
        for bit in (0..=exponent.ilog2()).rev() {
            self.square_shift(&mut power, V::splat((exponent >> bit & 1) as u64), scratch);
        }
        power
    }

    /// Out of Montgomery form: `a / R mod n`, at most `n`.
    #[inline(always)]
    pub fn leave<V: Lanes>(&self, a: &mut Eight<K>, scratch: &mut Scratch) {
        self.multiply::<V>(a, &Eight::small(1), scratch);
        a.tighten::<V>();
    }
}

impl<const K: usize> Eight<K> {
    /// Takes off what loose digits have above their 52 bits.
    #[inline(always)]
    pub fn tighten<V: Lanes>(&mut self) {
        for digit in &mut self.0 {
            V::load(digit).and(V::splat(DIGIT_MASK)).store(digit);
        }
    }
}
