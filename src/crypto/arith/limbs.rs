//! Scalar arithmetic on 64-bit limbs, least significant first: the key parts and the checks.
//!
//! Time depends on the lengths only, except where the name ends in `_vartime`.
#![expect(clippy::cast_possible_truncation, reason = "limbs of wider sums and products")]

use crypto_bigint::Uint;
use zeroize::Zeroize;

use super::{DIGIT_BITS, DIGIT_MASK};

/// The `K` digits of a number.
#[must_use]
pub fn digits<const K: usize>(limbs: &[u64]) -> [u64; K] {
    core::array::from_fn(|i| {
        let (limb, offset) = (i * DIGIT_BITS / 64, i * DIGIT_BITS % 64);
        let at = |i: usize| u128::from(limbs.get(i).copied().unwrap_or(0));
        ((at(limb) | at(limb + 1) << 64) >> offset) as u64 & DIGIT_MASK
    })
}

/// The limbs of a number given by its digits.
pub fn from_digits(digits: &[u64], limbs: &mut [u64]) {
    limbs.fill(0);
    for (i, &digit) in digits.iter().enumerate() {
        let (limb, offset) = (i * DIGIT_BITS / 64, i * DIGIT_BITS % 64);
        let wide = u128::from(digit) << offset;
        for (limb, part) in limbs.iter_mut().skip(limb).zip([wide as u64, (wide >> 64) as u64]) {
            *limb |= part;
        }
    }
}

/// `a += factor * b`; returns the carry out of `a`.
pub fn add_product(a: &mut [u64], b: &[u64], factor: u64) -> u64 {
    let mut carry = 0;
    for (i, limb) in a.iter_mut().enumerate() {
        let b = b.get(i).copied().unwrap_or(0);
        let sum = u128::from(*limb) + u128::from(b) * u128::from(factor) + u128::from(carry);
        (*limb, carry) = (sum as u64, (sum >> 64) as u64);
    }
    carry
}

/// `a = a * factor + addend`, of as many limbs as `a` has.
pub fn scale(a: &mut [u64], factor: u64, addend: u64) {
    let mut carry = addend;
    for limb in a {
        let wide = u128::from(*limb) * u128::from(factor) + u128::from(carry);
        (*limb, carry) = (wide as u64, (wide >> 64) as u64);
    }
}

/// `a -= b`; returns the borrow.
pub fn subtract(a: &mut [u64], b: &[u64]) -> u64 {
    let mut borrow = 0;
    for (i, limb) in a.iter_mut().enumerate() {
        let b = b.get(i).copied().unwrap_or(0);
        let difference =
            u128::from(*limb).wrapping_sub(u128::from(b)).wrapping_sub(u128::from(borrow));
        (*limb, borrow) = (difference as u64, (difference >> 64) as u64 & 1);
    }
    borrow
}

/// `out = a * b`, of as many limbs as `out` has.
pub fn multiply(out: &mut [u64], a: &[u64], b: &[u64]) {
    out.fill(0);
    for (i, &limb) in a.iter().enumerate() {
        add_product(&mut out[i..], b, limb);
    }
}

/// `a = gcd(a, b)` of 1024, 1536 or 2048 bits, in constant time by the claim of `crypto-bigint`.
pub fn gcd(a: &mut [u64], b: &[u64]) {
    fn sized<const LIMBS: usize>(a: &mut [u64], b: &[u64]) {
        let [mut x, mut y] = [&*a, b].map(|limbs| {
            Uint::<LIMBS>::from_words(limbs.try_into().expect("numbers of the same length"))
        });
        let mut divisor = x.gcd(&y);
        a.copy_from_slice(divisor.as_words());
        [&mut x, &mut y, &mut divisor].into_iter().for_each(Zeroize::zeroize);
    }
    match a.len() {
        16 => sized::<16>(a, b),
        24 => sized::<24>(a, b),
        _ => sized::<32>(a, b),
    }
}

/// `a = a / 2^count`, count below 64.
pub fn shift_right(a: &mut [u64], count: u64) {
    for i in 0..a.len() {
        let above = u128::from(a.get(i + 1).copied().unwrap_or(0)) << 64;
        a[i] = ((above | u128::from(a[i])) >> count) as u64;
    }
}

/// `a = a / divisor` for an odd divisor that divides it, from the low limb up.
pub fn divide_exact(a: &mut [u64], divisor: &[u64]) {
    let inverse = (0..5).fold(divisor[0].wrapping_mul(3) ^ 2, |x, _| {
        x.wrapping_mul(2_u64.wrapping_sub(divisor[0].wrapping_mul(x)))
    });
    for i in 0..a.len() {
        let quotient = a[i].wrapping_mul(inverse);
        let mut carry = 0_u64;
        for (j, limb) in a[i..].iter_mut().enumerate() {
            let d = divisor.get(j).copied().unwrap_or(0);
            let product = u128::from(d) * u128::from(quotient) + u128::from(carry);
            let (low, borrow) = limb.overflowing_sub(product as u64);
            (*limb, carry) = (low, (product >> 64) as u64 + u64::from(borrow));
        }
        a[i] = quotient;
    }
}

/// `a mod 2^61 - 1`.
#[must_use]
pub fn modulo_mersenne(a: &[u64]) -> u64 {
    const M: u128 = (1 << 61) - 1;
    a.iter().rev().fold(0_u64, |rest, &limb| {
        let wide = u128::from(rest) << 64 | u128::from(limb);
        let folded = (wide & M) + (wide >> 61);
        let folded = (folded & M) + (folded >> 61);
        let over = u64::from(folded as u64 == M as u64);
        folded as u64 & over.wrapping_sub(1)
    })
}

/// `a mod 65537`.
#[must_use]
pub fn modulo_e(a: &[u64]) -> u64 {
    a.iter().rev().fold(0, |rest, &limb| {
        [48, 32, 16, 0].iter().fold(rest, |r, s| (r << 16 | (limb >> s & 0xffff)) % 65537)
    })
}

/// `floor(2^bits * sqrt(1/2))`, bit by bit, for public constants.
#[must_use]
pub fn sqrt_half_vartime(bits: usize) -> Vec<u64> {
    let limbs = bits / 64;
    let (mut root, mut square) = (vec![0; limbs], vec![0; 2 * limbs]);
    for bit in (0..bits).rev() {
        root[bit / 64] |= 1 << (bit % 64);
        multiply(&mut square, &root, &root);
        if square[2 * limbs - 1] >> 63 != 0 {
            root[bit / 64] ^= 1 << (bit % 64);
        }
    }
    root
}
