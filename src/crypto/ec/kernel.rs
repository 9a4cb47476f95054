//! Scalar multiplication of a batch of keys, window by window.
//!
//! A scalar is recoded into odd digits, none of them zero, so that every window of every key is
//! one addition of a table point and the program does not depend on the scalar. The additions
//! are affine, 5 products and a square each: the eight lanes of all groups of the batch share
//! one inversion per step (Montgomery's trick, in [`CHAINS`] interleaved chains). Tables are
//! read whole, with the entry picked in registers; the sign is a masked subtraction.
//!
//! An inversion costs as much as some hundred additions. A large batch steps through the windows
//! one by one; a small one is cut into *strips* of windows, which advance together as if each
//! were a group of other keys, and are added up pairwise at the end: five inversions in place of
//! 31 for a few keys of a 256-bit curve. See `ec.md`.
//!
//! The affine formula fails where the two abscissas are equal. Sums of lower windows are smaller
//! than the points of higher ones and not zero, so this takes a sum that wraps around the group
//! order: a uniform scalar does it with probability below 2^-100. Such a lane is
//! flagged, its difference replaced by one (else it would zero its whole chain), and the key is
//! computed anew by a complete formula. The branch on the flag is therefore never taken for a
//! random scalar, and its time tells nothing.

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

/// The batch: an entry for each strip of each group of eight keys.
#[derive(Debug)]
pub(super) struct Work<const N: usize> {
    /// Recoded scalars, by group.
    pub(super) scalars: Vec<[Row; LIMBS_MAX]>,
    /// The lanes whose point must be negated at the end, by group.
    pub(super) negate: Vec<u8>,
    /// The lanes where an addition met equal abscissas: their points are wrong. By group.
    pub(super) flagged: Vec<u8>,
    /// Sums so far, in Montgomery form: those of the first strip of all groups, of the second...
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

    /// The sums there is room for.
    pub(super) fn room(&self) -> usize {
        self.x.len()
    }

    /// Zeroes what depends on private keys in the first `groups` groups and `sums` sums.
    pub(super) fn wipe(&mut self, groups: usize, sums: usize) {
        self.scalars[..groups].as_flattened_mut().zeroize();
        for part in [&mut self.x, &mut self.y, &mut self.dx, &mut self.dy, &mut self.prefix] {
            part[..sums].as_flattened_mut().zeroize();
        }
        self.negate[..groups].zeroize();
    }
}

impl<const N: usize> Drop for Work<N> {
    fn drop(&mut self) {
        self.wipe(self.room(), self.room());
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
    /// Groups in use.
    pub(super) groups: usize,
    /// Windows of a strip.
    pub(super) strip: usize,
    /// Whose points.
    pub(super) curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Multiply<'_, C, N> {
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> u8 {
        let Self { work, table, groups, strip, .. } = self;
        work.flagged[..groups].fill(0);
        lanes.enter(First::<C, N> { work, table, groups, strip, curve: PhantomData });
        for step in 1..strip {
            // The last strip may be shorter.
            let strips = (C::WINDOWS - step).div_ceil(strip);
            lanes.enter(Next::<C, N> {
                work,
                table,
                groups,
                strip,
                step,
                strips,
                curve: PhantomData,
            });
            lanes.enter(Finish::<C, N> { work, sums: strips * groups, curve: PhantomData });
        }
        let mut strips = C::WINDOWS.div_ceil(strip);
        while strips > 1 {
            let kept = strips.div_ceil(2);
            merge::<L, C, N>(lanes, work, groups, kept * groups, (strips - kept) * groups);
            strips = kept;
        }
        lanes.enter(Leave::<C, N> { work, table, groups, curve: PhantomData })
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
        let Multiply { work, table, groups, .. } = self.0;
        work.flagged[..groups].fill(0);
        let mut left = groups;
        while left > CHAINS {
            let kept = left.div_ceil(2).max(CHAINS);
            merge::<L, C, N>(lanes, work, left, kept, left - kept);
            left = kept;
        }
        work.negate[..left].fill(0);
        lanes.enter(Leave::<C, N> { work, table, groups: left, curve: PhantomData })
    }
}

/// Adds the `count` sums that follow the first `from` to the first ones.
#[inline(always)]
fn merge<L: Lanes, C: Curve<N>, const N: usize>(
    lanes: L,
    work: &mut Work<N>,
    groups: usize,
    from: usize,
    count: usize,
) {
    lanes.enter(Upper::<C, N> { work, groups, from, count, curve: PhantomData });
    lanes.enter(Finish::<C, N> { work, sums: count, curve: PhantomData });
}

/// Starts each strip with the point of its lowest window.
struct First<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    table: &'a Table<N>,
    groups: usize,
    strip: usize,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for First<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { work, table, groups, strip, .. } = self;
        let fp = Fp::<L, C, N>::new(lanes);
        let mut sum = 0;
        for (index, window) in table.windows.iter().enumerate().step_by(strip) {
            for group in 0..groups {
                let byte = digit(lanes, &work.scalars[group], index);
                let (x, y) = lookup(fp, window, byte);
                fp.store(&mut work.x[sum], x);
                fp.store(&mut work.y[sum], fp.carry(y));
                sum += 1;
            }
        }
    }
}

