//! Eight elements of a prime field at a time, written once for six primes.
//!
//! An element is `N` digits of 52 bits, in Montgomery form with `R = 2^(52 N)`. Every prime here
//! is sparse: `p = 2^bits - delta` with a small `delta`, and its *signed* digits are mostly zero
//! (FIPS 186-4 D.2, SEC 2, RFC 7748). The Montgomery step multiplies only by the digits that are
//! there; they are constants, so that a zero digit costs no instruction, and for the primes that
//! are -1 modulo `2^52` the quotient digit is the low digit itself.
//!
//! Bounds. `R >= 16 p`. An element handed to a product is below `4 p`, a product is therefore
//! below `16 p^2 / R + p <= 2 p`. [`Fp::weak`] brings a carried number exactly, and an uncarried one
//! but for what its lower digits owe, into `0 .. p + 2^6 delta`.

use core::marker::PhantomData;

use super::lanes::{DIGIT_BITS, DIGIT_MASK, Lanes, Row, Task};

/// Digits of the widest field, P-521.
pub(super) const DIGITS_MAX: usize = 11;

/// The most digits of which several products are computed side by side in registers.
const INTERLEAVED_MAX: usize = 5;

/// The most digits of which a product is compiled into every place that wants one. A step of P-521 would
/// else be 65 KB of instructions, half of them moves of digits that have no register.
const INLINED_MAX: usize = 9;

/// `N` digits in registers, least significant first.
pub(super) type Digits<L, const N: usize> = [<L as Lanes>::V; N];

/// Columns of a product, of up to 64 signed bits; the first `2 N` are used.
type Columns<L> = [<L as Lanes>::V; 2 * DIGITS_MAX];

/// Eight elements in memory.
pub(super) type Element<const N: usize> = [Row; N];

/// Repeats `$body` with the constant `$i` from 0 to `$n - 1`, where it is too long for the compiler to
/// unroll a loop: digits that a variable numbers would not stay in registers.
macro_rules! unrolled {
    ($n:expr, $i:ident, $body:block) => {
        unrolled!(@ $n, $i, $body, 0 1 2 3 4 5 6 7 8 9 10)
    };
    (@ $n:expr, $i:ident, $body:block, $($row:literal)*) => {$(
        if $row < $n {
            let $i: usize = $row;
            $body
        }
    )*};
}
pub(super) use unrolled;

/// Work that is done step by step beside products.
///
/// Table lookups keep one port busy, products both that multiply: one after the other, a lookup would
/// leave a port idle for longer than the processor looks ahead.
pub(super) trait Aside<L: Lanes> {
    /// Does step `number`, a constant once this is inlined.
    fn step(&mut self, lanes: L, number: usize);
}

