//! Products and reductions digit by digit: the definition of what the blocks compute.

use super::{DIGIT_BITS, Digit, LANES, Lanes};

/// `t = a b`, `2 K` columns not carried.
#[inline(always)]
pub fn product<V: Lanes, const K: usize>(t: &mut [Digit], a: &[Digit; K], b: &[Digit; K]) {
    t[..2 * K].fill([0; LANES]);
    for (i, a) in a.iter().enumerate() {
        add_row(&mut t[i..], V::load(a), b);
    }
}

/// `out = t / R mod n 2^shift` of `2 K` columns, digits loose: for each digit the multiple of `n`
/// that makes it zero.
#[inline(always)]
pub fn reduce<V: Lanes, const K: usize>(
    out: &mut [Digit; K],
    t: &mut [Digit],
    (n, k0): (&[Digit; K], &Digit),
    shift: V,
) {
    let width = V::splat(DIGIT_BITS as u64);
    for i in 0..K {
        let m = V::splat(0).madd_lo(V::load(&t[i]), V::load(k0));
        add_row(&mut t[i..], m, n);
        let carry = V::load(&t[i]).shr(width);
        V::load(&t[i + 1]).add(carry).store(&mut t[i + 1]);
    }
    let mut carry = V::splat(0);
    for (out, column) in out.iter_mut().zip(&t[K..]) {
        let value = V::load(column).shl(shift).add(carry);
        carry = value.shr(width);
        value.store(out);
    }
}

/// `t += x b`.
#[inline(always)]
fn add_row<V: Lanes>(t: &mut [Digit], x: V, b: &[Digit]) {
    for (j, b) in b.iter().enumerate() {
        let y = V::load(b);
        V::load(&t[j]).madd_lo(x, y).store(&mut t[j]);
        V::load(&t[j + 1]).madd_hi(x, y).store(&mut t[j + 1]);
    }
}