/// Begins the addition of the points of window `step` of the first `strips` strips.
struct Next<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    table: &'a Table<N>,
    groups: usize,
    strip: usize,
    step: usize,
    strips: usize,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Next<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { work, table, groups, strip, step, strips, .. } = self;
        let fp = Fp::<L, C, N>::new(lanes);
        for number in 0..strips {
            let index = number * strip + step;
            for group in 0..groups {
                let byte = digit(lanes, &work.scalars[group], index);
                let (x, y) = lookup(fp, &table.windows[index], byte);
                begin_addition(fp, work, groups, number * groups + group, &x, &y);
            }
        }
    }
}

/// Begins the addition of `count` sums, `from` places up.
struct Upper<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    groups: usize,
    from: usize,
    count: usize,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Upper<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { work, groups, from, count, .. } = self;
        let fp = Fp::<L, C, N>::new(lanes);
        for sum in 0..count {
            let (x, y) = (fp.load(&work.x[from + sum]), fp.load(&work.y[from + sum]));
            begin_addition(fp, work, groups, sum, &x, &y);
        }
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
            let mut picked = [index; ENTRY_ROWS / 2];
            for pair in 0..ENTRY_ROWS / 2 {
                let (low, high) = (lanes.load(&rows[2 * pair]), lanes.load(&rows[2 * pair + 1]));
                picked[pair] = lanes.pick16(here[pair], index, low, high);
            }
            let mut value = picked[0];
            for pair in (1..ENTRY_ROWS / 2 - 1).step_by(2) {
                value = lanes.or3(value, picked[pair], picked[pair + 1]);
            }
            point[coordinate][digit] = lanes.or(value, picked[ENTRY_ROWS / 2 - 1]);
        }
    }
    let [x, mut y] = point;
    for i in 0..N {
        y[i] = lanes.select(negative, y[i], lanes.sub(fp.prime(1, i), y[i]));
    }
    (x, y)
}

/// Differences of the point `x`, `y` and a sum, and the product of all `dx` of the chain.
#[inline(always)]
fn begin_addition<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    groups: usize,
    sum: usize,
    x: &Digits<L, N>,
    y: &Digits<L, N>,
) {
    let mut dx = fp.sub(x, &fp.load(&work.x[sum]));
    let zero = fp.maybe_zero(&dx);
    if zero != 0 {
        work.flagged[sum % groups] |= zero;
        dx = fp.select(zero, &dx, &fp.small(1));
    }
    let dy = fp.sub(y, &fp.load(&work.y[sum]));
    fp.store(&mut work.dy[sum], dy);
    chain(fp, work, sum, &dx);
}

/// Puts a divisor at the end of its chain.
#[inline(always)]
fn chain<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    sum: usize,
    divisor: &Digits<L, N>,
) {
    fp.store(&mut work.dx[sum], *divisor);
    let mut product = *divisor;
    if sum >= CHAINS {
        product = fp.mul(&fp.load(&work.prefix[sum - CHAINS]), divisor);
    }
    fp.store(&mut work.prefix[sum], product);
}

/// Ends the first `sums` additions that were begun.
struct Finish<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    sums: usize,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Finish<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let fp = Fp::<L, C, N>::new(lanes);
        let Self { work, sums, .. } = self;
        let mut ends = invert_ends(fp, work, sums);
        for sum in (0..sums).rev() {
            let inverse = next_inverse(fp, work, &mut ends, sum);
            finish_addition(fp, work, sum, &inverse);
        }
    }
}

/// The inverse of the divisor of `sum`. Asked for from the last sum to the first.
#[inline(always)]
fn next_inverse<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &Work<N>,
    ends: &mut [Element<N>; CHAINS],
    sum: usize,
) -> Digits<L, N> {
    let end = &mut ends[sum % CHAINS];
    let inverse = fp.load(end);
    if sum < CHAINS {
        return inverse;
    }
    fp.store(end, fp.mul(&inverse, &fp.load(&work.dx[sum])));
    fp.mul(&inverse, &fp.load(&work.prefix[sum - CHAINS]))
}

