//! Scalar multiplication of a batch of keys, window by window.
//!
//! A scalar is recoded into odd digits, none of them zero, so that every window of every key is
//! one addition of a table point and the program does not depend on the scalar. The additions
//! are affine, 5 products and a square each: the eight lanes of all groups of the batch share
//! one inversion per window (Montgomery's trick, in [`CHAINS`] interleaved chains). Tables are
//! read whole, with the entry picked in registers; the sign is a masked subtraction.
//!
//! The affine formula fails where the two abscissas are equal. Partial sums are smaller than the
//! next window's points and not zero, so this takes a sum that wraps around the group order in
//! the top window: of all scalars fewer than 2^10 do, so a uniform one does with probability
//! below 2^-240. Such a lane is flagged, its difference replaced by one (else it would zero its
//! whole chain), and the key is computed anew by a complete formula. The branch on the flag
//! is therefore never taken for a random scalar, and its time tells nothing.

use core::marker::PhantomData;

use zeroize::Zeroize;

use super::curve::Curve;
use super::field::{Digits, Element, Fp};
use super::lanes::{Lanes, Row, Task};
use super::table::{ENTRY_ROWS, Table, Window};

/// Chains of the shared inversion, so that products need not wait for each other.
pub(super) const CHAINS: usize = 4;

/// Limbs of a recoded scalar of the widest curve.
pub(super) use super::curve::LIMBS_MAX;

/// The batch: one entry per group of eight keys, in multiples of [`CHAINS`].
#[derive(Debug)]
pub(super) struct Work<const N: usize> {
    /// Recoded scalars.
    pub(super) scalars: Vec<[Row; LIMBS_MAX]>,
    /// The lanes whose point must be negated at the end.
    pub(super) negate: Vec<u8>,
    /// The lanes where an addition met equal abscissas: their points are wrong.
    pub(super) flagged: Vec<u8>,
    /// Sums so far, in Montgomery form.
    x: Vec<Element<N>>,
    y: Vec<Element<N>>,
    /// Differences; after [`Multiply`], the coordinates that leave: canonical, out of
    /// Montgomery form.
    pub(super) dx: Vec<Element<N>>,
    /// As `dx`, for the ordinates.
    pub(super) dy: Vec<Element<N>>,
    prefix: Vec<Element<N>>,
}

impl<const N: usize> Work<N> {
    /// Room for `groups` groups of eight keys.
    pub(super) fn new(groups: usize) -> Self {
        let elements = || vec![[Row::default(); N]; groups];
        Self {
            scalars: vec![[Row::default(); LIMBS_MAX]; groups],
            negate: vec![0; groups],
            flagged: vec![0; groups],
            x: elements(),
            y: elements(),
            dx: elements(),
            dy: elements(),
            prefix: elements(),
        }
    }

    /// Zeroes what depends on private keys in the first `groups` groups.
    pub(super) fn wipe(&mut self, groups: usize) {
        self.scalars[..groups].as_flattened_mut().zeroize();
        for part in [&mut self.x, &mut self.y, &mut self.dx, &mut self.dy, &mut self.prefix] {
            part[..groups].as_flattened_mut().zeroize();
        }
        self.negate[..groups].zeroize();
    }
}

impl<const N: usize> Drop for Work<N> {
    fn drop(&mut self) {
        self.wipe(self.x.len());
    }
}

/// The points of the first `groups` groups, from their scalars.
///
/// Leaves the lanes (over all groups) whose point is not on the curve; zero is right.
pub(super) struct Multiply<'a, C, const N: usize> {
    /// The batch.
    pub(super) work: &'a mut Work<N>,
    /// The table of `C`.
    pub(super) table: &'a Table<N>,
    /// Groups in use, a multiple of [`CHAINS`].
    pub(super) groups: usize,
    /// Whose points.
    pub(super) curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Multiply<'_, C, N> {
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> u8 {
        let fp = Fp::<L, C, N>::new(lanes);
        let Self { work, table, groups, .. } = self;
        work.flagged[..groups].fill(0);
        for group in 0..groups {
            let (x, y) = lookup(fp, &table.windows[0], digit(lanes, &work.scalars[group], 0));
            fp.store(&mut work.x[group], x);
            fp.store(&mut work.y[group], fp.carry(y));
        }
        for index in 1..C::WINDOWS {
            let window = &table.windows[index];
            let operand = |work: &Work<N>, group: usize| {
                lookup(fp, window, digit(lanes, &work.scalars[group], index))
            };
            add_all(fp, work, groups, operand);
        }
        let mut wrong = 0;
        for group in 0..groups {
            wrong |= leave(fp, work, table, group) & !work.flagged[group];
        }
        if C::EDWARDS {
            leave_as_edwards(fp, work, table, groups);
        }
        wrong
    }
}

/// Adds all points of the first `groups` groups together, down to [`CHAINS`] groups.
///
/// Uses up the sums of the batch; what is left leaves through `dx` and `dy`. Flags as
/// [`Multiply`] does.
pub(super) struct Sum<'a, C, const N: usize>(pub(super) Multiply<'a, C, N>);

