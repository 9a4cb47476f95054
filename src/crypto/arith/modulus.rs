//! `Modulus`: almost Montgomery multiplication and squaring modulo eight odd numbers.

use zeroize::Zeroize;

use super::{DIGIT_BITS, DIGIT_MASK, Digit, Eight, Lanes, modulus_bits};

/// Columns of one product and digits of one quotient; reused by every operation, never read
/// before it is written.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Scratch {
    product: [Digit; 80],
    cross: [Digit; 40],
    quotient: [Digit; 20],
}

impl Default for Scratch {
    fn default() -> Self {
        Self { product: [[0; 8]; 80], cross: [[0; 8]; 40], quotient: [[0; 8]; 20] }
    }
}

impl zeroize::Zeroize for Scratch {
    fn zeroize(&mut self) {
        self.product.as_flattened_mut().zeroize();
        self.cross.as_flattened_mut().zeroize();
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

    /// `a = a^2 * 2^shift / R mod n` for a shift of at most 3, below `2^(bits + 4)`.
    #[inline(always)]
    pub fn square<V: Lanes>(&self, a: &mut Eight<K>, shift: V, scratch: &mut Scratch) {
        Self::square_columns::<V>(a, scratch);
        self.finish::<V, true, true>(a, shift, scratch);
    }

    /// As [`square`](Self::square), leaving digits loose.
    #[inline(always)]
    pub(super) fn square_loose<V: Lanes>(&self, a: &mut Eight<K>, scratch: &mut Scratch) {
        Self::square_columns::<V>(a, scratch);
        self.finish::<V, false, false>(a, V::splat(0), scratch);
    }

    /// As [`square`](Self::square), leaving digits loose.
    #[inline(always)]
    pub(super) fn square_shift_loose<V: Lanes>(
        &self,
        a: &mut Eight<K>,
        shift: V,
        scratch: &mut Scratch,
    ) {
        Self::square_columns::<V>(a, scratch);
        self.finish::<V, true, false>(a, shift, scratch);
    }

    #[inline(always)]
    fn square_columns<V: Lanes>(a: &Eight<K>, scratch: &mut Scratch) {
        let t = &mut scratch.product;
        match K {
            20 => V::triangle::<20>(t, half(&a.0, 0)),
            30 => square_halves::<V, 15>(t, &mut scratch.cross, &a.0),
            _ => square_halves::<V, 20>(t, &mut scratch.cross, &a.0),
        }
    }

    /// `a = a * b / R mod n`, below `2^(bits + 1)`.
    #[inline(always)]
    pub fn multiply<V: Lanes>(&self, a: &mut Eight<K>, b: &Eight<K>, scratch: &mut Scratch) {
        Self::multiply_columns::<V>(a, b, scratch);
        self.finish::<V, false, true>(a, V::splat(0), scratch);
    }

    /// As [`multiply`](Self::multiply), leaving digits loose.
    #[inline(always)]
    pub(super) fn multiply_loose<V: Lanes>(
        &self,
        a: &mut Eight<K>,
        b: &Eight<K>,
        scratch: &mut Scratch,
    ) {
        Self::multiply_columns::<V>(a, b, scratch);
        self.finish::<V, false, false>(a, V::splat(0), scratch);
    }

    #[inline(always)]
    fn multiply_columns<V: Lanes>(a: &Eight<K>, b: &Eight<K>, scratch: &mut Scratch) {
        let t = &mut scratch.product;
        match K {
            20 => V::tile::<20, true>(t, half(&a.0, 0), half(&b.0, 0)),
            30 => multiply_halves::<V, 15>(t, &a.0, &b.0),
            _ => multiply_halves::<V, 20>(t, &a.0, &b.0),
        }
    }

    /// Montgomery reduction of the product, then one pass of carries.
    ///
    /// Without `MASK` the carries stay above the digits, where no multiply-add sees them: *loose*.
    #[inline(always)]
    fn finish<V: Lanes, const SHIFT: bool, const MASK: bool>(
        &self,
        out: &mut Eight<K>,
        shift: V,
        scratch: &mut Scratch,
    ) {
        let (t, m) = (&mut scratch.product, &mut scratch.quotient);
        match K {
            20 => V::reduce::<20>(t, half_mut(m, 0), half(&self.n.0, 0), &self.k0),
            30 => reduce_halves::<V, 15>(t, m, &self.n.0, &self.k0),
            _ => reduce_halves::<V, 20>(t, m, &self.n.0, &self.k0),
        }
        let (mask, digit_bits) = (V::splat(DIGIT_MASK), V::splat(DIGIT_BITS as u64));
        let columns: &[Digit; K] = half(&scratch.product, 1);
        let mut carry = V::splat(0);
        for i in 0..K {
            let column = V::load(&columns[i]);
            let value = if SHIFT { column.shl(shift) } else { column }.add(carry);
            carry = value.shr(digit_bits);
            if MASK { value.and(mask) } else { value }.store(&mut out.0[i]);
        }
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
        self.square(&mut one, V::splat(0), scratch);
        one
    }

    /// `R^2 mod n`, by raising two to the power `52 K` in Montgomery form.
    #[inline(always)]
    pub fn r_squared<V: Lanes>(&self, scratch: &mut Scratch) -> Eight<K> {
        let exponent = DIGIT_BITS * K;
        let mut power = self.one::<V>(scratch);
        for bit in (0..=exponent.ilog2()).rev() {
            self.square(&mut power, V::splat((exponent >> bit & 1) as u64), scratch);
        }
        power
    }

    /// Out of Montgomery form: `a / R mod n`, at most `n`.
    #[inline(always)]
    pub fn leave<V: Lanes>(&self, a: &mut Eight<K>, scratch: &mut Scratch) {
        self.multiply::<V>(a, &Eight::small(1), scratch);
    }
}

/// Half `index` of a number, by digits.
#[inline(always)]
fn half<const H: usize>(digits: &[Digit], index: usize) -> &[Digit; H] {
    digits[index * H..].first_chunk().expect("a number has its digits")
}

#[inline(always)]
fn half_mut<const H: usize>(digits: &mut [Digit], index: usize) -> &mut [Digit; H] {
    digits[index * H..].first_chunk_mut().expect("a number has its digits")
}

/// `(x + y B)^2 = x^2 + 2 x y B + y^2 B^2`.
#[inline(always)]
fn square_halves<V: Lanes, const H: usize>(t: &mut [Digit], cross: &mut [Digit], a: &[Digit]) {
    let cross = &mut cross[..2 * H];
    V::triangle::<H>(t, half(a, 0));
    V::triangle::<H>(&mut t[2 * H..], half(a, 1));
    V::tile::<H, true>(cross, half(a, 0), half(a, 1));
    let t = &mut t[H..3 * H];
    for i in 0..2 * H {
        let cross = V::load(&cross[i]);
        V::load(&t[i]).add(cross).add(cross).store(&mut t[i]);
    }
}

#[inline(always)]
fn multiply_halves<V: Lanes, const H: usize>(t: &mut [Digit], a: &[Digit], b: &[Digit]) {
    V::tile::<H, true>(t, half(a, 0), half(b, 0));
    V::tile::<H, true>(&mut t[2 * H..], half(a, 1), half(b, 1));
    V::tile::<H, false>(&mut t[H..], half(a, 0), half(b, 1));
    V::tile::<H, false>(&mut t[H..], half(a, 1), half(b, 0));
}

#[inline(always)]
fn reduce_halves<V: Lanes, const H: usize>(
    t: &mut [Digit],
    m: &mut [Digit],
    n: &[Digit],
    k0: &Digit,
) {
    for step in 0..2 {
        let t = &mut t[step * H..];
        V::reduce::<H>(t, half_mut(m, 0), half(n, 0), k0);
        V::tile::<H, false>(&mut t[H..], half(m, 0), half(n, 1));
    }
}
