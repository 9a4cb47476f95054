//! Scalar multiplication of a batch of keys, window by window.
//!
//! A scalar is recoded into odd digits, none of them zero, so that every window of every key is
//! one addition of a table point and the program does not depend on the scalar. The additions
//! are affine, 5 products and a square each: the eight lanes of all groups of the batch share
//! one inversion per step (Montgomery's trick, in [`ABREAST`] chains).
//!
//! One pass over the batch ends the additions of a window and begins those of the next, from the
//! last sum to the first and then back: each sum is read and written once a window, and the new
//! coordinates go from register to register, uncarried. Two groups go abreast, and the lookups of
//! the next window are done beside the products, so that both ports that multiply have work.
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
use super::field::{Aside, Digits, Element, Fp, unrolled};
use super::lanes::{LANES, Lanes, Row, Task};
use super::lookup::{Lookup, lookup};
use super::table::Table;

/// Groups that go abreast, each with an inversion chain of its own, so that products need not wait
/// for each other.
pub(super) const ABREAST: usize = 2;

/// A point, in each lane.
pub(super) type Point<L, const N: usize> = [Digits<L, N>; 2];

/// What the addition in hand needs of one sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum<const N: usize> {
    /// The point that is being added; between additions, the sum itself.
    x: Element<N>,
    y: Element<N>,
    /// Its differences to the sum so far, less multiples of `p`; after [`Multiply`], the coordinates
    /// that leave: canonical, out of Montgomery form.
    pub(super) dx: Element<N>,
    /// As `dx`, for the ordinates.
    pub(super) dy: Element<N>,
    /// Product of the divisors that come before this one in its chain.
    before: Element<N>,
}

impl<const N: usize> Sum<N> {
    const ZERO: Self = {
        let zero = [Row([0; LANES]); N];
        Self { x: zero, y: zero, dx: zero, dy: zero, before: zero }
    };

    fn wipe(&mut self) {
        for part in [&mut self.x, &mut self.y, &mut self.dx, &mut self.dy, &mut self.before] {
            part.as_mut_slice().zeroize();
        }
    }
}

/// The batch: an entry for each strip of each group of eight keys.
#[derive(Debug)]
pub(super) struct Work<const N: usize> {
    /// Recoded scalars, by group; the limbs of each are fewer than the digits of an element.
    pub(super) scalars: Vec<Element<N>>,
    /// The lanes whose point must be negated at the end, by group.
    pub(super) negate: Vec<u8>,
    /// The lanes where an addition met equal abscissas: their points are wrong. By group.
    pub(super) flagged: Vec<u8>,
    /// Those of the first strip of all groups, of the second...
    pub(super) sums: Vec<Sum<N>>,
}

impl<const N: usize> Work<N> {
    /// Room for `groups` groups of eight keys, or one more to make them even.
    pub(super) fn new(groups: usize) -> Self {
        let groups = groups.next_multiple_of(ABREAST);
        Self {
            scalars: vec![[Row::default(); N]; groups],
            negate: vec![0; groups],
            flagged: vec![0; groups],
            sums: vec![Sum::ZERO; groups],
        }
    }

    /// The sums there is room for.
    pub(super) fn room(&self) -> usize {
        self.sums.len()
    }

    /// Zeroes what depends on private keys in the first `groups` groups and `sums` sums.
    ///
    /// What [`Multiply`] left of the groups themselves are public points, but for the divisors.
    pub(super) fn wipe(&mut self, groups: usize, sums: usize) {
        self.scalars[..groups].as_flattened_mut().zeroize();
        self.negate[..groups].zeroize();
        let (left, used_up) = self.sums[..sums].split_at_mut(groups);
        for sum in left {
            sum.before.as_mut_slice().zeroize();
        }
        used_up.iter_mut().for_each(Sum::wipe);
    }
}

