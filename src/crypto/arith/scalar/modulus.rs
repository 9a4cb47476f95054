//! `LimbModulus`: almost Montgomery arithmetic modulo one odd number.

use core::hint::black_box;

use zeroize::Zeroize;

use super::rows::{self, multiply_add};

/// Room for the product of two numbers of the largest size.
const WIDE: usize = 64;

/// An odd modulus that fills its limbs. Operands and results are below R = 2^(64 L).
pub(super) struct LimbModulus<const L: usize> {
    pub(super) n: [u64; L],
    /// `-n^-1 mod 2^64`.
    k0: u64,
    wide: [u64; WIDE],
}

impl<const L: usize> LimbModulus<L> {
    /// Prepares an odd number. Five Newton steps double 5 correct bits of the inverse to 160.
    pub(super) fn new(n: &[u64; L]) -> Self {
        let inverse = (0..5).fold(n[0].wrapping_mul(3) ^ 2, |x, _| {
            x.wrapping_mul(2_u64.wrapping_sub(n[0].wrapping_mul(x)))
        });
        Self { n: *n, k0: inverse.wrapping_neg(), wide: [0; WIDE] }
    }

    /// `a = a^2 / R mod n`.
    #[inline(never)]
    pub(super) fn square(&mut self, a: &mut [u64; L]) {
        rows::square(&mut self.wide, a);
        self.finish(a);
    }

    /// `a = a b / R mod n`.
    #[inline(never)]
    pub(super) fn multiply(&mut self, a: &mut [u64; L], b: &[u64; L]) {
        rows::multiply(&mut self.wide, a, b);
        self.finish(a);
    }

    /// Reduces the product, and subtracts the modulus where the sum reaches R.
    #[inline(always)]
    fn finish(&mut self, out: &mut [u64; L]) {
        let top = rows::reduce(&mut self.wide, &self.n, self.k0);
        out.copy_from_slice(&self.wide[L..2 * L]);
        subtract_masked(out, &self.n, mask(top));
    }

    /// `a = a / 2^count mod n`, for a count below 64.
    #[inline(never)]
    pub(super) fn halve(&self, a: &mut [u64; L], count: u64) {
        let quotient = a[0].wrapping_mul(self.k0) & ((1 << count) - 1);
        let (mut low, mut carry) = multiply_add(a[0], quotient, self.n[0], 0);
        for i in 1..L {
            let next;
            (next, carry) = multiply_add(a[i], quotient, self.n[i], carry);
            a[i - 1] = low >> count | next << 1 << (63 - count);
            low = next;
        }
        a[L - 1] = low >> count | carry << 1 << (63 - count);
    }

    /// One in Montgomery form: `R - n`.
    pub(super) fn one(&self) -> [u64; L] {
        let mut one = [0; L];
        subtract(&mut one, &self.n);
        one
    }

    /// Minus one in Montgomery form, below n: `n - (R - n)`.
    pub(super) fn minus_one(&self) -> [u64; L] {
        let mut minus_one = self.n;
        subtract(&mut minus_one, &self.one());
        minus_one
    }

    /// Into Montgomery form: `a R mod n`, a product with `R^2 mod n`.
    pub(super) fn enter(&mut self, a: &mut [u64; L]) {
        // R^2 is R in Montgomery form, and R is 2 to the power 64 L.
        let mut two = self.one();
        let doubled = two[L - 1] >> 63;
        for i in (1..L).rev() {
            two[i] = two[i] << 1 | two[i - 1] >> 63;
        }
        two[0] <<= 1;
        subtract_masked(&mut two, &self.n, mask(doubled));
        let (exponent, mut r_squared) = (64 * L, two);
        for bit in (0..exponent.ilog2()).rev() {
            self.square(&mut r_squared);
            if exponent >> bit & 1 == 1 {
                self.multiply(&mut r_squared, &two);
            }
        }
        self.multiply(a, &r_squared);
        two.zeroize();
        r_squared.zeroize();
    }

    /// Out of Montgomery form: `a / R mod n`, at most n.
    pub(super) fn leave(&mut self, a: &mut [u64; L]) {
        let mut one = [0; L];
        one[0] = 1;
        self.multiply(a, &one);
    }

    /// Subtracts the modulus unless `a` is below it.
    pub(super) fn reduce(&self, a: &mut [u64; L]) {
        let below = subtract(a, &self.n);
        let (below, mut carry) = (mask(below), false);
        for (a, n) in a.iter_mut().zip(&self.n) {
            (*a, carry) = a.carrying_add(*n & below, carry);
        }
    }
}

impl<const L: usize> Drop for LimbModulus<L> {
    fn drop(&mut self) {
        self.n.zeroize();
        self.k0.zeroize();
        self.wide.zeroize();
    }
}

/// All ones for 1, zero for 0, of a bit that the compiler shall not branch on.
#[inline(always)]
pub(super) fn mask(bit: u64) -> u64 {
    black_box(bit.wrapping_neg())
}

/// `a -= b`; returns the borrow.
#[inline(always)]
fn subtract<const L: usize>(a: &mut [u64; L], b: &[u64; L]) -> u64 {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, borrow) = a.borrowing_sub(*b, borrow);
    }
    u64::from(borrow)
}

/// `a -= b` for a mask of ones, nothing for a mask of zeros.
#[inline(always)]
fn subtract_masked<const L: usize>(a: &mut [u64; L], b: &[u64; L], mask: u64) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, borrow) = a.borrowing_sub(*b & mask, borrow);
    }
}
