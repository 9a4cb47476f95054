//! Eight elements of a prime field at a time, written once for six primes.
//!
//! An element is `N` digits of 52 bits, in Montgomery form with `R = 2^(52 N)`. Every prime here
//! is sparse: `p = 2^bits - delta` with a small `delta`, and its *signed* digits are mostly zero
//! (FIPS 186-4 D.2, SEC 2, RFC 7748). The Montgomery step multiplies only by the digits that are
//! there; they are constants, so that a zero digit costs no instruction, and for the primes that
//! are -1 modulo `2^52` the quotient digit is the low digit itself.
//!
//! Bounds. `R >= 16 p`. An element handed to a product is below `4 p`, a product is therefore
//! below `16 p^2 / R + p <= 2 p`. [`Fp::weak`] brings anything from `p` to `32 p` (or a
//! normalized value from 0) below `p + 2^6 delta`.

use core::marker::PhantomData;

use super::lanes::{DIGIT_BITS, DIGIT_MASK, Lanes, Row};

/// Digits of the widest field, P-521.
pub(super) const DIGITS_MAX: usize = 11;

/// `N` digits in registers, least significant first.
pub(super) type Digits<L, const N: usize> = [<L as Lanes>::V; N];

/// A product before its reduction: the first `2 N` digits are used, of up to 64 signed bits.
pub(super) type Wide<L> = [<L as Lanes>::V; 2 * DIGITS_MAX];

/// Eight elements in memory.
pub(super) type Element<const N: usize> = [Row; N];

/// The prime of a field and the way to invert modulo it.
pub(super) trait Prime<const N: usize>: Copy + Send + Sync + 'static {
    /// Bits of `p`.
    const BITS: usize;
    /// Signed digits of `p`: `p = sum P[i] 2^(52 i)`, `P[N - 1]` positive.
    const P: [i64; N];
    /// Addition chain for `p - 2`. Register 0 is the base; step `(from, squarings, by)` appends
    /// a register with `from^(2^squarings) by`. The last register is the inverse.
    const INVERSE: &'static [(usize, usize, usize)];

    /// `-1 / p` modulo `2^52`.
    const K0: u64 = negated_inverse(Self::P[0]);
    /// Bits of `p` in its top digit.
    const TOP_BITS: usize = Self::BITS - 52 * (N - 1);
}

/// `-1 / odd` modulo `2^52`, by Newton's iteration.
const fn negated_inverse(odd: i64) -> u64 {
    let odd = odd.cast_unsigned();
    let mut inverse = 1_u64;
    let mut step = 0;
    while step < 6 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse.wrapping_neg() & DIGIT_MASK
}

/// The arithmetic modulo the prime `C` on the lanes `L`.
#[derive(Debug)]
pub(super) struct Fp<L, C, const N: usize> {
    /// The kernel.
    pub(super) lanes: L,
    prime: PhantomData<C>,
}

impl<L: Copy, C, const N: usize> Clone for Fp<L, C, N> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Copy, C, const N: usize> Copy for Fp<L, C, N> {}

impl<L: Lanes, C: Prime<N>, const N: usize> Fp<L, C, N> {
    /// The field on `lanes`.
    #[inline(always)]
    pub(super) fn new(lanes: L) -> Self {
        Self { lanes, prime: PhantomData }
    }

    /// From memory.
    #[inline(always)]
    pub(super) fn load(self, element: &Element<N>) -> Digits<L, N> {
        let mut digits = [self.lanes.splat(0); N];
        for i in 0..N {
            digits[i] = self.lanes.load(&element[i]);
        }
        digits
    }

    /// To memory.
    #[inline(always)]
    pub(super) fn store(self, element: &mut Element<N>, digits: Digits<L, N>) {
        for i in 0..N {
            self.lanes.store(&mut element[i], digits[i]);
        }
    }

    /// Digit `i` of `multiple p` in every lane.
    #[inline(always)]
    pub(super) fn prime(self, multiple: i64, i: usize) -> L::V {
        self.lanes.splat((multiple * C::P[i]).cast_unsigned())
    }

    /// The small number `value` in every lane, not in Montgomery form.
    #[inline(always)]
    pub(super) fn small(self, value: u64) -> Digits<L, N> {
        let mut digits = [self.lanes.splat(0); N];
        digits[0] = self.lanes.splat(value);
        digits
    }

