//! Exponentiation in eight lanes: Fermat to base 2, Miller-Rabin, and powers with a fixed window.
//!
//! The sequence of operations depends on the size only. Table entries are read by scanning the
//! whole table.

use super::{DIGIT_BITS, DIGIT_MASK, Digit, Eight, LANES, Lanes, Modulus, Scratch, modulus_bits};

/// Largest power of two dividing n - 1 that Miller-Rabin accepts, exclusive. A random prime
/// exceeds it with probability 2^-51.
const TWOS_MAX: u64 = 52;

/// `2^(n-1) = 1 mod n`, one bit per lane.
#[inline(always)]
pub fn fermat<V: Lanes, const K: usize>(modulus: &Modulus<K>, scratch: &mut Scratch) -> u8 {
    let top = if K == 40 { 11 } else { 10 };
    let remaining = modulus_bits(K) - top;
    let exponent = negated_order::<V, K>(&modulus.n);
    let mask = V::splat((2 << top) - 1);
    let floor = bits::<V, K>(&exponent, remaining).and(mask);
    let start = V::splat((DIGIT_BITS * K) as u64).sub(V::splat(2 << top).sub(floor).and(mask));
    let mut x = Eight::ZERO;
    for (i, digit) in x.0.iter_mut().enumerate() {
        let count = start.sub(V::splat((DIGIT_BITS * i) as u64));
        V::splat(1).shl(count).and(V::splat(DIGIT_MASK)).store(digit);
    }
    for bit in (0..remaining).rev() {
        let shift = bits::<V, K>(&exponent, bit).and(V::splat(1));
        modulus.square(&mut x, shift, scratch);
    }
    modulus.leave::<V>(&mut x, scratch);
    equal::<V, K>(&x, &Eight::small(1))
}

/// `2^(52 K) - (n - 1)`, by the complement.
#[inline(always)]
fn negated_order<V: Lanes, const K: usize>(n: &Eight<K>) -> Eight<K> {
    let mut order = Eight::ZERO;
    let (mask, mut carry) = (V::splat(DIGIT_MASK), V::splat(2));
    for (digit, n) in order.0.iter_mut().zip(&n.0) {
        let value = V::load(n).xor(mask).add(carry);
        carry = value.shr(V::splat(DIGIT_BITS as u64));
        value.and(mask).store(digit);
    }
    order
}

/// The bits from `position` upwards, at least a digit of them where there are any.
#[inline(always)]
fn bits<V: Lanes, const K: usize>(number: &Eight<K>, position: usize) -> V {
    let (digit, offset) = (position / DIGIT_BITS, (position % DIGIT_BITS) as u64);
    let low = V::load(&number.0[digit]).shr(V::splat(offset));
    let Some(next) = number.0.get(digit + 1) else { return low };
    low.or(V::load(next).shl(V::splat(DIGIT_BITS as u64 - offset)))
}

/// Lanes in which two numbers are the same.
#[inline(always)]
fn equal<V: Lanes, const K: usize>(a: &Eight<K>, b: &Eight<K>) -> u8 {
    let differences =
        a.0.iter().zip(&b.0).fold(V::splat(0), |sum, (a, b)| sum.or(V::load(a).xor(V::load(b))));
    differences.equal(V::splat(0))
}

/// `base^exponent mod n` in Montgomery form, by a fixed window of four or five bits.
///
/// `base` is in Montgomery form; `one` is [`Modulus`]' one in it.
#[inline(always)]
fn power_montgomery<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    one: &Eight<K>,
    base: &Eight<K>,
    exponent: &Eight<K>,
    scratch: &mut Scratch,
) -> Eight<K> {
    let width = if K == 40 { 4 } else { 5 };
    let mut table = [Eight::ZERO; 32];
    let table = &mut table[..1 << width];
    (table[0], table[1]) = (*one, *base);
    for i in 2..table.len() {
        table[i] = table[i - 1];
        modulus.multiply::<V>(&mut table[i], base, scratch);
    }
    let windows = modulus_bits(K).div_ceil(width);
    let mut x = *one;
    for window in (0..windows).rev() {
        for _ in 0..width {
            modulus.square(&mut x, V::splat(0), scratch);
        }
        let index = bits::<V, K>(exponent, window * width).and(V::splat((1 << width) - 1));
        modulus.multiply::<V>(&mut x, &scan::<V, K>(table, index), scratch);
    }
    table.iter_mut().for_each(zeroize::Zeroize::zeroize);
    x
}

/// The table entry of each lane's own index, by reading all of them.
#[inline(always)]
fn scan<V: Lanes, const K: usize>(table: &[Eight<K>], index: V) -> Eight<K> {
    let mut found = [V::splat(0); K];
    for (i, entry) in table.iter().enumerate() {
        let hit = index.equal(V::splat(i as u64));
        for (found, digit) in found.iter_mut().zip(&entry.0) {
            *found = found.blend(hit, V::load(digit));
        }
    }
    let mut out = Eight::ZERO;
    for (digit, found) in out.0.iter_mut().zip(found) {
        found.store(digit);
    }
    out
}