impl<C: Curve<N>, const N: usize> Task for Sum<'_, C, N> {
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> u8 {
        let fp = Fp::<L, C, N>::new(lanes);
        let Multiply { work, table, mut groups, .. } = self.0;
        work.flagged[..groups].fill(0);
        while groups > CHAINS {
            let half = groups / 2 / CHAINS * CHAINS;
            let half = if half == 0 { CHAINS } else { half };
            let from = groups - half;
            let operand = |work: &Work<N>, group: usize| {
                (fp.load(&work.x[from + group]), fp.load(&work.y[from + group]))
            };
            add_all(fp, work, half, operand);
            groups = from;
        }
        let mut wrong = 0;
        work.negate[..groups].fill(0);
        for group in 0..groups {
            wrong |= leave(fp, work, table, group);
        }
        if C::EDWARDS {
            leave_as_edwards(fp, work, table, groups);
        }
        wrong
    }
}

/// The byte of a recoded scalar that belongs to a window.
#[inline(always)]
fn digit<L: Lanes>(lanes: L, scalar: &[Row; LIMBS_MAX], window: usize) -> L::V {
    let limb = lanes.load(&scalar[window / 8]);
    lanes.and(lanes.shr(limb, window % 8 * 8), lanes.splat(0xff))
}

/// The table point for the byte `u`: `(2 u - 255) 2^(8 i) G`.
///
/// From 128 on the multiple is positive, and the low seven bits are the entry; below, it is the
/// negative of the entry that the complement names. A negated ordinate is `p - y`, uncarried.
#[inline(always)]
fn lookup<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    window: &Window<N>,
    byte: L::V,
) -> (Digits<L, N>, Digits<L, N>) {
    let lanes = fp.lanes;
    let high = lanes.and(byte, lanes.splat(0x80));
    let negative = lanes.eq(high, lanes.splat(0));
    let index = lanes.select(negative, byte, lanes.xor(byte, lanes.splat(0xff)));
    let index = lanes.and(index, lanes.splat(0x7f));
    let block = lanes.shr(index, 4);
    let mut here = [0_u8; ENTRY_ROWS / 2];
    for (number, mask) in (0..).zip(&mut here) {
        *mask = lanes.eq(block, lanes.splat(number));
    }
    let mut point = [[lanes.splat(0); N]; 2];
    for coordinate in 0..2 {
        for digit in 0..N {
            let rows = &window[coordinate][digit];
            let mut value = lanes.pick16(index, lanes.load(&rows[0]), lanes.load(&rows[1]));
            for pair in 1..ENTRY_ROWS / 2 {
                let low = lanes.load(&rows[2 * pair]);
                let high = lanes.load(&rows[2 * pair + 1]);
                value = lanes.select(here[pair], value, lanes.pick16(index, low, high));
            }
            point[coordinate][digit] = value;
        }
    }
    let [x, mut y] = point;
    for i in 0..N {
        y[i] = lanes.select(negative, y[i], lanes.sub(fp.prime(1, i), y[i]));
    }
    (x, y)
}

/// `sum += operand` in the first `groups` groups.
#[inline(always)]
fn add_all<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    groups: usize,
    operand: impl Fn(&Work<N>, usize) -> (Digits<L, N>, Digits<L, N>),
) {
    let mut chain = [fp.small(1); CHAINS];
    for first in (0..groups).step_by(CHAINS) {
        for (i, product) in chain.iter_mut().enumerate() {
            let group = first + i;
            let (x, y) = operand(work, group);
            let dy = fp.sub(&y, &fp.load(&work.y[group]));
            fp.store(&mut work.dy[group], dy);
            let dx = difference(fp, work, group, &x);
            *product = if first == 0 { dx } else { fp.mul(product, &dx) };
            fp.store(&mut work.prefix[group], *product);
        }
    }
    let mut chain = invert_chains(fp, &chain);
    for first in (0..groups).step_by(CHAINS).rev() {
        for (i, rest) in chain.iter_mut().enumerate() {
            let group = first + i;
            let mut inverse = *rest;
            if first > 0 {
                inverse = fp.mul(rest, &fp.load(&work.prefix[group - CHAINS]));
                *rest = fp.mul(rest, &fp.load(&work.dx[group]));
            }
            finish_addition(fp, work, group, &inverse);
        }
    }
}

/// `x - sum`, or one, with the lane flagged, where that is zero.
///
/// The difference plus `2 p` is compared in its low digit only: besides the true zeros it flags
/// one of `2^51` others, and a key flagged needlessly is only computed twice.
#[inline(always)]
fn difference<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    group: usize,
    x: &Digits<L, N>,
) -> Digits<L, N> {
    let lanes = fp.lanes;
    let mut dx = fp.sub(x, &fp.load(&work.x[group]));
    let low = super::lanes::DIGIT_MASK & C::P[0].cast_unsigned();
    let low_twice = super::lanes::DIGIT_MASK & (2 * C::P[0]).cast_unsigned();
    let zero = lanes.eq(dx[0], lanes.splat(low)) | lanes.eq(dx[0], lanes.splat(low_twice));
    if zero != 0 {
        work.flagged[group] |= zero;
        dx = fp.select(zero, &dx, &fp.small(1));
    }
    fp.store(&mut work.dx[group], dx);
    dx
}

