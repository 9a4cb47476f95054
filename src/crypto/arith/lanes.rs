//! `Lanes`: the register of eight 64-bit elements, and its definition in plain integers.

use super::{DIGIT_MASK, Digit, LANES, blocks, schoolbook};

/// Eight 64-bit elements. All arithmetic is per element and wraps.
pub trait Lanes: Copy {
    /// The same element eight times.
    fn splat(element: u64) -> Self;
    /// Reads eight elements.
    fn load(from: &Digit) -> Self;
    /// Writes eight elements.
    fn store(self, to: &mut Digit);
    /// `self + (a * b mod 2^52)`, of the low 52 bits of `a` and `b`.
    fn madd_lo(self, a: Self, b: Self) -> Self;
    /// `self + floor(a * b / 2^52)`, of the low 52 bits of `a` and `b`.
    fn madd_hi(self, a: Self, b: Self) -> Self;
    /// Sum.
    fn add(self, other: Self) -> Self;
    /// Difference.
    fn sub(self, other: Self) -> Self;
    /// The low 64 bits of the product.
    fn mul(self, other: Self) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// Bitwise exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Shift left, each element by its own count; 0 from 64 on.
    fn shl(self, count: Self) -> Self;
    /// Shift right, each element by its own count; 0 from 64 on.
    fn shr(self, count: Self) -> Self;
    /// One bit per lane: whether the elements are equal.
    fn equal(self, other: Self) -> u8;
    /// One bit per lane: whether `self <= other`.
    fn at_most(self, other: Self) -> u8;
    /// `lanes`, but for those in which `self <= other`.
    fn above(self, other: Self, lanes: u8) -> u8;
    /// `other` in the lanes of `mask`, `self` elsewhere.
    fn blend(self, mask: u8, other: Self) -> Self;

    /// `t = a^2 + 2 t` of `2 H` columns, where of the old `t` the low half and the high half count
    /// if they are `given`: a block of [`square`](Self::square).
    #[inline(always)]
    fn triangle<const H: usize>(t: &mut [Digit], a: &[Digit; H], given: [bool; 2]) {
        blocks::triangle::<Self, H>(t, a, given);
    }
    /// `t += a b`, or `t = a b` if `FRESH`, of `2 H` columns: a block of products.
    #[inline(always)]
    fn tile<const H: usize, const FRESH: bool>(t: &mut [Digit], a: &[Digit; H], b: &[Digit; H]) {
        blocks::tile::<Self, H, FRESH>(t, a, b);
    }
    /// `t = a^2`, `2 K` columns not carried.
    #[inline(always)]
    fn square<const K: usize>(t: &mut [Digit], a: &[Digit; K]) {
        blocks::square::<Self, K>(t, a);
    }
    /// `t = a b`, `2 K` columns not carried.
    #[inline(always)]
    fn product<const K: usize>(t: &mut [Digit], a: &[Digit; K], b: &[Digit; K]) {
        blocks::product::<Self, K>(t, a, b);
    }
    /// `out = t / R mod n`, times `2^shift`, of `2 K` columns, which are lost; digits
    /// are left loose. `k0` is `-n^-1 mod 2^52`, and `m` has room for 20 digits.
    #[inline(always)]
    fn reduce<const K: usize>(
        out: &mut [Digit; K],
        t: &mut [Digit],
        m: &mut [Digit],
        (n, k0): (&[Digit; K], &Digit),
        shift: Option<Self>,
    ) {
        blocks::reduce::<Self, K>(out, t, m, (n, k0), shift);
    }
}

/// Eight elements in plain integers.
#[derive(Clone, Copy, Debug)]
pub struct U64x8([u64; LANES]);

impl U64x8 {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(core::array::from_fn(|i| f(self.0[i], other.0[i])))
    }

    #[inline(always)]
    fn mask(self, other: Self, f: impl Fn(u64, u64) -> bool) -> u8 {
        (0..LANES).fold(0, |mask, i| mask | u8::from(f(self.0[i], other.0[i])) << i)
    }
}

#[inline(always)]
fn product(a: u64, b: u64) -> u128 {
    u128::from(a & DIGIT_MASK) * u128::from(b & DIGIT_MASK)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a product, masked or shifted")]
impl Lanes for U64x8 {
    #[inline(always)]
    fn splat(element: u64) -> Self {
        Self([element; LANES])
    }
    #[inline(always)]
    fn load(from: &Digit) -> Self {
        Self(*from)
    }
    #[inline(always)]
    fn store(self, to: &mut Digit) {
        *to = self.0;
    }
    #[inline(always)]
    fn madd_lo(self, a: Self, b: Self) -> Self {
        self.add(a.zip(b, |a, b| product(a, b) as u64 & DIGIT_MASK))
    }
    #[inline(always)]
    fn madd_hi(self, a: Self, b: Self) -> Self {
        self.add(a.zip(b, |a, b| (product(a, b) >> 52) as u64))
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_add)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_sub)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_mul)
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self.zip(other, |a, b| a ^ b)
    }
    #[inline(always)]
    fn shl(self, count: Self) -> Self {
        self.zip(count, |a, n| if n < 64 { a << n } else { 0 })
    }
    #[inline(always)]
    fn shr(self, count: Self) -> Self {
        self.zip(count, |a, n| if n < 64 { a >> n } else { 0 })
    }
    #[inline(always)]
    fn equal(self, other: Self) -> u8 {
        self.mask(other, |a, b| a == b)
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> u8 {
        self.mask(other, |a, b| a <= b)
    }
    #[inline(always)]
    fn above(self, other: Self, lanes: u8) -> u8 {
        lanes & !self.at_most(other)
    }
    #[inline(always)]
    fn blend(self, mask: u8, other: Self) -> Self {
        // Seen through, the mask of a comparison becomes a branch on it.
        let mask = core::hint::black_box(mask);
        let keep = |i: usize| u64::from(mask >> i & 1).wrapping_sub(1);
        Self(core::array::from_fn(|i| (self.0[i] & keep(i)) | (other.0[i] & !keep(i))))
    }

    fn square<const K: usize>(t: &mut [Digit], a: &[Digit; K]) {
        schoolbook::product::<Self, K>(t, a, a);
    }
    fn product<const K: usize>(t: &mut [Digit], a: &[Digit; K], b: &[Digit; K]) {
        schoolbook::product::<Self, K>(t, a, b);
    }
    fn reduce<const K: usize>(
        out: &mut [Digit; K],
        t: &mut [Digit],
        _: &mut [Digit],
        (n, k0): (&[Digit; K], &Digit),
        shift: Option<Self>,
    ) {
        schoolbook::reduce::<Self, K>(out, t, (n, k0), shift.unwrap_or(Self::splat(0)));
    }
}
