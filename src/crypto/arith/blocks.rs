//! The three blocks every product is tiled from: triangle, tile, reduce.
//!
//! Each keeps its columns in registers and walks one operand from memory, so that a load feeds
//! two multiply-adds. Rows are unrolled by a macro because a column must be a fixed register.
//! In a tile, each row looks at that operand through `black_box`: its digits are to be read again,
//! because a compiler that keeps them has no registers left for the columns.

use core::hint::black_box;

use super::{Digit, Lanes};

/// Repeats the body with `$row` = 0, 1, .., 19 as constants; the body skips rows it lacks.
macro_rules! rows {
    ($row:ident, $body:block) => {
        rows!(@ $row, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19)
    };
    (@ $row:ident, $body:block, $($n:literal)*) => {$({ const $row: usize = $n; $body })*};
}

/// Columns a block can hold: two halves of 20 digits, and one for the last carry.
const COLUMNS: usize = 41;

/// `t = a^2`, `2 H` columns not carried.
///
/// Row `i` adds `2 a_i a_j` for `j > i`. After it, columns `2i+1` and `2i+2` are complete but for
/// the squares on the diagonal, so they are doubled and leave the registers.
#[inline(always)]
pub fn triangle<V: Lanes, const H: usize>(t: &mut [Digit], a: &[Digit; H]) {
    let t = &mut t[..2 * H];
    let zero = V::splat(0);
    let mut column = [zero; COLUMNS];
    let first = V::load(&a[0]);
    zero.madd_lo(first, first).store(&mut t[0]);
    rows!(I, {
        if I < H {
            let x = V::load(&a[I]);
            for j in I + 1..H {
                let y = V::load(&a[j]);
                column[I + j] = column[I + j].madd_lo(x, y);
                column[I + j + 1] = column[I + j + 1].madd_hi(x, y);
            }
            let odd = column[2 * I + 1];
            odd.add(odd).madd_hi(x, x).store(&mut t[2 * I + 1]);
            if I + 1 < H {
                let next = V::load(&a[I + 1]);
                let even = column[2 * I + 2];
                even.add(even).madd_lo(next, next).store(&mut t[2 * I + 2]);
            }
        }
    });
}

/// `t += a * b`, or `t = a * b` if `FRESH`, `2 H` columns not carried.
#[inline(always)]
pub fn tile<V: Lanes, const H: usize, const FRESH: bool>(
    t: &mut [Digit],
    a: &[Digit; H],
    b: &[Digit; H],
) {
    let t = &mut t[..2 * H];
    let mut column = [V::splat(0); COLUMNS];
    if !FRESH {
        for j in 0..H {
            column[j] = V::load(&t[j]);
        }
    }
    rows!(I, {
        if I < H {
            let (x, b) = (V::load(&a[I]), black_box(b));
            if !FRESH {
                column[I + H] = V::load(&t[I + H]);
            }
            for j in 0..H {
                let y = V::load(&b[j]);
                column[I + j] = column[I + j].madd_lo(x, y);
                column[I + j + 1] = column[I + j + 1].madd_hi(x, y);
            }
            column[I].store(&mut t[I]);
        }
    });
    for j in H..2 * H {
        column[j].store(&mut t[j]);
    }
}

/// Montgomery quotient: finds `m` of `H` digits with `t + m * n = 0 mod 2^(52 H)`, and adds.
///
/// Only the low `H` digits of the modulus are here. Columns `0..H` have served then and are
/// left stale; their carry is in column `H`.
#[inline(always)]
pub fn reduce<V: Lanes, const H: usize>(
    t: &mut [Digit],
    m: &mut [Digit; H],
    n: &[Digit; H],
    k0: &Digit,
) {
    let t = &mut t[..2 * H];
    let (zero, digit, k0) = (V::splat(0), V::splat(52), V::load(k0));
    let mut column = [zero; COLUMNS];
    for j in 0..H {
        column[j] = V::load(&t[j]);
    }
    rows!(I, {
        if I < H {
            let quotient = zero.madd_lo(column[I], k0);
            quotient.store(&mut m[I]);
            column[I + H] = V::load(&t[I + H]);
            for j in 0..H {
                let y = V::load(&n[j]);
                column[I + j] = column[I + j].madd_lo(quotient, y);
                column[I + j + 1] = column[I + j + 1].madd_hi(quotient, y);
                if j == 0 {
                    column[I + 1] = column[I + 1].add(column[I].shr(digit));
                }
            }
        }
    });
    for j in H..2 * H {
        column[j].store(&mut t[j]);
    }
}