impl<const N: usize> Drop for Work<N> {
    fn drop(&mut self) {
        self.wipe(self.negate.len(), self.sums.len());
        self.sums.iter_mut().for_each(Sum::wipe);
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
    /// Groups in use, a multiple of [`ABREAST`].
    pub(super) groups: usize,
    /// Windows of a strip, a divisor of all.
    pub(super) strip: usize,
    /// Whose points.
    pub(super) curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Multiply<'_, C, N> {
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> u8 {
        let Self { work, table, groups, strip, curve } = self;
        work.flagged[..groups].fill(0);
        let mut strips = C::WINDOWS / strip;
        let mut begun = lanes.enter(First::<C, N> { work, table, groups, strip, curve });
        for step in 2..strip {
            begun = lanes.enter(Next::<C, N> { work, table, groups, strip, step, begun, curve });
        }
        lanes.enter(Finish::<C, N> { work, sums: strips * groups, begun, curve });
        while strips > 1 {
            let kept = strips.div_ceil(2);
            merge::<L, C, N>(lanes, work, groups, kept * groups, (strips - kept) * groups);
            strips = kept;
        }
        lanes.enter(Leave::<C, N> { work, table, groups, curve })
    }
}

/// Adds all points of the first `groups` groups together, down to [`ABREAST`] groups.
///
/// Uses up the sums of the batch; what is left leaves through `dx` and `dy`. Flags as
/// [`Multiply`] does.
pub(super) struct Total<'a, C, const N: usize>(pub(super) Multiply<'a, C, N>);

impl<C: Curve<N>, const N: usize> Task for Total<'_, C, N> {
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> u8 {
        let Multiply { work, table, groups, curve, .. } = self.0;
        work.flagged[..groups].fill(0);
        let mut left = groups;
        while left > ABREAST {
            let kept = left.div_ceil(2).next_multiple_of(ABREAST);
            merge::<L, C, N>(lanes, work, left, kept, left - kept);
            left = kept;
        }
        work.negate[..left].fill(0);
        lanes.enter(Leave::<C, N> { work, table, groups: left, curve })
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
    let begun = lanes.enter(Upper::<C, N> { work, groups, from, count, curve: PhantomData });
    lanes.enter(Finish::<C, N> { work, sums: count, begun, curve: PhantomData });
}

/// Additions that were begun: what ends their chains.
struct Begun<const N: usize> {
    /// The product of all divisors of each chain.
    ends: [Element<N>; ABREAST],
    /// Whether the last sum was the first to be begun. They are finished in the other order.
    backward: bool,
}

/// The chains of divisors, or of inverses, in registers.
type Chains<L, const N: usize> = [Digits<L, N>; ABREAST];

/// Starts each strip with the point of its lowest window, and begins to add that of the second.
struct First<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    table: &'a Table<N>,
    groups: usize,
    strip: usize,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for First<'_, C, N> {
    type Output = Begun<N>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Begun<N> {
        let Self { work, table, groups, strip, .. } = self;
        let fp = Fp::<L, C, N>::new(lanes);
        let tables = [table, core::hint::black_box(table)];
        let mut chains = [fp.small(1); ABREAST];
        for number in 0..C::WINDOWS / strip {
            let window = number * strip;
            for group in (0..groups).step_by(ABREAST) {
                let mut sums = lookup(fp, work, tables, window, group);
                for sum in &mut sums {
                    *sum = [fp.negated(&sum[0], 1), fp.negated(&sum[1], 1)];
                }
                let points = lookup(fp, work, tables, window + 1, group);
                begin(fp, work, groups, number * groups + group, &mut chains, &points, &sums);
            }
        }
        begun(fp, &chains, false)
    }
}

/// Ends the additions in hand, and begins those of the points of window `step` of each strip.
struct Next<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    table: &'a Table<N>,
    groups: usize,
    strip: usize,
    step: usize,
    begun: Begun<N>,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Next<'_, C, N> {
    type Output = Begun<N>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Begun<N> {
        let Self { work, table, groups, strip, step, begun: last, .. } = self;
        let fp = Fp::<L, C, N>::new(lanes);
        let backward = !last.backward;
        let mut inverses = invert_ends(fp, &last);
        let tables = [table, core::hint::black_box(table)];
        let mut chains = [fp.small(1); ABREAST];
        for number in numbers(C::WINDOWS / strip, backward) {
            let window = number * strip + step;
            for team in numbers(groups / ABREAST, backward) {
                let group = team * ABREAST;
                let first = number * groups + group;
                let mut lookup = Lookup::new(lanes, work, tables, window, group);
                let sums = finish(fp, work, first, &mut inverses, &mut lookup);
                let points = lookup.points(fp);
                begin(fp, work, groups, first, &mut chains, &points, &sums);
            }
        }
        begun(fp, &chains, backward)
    }
}

/// Ends the additions in hand, those to the first `sums` sums.
struct Finish<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    sums: usize,
    begun: Begun<N>,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Finish<'_, C, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { work, sums, begun, .. } = self;
        let fp = Fp::<L, C, N>::new(lanes);
        let mut inverses = invert_ends(fp, &begun);
        for team in numbers(sums / ABREAST, !begun.backward) {
            let first = team * ABREAST;
            let negated = finish(fp, work, first, &mut inverses, &mut ());
            unrolled!(ABREAST, k, {
                let sum = &mut work.sums[first + k];
                fp.store(&mut sum.x, fp.weak(fp.negated(&negated[k][0], 2)));
                fp.store(&mut sum.y, fp.weak(fp.negated(&negated[k][1], 5)));
            });
        }
    }
}

