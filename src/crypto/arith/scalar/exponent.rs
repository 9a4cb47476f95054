//! Exponentiation of one number: Fermat to base 1/2, Miller-Rabin, and a fixed window.

use zeroize::Zeroize;

use super::Number;
use super::modulus::{LimbModulus, mask};

/// Bits of the exponent that one halving takes.
const HALVINGS: usize = 6;

/// Bits of the exponent that one table entry takes.
const WIDTH: usize = 5;

/// Largest power of two dividing n - 1 that Miller-Rabin accepts, exclusive. A random prime
/// exceeds it with probability 2^-51.
const TWOS_MAX: u64 = 52;

/// `2^(n-1) = 1 mod n`.
pub(super) fn fermat<const L: usize>(modulus: &mut LimbModulus<L>) -> bool {
    // R / 2^c must be an integer, so c is at most 64 L.
    let top = (64 * L).ilog2() as usize;
    let order = order(modulus);
    let mut remaining = 64 * L - top;
    let mut x = power_of_two::<L>((64 * L) as u64 - bits(&order.0, remaining, top));
    while remaining > 0 {
        // The first step takes what would not fill a last one.
        let width = (remaining - 1) % HALVINGS + 1;
        remaining -= width;
        (0..width).for_each(|_| modulus.square(&mut x.0));
        modulus.halve(&mut x.0, bits(&order.0, remaining, width));
    }
    equal(&x.0, &modulus.one())
}

/// `n - 1`.
fn order<const L: usize>(modulus: &LimbModulus<L>) -> Number<L> {
    let mut order = Number(modulus.n);
    order.0[0] = order.0[0].wrapping_sub(1);
    order
}

/// `2^exponent`, without a store at a secret place.
fn power_of_two<const L: usize>(exponent: u64) -> Number<L> {
    Number(core::array::from_fn(|i| mask(is_equal(i as u64, exponent / 64)) & 1 << (exponent % 64)))
}

/// `width` bits of a number from `position` upwards.
fn bits(limbs: &[u64], position: usize, width: usize) -> u64 {
    let (limb, offset) = (position / 64, position % 64);
    let above = limbs.get(limb + 1).copied().unwrap_or(0);
    (limbs[limb] >> offset | above << 1 << (63 - offset)) & ((1 << width) - 1)
}

/// 1 where two small numbers are equal, else 0.
fn is_equal(a: u64, b: u64) -> u64 {
    (a ^ b).wrapping_sub(1) >> 63
}

fn equal<const L: usize>(a: &[u64; L], b: &[u64; L]) -> bool {
    a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// `base^exponent`, both `base` and the result in Montgomery form, by a fixed window.
pub(super) fn power<const L: usize>(
    modulus: &mut LimbModulus<L>,
    base: &Number<L>,
    exponent: &Number<L>,
) -> Number<L> {
    let mut table = [[0; L]; 1 << WIDTH];
    (table[0], table[1]) = (modulus.one(), base.0);
    for i in 2..table.len() {
        table[i] = table[i - 1];
        modulus.multiply(&mut table[i], &base.0);
    }
    let mut x = Number(modulus.one());
    let mut entry = Number([0; L]);
    for window in (0..(64 * L).div_ceil(WIDTH)).rev() {
        (0..WIDTH).for_each(|_| modulus.square(&mut x.0));
        scan(&mut entry.0, &table, bits(&exponent.0, window * WIDTH, WIDTH));
        modulus.multiply(&mut x.0, &entry.0);
    }
    table.as_flattened_mut().zeroize();
    x
}

/// The table entry of a secret index, by reading all of them.
#[inline(never)]
fn scan<const L: usize>(entry: &mut [u64; L], table: &[[u64; L]], index: u64) {
    entry.fill(0);
    for (i, candidate) in table.iter().enumerate() {
        let mask = mask(is_equal(i as u64, index));
        for (entry, candidate) in entry.iter_mut().zip(candidate) {
            *entry |= candidate & mask;
        }
    }
}

/// One round of Miller-Rabin: whether n is a strong probable prime to `base`.
///
/// With n - 1 = 2^s d, d odd, there are as many squarings as the largest s allowed.
pub(super) fn miller_rabin<const L: usize>(modulus: &mut LimbModulus<L>, base: &Number<L>) -> bool {
    let order = order(modulus);
    let twos = u64::from((!order.0[0] & order.0[0].wrapping_sub(1)).count_ones());
    // Beyond the twos allowed the number is refused, whatever the power.
    let count = twos & 63;
    let odd = Number::<L>(core::array::from_fn(|i| {
        let above = order.0.get(i + 1).copied().unwrap_or(0);
        order.0[i] >> count | above << 1 << (63 - count)
    }));
    let (one, minus_one) = (Number(modulus.one()), Number(modulus.minus_one()));
    let mut base = base.clone();
    modulus.enter(&mut base.0);
    let mut x = power(modulus, &base, &odd);
    let mut pass = u64::from(equal(&x.0, &one.0));
    for squarings in 0..TWOS_MAX {
        modulus.reduce(&mut x.0);
        let in_time = squarings.wrapping_sub(twos) >> 63;
        pass |= u64::from(equal(&x.0, &minus_one.0)) & in_time;
        modulus.square(&mut x.0);
    }
    pass & (twos.wrapping_sub(TWOS_MAX) >> 63) == 1
}
