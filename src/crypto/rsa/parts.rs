//! The numbers of one key, in 64-bit limbs, by operations whose time depends on the size only.
//!
//! `d = (1 + m k) / e` with `m = lcm(p - 1, q - 1)` and `k = -m^-1 mod e`: the only inversion is
//! modulo the public 65537, and the division is exact.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::arith::{limbs, modulus_bits};

/// The public exponent.
pub(super) const E: u64 = 65537;

/// One key.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct Parts {
    pub(super) n: Vec<u64>,
    pub(super) d: Vec<u64>,
    pub(super) p: Vec<u64>,
    pub(super) q: Vec<u64>,
    pub(super) dp: Vec<u64>,
    pub(super) dq: Vec<u64>,
    pub(super) qinv: Vec<u64>,
}

impl Parts {
    /// Takes the primes and computes dp and dq.
    pub(super) fn exponents<const K: usize>(&mut self, p: &[u64; K], q: &[u64; K]) {
        let half = modulus_bits(K) / 64;
        for (prime, exponent, digits) in
            [(&mut self.p, &mut self.dp, p), (&mut self.q, &mut self.dq, q)]
        {
            prime.resize(half, 0);
            limbs::from_digits(digits, prime);
            exponent.clone_from(prime);
            exponent[0] -= 1;
            invert_e(exponent);
        }
    }

    /// Computes n and d; false if a relation between the parts does not hold.
    pub(super) fn complete<const K: usize>(&mut self, qinv: &[u64; K]) -> bool {
        let half = self.p.len();
        self.qinv.resize(half, 0);
        limbs::from_digits(qinv, &mut self.qinv);
        self.n.resize(2 * half, 0);
        limbs::multiply(&mut self.n, &self.p, &self.q);
        self.d.resize(2 * half, 0);
        let [mut p1, mut q1] = [self.p.clone(), self.q.clone()];
        p1[0] -= 1;
        q1[0] -= 1;
        let [mut reduced, mut odd, mut rest] = [p1.clone(), p1.clone(), q1.clone()];
        let twos = limbs::gcd(&mut odd, &mut rest);
        limbs::shift_right(&mut reduced, twos);
        limbs::divide_exact(&mut reduced, &odd);
        limbs::multiply(&mut self.d, &reduced, &q1);
        invert_e(&mut self.d);
        let good = self.relations_hold(&p1, &q1, &reduced);
        for secret in [&mut p1, &mut q1, &mut reduced, &mut odd, &mut rest] {
            secret.zeroize();
        }
        good
    }

    /// Checks without the vector kernel, modulo 2^61 - 1: n = p q, and e d - 1 is a multiple of
    /// the least common multiple. Also d > 2^(nlen/2) and the exact length of n.
    fn relations_hold(&self, p1: &[u64], q1: &[u64], reduced: &[u64]) -> bool {
        let half = self.p.len();
        let times = |a: u64, b: u64| {
            let (low, high) = a.carrying_mul(b, 0);
            limbs::modulo_mersenne(&[low, high])
        };
        let of = limbs::modulo_mersenne;
        let lcm = times(of(reduced), of(q1));
        let mut product = vec![0; 2 * half];
        limbs::multiply(&mut product, reduced, q1);
        let k = inverse_factor(&product);
        product.zeroize();
        let no_prefix = |d: &[u64], m: &[u64]| {
            let k = inverse_factor(m);
            times(of(d), E) == of(&[times(of(m), k) + 1])
        };
        of(&self.n) == times(of(&self.p), of(&self.q))
            && times(of(&self.d), E) == of(&[times(lcm, k) + 1])
            && no_prefix(&self.dp, p1)
            && no_prefix(&self.dq, q1)
            && self.d[half..].iter().fold(0, |or, limb| or | limb) != 0
            && self.n[2 * half - 1] >> 63 == 1
    }
}

/// `-m^-1 mod e`, by Fermat: `m^(e-2)`.
fn inverse_factor(m: &[u64]) -> u64 {
    let m = limbs::modulo_e(m);
    // e - 2 = 65535 is sixteen ones.
    E - (0..16).fold(1, |power, _| power * power % E * m % E)
}

/// `m = (1 + m k) / e`, the inverse of e modulo the old m.
fn invert_e(m: &mut [u64]) {
    let k = inverse_factor(m);
    let mut wide = vec![0; m.len() + 1];
    wide[0] = 1;
    limbs::add_product(&mut wide, m, k);
    limbs::divide_exact(&mut wide, &[E]);
    let limbs = m.len();
    m.copy_from_slice(&wide[..limbs]);
    wide.zeroize();
}

/// `|p - q| > 2^(bits - 100)` with room: whether the top 99 bits of the difference are not all
/// zero, and not all one.
pub(super) fn far_apart<const K: usize>(p: &[u64; K], q: &[u64; K]) -> bool {
    let count = modulus_bits(K) / 64;
    let (mut a, mut b) = (vec![0; count], vec![0; count]);
    limbs::from_digits(p, &mut a);
    limbs::from_digits(q, &mut b);
    limbs::subtract(&mut a, &b);
    let top = u128::from(a[count - 1]) << 64 | u128::from(a[count - 2]);
    a.zeroize();
    b.zeroize();
    let top = top >> 29;
    top != 0 && top != u128::MAX >> 29
}