/// Begins to add `count` sums, `from` places up, to the first ones.
struct Upper<'a, C, const N: usize> {
    work: &'a mut Work<N>,
    groups: usize,
    from: usize,
    count: usize,
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Task for Upper<'_, C, N> {
    type Output = Begun<N>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Begun<N> {
        let Self { work, groups, from, count, .. } = self;
        let fp = Fp::<L, C, N>::new(lanes);
        let mut chains = [fp.small(1); ABREAST];
        for first in (0..count).step_by(ABREAST) {
            let mut sums = [[fp.small(0); 2]; ABREAST];
            let mut points = sums;
            unrolled!(ABREAST, k, {
                let (sum, point) = (&work.sums[first + k], &work.sums[from + first + k]);
                sums[k] = [fp.negated(&fp.load(&sum.x), 3), fp.negated(&fp.load(&sum.y), 3)];
                points[k] = [fp.load(&point.x), fp.load(&point.y)];
            });
            begin(fp, work, groups, first, &mut chains, &points, &sums);
        }
        begun(fp, &chains, false)
    }
}

/// The numbers below `count`, up or down.
#[inline(always)]
fn numbers(count: usize, backward: bool) -> impl Iterator<Item = usize> {
    (0..count).map(move |i| if backward { count - 1 - i } else { i })
}

/// Begins to add `points` to the sums from `first` on, which are given negated.
///
/// Puts the differences of the abscissas at the end of the chains.
#[inline(always)]
fn begin<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &mut Work<N>,
    groups: usize,
    first: usize,
    chains: &mut Chains<L, N>,
    points: &[Point<L, N>; ABREAST],
    negated: &[Point<L, N>; ABREAST],
) {
    let mut divisors = *chains;
    unrolled!(ABREAST, k, {
        let mut dx = fp.carry(fp.add_loose(&points[k][0], &negated[k][0]));
        let zero = fp.maybe_zero(&dx);
        if zero != 0 {
            work.flagged[(first + k) % groups] |= zero;
            dx = fp.select(zero, &dx, &fp.small(1));
        }
        divisors[k] = dx;
        let sum = &mut work.sums[first + k];
        fp.store(&mut sum.dx, dx);
        fp.store(&mut sum.dy, fp.factor(fp.add_loose(&points[k][1], &negated[k][1])));
        fp.store(&mut sum.x, points[k][0]);
        fp.store(&mut sum.y, points[k][1]);
        fp.store(&mut sum.before, chains[k]);
    });
    *chains = fp.factors(fp.products(chains, &divisors));
}

/// What is left of chains when all their additions are begun.
#[inline(always)]
fn begun<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    chains: &Chains<L, N>,
    backward: bool,
) -> Begun<N> {
    let mut ends = [[Row::default(); N]; ABREAST];
    unrolled!(ABREAST, k, {
        fp.store(&mut ends[k], chains[k]);
    });
    Begun { ends, backward }
}

/// The inverses of the ends of the chains, by one inversion.
#[inline(always)]
fn invert_ends<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    begun: &Begun<N>,
) -> Chains<L, N> {
    let ends = [fp.load(&begun.ends[0]), fp.load(&begun.ends[1])];
    let inverse = fp.invert(&fp.mul(&ends[0], &ends[1]));
    [fp.mul(&inverse, &ends[1]), fp.mul(&inverse, &ends[0])]
}

/// The inverses of the divisors of a team, asked for in the order from the ends of the chains.
#[inline(always)]
fn next_inverses<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &Work<N>,
    first: usize,
    chains: &mut Chains<L, N>,
    aside: &mut impl Aside<L>,
) -> Chains<L, N> {
    let (mut befores, mut divisors) = (*chains, *chains);
    unrolled!(ABREAST, k, {
        befores[k] = fp.load(&work.sums[first + k].before);
        divisors[k] = fp.load(&work.sums[first + k].dx);
    });
    let inverses = fp.factors(fp.products_beside(chains, &befores, aside, 0));
    *chains = fp.factors(fp.products_beside(chains, &divisors, aside, N));
    inverses
}

