//! The blocks every product is tiled from: triangle, tile, reduction.
//!
//! The two vector ports start two multiply-adds a cycle, but only as long as little else is asked
//! of the core: measured, one load for every two of them costs a sixth of that rate, one for
//! every eight nothing that shows. So a block keeps its columns in registers and lets several
//! rows advance together: each digit that is loaded meets four or five others.
//!
//! Within a group of rows, rows and digits are unrolled by macros because a column must be a fixed
//! register. From group to group the columns move down, which costs the ports nothing, so that the
//! groups of a tile or a reduction can be a loop: all of a squaring has to fit where the core keeps
//! decoded instructions.
//!
//! Each group of rows looks at its operand through `black_box`: the digits are to be read again,
//! because a compiler that keeps them has no registers left for the columns.

use core::hint::black_box;

use super::{DIGIT_BITS, DIGIT_MASK, Digit, Lanes};

/// Repeats the body with `$i` = 0, 1, .. as constants; the body skips those it has no use for.
macro_rules! unrolled {
    (5 $i:ident $body:block) => { unrolled!(@ $i $body 0 1 2 3 4) };
    (20 $i:ident $body:block) => {
        unrolled!(@ $i $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19)
    };
    (@ $i:ident $body:block $($n:literal)*) => {$({ const $i: usize = $n; $body })*};
}

/// Rows of a product that advance together; divides 15 and 20.
const ROWS: usize = 5;

/// Rows of a reduction that advance together in a block of `digits`. Five would not leave
/// registers for all that 20 digits need.
const fn quotients(digits: usize) -> usize {
    digits / 5
}

/// Columns in registers: those of a block of 20 digits, and what its rows go beyond.
const WINDOW: usize = 20 + ROWS;

/// `t = a^2 + 2 t`, `2 H` columns not carried, where of the old `t` the `low` half and the `high`
/// half count.
///
/// Row `i` adds `a_i a_j` for `j > i`. After it, columns `2i` to `2i+2` are complete but for the
/// squares on the diagonal, so they are doubled and leave the registers.
#[inline(always)]
pub fn triangle<V: Lanes, const H: usize>(t: &mut [Digit], a: &[Digit; H], [low, high]: [bool; 2]) {
    let t = &mut t[..2 * H];
    let mut column = [V::splat(0); 40];
    if low {
        unrolled!(20 J { if J < H { column[J] = V::load(&t[J]) } });
    }
    unrolled!(5 GROUP { if GROUP * ROWS < H {
        let first = GROUP * ROWS;
        let a = black_box(a);
        let x: [V; ROWS] = core::array::from_fn(|row| V::load(&a[first + row]));
        if high {
            for j in first + H..first + H + ROWS {
                column[j] = V::load(&t[j]);
            }
        }
        for i in 0..ROWS {
            for j in i + 1..ROWS {
                let at = 2 * first + i + j;
                column[at] = column[at].madd_lo(x[i], x[j]);
                column[at + 1] = column[at + 1].madd_hi(x[i], x[j]);
            }
        }
        unrolled!(20 J { if (first + ROWS..H).contains(&J) {
            cross(&mut column, first + J, &x, V::load(&a[J]));
        } });
        for (row, &x) in x.iter().enumerate() {
            let at = 2 * (first + row);
            let [even, odd] = [column[at], column[at + 1]];
            even.add(even).madd_lo(x, x).store(&mut t[at]);
            odd.add(odd).madd_hi(x, x).store(&mut t[at + 1]);
        }
    } });
}

/// `t += a * b`, or `t = a * b` if `FRESH`, `2 H` columns not carried.
#[inline(always)]
pub fn tile<V: Lanes, const H: usize, const FRESH: bool>(
    t: &mut [Digit],
    a: &[Digit; H],
    b: &[Digit; H],
) {
    let [low, high] = parts(t);
    let mut column = if FRESH { [V::splat(0); WINDOW] } else { enter(low) };
    multiply(
        &mut column,
        [a, b],
        if FRESH { None } else { Some(high) },
        #[inline(always)]
        |j, done| store(done, &mut low[j..j + ROWS]),
    );
    store(&column, high);
}

/// `out = t / R mod n` of `2 K` columns, times `2^shift`; digits are left loose.
///
/// `K` digits are one block of `H` digits, or two, which take the same code in turns. The columns
/// are carried on their way out of the registers. `m` holds the quotient of one block.
#[inline(always)]
fn reduce_blocks<V: Lanes, const K: usize, const H: usize>(
    out: &mut [Digit; K],
    t: &mut [Digit],
    m: &mut [Digit],
    (n, k0): (&[Digit; K], &Digit),
    shift: Option<V>,
) {
    let k0 = V::load(k0);
    let mut end = Carries { carry: V::splat(0), shift };
    if K == H {
        let [low, high] = parts(t);
        let mut column = enter(low);
        quotient::<V, H>(&mut column, (part(n, 0), k0), high, None);
        end.put(out, &column);
        return;
    }
    let (low, high) = (part(n, 0), part(n, H));
    let [m] = parts::<H, 1>(m);
    for block in black_box(0)..2 {
        let is_last = block == 1;
        let [first, second, third] = parts(&mut t[block * H..]);
        let mut column = enter(first);
        quotient(&mut column, (low, k0), second, Some(m));
        multiply(
            &mut column,
            [m, high],
            Some(third),
            #[inline(always)]
            |j, done| {
                if is_last {
                    end.put(&mut out[j..j + ROWS], done);
                } else {
                    store(done, &mut second[j..j + ROWS]);
                }
            },
        );
        if is_last {
            end.put(&mut out[H..], &column);
        } else {
            store(&column, third);
        }
    }
}

