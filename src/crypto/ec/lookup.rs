//! Table points of a team of groups, picked in registers.
//!
//! Every entry of a window is read, whatever the digits, so that neither time nor addresses tell
//! them. The steps of a lookup are taken beside the rows of the products that go on meanwhile.

use super::curve::Curve;
use super::field::{Aside, Fp, unrolled};
use super::kernel::{ABREAST, Point, Work};
use super::lanes::Lanes;
use super::table::{ENTRY_ROWS, Table, Window};

/// What a team of groups looks up in the table: `(2 u - 255) 2^(8 i) G` for byte `u` of the recoded
/// scalar, the digit of window `i`.
///
/// From 128 on the multiple is positive, and the low seven bits are the entry; below, it is the
/// negative of the entry that the complement names.
pub(super) struct Lookup<'t, L: Lanes, const N: usize> {
    /// The same for all, but not to the compiler's eye: it would keep all that one group read for the
    /// other, on the stack.
    windows: [&'t Window<N>; ABREAST],
    index: [L::V; ABREAST],
    /// The lanes whose point is to be negated.
    negative: [u8; ABREAST],
    /// The lanes whose entry is in each pair of rows.
    here: [[u8; PAIRS]; ABREAST],
    points: [Point<L, N>; ABREAST],
}

/// The table, once for each group of a team: see [`Lookup`].
pub(super) type Tables<'t, const N: usize> = [&'t Table<N>; ABREAST];

/// Pairs of rows of a digit of all entries.
const PAIRS: usize = ENTRY_ROWS / 2;

impl<L: Lanes, const N: usize> Aside<L> for Lookup<'_, L, N> {
    #[inline(always)]
    fn step(&mut self, lanes: L, number: usize) {
        self.digit(lanes, number / (2 * N), number % (2 * N));
    }
}

impl<'t, L: Lanes, const N: usize> Lookup<'t, L, N> {
    /// Prepares the lookup of the digits of window `window`.
    #[inline(always)]
    pub(super) fn new(
        lanes: L,
        work: &Work<N>,
        tables: Tables<'t, N>,
        window: usize,
        group: usize,
    ) -> Self {
        let zero = lanes.splat(0);
        let mut lookup = Self {
            windows: [&tables[0].windows[window], &tables[1].windows[window]],
            index: [zero; ABREAST],
            negative: [0; ABREAST],
            here: [[0; PAIRS]; ABREAST],
            points: [[[zero; N]; 2]; ABREAST],
        };
        unrolled!(ABREAST, k, {
            let limb = lanes.load(&work.scalars[group + k][window / 8]);
            let byte = lanes.and(lanes.shr(limb, window % 8 * 8), lanes.splat(0xff));
            let negative = lanes.eq(lanes.and(byte, lanes.splat(0x80)), zero);
            let index = lanes.select(negative, byte, lanes.xor(byte, lanes.splat(0xff)));
            let block = lanes.shr(lanes.and(index, lanes.splat(0x7f)), 4);
            for (number, mask) in (0..).zip(&mut lookup.here[k]) {
                *mask = lanes.eq(block, lanes.splat(number));
            }
            lookup.negative[k] = negative;
            lookup.index[k] = index;
        });
        lookup
    }

    /// Looks up a digit of a coordinate for group `k`.
    ///
    /// Every entry is read. A lane that finds its own in a pair of rows takes it in place of the
    /// index, which it needs no more.
    #[inline(always)]
    fn digit(&mut self, lanes: L, k: usize, digit: usize) {
        let rows = &self.windows[k][digit / N][digit % N];
        let mut picked = self.index[k];
        for pair in 0..PAIRS {
            let (low, high) = (lanes.load(&rows[2 * pair]), lanes.load(&rows[2 * pair + 1]));
            picked = lanes.pick16(self.here[k][pair], picked, low, high);
        }
        self.points[k][digit / N][digit % N] = picked;
    }

    /// The points, with their signs. A negated ordinate is `p - y`, uncarried.
    #[inline(always)]
    pub(super) fn points<C: Curve<N>>(mut self, fp: Fp<L, C, N>) -> [Point<L, N>; ABREAST] {
        unrolled!(ABREAST, k, {
            let y = self.points[k][1];
            self.points[k][1] = fp.select(self.negative[k], &y, &fp.negated(&y, 1));
        });
        self.points
    }
}

/// Looks up the points of a window at once.
#[inline(always)]
pub(super) fn lookup<L: Lanes, C: Curve<N>, const N: usize>(
    fp: Fp<L, C, N>,
    work: &Work<N>,
    tables: Tables<'_, N>,
    window: usize,
    group: usize,
) -> [Point<L, N>; ABREAST] {
    let mut lookup = Lookup::new(fp.lanes, work, tables, window, group);
    for number in 0..2 * N * ABREAST {
        lookup.step(fp.lanes, number);
    }
    lookup.points(fp)
}