/// Ends the additions to a team of sums, and leaves these negated: `(x, y)` as `p - x` up to
/// `2 p - x`, and `2 p - y` up to `4 p - y`, uncarried.
///
/// With the point `(x2, y2)` that was added and the slope `s`, `x3 = s^2 - 2 x2 + dx` and
/// `y3 = s (x2 - x3) - y2`: the line leads through that point as well as through the old sum.
#[inline(always)]
fn finish<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &Work<N>,
    first: usize,
    chains: &mut Chains<L, N>,
    aside: &mut impl Aside<L>,
) -> [Point<L, N>; ABREAST] {
    let lanes = fp.lanes;
    let inverses = next_inverses(fp, work, first, chains, aside);
    let mut slopes = inverses;
    unrolled!(ABREAST, k, {
        slopes[k] = fp.load(&work.sums[first + k].dy);
    });
    let slopes = fp.factors(fp.products_beside(&slopes, &inverses, aside, 2 * N));
    let squares = fp.squares(&slopes);
    let (mut minus_x, mut rises) = (squares, squares);
    unrolled!(ABREAST, k, {
        let sum = &work.sums[first + k];
        let (x, dx) = (fp.load(&sum.x), fp.load(&sum.dx));
        for i in 0..N {
            let taken = lanes.add(dx[i], squares[k][i]);
            let twice = lanes.add(lanes.add(x[i], x[i]), fp.prime(6, i));
            minus_x[k][i] = lanes.sub(twice, taken);
        }
        minus_x[k] = fp.fold(minus_x[k]);
        rises[k] = fp.factor(fp.add_loose(&x, &minus_x[k]));
    });
    let rises = fp.products_beside(&slopes, &rises, aside, 3 * N);
    let mut sums = [[minus_x[0]; 2]; ABREAST];
    unrolled!(ABREAST, k, {
        let minus_y = fp.sub_loose(&fp.load(&work.sums[first + k].y), &rises[k], 2);
        sums[k] = [minus_x[k], minus_y];
    });
    sums
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
            let sum = &mut work.sums[group];
            wrong |= leave(fp, sum, table, work.negate[group]) & !work.flagged[group];
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
    sum: &mut Sum<N>,
    table: &Table<N>,
    negate: u8,
) -> u8 {
    // A sum is reduced but for what its lower digits may owe.
    let x = fp.carry(fp.add_prime(&fp.load(&sum.x)));
    let y = fp.load(&sum.y);
    let y = fp.carry(fp.select(negate, &fp.add_prime(&y), &fp.negated(&y, 2)));
    fp.store(&mut sum.x, x);
    fp.store(&mut sum.y, y);
    if !C::EDWARDS {
        fp.store(&mut sum.dx, fp.decode(&x));
        fp.store(&mut sum.dy, fp.decode(&y));
    }
    let cubic = fp.carry(fp.add_loose(&fp.square(&x), &fp.load(&table.a)));
    let right = fp.add_loose(&fp.mul_loose(&cubic, &x), &fp.load(&table.b));
    let gap = fp.carry(fp.sub_loose(&fp.square_loose(&y), &right, 3));
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
    let mut chains = [fp.small(1); ABREAST];
    for first in (0..groups).step_by(ABREAST) {
        let mut divisors = chains;
        unrolled!(ABREAST, k, {
            let sum = &mut work.sums[first + k];
            let u = fp.weak(fp.sub_loose(&fp.load(&sum.x), &shift, 1));
            divisors[k] = fp.mul(&fp.add(&u, &one), &fp.load(&sum.y));
            fp.store(&mut sum.dy, u);
            fp.store(&mut sum.dx, divisors[k]);
            fp.store(&mut sum.before, chains[k]);
        });
        chains = fp.factors(fp.products(&chains, &divisors));
    }
    let mut chains = invert_ends(fp, &begun(fp, &chains, false));
    for team in numbers(groups / ABREAST, true) {
        let inverses = next_inverses(fp, work, team * ABREAST, &mut chains, &mut ());
        unrolled!(ABREAST, k, {
            let sum = &mut work.sums[team * ABREAST + k];
            let (u, v) = (fp.load(&sum.dy), fp.load(&sum.y));
            let over_v = fp.mul(&inverses[k], &fp.add(&u, &one));
            let x = fp.mul(&fp.mul(&over_v, &u), &root);
            let y = fp.mul(&fp.mul(&inverses[k], &v), &fp.sub(&u, &one));
            fp.store(&mut sum.dx, fp.decode(&x));
            fp.store(&mut sum.dy, fp.decode(&y));
        });
    }
}