/// `t = a^2`, columns not carried.
#[inline(always)]
pub fn square<V: Lanes, const K: usize>(t: &mut [Digit], a: &[Digit; K]) {
    match K {
        20 => V::triangle::<20>(t, part(a, 0), [false, false]),
        30 => square_halves::<V, 15>(t, a),
        _ => square_halves::<V, 20>(t, a),
    }
}

/// `(x + y B)^2 = x^2 + 2 x y B + y^2 B^2`.
#[inline(always)]
fn square_halves<V: Lanes, const H: usize>(t: &mut [Digit], a: &[Digit]) {
    let (x, y) = (part(a, 0), part(a, H));
    V::tile::<H, true>(&mut t[H..], x, y);
    V::triangle::<H>(t, x, [false, true]);
    V::triangle::<H>(&mut t[2 * H..], y, [true, false]);
}

/// `t = a b`, columns not carried.
#[inline(always)]
pub fn product<V: Lanes, const K: usize>(t: &mut [Digit], a: &[Digit; K], b: &[Digit; K]) {
    match K {
        20 => V::tile::<20, true>(t, part(a, 0), part(b, 0)),
        30 => product_halves::<V, 15>(t, a, b),
        _ => product_halves::<V, 20>(t, a, b),
    }
}

#[inline(always)]
fn product_halves<V: Lanes, const H: usize>(t: &mut [Digit], a: &[Digit], b: &[Digit]) {
    V::tile::<H, true>(t, part(a, 0), part(b, 0));
    V::tile::<H, true>(&mut t[2 * H..], part(a, H), part(b, H));
    V::tile::<H, false>(&mut t[H..], part(a, 0), part(b, H));
    V::tile::<H, false>(&mut t[H..], part(a, H), part(b, 0));
}

/// The reduction of the size, in one block or in two.
#[inline(always)]
pub fn reduce<V: Lanes, const K: usize>(
    out: &mut [Digit; K],
    t: &mut [Digit],
    m: &mut [Digit],
    modulus: (&[Digit; K], &Digit),
    shift: Option<V>,
) {
    match K {
        30 => reduce_blocks::<V, K, 15>(out, t, m, modulus, shift),
        _ => reduce_blocks::<V, K, 20>(out, t, m, modulus, shift),
    }
}

/// The last pass over the columns.
struct Carries<V> {
    carry: V,
    shift: Option<V>,
}

impl<V: Lanes> Carries<V> {
    /// Takes the next columns up; the carry that one passes on is left in its digit too.
    #[inline(always)]
    fn put(&mut self, out: &mut [Digit], columns: &[V]) {
        match self.shift {
            Some(shift) => self.put_each(out, columns, |column| column.shl(shift)),
            None => self.put_each(out, columns, |column| column),
        }
    }

    #[inline(always)]
    fn put_each(&mut self, out: &mut [Digit], columns: &[V], shifted: impl Fn(V) -> V) {
        unrolled!(20 J { if J < out.len() {
            let value = shifted(columns[J]).add(self.carry);
            self.carry = value.shr(V::splat(DIGIT_BITS as u64));
            value.store(&mut out[J]);
        } });
    }
}

/// `H` digits from `start` on.
#[inline(always)]
fn part<const H: usize>(digits: &[Digit], start: usize) -> &[Digit; H] {
    digits[start..].first_chunk().expect("a number has its digits")
}

/// The first columns, in parts of `H`.
#[inline(always)]
fn parts<const H: usize, const N: usize>(t: &mut [Digit]) -> &mut [[Digit; H]; N] {
    t.as_chunks_mut().0.first_chunk_mut().expect("room for the columns")
}

/// A window that begins with the columns of `t`.
#[inline(always)]
fn enter<V: Lanes, const H: usize>(t: &[Digit; H]) -> [V; WINDOW] {
    let mut column = [V::splat(0); WINDOW];
    unrolled!(20 J { if J < H { column[J] = V::load(&t[J]) } });
    column
}

/// Stores the first columns.
#[inline(always)]
fn store<V: Lanes>(columns: &[V], t: &mut [Digit]) {
    unrolled!(20 J { if J < t.len() { columns[J].store(&mut t[J]) } });
}

