//! Products of long numbers, four rows at a time.

/// Rows that advance together.
pub(super) const ROWS: usize = 4;

/// `t + a b + c` as (low limb, high limb): it is below 2^128.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low half")]
pub(super) fn multiply_add(t: u64, a: u64, b: u64, c: u64) -> (u64, u64) {
    let sum = u128::from(a) * u128::from(b) + u128::from(t) + u128::from(c);
    (sum as u64, (sum >> 64) as u64)
}

/// `window + rows * b + t`: puts out the lowest limb; the window moves up by one.
///
/// The sum is below `2^256 + (2^256 - 1)(2^64 - 1) + 2^64 - 1 = 2^320`: the window need hold no
/// fifth limb. Two chains of carries, one over the low halves and one over the high halves, are
/// all that follows the four products.
#[inline(always)]
fn step(window: &mut [u64; ROWS], rows: &[u64; ROWS], b: u64, t: u64) -> u64 {
    let (low0, high0) = multiply_add(t, rows[0], b, 0);
    let (low1, high1) = rows[1].carrying_mul(b, 0);
    let (low2, high2) = rows[2].carrying_mul(b, 0);
    let (low3, high3) = rows[3].carrying_mul(b, 0);
    let (out, carry) = window[0].overflowing_add(low0);
    let (x1, carry) = window[1].carrying_add(low1, carry);
    let (x2, carry) = window[2].carrying_add(low2, carry);
    let (x3, carry) = window[3].carrying_add(low3, carry);
    let (x4, _) = high3.carrying_add(0, carry);
    let (x1, carry) = x1.overflowing_add(high0);
    let (x2, carry) = x2.carrying_add(high1, carry);
    let (x3, carry) = x3.carrying_add(high2, carry);
    let (x4, _) = x4.carrying_add(0, carry);
    *window = [x1, x2, x3, x4];
    out
}

/// `t += window + rows * b` over the limbs of `b`, a multiple of four of them; what goes beyond
/// is left in the window.
#[inline(always)]
pub(super) fn steps(window: &mut [u64; ROWS], rows: &[u64; ROWS], b: &[u64], t: &mut [u64]) {
    for (b, t) in b.as_chunks::<ROWS>().0.iter().zip(t.as_chunks_mut::<ROWS>().0) {
        // Written out, so that the window moves by renaming.
        t[0] = step(window, rows, b[0], t[0]);
        t[1] = step(window, rows, b[1], t[1]);
        t[2] = step(window, rows, b[2], t[2]);
        t[3] = step(window, rows, b[3], t[3]);
    }
}

/// The next four limbs.
#[inline(always)]
pub(super) fn four(limbs: &[u64]) -> &[u64; ROWS] {
    limbs.first_chunk().expect("sizes are multiples of four limbs")
}

/// `t = a b`, of `2 L` limbs.
#[inline(always)]
pub(super) fn multiply<const L: usize>(t: &mut [u64], a: &[u64; L], b: &[u64; L]) {
    t[..L].fill(0);
    for i in (0..L).step_by(ROWS) {
        let mut window = [0; ROWS];
        steps(&mut window, four(&a[i..]), b, &mut t[i..]);
        t[i + L..i + L + ROWS].copy_from_slice(&window);
    }
}

/// `t = a^2`, of `2 L` limbs: the products above the diagonal, doubled, and the squares on it.
#[inline(always)]
pub(super) fn square<const L: usize>(t: &mut [u64], a: &[u64; L]) {
    t[..L].fill(0);
    for i in (0..L).step_by(ROWS) {
        let rows = four(&a[i..]);
        let t = &mut t[2 * i..];
        let mut window = corner(t, rows);
        steps(&mut window, rows, &a[i + ROWS..], &mut t[ROWS..]);
        t[L - i..L - i + ROWS].copy_from_slice(&window);
    }
    double_and_add_squares(&mut t[..2 * L], a);
}

/// Adds the six products above the diagonal of four rows; returns what goes beyond four limbs.
#[inline(always)]
fn corner(t: &mut [u64], a: &[u64; ROWS]) -> [u64; ROWS] {
    let (t1, c) = multiply_add(t[1], a[0], a[1], 0);
    let (t2, c) = multiply_add(t[2], a[0], a[2], c);
    let (t3, t4) = multiply_add(t[3], a[0], a[3], c);
    let (t3, c) = multiply_add(t3, a[1], a[2], 0);
    let (t4, t5) = multiply_add(t4, a[1], a[3], c);
    let (t5, t6) = multiply_add(t5, a[2], a[3], 0);
    (t[1], t[2], t[3]) = (t1, t2, t3);
    [t4, t5, t6, 0]
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the limbs of a pair")]
fn double_and_add_squares<const L: usize>(t: &mut [u64], a: &[u64; L]) {
    let (mut bit, mut carry) = (0, false);
    for (pair, &a) in t.chunks_exact_mut(2).zip(a) {
        let value = u128::from(pair[1]) << 64 | u128::from(pair[0]);
        let square = u128::from(a) * u128::from(a) + u128::from(carry);
        let sum;
        (sum, carry) = (value << 1 | bit).overflowing_add(square);
        bit = value >> 127;
        (pair[0], pair[1]) = (sum as u64, (sum >> 64) as u64);
    }
}

/// Montgomery reduction: adds the multiple of `n` that makes the low `L` limbs zero, though it
/// leaves them stale. Returns the bit that the upper half lacks.
#[inline(always)]
pub(super) fn reduce<const L: usize>(t: &mut [u64], n: &[u64; L], k0: u64) -> u64 {
    let mut top = false;
    for i in (0..L).step_by(ROWS) {
        let t = &mut t[i..];
        let (quotient, mut window) = quotient(four(t), four(n), k0);
        steps(&mut window, &quotient, &n[ROWS..], &mut t[ROWS..L]);
        for (t, window) in t[L..].iter_mut().zip(window) {
            (*t, top) = t.carrying_add(window, top);
        }
    }
    u64::from(top)
}

/// The quotient that makes four limbs zero, and what it adds beyond them.
#[inline(always)]
fn quotient(t: &[u64; ROWS], n: &[u64; ROWS], k0: u64) -> ([u64; ROWS], [u64; ROWS]) {
    let mut sum = [t[0], t[1], t[2], t[3], 0, 0, 0, 0];
    let mut quotient = [0; ROWS];
    for i in 0..ROWS {
        quotient[i] = sum[i].wrapping_mul(k0);
        let mut carry = 0;
        for j in 0..ROWS {
            (sum[i + j], carry) = multiply_add(sum[i + j], quotient[i], n[j], carry);
        }
        sum[i + ROWS] = carry;
    }
    (quotient, [sum[4], sum[5], sum[6], sum[7]])
}
