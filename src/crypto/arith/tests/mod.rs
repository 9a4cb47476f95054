//! Kernels against the big-integer model, against each other, and against the laws of lanes.

mod exponents;
mod gallery;
mod operands;
mod products;
mod published;

use num_bigint_dig::BigUint;

use super::*;
use crate::crypto::drbg::Drbg;

/// The number that digits spell, byte by byte and by no code of the engine.
fn big(digits: &[u64]) -> BigUint {
    let mut bytes = Vec::with_capacity(digits.len() * 7);
    let (mut pending, mut count) = (0_u128, 0);
    for &digit in digits {
        assert!(digit <= DIGIT_MASK, "a digit has 52 bits");
        pending |= u128::from(digit) << count;
        count += DIGIT_BITS;
        while count >= 8 {
            bytes.push(u8::try_from(pending & 0xff).unwrap());
            pending >>= 8;
            count -= 8;
        }
    }
    bytes.push(u8::try_from(pending).unwrap());
    BigUint::from_bytes_le(&bytes)
}

/// The digits of a number.
fn digits<const K: usize>(number: &BigUint) -> [u64; K] {
    let bytes = number.to_bytes_le();
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| u64::from(byte >> (at % 8) & 1));
    core::array::from_fn(|i| (0..DIGIT_BITS).fold(0, |d, at| d | bit(i * DIGIT_BITS + at) << at))
}

/// The same numbers, each in the lane that `place` gives.
fn permuted<const K: usize>(numbers: &Eight<K>, place: [usize; LANES]) -> Eight<K> {
    let mut out = Eight::ZERO;
    for (lane, to) in place.into_iter().enumerate() {
        out.set_lane(to, &numbers.lane(lane));
    }
    out
}

/// A random order of the lanes.
fn shuffle(drbg: &mut Drbg) -> [usize; LANES] {
    let mut place = core::array::from_fn(|lane| lane);
    for lane in (1..LANES).rev() {
        let mut byte = [0];
        drbg.fill(&mut byte);
        place.swap(lane, usize::from(byte[0]) % (lane + 1));
    }
    place
}