    #[inline(always)]
    fn product(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Wide<L> {
        let mut t = [self.lanes.splat(0); 2 * DIGITS_MAX];
        for i in 0..N {
            for j in 0..N {
                t[i + j] = self.lanes.madd_lo(t[i + j], a[i], b[j]);
                t[i + j + 1] = self.lanes.madd_hi(t[i + j + 1], a[i], b[j]);
            }
        }
        t
    }

    #[inline(always)]
    fn square_product(self, a: &Digits<L, N>) -> Wide<L> {
        let lanes = self.lanes;
        let mut t = [lanes.splat(0); 2 * DIGITS_MAX];
        for i in 0..N {
            for j in i + 1..N {
                t[i + j] = lanes.madd_lo(t[i + j], a[i], a[j]);
                t[i + j + 1] = lanes.madd_hi(t[i + j + 1], a[i], a[j]);
            }
        }
        for i in 0..N {
            t[2 * i] = lanes.madd_lo(lanes.add(t[2 * i], t[2 * i]), a[i], a[i]);
            t[2 * i + 1] = lanes.madd_hi(lanes.add(t[2 * i + 1], t[2 * i + 1]), a[i], a[i]);
        }
        t
    }

    /// `t / R`, digits not yet carried.
    ///
    /// Each step adds `m p` with the `m` that makes the low digit vanish, and carries the rest
    /// of that digit up. The multiply-add reads 52 bits, so `m` needs no mask.
    #[inline(always)]
    fn reduce(self, mut t: Wide<L>) -> Digits<L, N> {
        let lanes = self.lanes;
        let zero = lanes.splat(0);
        for i in 0..N {
            let m = if C::K0 == 1 { t[i] } else { lanes.madd_lo(zero, t[i], lanes.splat(C::K0)) };
            let low = lanes.splat(C::P[0].unsigned_abs());
            if C::P[0] > 0 {
                t[i] = lanes.madd_lo(t[i], m, low);
                t[i + 1] = lanes.madd_hi(t[i + 1], m, low);
            } else if C::P[0] != -1 {
                t[i + 1] = lanes.sub(t[i + 1], lanes.madd_hi(zero, m, low));
            }
            t[i + 1] = lanes.add(t[i + 1], lanes.sar::<DIGIT_BITS>(t[i]));
            for j in 1..N {
                let digit = lanes.splat(C::P[j].unsigned_abs());
                if C::P[j] > 0 {
                    t[i + j] = lanes.madd_lo(t[i + j], m, digit);
                    t[i + j + 1] = lanes.madd_hi(t[i + j + 1], m, digit);
                } else if C::P[j] < 0 {
                    t[i + j] = lanes.sub(t[i + j], lanes.madd_lo(zero, m, digit));
                    t[i + j + 1] = lanes.sub(t[i + j + 1], lanes.madd_hi(zero, m, digit));
                }
            }
        }
        let mut high = [zero; N];
        for i in 0..N {
            high[i] = t[N + i];
        }
        high
    }

    /// Brings signed digits into `0 .. 2^52`; the top digit takes what is left.
    #[inline(always)]
    pub(super) fn carry(self, mut t: Digits<L, N>) -> Digits<L, N> {
        let lanes = self.lanes;
        for i in 0..N - 1 {
            t[i + 1] = lanes.add(t[i + 1], lanes.sar::<DIGIT_BITS>(t[i]));
            t[i] = lanes.and(t[i], lanes.splat(DIGIT_MASK));
        }
        t
    }

    /// Folds the bits above `2^bits` back, and carries.
    #[inline(always)]
    pub(super) fn weak(self, mut t: Digits<L, N>) -> Digits<L, N> {
        let lanes = self.lanes;
        if C::TOP_BITS < 16 {
            // What the lower digits owe would swamp so short a top digit.
            t = self.carry(t);
        }
        let quotient = lanes.shr(t[N - 1], C::TOP_BITS);
        t[N - 1] = lanes.and(t[N - 1], lanes.splat((1 << C::TOP_BITS) - 1));
        for i in 0..N {
            let whole = if i == N - 1 { 1_i64 << C::TOP_BITS } else { 0 };
            let delta = whole - C::P[i];
            let digit = lanes.splat(delta.unsigned_abs());
            if delta == 1 {
                t[i] = lanes.add(t[i], quotient);
            } else if delta > 0 {
                t[i] = lanes.madd_lo(t[i], quotient, digit);
            } else if delta < 0 {
                t[i] = lanes.sub(t[i], lanes.madd_lo(lanes.splat(0), quotient, digit));
            }
        }
        self.carry(t)
    }

    /// `a b / R`, uncarried.
    #[inline(always)]
    pub(super) fn mul_loose(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        self.reduce(self.product(a, b))
    }

    /// `a^2 / R`, uncarried.
    #[inline(always)]
    pub(super) fn square_loose(self, a: &Digits<L, N>) -> Digits<L, N> {
        self.reduce(self.square_product(a))
    }

    /// `a b / R`, below `2 p`.
    #[inline(always)]
    pub(super) fn mul(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        self.carry(self.mul_loose(a, b))
    }

    /// `a^2 / R`, below `2 p`.
    #[inline(always)]
    pub(super) fn square(self, a: &Digits<L, N>) -> Digits<L, N> {
        self.carry(self.square_loose(a))
    }

    /// `a + b`, uncarried.
    #[inline(always)]
    pub(super) fn add_loose(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        let mut t = *a;
        for i in 0..N {
            t[i] = self.lanes.add(a[i], b[i]);
        }
        t
    }

    /// `a - b + multiple p`, uncarried.
    #[inline(always)]
    pub(super) fn sub_loose(
        self,
        a: &Digits<L, N>,
        b: &Digits<L, N>,
        multiple: i64,
    ) -> Digits<L, N> {
        let mut t = *a;
        for i in 0..N {
            t[i] = self.lanes.add(self.lanes.sub(a[i], b[i]), self.prime(multiple, i));
        }
        t
    }

    /// `a - b + 2 p` for operands below `2 p`: below `4 p`.
    #[inline(always)]
    pub(super) fn sub(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        self.carry(self.sub_loose(a, b, 2))
    }

    /// `a + b`, weakly reduced.
    #[inline(always)]
    pub(super) fn add(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        self.weak(self.add_loose(a, b))
    }

    /// The representative in `0 .. p` of an element below `2 p`.
    #[inline(always)]
    pub(super) fn canonical(self, a: &Digits<L, N>) -> Digits<L, N> {
        let mut less = *a;
        for i in 0..N {
            less[i] = self.lanes.sub(a[i], self.prime(1, i));
        }
        let less = self.carry(less);
        self.select(self.lanes.negative(less[N - 1]), &less, a)
    }

    /// `b` in the lanes of `mask`, `a` in the others.
    #[inline(always)]
    pub(super) fn select(self, mask: u8, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        let mut t = *a;
        for i in 0..N {
            t[i] = self.lanes.select(mask, a[i], b[i]);
        }
        t
    }

    /// The lanes where a canonical `a` is zero.
    #[inline(always)]
    pub(super) fn is_zero(self, a: &Digits<L, N>) -> u8 {
        let mut mask = u8::MAX;
        for digit in a {
            mask &= self.lanes.eq(*digit, self.lanes.splat(0));
        }
        mask
    }

    /// `a 2^doublings`, weakly reduced.
    #[inline(always)]
    fn doubled(self, mut a: Digits<L, N>, doublings: usize) -> Digits<L, N> {
        for _ in 0..doublings {
            a = self.add(&a, &a);
        }
        a
    }

    /// One, in Montgomery form.
    #[inline(always)]
    pub(super) fn one(self) -> Digits<L, N> {
        self.doubled(self.small(1), 52 * N)
    }

    /// Into Montgomery form.
    #[inline(always)]
    pub(super) fn encode(self, a: &Digits<L, N>) -> Digits<L, N> {
        self.mul(a, &self.doubled(self.small(1), 104 * N))
    }

    /// Out of Montgomery form, canonical.
    #[inline(always)]
    pub(super) fn decode(self, a: &Digits<L, N>) -> Digits<L, N> {
        self.canonical(&self.mul(a, &self.small(1)))
    }

    /// `1 / a` by Fermat's theorem; zero for zero.
    #[inline(always)]
    pub(super) fn invert(self, a: &Digits<L, N>) -> Digits<L, N> {
        const REGISTERS: usize = 24;
        let mut register = [*a; REGISTERS];
        let mut last = 0;
        for &(from, squarings, by) in C::INVERSE {
            let mut t = register[from];
            for _ in 0..squarings {
                t = self.square(&t);
            }
            last += 1;
            register[last] = self.mul(&t, &register[by]);
        }
        register[last]
    }
}
