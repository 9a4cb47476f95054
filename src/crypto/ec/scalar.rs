//! Private scalars: drawn, compared with the order, recoded; all in constant time but for the
//! rejection of a candidate, which tells nothing of the one accepted.
//!
//! Scalars are uniform in `1 ..= n - 1` by rejection (FIPS 186-5 A.2.2). Those of Ed25519 come
//! from the seed (RFC 8032 5.1.5).

use zeroize::Zeroize;

use super::curve::{Curve, LIMBS_MAX, Scalar};
use super::kernel::Work;
use super::lanes::LANES;
use crate::crypto::drbg::Drbg;

/// Big-endian bytes to limbs.
pub(super) fn from_bytes(bytes: &[u8]) -> Scalar {
    let mut limbs = [0; LIMBS_MAX];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.rchunks(8)) {
        let mut word = [0; 8];
        word[8 - chunk.len()..].copy_from_slice(chunk);
        *limb = u64::from_be_bytes(word);
        word.zeroize();
    }
    limbs
}

/// `a - b`, and all ones if that borrowed.
pub(super) fn sub(a: &Scalar, b: &Scalar) -> (Scalar, u64) {
    let mut difference = [0; LIMBS_MAX];
    let mut borrow = false;
    for i in 0..LIMBS_MAX {
        let (low, first) = a[i].overflowing_sub(b[i]);
        let (low, second) = low.overflowing_sub(u64::from(borrow));
        difference[i] = low;
        borrow = first | second;
    }
    (difference, u64::from(borrow).wrapping_neg())
}

/// `sum += scalar`; nine limbs hold the sum of a batch.
pub(super) fn accumulate(sum: &mut Scalar, scalar: &Scalar) {
    let mut carry = false;
    for (sum, limb) in sum.iter_mut().zip(scalar) {
        let (low, first) = sum.overflowing_add(*limb);
        let (low, second) = low.overflowing_add(u64::from(carry));
        *sum = low;
        carry = first | second;
    }
}

/// Whether `1 <= scalar < order`.
pub(super) fn in_range(scalar: &Scalar, order: &Scalar) -> bool {
    let (_, below) = sub(scalar, order);
    let any = scalar.iter().fold(0, |any, limb| any | limb);
    below != 0 && any != 0
}

/// Draws a uniform scalar into `bytes`, which hold a first random candidate.
pub(super) fn draw<C: Curve<N>, const N: usize>(drbg: &mut Drbg, bytes: &mut [u8]) -> Scalar {
    loop {
        if C::BITS % 8 != 0 {
            bytes[0] &= (1 << (C::BITS % 8)) - 1;
        }
        let scalar = from_bytes(bytes);
        if in_range(&scalar, &C::ORDER) {
            return scalar;
        }
        drbg.fill(bytes);
    }
}

/// Enters a scalar into the batch, recoded.
///
/// An even `k` is replaced by the odd `n - k`, and its point marked for negation; for Ed25519,
/// whose scalars are below `2^255` and even, by `n + k`. An odd `k` of `t` bits is the sum of
/// `(2 b_i - 1) 2^i` over the bits `b_i` of `k >> 1 | 1 << (t - 1)`, so a byte `u` of that is
/// the window's digit `2 u - 255`.
pub(super) fn enter<C: Curve<N>, const N: usize>(work: &mut Work<N>, key: usize, k: &Scalar) {
    let (group, lane) = (key / LANES, key % LANES);
    let mut other = if C::EDWARDS { *k } else { sub(&C::ORDER, k).0 };
    if C::EDWARDS {
        accumulate(&mut other, &C::ORDER);
    }
    let even = (k[0] & 1).wrapping_sub(1);
    let mut odd = [0; LIMBS_MAX];
    for i in 0..LIMBS_MAX {
        odd[i] = (k[i] & !even) | (other[i] & even);
    }
    let top = 8 * C::WINDOWS - 1;
    for i in 0..LIMBS_MAX {
        let above = if i + 1 < LIMBS_MAX { odd[i + 1] << 63 } else { 0 };
        let bit = if i == top / 64 { 1 << (top % 64) } else { 0 };
        if i < N {
            work.scalars[group][i].0[lane] = odd[i] >> 1 | above | bit;
        }
    }
    let negate = u8::from(!C::EDWARDS) & u8::try_from(even & 1).unwrap_or(0);
    work.negate[group] = work.negate[group] & !(1 << lane) | negate << lane;
    other.zeroize();
    odd.zeroize();
}