/// Nothing to do.
impl<L: Lanes> Aside<L> for () {
    #[inline(always)]
    fn step(&mut self, _lanes: L, _number: usize) {}
}

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

    /// Makes column `i`, the lowest that is left, vanish by adding `m p`; carries what it held.
    ///
    /// The multiply-add reads 52 bits, so `m` needs no mask. Negative digits of `p` gather in
    /// columns of their own and are taken off when their turn comes.
    #[inline(always)]
    fn clear(self, t: &mut Columns<L>, owed: &mut Columns<L>, i: usize) {
        let lanes = self.lanes;
        let zero = lanes.splat(0);
        t[i] = lanes.sub(t[i], owed[i]);
        let m = if C::K0 == 1 { t[i] } else { lanes.madd_lo(zero, t[i], lanes.splat(C::K0)) };
        let low = lanes.splat(C::P[0].unsigned_abs());
        if C::P[0] > 0 {
            t[i] = lanes.madd_lo(t[i], m, low);
            t[i + 1] = lanes.madd_hi(t[i + 1], m, low);
        } else if C::P[0] != -1 {
            owed[i + 1] = lanes.madd_hi(owed[i + 1], m, low);
        }
        t[i + 1] = lanes.add(t[i + 1], lanes.sar::<DIGIT_BITS>(t[i]));
        for j in 1..N {
            let digit = lanes.splat(C::P[j].unsigned_abs());
            if C::P[j] > 0 {
                t[i + j] = lanes.madd_lo(t[i + j], m, digit);
                t[i + j + 1] = lanes.madd_hi(t[i + j + 1], m, digit);
            } else if C::P[j] < 0 {
                owed[i + j] = lanes.madd_lo(owed[i + j], m, digit);
                owed[i + j + 1] = lanes.madd_hi(owed[i + j + 1], m, digit);
            }
        }
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

    /// Brings loose digits into the form in which multiply-adds read them: what a digit hands up
    /// stays where it was, above the 52 bits that are read.
    #[inline(always)]
    pub(super) fn factor(self, mut t: Digits<L, N>) -> Digits<L, N> {
        let lanes = self.lanes;
        for i in 0..N - 1 {
            t[i + 1] = lanes.add(t[i + 1], lanes.sar::<DIGIT_BITS>(t[i]));
        }
        t
    }

    /// As [`factor`](Self::factor), of several.
    #[inline(always)]
    pub(super) fn factors<const K: usize>(self, mut t: [Digits<L, N>; K]) -> [Digits<L, N>; K] {
        unrolled!(K, k, { t[k] = self.factor(t[k]) });
        t
    }

    /// Folds the bits above `2^bits` back; leaves `0` up to `p + 2^6 delta`, uncarried, less what
    /// the lower digits owe.
    #[inline(always)]
    pub(super) fn fold(self, mut t: Digits<L, N>) -> Digits<L, N> {
        let lanes = self.lanes;
        // So that the quotient does not depend on what the digit below the top hands up or owes.
        t[N - 1] = lanes.add(t[N - 1], lanes.sar::<DIGIT_BITS>(t[N - 2]));
        t[N - 2] = lanes.and(t[N - 2], lanes.splat(DIGIT_MASK));
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
        t
    }

    /// Folds the bits above `2^bits` back, and carries.
    #[inline(always)]
    pub(super) fn weak(self, t: Digits<L, N>) -> Digits<L, N> {
        self.carry(self.fold(t))
    }

    /// `a b / R`, uncarried, of several pairs.
    #[inline(always)]
    pub(super) fn products<const K: usize>(
        self,
        a: &[Digits<L, N>; K],
        b: &[Digits<L, N>; K],
    ) -> [Digits<L, N>; K] {
        self.products_beside(a, b, &mut (), 0)
    }

    /// `a b / R`, uncarried, of several pairs; with each row of theirs a step of `aside`, from number
    /// `first` on.
    ///
    /// A row is followed by the step of the reduction that the row before it made possible, so that
    /// neither waits and `N + 2` columns are alive. Small fields take the same row of all pairs in
    /// turn: their registers suffice.
    #[inline(always)]
    pub(super) fn products_beside<const K: usize>(
        self,
        a: &[Digits<L, N>; K],
        b: &[Digits<L, N>; K],
        aside: &mut impl Aside<L>,
        first: usize,
    ) -> [Digits<L, N>; K] {
        let mut out = *a;
        if N > INLINED_MAX {
            unrolled!(N, i, { aside.step(self.lanes, first + i) });
            unrolled!(K, k, { out[k] = self.product_called(&a[k], &b[k]) });
            return out;
        }
        if N > INTERLEAVED_MAX {
            out[0] = self.product_beside(&a[0], &b[0], aside, first);
            unrolled!(K, k, {
                if k > 0 {
                    out[k] = self.product_beside(&a[k], &b[k], &mut (), 0);
                }
            });
            return out;
        }
        let zero = [self.lanes.splat(0); 2 * DIGITS_MAX];
        let (mut t, mut owed) = ([zero; K], [zero; K]);
        unrolled!(N, i, {
            unrolled!(K, k, { self.row(&mut t[k], &a[k], &b[k], i) });
            if i > 0 {
                unrolled!(K, k, { self.clear(&mut t[k], &mut owed[k], i - 1) });
            }
            aside.step(self.lanes, first + i);
        });
        unrolled!(K, k, { self.clear(&mut t[k], &mut owed[k], N - 1) });
        unrolled!(K, k, { out[k] = self.high(&t[k], &owed[k]) });
        out
    }

    /// `a b / R`, uncarried, with each row a step of `aside`.
    #[inline(always)]
    fn product_beside(
        self,
        a: &Digits<L, N>,
        b: &Digits<L, N>,
        aside: &mut impl Aside<L>,
        first: usize,
    ) -> Digits<L, N> {
        let mut t = [self.lanes.splat(0); 2 * DIGITS_MAX];
        let mut owed = t;
        unrolled!(N, i, {
            self.row(&mut t, a, b, i);
            if i > 0 {
                self.clear(&mut t, &mut owed, i - 1);
            }
            aside.step(self.lanes, first + i);
        });
        self.clear(&mut t, &mut owed, N - 1);
        self.high(&t, &owed)
    }

    /// `a b / R`, uncarried, out of line.
    #[inline(always)]
    fn product_called(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        let (mut product, mut factor) = ([Row::default(); N], [Row::default(); N]);
        self.store(&mut product, *a);
        self.store(&mut factor, *b);
        self.lanes.enter(Product::<C, N>(&mut product, &factor, PhantomData));
        self.load(&product)
    }

    /// Row `i` of a product.
    #[inline(always)]
    fn row(self, t: &mut Columns<L>, a: &Digits<L, N>, b: &Digits<L, N>, i: usize) {
        for j in 0..N {
            t[i + j] = self.lanes.madd_lo(t[i + j], a[i], b[j]);
            t[i + j + 1] = self.lanes.madd_hi(t[i + j + 1], a[i], b[j]);
        }
    }

    /// `a b / R`, uncarried.
    #[inline(always)]
    pub(super) fn mul_loose(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        self.products(&[*a], &[*b])[0]
    }

    /// `a^2 / R`, uncarried, of several.
    #[inline(always)]
    pub(super) fn squares<const K: usize>(self, a: &[Digits<L, N>; K]) -> [Digits<L, N>; K] {
        let mut out = *a;
        unrolled!(K, k, { out[k] = self.square_loose(&a[k]) });
        out
    }

    /// `a^2 / R`, uncarried.
    ///
    /// Row `i` of the products of unlike digits completes columns `2 i` and `2 i + 1`, which are
    /// doubled, get their squares, and are cleared at once.
    #[inline(always)]
    pub(super) fn square_loose(self, a: &Digits<L, N>) -> Digits<L, N> {
        if N > INLINED_MAX {
            let mut square = [Row::default(); N];
            self.store(&mut square, *a);
            self.lanes.enter(Square::<C, N>(&mut square, PhantomData));
            return self.load(&square);
        }
        self.square_inlined(a)
    }

    #[inline(always)]
    fn square_inlined(self, a: &Digits<L, N>) -> Digits<L, N> {
        let lanes = self.lanes;
        let mut unlike = [lanes.splat(0); 2 * DIGITS_MAX];
        let (mut t, mut owed) = (unlike, unlike);
        unrolled!(N, i, {
            for j in i + 1..N {
                unlike[i + j] = lanes.madd_lo(unlike[i + j], a[i], a[j]);
                unlike[i + j + 1] = lanes.madd_hi(unlike[i + j + 1], a[i], a[j]);
            }
            let even = lanes.add(unlike[2 * i], unlike[2 * i]);
            let odd = lanes.add(unlike[2 * i + 1], unlike[2 * i + 1]);
            t[2 * i] = lanes.add(t[2 * i], lanes.madd_lo(even, a[i], a[i]));
            t[2 * i + 1] = lanes.add(t[2 * i + 1], lanes.madd_hi(odd, a[i], a[i]));
            if 2 * i < N {
                self.clear(&mut t, &mut owed, 2 * i);
            }
            if 2 * i + 1 < N {
                self.clear(&mut t, &mut owed, 2 * i + 1);
            }
        });
        self.high(&t, &owed)
    }

    /// What is left of a product whose low columns are cleared.
    #[inline(always)]
    fn high(self, t: &Columns<L>, owed: &Columns<L>) -> Digits<L, N> {
        let mut high = [self.lanes.splat(0); N];
        for i in 0..N {
            high[i] = self.lanes.sub(t[N + i], owed[N + i]);
        }
        high
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

    /// `multiple p - a`, uncarried.
    #[inline(always)]
    pub(super) fn negated(self, a: &Digits<L, N>, multiple: i64) -> Digits<L, N> {
        let mut t = *a;
        for i in 0..N {
            t[i] = self.lanes.sub(self.prime(multiple, i), a[i]);
        }
        t
    }

    /// `a + p`, uncarried.
    #[inline(always)]
    pub(super) fn add_prime(self, a: &Digits<L, N>) -> Digits<L, N> {
        let mut t = *a;
        for i in 0..N {
            t[i] = self.lanes.add(a[i], self.prime(1, i));
        }
        t
    }

    /// `a - b + 2 p` of weakly reduced operands.
    #[inline(always)]
    pub(super) fn sub(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        self.carry(self.sub_loose(a, b, 2))
    }

    /// `a + b`, weakly reduced.
    #[inline(always)]
    pub(super) fn add(self, a: &Digits<L, N>, b: &Digits<L, N>) -> Digits<L, N> {
        self.weak(self.add_loose(a, b))
    }

    /// The representative in `0 .. p` of a weakly reduced element; `one` is [`one`](Self::one).
    #[inline(always)]
    pub(super) fn canonical(self, a: &Digits<L, N>, one: &Digits<L, N>) -> Digits<L, N> {
        self.below_p(&self.mul(a, one))
    }

    /// The representative in `0 .. p` of an element below `2 p`.
    #[inline(always)]
    fn below_p(self, a: &Digits<L, N>) -> Digits<L, N> {
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

    /// The lanes where a carried element may be `p`, `2 p` or `3 p`.
    ///
    /// Compared in its low digit only: besides the true multiples this finds few others.
    #[inline(always)]
    pub(super) fn maybe_zero(self, a: &Digits<L, N>) -> u8 {
        let lanes = self.lanes;
        if C::P[0] == -1 {
            // They end in 2^52 - 3 up to 2^52 - 1.
            let above = lanes.add(a[0], lanes.splat(3));
            return lanes.eq(lanes.shr(above, 52), lanes.splat(1));
        }
        let mut mask = 0;
        for multiple in 1..=3 {
            let low = DIGIT_MASK & (multiple * C::P[0]).cast_unsigned();
            mask |= lanes.eq(a[0], lanes.splat(low));
        }
        mask
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
        let mut t = [self.lanes.splat(0); 2 * DIGITS_MAX];
        let mut owed = t;
        t[..N].copy_from_slice(a);
        unrolled!(N, i, { self.clear(&mut t, &mut owed, i) });
        self.below_p(&self.carry(self.high(&t, &owed)))
    }

    /// `1 / a` by Fermat's theorem; zero for zero. Not inlined: hundreds of dependent squarings.
    #[inline(always)]
    pub(super) fn invert(self, a: &Digits<L, N>) -> Digits<L, N> {
        let mut element = [Row::default(); N];
        self.store(&mut element, *a);
        self.lanes.enter(Invert::<C, N>(&mut element, PhantomData));
        self.load(&element)
    }
}

/// Multiplies an element by another.
struct Product<'a, C, const N: usize>(&'a mut Element<N>, &'a Element<N>, PhantomData<C>);

impl<C: Prime<N>, const N: usize> Task for Product<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let fp = Fp::<L, C, N>::new(lanes);
        let product = fp.product_beside(&fp.load(self.0), &fp.load(self.1), &mut (), 0);
        fp.store(self.0, product);
    }
}

/// Squares an element.
struct Square<'a, C, const N: usize>(&'a mut Element<N>, PhantomData<C>);

impl<C: Prime<N>, const N: usize> Task for Square<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let fp = Fp::<L, C, N>::new(lanes);
        fp.store(self.0, fp.square_inlined(&fp.load(self.0)));
    }
}

/// Inverts an element in place.
struct Invert<'a, C, const N: usize>(&'a mut Element<N>, PhantomData<C>);

impl<C: Prime<N>, const N: usize> Task for Invert<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        const REGISTERS: usize = 16;
        let fp = Fp::<L, C, N>::new(lanes);
        let mut register = [*self.0; REGISTERS];
        for (last, &(from, squarings, by)) in C::INVERSE.iter().enumerate() {
            let mut t = fp.load(&register[from]);
            for _ in 0..squarings {
                t = fp.square(&t);
            }
            t = fp.mul(&t, &fp.load(&register[by]));
            fp.store(&mut register[last + 1], t);
        }
        *self.0 = register[C::INVERSE.len()];
    }
}
