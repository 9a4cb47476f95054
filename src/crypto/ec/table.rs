//! Multiples of the generator: per window `i` the points `(2 e + 1) 2^(8 i) G`, `e < 128`.
//!
//! Built once a process from the curve parameters, eight windows at a time, by the affine
//! formulas with an inversion each (a few milliseconds), and compared with the portable crates
//! in the tests. The coefficient `b` is not a constant either: the generator gives it.

use super::curve::{Curve, LIMBS_MAX, Scalar, limbs};
use super::field::{Digits, Element, Fp};
use super::lanes::{DIGIT_MASK, LANES, Lanes, Row, Task};

/// Points of a window.
pub(super) const ENTRIES: usize = 128;

/// Rows that hold one digit of all points of a window.
pub(super) const ENTRY_ROWS: usize = ENTRIES / LANES;

/// The points of one window: per coordinate and digit all entries, eight a row.
pub(super) type Window<const N: usize> = [[[Row; ENTRY_ROWS]; N]; 2];

/// The tables of a curve; elements are canonical and in Montgomery form.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    /// From the lowest window.
    pub(super) windows: Vec<Window<N>>,
    /// Coefficient `a`, in every lane.
    pub(super) a: Element<N>,
    /// Coefficient `b`, in every lane.
    pub(super) b: Element<N>,
    /// For the curve whose points leave in Edwards form.
    pub(super) edwards: Edwards<N>,
}

/// Constants of the map from the short Weierstrass form of Curve25519 to Edwards25519.
#[derive(Debug)]
pub(super) struct Edwards<const N: usize> {
    /// `486662 / 3`.
    pub(super) shift: Element<N>,
    /// One.
    pub(super) one: Element<N>,
    /// The square root of -486664 that RFC 7748 4.1 takes.
    pub(super) root: Element<N>,
}

const SHIFT_25519: &str = "2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad2451";
const ROOT_25519: &str = "70d9120b9f5ff9442d84f723fc03b0813a5e2c2eb482e57d3391fb5500ba81e7";

/// 64-bit limbs to 52-bit digits, the same in every lane.
pub(super) fn digits_of<const N: usize>(limbs: &Scalar) -> Element<N> {
    core::array::from_fn(|i| Row([digit_of(limbs, i); LANES]))
}

/// Digit `i` of a number in limbs.
pub(super) fn digit_of(limbs: &Scalar, i: usize) -> u64 {
    let (limb, shift) = (i * 52 / 64, i * 52 % 64);
    let high = if shift > 12 && limb + 1 < LIMBS_MAX { limbs[limb + 1] << (64 - shift) } else { 0 };
    (limbs[limb] >> shift | high) & DIGIT_MASK
}

/// A point in affine coordinates, in each lane.
type Point<L, const N: usize> = [Digits<L, N>; 2];

impl<C: Curve<N>, const N: usize> Task for Build<C, N> {
    type Output = Table<N>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Table<N> {
        let fp = Fp::<L, C, N>::new(lanes);
        let one = fp.one();
        let a = fp.canonical(&constant(fp, C::A), &one);
        let generator = [constant(fp, C::X), constant(fp, C::Y)];
        let mut table = Table {
            windows: vec![[[[Row::default(); ENTRY_ROWS]; N]; 2]; C::WINDOWS],
            a: [Row::default(); N],
            b: [Row::default(); N],
            edwards: Edwards {
                shift: [Row::default(); N],
                one: [Row::default(); N],
                root: [Row::default(); N],
            },
        };
        if C::EDWARDS {
            fp.store(&mut table.edwards.shift, fp.canonical(&constant(fp, SHIFT_25519), &one));
            fp.store(&mut table.edwards.one, fp.canonical(&one, &one));
            fp.store(&mut table.edwards.root, fp.canonical(&constant(fp, ROOT_25519), &one));
        }
        fp.store(&mut table.a, a);
        fp.store(&mut table.b, fp.canonical(&coefficient_b(fp, &a, &generator), &one));
        let mut first = generator;
        for windows in table.windows.chunks_mut(LANES) {
            let mut base = first;
            for lane in 0..LANES {
                for coordinate in 0..2 {
                    base[coordinate] =
                        fp.select(u8::MAX << lane, &base[coordinate], &first[coordinate]);
                }
                for _ in 0..8 {
                    first = chord(fp, &first, &first, Some(&a));
                }
            }
            fill(fp, windows, base, &a, &one);
        }
        table
    }
}

/// Builds the table of the curve `C`.
pub(super) struct Build<C, const N: usize>(pub(super) core::marker::PhantomData<C>);

/// A parameter, in every lane.
#[inline(always)]
fn constant<L: Lanes, C: Curve<N>, const N: usize>(fp: Fp<L, C, N>, hex: &str) -> Digits<L, N> {
    fp.encode(&fp.load(&digits_of(&limbs(hex))))
}

/// Writes the odd multiples of each lane's `base` to that lane's window.
#[inline(always)]
fn fill<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    windows: &mut [Window<N>],
    base: Point<L, N>,
    a: &Digits<L, N>,
    one: &Digits<L, N>,
) {
    let twice = chord(fp, &base, &base, Some(a));
    let mut multiple = base;
    for entry in 0..ENTRIES {
        if entry == 1 {
            // B + 2 B has no zero difference, as 2 B is not B.
            multiple = chord(fp, &base, &twice, None);
        } else if entry > 1 {
            multiple = chord(fp, &multiple, &twice, None);
        }
        for coordinate in 0..2 {
            let mut element = [Row::default(); N];
            fp.store(&mut element, fp.canonical(&multiple[coordinate], one));
            for (lane, window) in windows.iter_mut().enumerate() {
                for digit in 0..N {
                    window[coordinate][digit][entry / LANES].0[entry % LANES] =
                        element[digit].0[lane];
                }
            }
        }
    }
}

/// The third point on the line through `p` and `q`, mirrored: `p + q`.
///
/// With `a`, the line is the tangent in `p = q`. The points must not be opposite.
#[inline(always)]
fn chord<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    p: &Point<L, N>,
    q: &Point<L, N>,
    a: Option<&Digits<L, N>>,
) -> Point<L, N> {
    let (rise, run) = match a {
        Some(a) => {
            let square = fp.square(&p[0]);
            let twice = fp.add(&square, &square);
            (fp.add(&fp.add(&twice, &square), a), fp.add(&p[1], &p[1]))
        }
        None => (fp.sub(&q[1], &p[1]), fp.sub(&q[0], &p[0])),
    };
    let slope = fp.mul(&rise, &fp.invert(&run));
    let x = fp.sub_loose(&fp.square(&slope), &p[0], 2);
    let x = fp.weak(fp.sub_loose(&x, &q[0], 2));
    let y = fp.mul(&slope, &fp.sub(&p[0], &x));
    [x, fp.weak(fp.sub_loose(&y, &p[1], 3))]
}

/// `y^2 - x^3 - a x`.
#[inline(always)]
fn coefficient_b<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    a: &Digits<L, N>,
    [x, y]: &Point<L, N>,
) -> Digits<L, N> {
    let cubic = fp.add(&fp.square(x), a);
    let rest = fp.mul(&cubic, x);
    fp.weak(fp.sub_loose(&fp.square(y), &rest, 3))
}