/// Adds `x y`, the digits of `x` in as many rows, from column `at` on.
#[inline(always)]
fn cross<V: Lanes>(column: &mut [V], at: usize, x: &[V; ROWS], y: V) {
    for row in 0..ROWS {
        column[at + row] = column[at + row].madd_lo(x[row], y);
    }
    for row in 0..ROWS {
        column[at + row + 1] = column[at + row + 1].madd_hi(x[row], y);
    }
}

/// Adds `a b` to `H` columns and to the `H` of `above`; the low ones go to `done`, the high ones
/// take their place.
#[inline(always)]
fn multiply<V: Lanes, const H: usize>(
    column: &mut [V; WINDOW],
    [a, b]: [&[Digit; H]; 2],
    above: Option<&[Digit; H]>,
    mut done: impl FnMut(usize, &[V]),
) {
    for first in groups(H, ROWS) {
        let b = black_box(b);
        let a = part::<ROWS>(a, first);
        let x: [V; ROWS] = core::array::from_fn(|row| V::load(&a[row]));
        let above = above.map(|above| part::<ROWS>(above, first));
        for row in 0..ROWS {
            column[H + row] = above.map_or(V::splat(0), |above| V::load(&above[row]));
        }
        unrolled!(20 J { if J < H { cross(column, J, &x, V::load(&b[J])) } });
        done(first, &column[..ROWS]);
        *column = moved::<V, H>(column, ROWS);
    }
}

/// Where each group of `rows` begins; a compiler that knew how many there are would unroll the loop.
#[inline(always)]
fn groups(digits: usize, rows: usize) -> impl Iterator<Item = usize> {
    (black_box(0)..digits / rows).map(move |group| group * rows)
}

/// The window, `by` columns further up.
#[inline(always)]
fn moved<V: Lanes, const H: usize>(column: &[V; WINDOW], by: usize) -> [V; WINDOW] {
    let mut moved = [V::splat(0); WINDOW];
    unrolled!(20 J { if J < H { moved[J] = column[J + by] } });
    moved
}

/// Montgomery quotient: finds `m` of `H` digits with `columns + m * n = 0 mod 2^(52 H)`, adds,
/// and stores `m` where it is wanted. The columns are those of the window and `above`; the high
/// ones are left.
///
/// Column by column every row adds its low and its high halves, the earliest row first: the last
/// has its digit of the quotient late. The digits of the next rows are found as soon as their
/// columns are complete, long before the ports run out of these rows' products.
#[inline(always)]
fn quotient<V: Lanes, const H: usize>(
    column: &mut [V; WINDOW],
    (n, k0): (&[Digit; H], V),
    above: &[Digit; H],
    mut found: Option<&mut [Digit; H]>,
) {
    let rows = quotients(H);
    let mut m = corner(column, 0, n, k0);
    for first in groups(H, rows) {
        let this = m;
        if let Some(found) = &mut found {
            for row in 0..rows {
                this[row].store(&mut found[first + row]);
            }
        }
        let n = black_box(n);
        let above = &above[first..first + rows];
        let mut digit = [V::splat(0); WINDOW];
        for j in 1..rows {
            digit[j] = V::load(&n[j]);
        }
        unrolled!(20 J { if J < H {
            let at = J + rows;
            if J == COMPLETE && first + rows < H {
                m = corner(column, rows, n, k0);
            }
            if at < H {
                digit[at] = V::load(&n[at]);
            }
            if at + 1 >= H {
                column[at + 1] =
                    if J + 1 < H { V::load(&above[at + 1 - H]) } else { V::splat(0) };
            }
            for row in 0..rows {
                if at < H + row {
                    column[at] = column[at].madd_lo(this[row], digit[at - row]);
                }
            }
            for row in 0..rows {
                if at < H + row {
                    column[at + 1] = column[at + 1].madd_hi(this[row], digit[at - row]);
                }
            }
        } });
        *column = moved::<V, H>(column, rows);
    }
}

/// Steps of a group of rows after which the columns are complete that the next rows begin with.
const COMPLETE: usize = 6;

/// The quotient's next digits, from the columns `at` and above, to which they are added as far as
/// the digits depend on each other.
///
/// What a digit makes of its own column is a multiple of `2^52`, so the product's low half need
/// not be added to know the carry: it is the column over `2^52`, rounded up.
#[inline(always)]
fn corner<V: Lanes, const H: usize>(
    column: &mut [V; WINDOW],
    at: usize,
    n: &[Digit; H],
    k0: V,
) -> [V; ROWS] {
    let (rows, n) = (quotients(H), black_box(n));
    let mut m = [V::splat(0); ROWS];
    for row in 0..rows {
        let own = at + row;
        m[row] = V::splat(0).madd_lo(column[own], k0);
        let carry = column[own].add(V::splat(DIGIT_MASK)).shr(V::splat(DIGIT_BITS as u64));
        column[own + 1] = column[own + 1].add(carry);
        for j in 0..rows - row {
            let y = V::load(&n[j]);
            if j > 0 {
                column[own + j] = column[own + j].madd_lo(m[row], y);
            }
            column[own + j + 1] = column[own + j + 1].madd_hi(m[row], y);
        }
    }
    m
}
