//! Exponentiation in eight lanes: Fermat to base 2, Miller-Rabin, and powers with a fixed window.
//!
//! The sequence of operations depends on the size only. Table entries are read by scanning the
//! whole table.

use zeroize::Zeroize;

use super::{DIGIT_BITS, DIGIT_MASK, Digit, Eight, LANES, Lanes, Modulus, Scratch, modulus_bits};

/// `2^(n-1) = 1 mod n`, one bit per lane.
#[inline(always)]
pub fn fermat<V: Lanes, const K: usize>(modulus: &Modulus<K>, scratch: &mut Scratch) -> u8 {
    let top = 10;
    let remaining = modulus_bits(K) - top;
    let mut exponent = negated_order::<V, K>(&modulus.n);
    let mask = V::splat((2 << top) - 1);
    let floor = bits::<V, K>(&exponent, remaining).and(mask);
    let start = V::splat((DIGIT_BITS * K) as u64).sub(V::splat(2 << top).sub(floor).and(mask));
    let mut x = Eight::ZERO;
    for i in 0..K {
        let count = start.sub(V::splat((DIGIT_BITS * i) as u64));
        V::splat(1).shl(count).and(V::splat(DIGIT_MASK)).store(&mut x.0[i]);
    }
    // Two bits of the exponent share a shift: by at most 3, so that what is squared next stays
    // below 2^(b+4).
    for bit in (0..remaining).step_by(2).rev() {
        let shift = bits::<V, K>(&exponent, bit).and(V::splat(3));
        modulus.square::<V>(&mut x, scratch);
        modulus.square_shift(&mut x, shift, scratch);
    }
    modulus.leave::<V>(&mut x, scratch);
    let pass = equal::<V, K>(&x, &Eight::small(1));
    wipe([&mut x, &mut exponent]);
    pass
}

/// `2^(52 K) - (n - 1)`, by the complement.
#[inline(always)]
fn negated_order<V: Lanes, const K: usize>(n: &Eight<K>) -> Eight<K> {
    let mut order = Eight::ZERO;
    let (mask, mut carry) = (V::splat(DIGIT_MASK), V::splat(2));
    for i in 0..K {
        let value = V::load(&n.0[i]).xor(mask).add(carry);
        carry = value.shr(V::splat(DIGIT_BITS as u64));
        value.and(mask).store(&mut order.0[i]);
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

/// Lanes in which two numbers are the same, loose or not.
#[inline(always)]
fn equal<V: Lanes, const K: usize>(a: &Eight<K>, b: &Eight<K>) -> u8 {
    let mut differences = V::splat(0);
    for i in 0..K {
        differences = differences.or(V::load(&a.0[i]).xor(V::load(&b.0[i])));
    }
    differences.and(V::splat(DIGIT_MASK)).equal(V::splat(0))
}

/// Bits of an exponentiation's window. With five, the table of 2048-bit numbers would exceed the
/// first-level cache, and each window would read twice as much for a fifth fewer multiplications.
const WINDOW_BITS: usize = 4;

/// `base^(exponent / 2^low) mod n` in Montgomery form, by a fixed window.
///
/// `base` is in Montgomery form; `one` is [`Modulus`]' one in it.
#[inline(always)]
fn power_montgomery<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    [one, base]: [&Eight<K>; 2],
    exponent: &Eight<K>,
    low: usize,
    scratch: &mut Scratch,
) -> Eight<K> {
    let width = WINDOW_BITS;
    let mut table = [Eight::ZERO; 1 << WINDOW_BITS];
    (table[0], table[1]) = (*one, *base);
    for i in 2..table.len() {
        table[i] = table[i - 1];
        modulus.multiply::<V>(&mut table[i], base, scratch);
    }
    let windows = (modulus_bits(K) - low) / width;
    let (mut x, mut factor) = (*one, Eight::ZERO);
    for window in (0..windows).rev() {
        let index = bits::<V, K>(exponent, low + window * width).and(V::splat((1 << width) - 1));
        if window + 1 == windows {
            scan::<V, K>(&mut x, &table, index);
            continue;
        }
        for _ in 0..width {
            modulus.square::<V>(&mut x, scratch);
        }
        scan::<V, K>(&mut factor, &table, index);
        modulus.multiply::<V>(&mut x, &factor, scratch);
    }
    wipe(table.each_mut());
    wipe([&mut factor]);
    x
}

/// The table entry of each lane's own index, by reading all of them.
#[inline(always)]
fn scan<V: Lanes, const K: usize>(
    out: &mut Eight<K>,
    table: &[Eight<K>; 1 << WINDOW_BITS],
    index: V,
) {
    for block in (0..K).step_by(SCANNED) {
        let mut found = [V::splat(0); SCANNED];
        for i in 0..table.len() {
            let hit = index.equal(V::splat(i as u64));
            for j in 0..SCANNED {
                found[j] = found[j].blend(hit, V::load(&table[i].0[block + j]));
            }
        }
        for j in 0..SCANNED {
            found[j].store(&mut out.0[block + j]);
        }
    }
}

/// Digits that a scan of the table looks for at a time; divides 20, 30 and 40.
const SCANNED: usize = 10;

/// `base^exponent mod n`, at most n, for `base < 2^(bits + 2)`.
#[inline(always)]
pub fn power<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    base: &Eight<K>,
    exponent: &Eight<K>,
    scratch: &mut Scratch,
) -> Eight<K> {
    let (mut one, mut base) = enter::<V, K>(modulus, base, scratch);
    let mut x = power_montgomery::<V, K>(modulus, [&one, &base], exponent, 0, scratch);
    modulus.leave::<V>(&mut x, scratch);
    wipe([&mut one, &mut base]);
    x
}

