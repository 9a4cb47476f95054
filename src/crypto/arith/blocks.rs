//! The blocks every product is tiled from: triangle, tile, reduction.
//!
//! The two vector ports start two multiply-adds a cycle, but only as long as little else is asked
//! of the core: measured, one load for every two of them costs a sixth of that rate, one for
//! every eight nothing that shows. So a block keeps its columns in registers and lets several
//! rows advance together: each digit that is loaded meets four or five others.
//!
//! Rows and digits are unrolled by macros because a column must be a fixed register. Each group
//! of rows looks at its operand through `black_box`: the digits are to be read again, because a
//! compiler that keeps them has no registers left for the columns.

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

/// `t = a^2 + 2 t`, `2 H` columns not carried, where of the old `t` the `LOW` half and the `HIGH`
/// half count.
///
/// Row `i` adds `a_i a_j` for `j > i`. After it, columns `2i` to `2i+2` are complete but for the
/// squares on the diagonal, so they are doubled and leave the registers.
#[inline(always)]
pub fn triangle<V: Lanes, const H: usize, const LOW: bool, const HIGH: bool>(
    t: &mut [Digit],
    a: &[Digit; H],
) {
    let t = &mut t[..2 * H];
    let given = |t: &[Digit], j| {
        if if j < H { LOW } else { HIGH } { V::load(&t[j]) } else { V::splat(0) }
    };
    let mut column = [V::splat(0); 40];
    unrolled!(20 J { if J < H { column[J] = given(t, J) } });
    unrolled!(5 GROUP { if GROUP * ROWS < H {
        let first = GROUP * ROWS;
        let a = black_box(a);
        let x: [V; ROWS] = core::array::from_fn(|row| V::load(&a[first + row]));
        for j in first + H..first + H + ROWS {
            column[j] = given(t, j);
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
        |j, done| done.store(&mut low[j]),
    );
    leave(&column, high);
}

/// `out = t / R mod n` of `2 K` columns, times `2^shift` if `SHIFT`; digits are left loose.
///
/// `K` digits are one block of `H` digits, or two. The columns are carried on their way out of
/// the registers. `m` holds the quotient of one block.
#[inline(always)]
fn reduce_blocks<V: Lanes, const K: usize, const H: usize, const SHIFT: bool>(
    out: &mut [Digit; K],
    t: &mut [Digit],
    m: &mut [Digit],
    (n, k0): (&[Digit; K], &Digit),
    shift: V,
) {
    let k0 = V::load(k0);
    let mut end = Carries::<V, SHIFT> { carry: V::splat(0), shift };
    if K == H {
        let [low, high] = parts(t);
        let mut column = enter(low);
        quotient::<V, H>(&mut column, (part(n, 0), k0), high, None);
        for (out, &column) in out.iter_mut().zip(&column) {
            end.put(out, column);
        }
        return;
    }
    let (low, high) = (part(n, 0), part(n, H));
    let [m] = parts::<H, 1>(m);
    let [first, second, third, fourth] = parts(t);
    let mut column = enter(first);
    quotient(&mut column, (low, k0), second, Some(m));
    multiply(
        &mut column,
        [m, high],
        Some(third),
        #[inline(always)]
        |j, column| column.store(&mut second[j]),
    );
    leave(&column, third);
    let mut column = enter(second);
    quotient(&mut column, (low, k0), third, Some(m));
    multiply(
        &mut column,
        [m, high],
        Some(fourth),
        #[inline(always)]
        |j, column| end.put(&mut out[j], column),
    );
    for (out, &column) in out[H..].iter_mut().zip(&column) {
        end.put(out, column);
    }
}

/// `t = a^2`, columns not carried.
#[inline(always)]
pub fn square<V: Lanes, const K: usize>(t: &mut [Digit], a: &[Digit; K]) {
    match K {
        20 => V::triangle::<20, false, false>(t, part(a, 0)),
        30 => square_halves::<V, 15>(t, a),
        _ => square_halves::<V, 20>(t, a),
    }
}

/// `(x + y B)^2 = x^2 + 2 x y B + y^2 B^2`.
#[inline(always)]
fn square_halves<V: Lanes, const H: usize>(t: &mut [Digit], a: &[Digit]) {
    let (x, y) = (part(a, 0), part(a, H));
    V::tile::<H, true>(&mut t[H..], x, y);
    V::triangle::<H, false, true>(t, x);
    V::triangle::<H, true, false>(&mut t[2 * H..], y);
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
pub fn reduce<V: Lanes, const K: usize, const SHIFT: bool>(
    out: &mut [Digit; K],
    t: &mut [Digit],
    m: &mut [Digit],
    modulus: (&[Digit; K], &Digit),
    shift: V,
) {
    match K {
        30 => reduce_blocks::<V, K, 15, SHIFT>(out, t, m, modulus, shift),
        _ => reduce_blocks::<V, K, 20, SHIFT>(out, t, m, modulus, shift),
    }
}

/// The last pass over the columns.
struct Carries<V, const SHIFT: bool> {
    carry: V,
    shift: V,
}

impl<V: Lanes, const SHIFT: bool> Carries<V, SHIFT> {
    /// Takes the next column up; the carry it passes on is left in the digit too.
    #[inline(always)]
    fn put(&mut self, out: &mut Digit, column: V) {
        let value = if SHIFT { column.shl(self.shift) } else { column }.add(self.carry);
        self.carry = value.shr(V::splat(DIGIT_BITS as u64));
        value.store(out);
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

/// Stores what a window begins with.
#[inline(always)]
fn leave<V: Lanes, const H: usize>(column: &[V; WINDOW], t: &mut [Digit; H]) {
    unrolled!(20 J { if J < H { column[J].store(&mut t[J]) } });
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
    mut done: impl FnMut(usize, V),
) {
    unrolled!(5 GROUP { if GROUP * ROWS < H {
        let first = GROUP * ROWS;
        let b = black_box(b);
        let x: [V; ROWS] = core::array::from_fn(|row| V::load(&a[first + row]));
        for row in 0..ROWS {
            column[H + row] = above.map_or(V::splat(0), |t| V::load(&t[first + row]));
        }
        unrolled!(20 J { if J < H { cross(column, J, &x, V::load(&b[J])) } });
        for row in 0..ROWS {
            done(first + row, column[row]);
        }
        *column = moved::<V, H>(column, ROWS);
    } });
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
    // The digits of these rows, and of the next.
    let mut m = [corner(column, 0, n, k0), [V::splat(0); ROWS]];
    unrolled!(5 GROUP {
        let (first, [this, next]) = (GROUP * rows, [GROUP % 2, (GROUP + 1) % 2]);
        if let Some(found) = &mut found {
            for row in 0..rows {
                m[this][row].store(&mut found[first + row]);
            }
        }
        let n = black_box(n);
        let mut digit = [V::splat(0); WINDOW];
        for j in 1..rows {
            digit[j] = V::load(&n[j]);
        }
        unrolled!(20 J { if J < H {
            let at = J + rows;
            if J == COMPLETE && GROUP < 4 {
                m[next] = corner(column, rows, n, k0);
            }
            if at < H {
                digit[at] = V::load(&n[at]);
            }
            if at + 1 >= H {
                let entered = first + at + 1 - H;
                column[at + 1] =
                    if J + 1 < H { V::load(&above[entered]) } else { V::splat(0) };
            }
            for row in 0..rows {
                if at < H + row {
                    column[at] = column[at].madd_lo(m[this][row], digit[at - row]);
                }
            }
            for row in 0..rows {
                if at < H + row {
                    column[at + 1] = column[at + 1].madd_hi(m[this][row], digit[at - row]);
                }
            }
        } });
        *column = moved::<V, H>(column, rows);
    });
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