/// The inverses of the ends of the chains, by one inversion.
#[inline(always)]
fn invert_ends<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &Work<N>,
    count: usize,
) -> [Element<N>; CHAINS] {
    let ends = &work.prefix[count.saturating_sub(CHAINS)..count];
    let mut products = [[Row::default(); N]; CHAINS];
    let mut product = fp.load(&ends[0]);
    for (i, end) in ends.iter().enumerate().skip(1) {
        fp.store(&mut products[i - 1], product);
        product = fp.mul(&product, &fp.load(end));
    }
    let mut rest = fp.invert(&product);
    let mut inverses = [[Row::default(); N]; CHAINS];
    for (i, end) in ends.iter().enumerate().skip(1).rev() {
        let inverse = fp.mul(&rest, &fp.load(&products[i - 1]));
        fp.store(&mut inverses[(count - ends.len() + i) % CHAINS], inverse);
        rest = fp.mul(&rest, &fp.load(end));
    }
    fp.store(&mut inverses[(count - ends.len()) % CHAINS], rest);
    inverses
}

/// The sum, from the differences and the inverse of `dx`.
#[inline(always)]
fn finish_addition<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    sum: usize,
    inverse: &Digits<L, N>,
) {
    let lanes = fp.lanes;
    let slope = fp.mul(&fp.load(&work.dy[sum]), inverse);
    let mut sum_x = fp.square_loose(&slope);
    let (x, dx) = (fp.load(&work.x[sum]), fp.load(&work.dx[sum]));
    // dx + 2 x = x2 + x + W p, which is below 3 W p.
    for i in 0..N {
        let taken = lanes.add(dx[i], lanes.add(x[i], x[i]));
        sum_x[i] = lanes.add(lanes.sub(sum_x[i], taken), fp.prime(3 * C::WEAK, i));
    }
    let sum_x = fp.weak(sum_x);
    let rise = fp.mul_loose(&slope, &fp.sub(&x, &sum_x));
    let sum_y = fp.weak(fp.sub_loose(&rise, &fp.load(&work.y[sum]), C::WEAK + 1));
    fp.store(&mut work.x[sum], sum_x);
    fp.store(&mut work.y[sum], sum_y);
}

/// Ends groups: sign, on-curve test, and the coordinates out of Montgomery form.
struct Leave<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    table: &'a Table<N>,
    groups: usize,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Leave<'_, C, N> {
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> u8 {
        let Self { work, table, groups, .. } = self;
        let fp = Fp::<L, C, N>::new(lanes);
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

/// Ends one group; leaves the lanes that are not on the curve.
#[inline(always)]
fn leave<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    table: &Table<N>,
    group: usize,
) -> u8 {
    let (x, y) = (fp.load(&work.x[group]), fp.load(&work.y[group]));
    let minus_y = fp.weak(fp.sub_loose(&fp.small(0), &y, C::WEAK + 1));
    let y = fp.select(work.negate[group], &y, &minus_y);
    fp.store(&mut work.y[group], y);
    let cubic = fp.add(&fp.square(&x), &fp.load(&table.a));
    let right = fp.add(&fp.mul(&cubic, &x), &fp.load(&table.b));
    let gap = fp.weak(fp.sub_loose(&fp.square(&y), &right, C::WEAK + 1));
    if !C::EDWARDS {
        fp.store(&mut work.dx[group], fp.decode(&x));
        fp.store(&mut work.dy[group], fp.decode(&y));
    }
    !fp.is_zero(&fp.decode(&gap))
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
    for group in 0..groups {
        let u = fp.weak(fp.sub_loose(&fp.load(&work.x[group]), &shift, C::WEAK + 1));
        let divisor = fp.mul(&fp.add(&u, &one), &fp.load(&work.y[group]));
        fp.store(&mut work.dy[group], u);
        chain(fp, work, group, &divisor);
    }
    let mut ends = invert_ends(fp, work, groups);
    for group in (0..groups).rev() {
        let inverse = next_inverse(fp, work, &mut ends, group);
        let (u, v) = (fp.load(&work.dy[group]), fp.load(&work.y[group]));
        let over_v = fp.mul(&inverse, &fp.add(&u, &one));
        let x = fp.mul(&fp.mul(&over_v, &u), &root);
        let y = fp.mul(&fp.mul(&inverse, &v), &fp.sub(&u, &one));
        fp.store(&mut work.dx[group], fp.decode(&x));
        fp.store(&mut work.dy[group], fp.decode(&y));
    }
}
