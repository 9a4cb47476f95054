//! Numbers to compute with: random ones, and those at which carries run and bounds are met.

use rand_core::Rng;

use super::*;

/// A digit of the ends and middles of its range, or a random one.
fn digit(drbg: &mut Drbg) -> u64 {
    let random = drbg.next_u64();
    match random >> 60 {
        0..4 => 0,
        4..8 => DIGIT_MASK,
        8 => 1,
        9 => DIGIT_MASK - 1,
        10 => 1 << (DIGIT_BITS - 1),
        11 => (1 << (DIGIT_BITS - 1)) - 1,
        _ => random & DIGIT_MASK,
    }
}

/// A number below `2^bits`: one in two is random, one in four a mosaic of extreme digits, the
/// others are all ones, a power of two, one less, or small.
fn number<const K: usize>(drbg: &mut Drbg, bits: usize) -> [u64; K] {
    let (kind, place) = (drbg.next_u32() % 16, drbg.next_u32() as usize % bits);
    let ones = |count: usize| digits::<K>(&((BigUint::from(1_u8) << count) - 1_u8));
    let mut number: [u64; K] = match kind {
        0..8 => core::array::from_fn(|_| drbg.next_u64() & DIGIT_MASK),
        8..12 => core::array::from_fn(|_| digit(drbg)),
        12 => ones(bits),
        13 => ones(place),
        14 => digits(&(BigUint::from(1_u8) << place)),
        _ => digits(&BigUint::from(drbg.next_u32() % 4)),
    };
    for (i, digit) in number.iter_mut().enumerate() {
        let room = bits.saturating_sub(i * DIGIT_BITS).min(DIGIT_BITS);
        *digit &= (1 << room) - 1;
    }
    number
}

/// Eight numbers below `2^bits`, of a kind of its own in each lane.
pub(super) fn eight<const K: usize>(drbg: &mut Drbg, bits: usize) -> Eight<K> {
    let mut eight = Eight::ZERO;
    for lane in 0..LANES {
        eight.set_lane(lane, &number(drbg, bits));
    }
    eight
}

/// Eight odd numbers of exactly [`modulus_bits`] bits.
pub(super) fn moduli<const K: usize>(drbg: &mut Drbg) -> Eight<K> {
    let bits = modulus_bits(K);
    let mut moduli = eight::<K>(drbg, bits);
    for lane in 0..LANES {
        moduli.0[0][lane] |= 1;
        moduli.0[K - 1][lane] |= 1 << (bits - DIGIT_BITS * (K - 1) - 1);
    }
    moduli
}

/// `eight` with noise in every lane but one: any 64 bits, digits or not.
pub(super) fn poisoned<const K: usize>(
    drbg: &mut Drbg,
    eight: &Eight<K>,
    spared: usize,
) -> Eight<K> {
    let mut out = *eight;
    for digit in &mut out.0 {
        for lane in (0..LANES).filter(|lane| *lane != spared) {
            digit[lane] = drbg.next_u64();
        }
    }
    out
}
