//! The numbers of one key, in 64-bit limbs, by operations whose time depends on the size only.
//!
//! `d = (1 + m k) / e` with `m = lcm(p - 1, q - 1)` and `k = -m^-1 mod e`: the only inversion is
//! modulo the public 65537, and the division is exact.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::arith::{limbs, modulus_bits};

/// The public exponent.
pub(super) const E: u64 = 65537;

/// One key. The lengths are those of the spec; all room is allocated once.
#[derive(ZeroizeOnDrop)]
pub(super) struct Parts {
    pub(super) n: Vec<u64>,
    pub(super) d: Vec<u64>,
    pub(super) p: Vec<u64>,
    pub(super) q: Vec<u64>,
    pub(super) dp: Vec<u64>,
    pub(super) dq: Vec<u64>,
    pub(super) qinv: Vec<u64>,
}

/// Room for what the parts are computed from.
#[derive(ZeroizeOnDrop)]
pub(super) struct Workspace {
    p1: Vec<u64>,
    q1: Vec<u64>,
    divisor: Vec<u64>,
    quotient: Vec<u64>,
    reduced: Vec<u64>,
    product: Vec<u64>,
    check: Vec<u64>,
}

impl Workspace {
    /// Room for primes of so many limbs.
    pub(super) fn new(limbs: usize) -> Self {
        let [p1, q1, divisor, quotient, reduced] = core::array::from_fn(|_| vec![0; limbs]);
        let [product, check] = core::array::from_fn(|_| vec![0; 2 * limbs]);
        Self { p1, q1, divisor, quotient, reduced, product, check }
    }

    /// Zeroes everything, in place.
    pub(super) fn wipe(&mut self) {
        let Self { p1, q1, divisor, quotient, reduced, product, check } = self;
        for number in [p1, q1, divisor, quotient, reduced, product, check] {
            number.as_mut_slice().zeroize();
        }
    }

    /// `p - 1`, `q - 1`, and `(p - 1) / gcd(p - 1, q - 1)`.
    fn take(&mut self, p: &[u64], q: &[u64]) {
        let Self { p1, q1, divisor, reduced, .. } = self;
        for (order, prime) in [(&mut *p1, p), (&mut *q1, q)] {
            order.copy_from_slice(prime);
            order[0] -= 1;
        }
        divisor.copy_from_slice(p1);
        limbs::gcd(divisor, q1);
        reduced.copy_from_slice(p1);
        // Exact division is by an odd number: both lose the divisor's twos first.
        let twos = u64::from((!divisor[0] & divisor[0].wrapping_sub(1)).count_ones());
        limbs::shift_right(divisor, twos);
        limbs::shift_right(reduced, twos);
        limbs::divide_exact(reduced, divisor);
    }
}

impl Parts {
    /// Room for primes of so many limbs.
    pub(super) fn new(limbs: usize) -> Self {
        let [n, d] = core::array::from_fn(|_| vec![0; 2 * limbs]);
        let [p, q, dp, dq, qinv] = core::array::from_fn(|_| vec![0; limbs]);
        Self { n, d, p, q, dp, dq, qinv }
    }

    /// Zeroes everything, in place.
    pub(super) fn wipe(&mut self) {
        let Self { n, d, p, q, dp, dq, qinv } = self;
        for number in [n, d, p, q, dp, dq, qinv] {
            number.as_mut_slice().zeroize();
        }
    }

    /// Takes the primes and computes the exponents of both.
    pub(super) fn exponents(&mut self, p: &[u64], q: &[u64]) {
        for (prime, exponent, digits) in
            [(&mut self.p, &mut self.dp, p), (&mut self.q, &mut self.dq, q)]
        {
            limbs::from_digits(digits, prime);
            exponent.copy_from_slice(prime);
            exponent[0] -= 1;
            invert_e(exponent);
        }
    }

    /// Takes the inverse of q modulo p.
    pub(super) fn set_qinv(&mut self, digits: &[u64]) {
        limbs::from_digits(digits, &mut self.qinv);
    }

    /// Computes n and d; false if a relation between the parts does not hold.
    pub(super) fn complete(&mut self, workspace: &mut Workspace) -> bool {
        workspace.take(&self.p, &self.q);
        let Workspace { q1, reduced, .. } = &*workspace;
        limbs::multiply(&mut self.n, &self.p, &self.q);
        limbs::multiply(&mut self.d, reduced, q1);
        invert_e(&mut self.d);
        self.relations_hold(workspace)
    }

    /// Checks without the vector kernel: `q qinv = 1 mod p`; modulo 2^61 - 1 that n = p q and that
    /// e times each exponent, less 1, is a multiple of what it inverts for; that
    /// d > 2^(nlen/2), and the exact length of n.
    fn relations_hold(&self, workspace: &mut Workspace) -> bool {
        let Workspace { p1, q1, reduced, product, .. } = &mut *workspace;
        let half = self.p.len();
        let of = limbs::modulo_mersenne;
        let times = |a: u64, b: u64| {
            let (low, high) = a.carrying_mul(b, 0);
            of(&[low, high])
        };
        let inverts =
            |d: &[u64], m: &[u64]| times(of(d), E) == of(&[times(of(m), inverse_factor(m)) + 1]);
        limbs::multiply(product, reduced, q1);
        of(product) == times(of(reduced), of(q1))
            && of(&self.n) == times(of(&self.p), of(&self.q))
            && inverts(&self.d, product)
            && inverts(&self.dp, p1)
            && inverts(&self.dq, q1)
            && self.inverse_holds(workspace)
            && self.d[half..].iter().fold(0, |or, limb| or | limb) != 0
            && self.n[2 * half - 1] >> 63 == 1
    }

    /// Whether `q qinv - 1` is `p` times its exact quotient by p.
    fn inverse_holds(&self, workspace: &mut Workspace) -> bool {
        let Workspace { quotient, product, check, .. } = workspace;
        limbs::multiply(product, &self.q, &self.qinv);
        limbs::subtract(product, &[1]);
        quotient.copy_from_slice(&product[..self.p.len()]);
        limbs::divide_exact(quotient, &self.p);
        limbs::multiply(check, quotient, &self.p);
        limbs::subtract(check, product);
        check.iter().fold(0, |or, limb| or | limb) == 0
    }
}

/// `-m^-1 mod e`, by Fermat: `m^(e-2)`.
fn inverse_factor(m: &[u64]) -> u64 {
    let m = limbs::modulo_e(m);
    // e - 2 = 65535 is sixteen ones.
    E - (0..16).fold(1, |power, _| power * power % E * m % E)
}

/// `m = (1 + m k) / e`, the inverse of e modulo the old m. The quotient is below m, so that the
/// limb above m is not missed.
fn invert_e(m: &mut [u64]) {
    let k = inverse_factor(m);
    limbs::scale(m, k, 1);
    limbs::divide_exact(m, &[E]);
}

/// `|p - q| > 2^(bits - 100)` with room: whether the top 99 bits of the difference are not all
/// zero, and not all one.
pub(super) fn far_apart<const K: usize>(p: &[u64; K], q: &[u64; K]) -> bool {
    let mut limbs = [[0; 32]; 2];
    let [difference, other] = limbs.each_mut().map(|l| &mut l[..modulus_bits(K) / 64]);
    limbs::from_digits(p, difference);
    limbs::from_digits(q, other);
    limbs::subtract(difference, other);
    let top = difference.iter().rev().take(2).fold(0, |top, &l| top << 64 | u128::from(l)) >> 29;
    limbs.as_flattened_mut().zeroize();
    top != 0 && top != u128::MAX >> 29
}