/// The inverses of the chains, by one inversion.
#[inline(always)]
fn invert_chains<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    chain: &[Digits<L, N>; CHAINS],
) -> [Digits<L, N>; CHAINS] {
    let mut prefix = *chain;
    for i in 1..CHAINS {
        prefix[i] = fp.mul(&prefix[i - 1], &chain[i]);
    }
    let mut rest = fp.invert(&prefix[CHAINS - 1]);
    for i in (1..CHAINS).rev() {
        prefix[i] = fp.mul(&rest, &prefix[i - 1]);
        rest = fp.mul(&rest, &chain[i]);
    }
    prefix[0] = rest;
    prefix
}

/// The sum, from the differences and the inverse of `dx`.
#[inline(always)]
fn finish_addition<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    group: usize,
    inverse: &Digits<L, N>,
) {
    let lanes = fp.lanes;
    let (x, dx) = (fp.load(&work.x[group]), fp.load(&work.dx[group]));
    let slope = fp.mul(&fp.load(&work.dy[group]), inverse);
    // x2 = dx + x - 2 p, so slope^2 - x - x2 = slope^2 - dx - 2 x; 5 p keep it above p.
    let mut sum_x = fp.square_loose(&slope);
    for i in 0..N {
        let taken = lanes.add(dx[i], lanes.add(x[i], x[i]));
        sum_x[i] = lanes.add(lanes.sub(sum_x[i], taken), fp.prime(5, i));
    }
    let sum_x = fp.weak(sum_x);
    let rise = fp.mul_loose(&slope, &fp.sub(&x, &sum_x));
    let sum_y = fp.weak(fp.sub_loose(&rise, &fp.load(&work.y[group]), 3));
    fp.store(&mut work.x[group], sum_x);
    fp.store(&mut work.y[group], sum_y);
}

/// Ends a group: sign, on-curve test, and the coordinates out of Montgomery form.
#[inline(always)]
fn leave<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    table: &Table<N>,
    group: usize,
) -> u8 {
    let (x, y) = (fp.load(&work.x[group]), fp.load(&work.y[group]));
    let minus_y = fp.weak(fp.sub_loose(&fp.small(0), &y, 3));
    let y = fp.select(work.negate[group], &y, &minus_y);
    fp.store(&mut work.y[group], y);
    let cubic = fp.add(&fp.square(&x), &fp.load(&table.a));
    let right = fp.add(&fp.mul(&cubic, &x), &fp.load(&table.b));
    let gap = fp.weak(fp.sub_loose(&fp.square(&y), &right, 3));
    fp.store(&mut work.dx[group], fp.decode(&x));
    fp.store(&mut work.dy[group], fp.decode(&y));
    !fp.is_zero(&fp.canonical(&gap))
}

/// Turns what leaves into Edwards coordinates, one inversion for all.
///
/// With `u = x - A/3` and `v = y`: `(sqrt(-486664) u / v, (u - 1) / (u + 1))`. The divisor
/// `v (u + 1)` is zero for the points of order one and two only.
#[inline(always)]
fn leave_as_edwards<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    table: &Table<N>,
    groups: usize,
) {
    let shift = fp.load(&table.edwards.shift);
    let (one, root) = (fp.load(&table.edwards.one), fp.load(&table.edwards.root));
    let mut chain = [fp.small(1); CHAINS];
    for first in (0..groups).step_by(CHAINS) {
        for (i, product) in chain.iter_mut().enumerate() {
            let group = first + i;
            let u = fp.weak(fp.sub_loose(&fp.load(&work.x[group]), &shift, 3));
            let divisor = fp.mul(&fp.add(&u, &one), &fp.load(&work.y[group]));
            fp.store(&mut work.dx[group], divisor);
            fp.store(&mut work.dy[group], u);
            *product = if first == 0 { divisor } else { fp.mul(product, &divisor) };
            fp.store(&mut work.prefix[group], *product);
        }
    }
    let mut chain = invert_chains(fp, &chain);
    for first in (0..groups).step_by(CHAINS).rev() {
        for (i, rest) in chain.iter_mut().enumerate() {
            let group = first + i;
            let mut inverse = *rest;
            if first > 0 {
                inverse = fp.mul(rest, &fp.load(&work.prefix[group - CHAINS]));
                *rest = fp.mul(rest, &fp.load(&work.dx[group]));
            }
            let (u, v) = (fp.load(&work.dy[group]), fp.load(&work.y[group]));
            let over_v = fp.mul(&inverse, &fp.add(&u, &one));
            let x = fp.mul(&fp.mul(&over_v, &u), &root);
            let y = fp.mul(&fp.mul(&inverse, &v), &fp.sub(&u, &one));
            fp.store(&mut work.dx[group], fp.decode(&x));
            fp.store(&mut work.dy[group], fp.decode(&y));
        }
    }
}