/// One in Montgomery form, reduced, and `base` in it.
#[inline(always)]
fn enter<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    base: &Eight<K>,
    scratch: &mut Scratch,
) -> (Eight<K>, Eight<K>) {
    let mut one = modulus.r_squared::<V>(scratch);
    let mut base = *base;
    modulus.multiply::<V>(&mut base, &one, scratch);
    modulus.leave::<V>(&mut one, scratch);
    (one, base)
}

/// One round of Miller-Rabin to each lane's own base: whether n is a strong probable prime.
///
/// With n - 1 = 2^s d, d odd, the last [`BINARY_BITS`] of n - 1 are exponentiated one by one, so
/// that every `base^((n - 1) / 2^i)` of interest shows up on the way without a shift by the
/// secret s. Should s be larger in some lane, once in 2^13 batches, all bits are done so: the
/// verdict is exact for every n, and what the time then tells is a few bits of one number.
#[inline(always)]
pub fn miller_rabin<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    base: &Eight<K>,
    scratch: &mut Scratch,
) -> u8 {
    let (mut one, mut base) = enter::<V, K>(modulus, base, scratch);
    let mut order = modulus.n;
    V::load(&modulus.n.0[0]).sub(V::splat(1)).store(&mut order.0[0]);
    let twos = V::load(&trailing_zeros(&order));
    let few = twos.at_most(V::splat(BINARY_BITS as u64)) == 0xff;
    let low = if few { BINARY_BITS } else { modulus_bits(K) };
    let mut roots = Roots::new::<V>(&modulus.n, &one);
    let mut x = power_montgomery::<V, K>(modulus, [&one, &base], &order, low, scratch);
    let mut factor = Eight::ZERO;
    let mut pass = roots.hold_at::<V>(&x, twos, low);
    for bit in (1..low).rev() {
        modulus.square::<V>(&mut x, scratch);
        let set = bits::<V, K>(&order, bit).and(V::splat(1)).equal(V::splat(1));
        for i in 0..K {
            V::load(&one.0[i]).blend(set, V::load(&base.0[i])).store(&mut factor.0[i]);
        }
        modulus.multiply::<V>(&mut x, &factor, scratch);
        pass |= roots.hold_at::<V>(&x, twos, bit);
    }
    wipe([&mut x, &mut factor, &mut order, &mut one, &mut base]);
    wipe(roots.ones.each_mut());
    wipe(roots.minus_ones.each_mut());
    pass
}

/// Bits of n - 1 that Miller-Rabin looks behind one by one. Windows cover the rest evenly.
const BINARY_BITS: usize = 16;

/// 1 and -1 in Montgomery form. A product is almost reduced: each can also stand n higher.
struct Roots<const K: usize> {
    ones: [Eight<K>; 2],
    minus_ones: [Eight<K>; 2],
}