/// `base^exponent mod n`, at most n, for `base < 2^(bits + 2)`.
#[inline(always)]
pub fn power<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    base: &Eight<K>,
    exponent: &Eight<K>,
    scratch: &mut Scratch,
) -> Eight<K> {
    let (one, base) = enter::<V, K>(modulus, base, scratch);
    let mut x = power_montgomery::<V, K>(modulus, &one, &base, exponent, scratch);
    modulus.leave::<V>(&mut x, scratch);
    x
}

/// One in Montgomery form, reduced, and `base` in it.
#[inline(always)]
fn enter<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    base: &Eight<K>,
    scratch: &mut Scratch,
) -> (Eight<K>, Eight<K>) {
    let r_squared = modulus.r_squared::<V>(scratch);
    let (mut one, mut base) = (r_squared, *base);
    modulus.leave::<V>(&mut one, scratch);
    modulus.multiply::<V>(&mut base, &r_squared, scratch);
    (one, base)
}

/// One round of Miller-Rabin to each lane's own base: whether n is a strong probable prime.
///
/// With n - 1 = 2^s d, d odd, every lane does as many squarings as the largest s allowed.
#[inline(always)]
pub fn miller_rabin<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    base: &Eight<K>,
    scratch: &mut Scratch,
) -> u8 {
    let (twos, odd) = odd_part::<V, K>(&modulus.n);
    let (one, base) = enter::<V, K>(modulus, base, scratch);
    let minus_one = combine::<V, K>(&modulus.n, &one, V::sub);
    // The almost reduced 1 and -1: each can also stand n higher.
    let one_above = combine::<V, K>(&modulus.n, &one, V::add);
    let minus_one_above = combine::<V, K>(&modulus.n, &minus_one, V::add);
    let mut x = power_montgomery::<V, K>(modulus, &one, &base, &odd, scratch);
    let mut pass = equal::<V, K>(&x, &one) | equal::<V, K>(&x, &one_above);
    for squarings in 0..TWOS_MAX {
        let minus = equal::<V, K>(&x, &minus_one) | equal::<V, K>(&x, &minus_one_above);
        pass |= minus & !twos.at_most(V::splat(squarings));
        modulus.square(&mut x, V::splat(0), scratch);
    }
    pass & !V::splat(TWOS_MAX).at_most(twos)
}

/// `f(a, b)` digit by digit, carried (or borrowed).
#[inline(always)]
fn combine<V: Lanes, const K: usize>(
    a: &Eight<K>,
    b: &Eight<K>,
    f: impl Fn(V, V) -> V,
) -> Eight<K> {
    let mut out = Eight::ZERO;
    // Biased by one digit, so that a borrow is a carry that lacks one.
    let (bias, mut carry) = (V::splat(1 << DIGIT_BITS), V::splat(1));
    for ((digit, a), b) in out.0.iter_mut().zip(&a.0).zip(&b.0) {
        let value = f(V::load(a), V::load(b)).add(bias).add(carry).sub(V::splat(1));
        carry = value.shr(V::splat(DIGIT_BITS as u64));
        value.and(V::splat(DIGIT_MASK)).store(digit);
    }
    out
}

/// `(s, d)` with n - 1 = 2^s d; s is at least 52 where the low digit of n - 1 is zero.
#[inline(always)]
fn odd_part<V: Lanes, const K: usize>(n: &Eight<K>) -> (V, Eight<K>) {
    let mut order = *n;
    for digit in &mut order.0[0] {
        *digit -= 1;
    }
    let twos: Digit = core::array::from_fn(|lane| {
        let low = order.0[0][lane];
        u64::from((!low & low.wrapping_sub(1)).count_ones())
    });
    let twos = V::load(&twos);
    let mut odd = order;
    for i in 0..K {
        let next = order.0.get(i + 1).map_or(V::splat(0), V::load);
        let high = next.shl(V::splat(DIGIT_BITS as u64).sub(twos));
        let digit = V::load(&order.0[i]).shr(twos).or(high).and(V::splat(DIGIT_MASK));
        digit.store(&mut odd.0[i]);
    }
    (twos, odd)
}

const _: () = assert!(LANES == u8::BITS as usize);

/// `base^65537 mod n`, at most n.
#[inline(always)]
pub fn power_e<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    base: &Eight<K>,
    scratch: &mut Scratch,
) -> Eight<K> {
    let (_, base) = enter::<V, K>(modulus, base, scratch);
    let mut x = base;
    for _ in 0..16 {
        modulus.square(&mut x, V::splat(0), scratch);
    }
    modulus.multiply::<V>(&mut x, &base, scratch);
    modulus.leave::<V>(&mut x, scratch);
    x
}

/// `a * b = 1 mod n`, one bit per lane.
#[inline(always)]
pub fn inverse_holds<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    a: &Eight<K>,
    b: &Eight<K>,
    scratch: &mut Scratch,
) -> u8 {
    let r_squared = modulus.r_squared::<V>(scratch);
    let mut x = *a;
    for factor in [&r_squared, &r_squared, b] {
        modulus.multiply::<V>(&mut x, factor, scratch);
    }
    modulus.leave::<V>(&mut x, scratch);
    equal::<V, K>(&x, &Eight::small(1))
}