impl<const K: usize> Roots<K> {
    #[inline(always)]
    fn new<V: Lanes>(n: &Eight<K>, one: &Eight<K>) -> Self {
        let minus_one = difference::<V, K>(n, one);
        Self {
            ones: [*one, sum::<V, K>(n, one)],
            minus_ones: [minus_one, sum::<V, K>(n, &minus_one)],
        }
    }

    /// Lanes in which `x = base^((n - 1) / 2^bit)` says that n is a strong probable prime, for
    /// `n - 1 = 2^twos d`: -1 anywhere in the chain, or 1 at its start.
    #[inline(always)]
    fn hold_at<V: Lanes>(&self, x: &Eight<K>, twos: V, bit: usize) -> u8 {
        let [one, one_above] = &self.ones;
        let [minus_one, minus_one_above] = &self.minus_ones;
        let plus = equal::<V, K>(x, one) | equal::<V, K>(x, one_above);
        let minus = equal::<V, K>(x, minus_one) | equal::<V, K>(x, minus_one_above);
        let start = twos.equal(V::splat(bit as u64));
        let later = !twos.at_most(V::splat(bit as u64));
        (start & (plus | minus)) | (later & minus)
    }
}

/// How many times two divides each number; all its bits for zero.
fn trailing_zeros<const K: usize>(number: &Eight<K>) -> Digit {
    core::array::from_fn(|lane| {
        let (mut count, mut still) = (0, 1);
        for digit in &number.0 {
            let zeros = u64::from((!digit[lane] & digit[lane].wrapping_sub(1)).count_ones());
            let here = zeros.min(DIGIT_BITS as u64);
            count += here * still;
            still *= here / DIGIT_BITS as u64;
        }
        count
    })
}

/// `a + b`.
#[inline(always)]
fn sum<V: Lanes, const K: usize>(a: &Eight<K>, b: &Eight<K>) -> Eight<K> {
    let (mut out, mut carry) = (Eight::ZERO, V::splat(0));
    for i in 0..K {
        let value = V::load(&a.0[i]).add(V::load(&b.0[i])).add(carry);
        carry = value.shr(V::splat(DIGIT_BITS as u64));
        value.and(V::splat(DIGIT_MASK)).store(&mut out.0[i]);
    }
    out
}

/// `a - b` for a not below b: `a + !b + 1`, less what runs out at the top.
#[inline(always)]
fn difference<V: Lanes, const K: usize>(a: &Eight<K>, b: &Eight<K>) -> Eight<K> {
    let (mut out, mut carry) = (Eight::ZERO, V::splat(1));
    for i in 0..K {
        let complement = V::load(&b.0[i]).xor(V::splat(DIGIT_MASK));
        let value = V::load(&a.0[i]).add(complement).add(carry);
        carry = value.shr(V::splat(DIGIT_BITS as u64));
        value.and(V::splat(DIGIT_MASK)).store(&mut out.0[i]);
    }
    out
}

/// Zeroes what has served.
fn wipe<const K: usize, const N: usize>(numbers: [&mut Eight<K>; N]) {
    numbers.into_iter().for_each(Zeroize::zeroize);
}

const _: () = assert!(LANES == u8::BITS as usize);

/// `base^65537 mod n`, at most n.
#[inline(always)]
pub fn power_e<V: Lanes, const K: usize>(
    modulus: &Modulus<K>,
    base: &Eight<K>,
    scratch: &mut Scratch,
) -> Eight<K> {
    let (mut one, mut base) = enter::<V, K>(modulus, base, scratch);
    let mut x = base;
    for _ in 0..16 {
        modulus.square::<V>(&mut x, scratch);
    }
    modulus.multiply::<V>(&mut x, &base, scratch);
    modulus.leave::<V>(&mut x, scratch);
    wipe([&mut one, &mut base]);
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
    let mut r_squared = modulus.r_squared::<V>(scratch);
    let mut x = *a;
    for factor in [&r_squared, &r_squared, b] {
        modulus.multiply::<V>(&mut x, factor, scratch);
    }
    modulus.leave::<V>(&mut x, scratch);
    let holds = equal::<V, K>(&x, &Eight::small(1));
    wipe([&mut r_squared, &mut x]);
    holds
}
