//! What a careful user would write over GMP: not a shipped generator, but hard to beat in C.
//!
//! A window of odd numbers from a random start is sieved by the primes below 2^14; survivors meet
//! a base-2 Fermat test and then Miller-Rabin with random bases, all by `mpz_powm`, whose time
//! depends on the numbers.

use std::hint::black_box;

use keymill::crypto::drbg::Drbg;
use keymill::crypto::prime;
use keymill::spec::KeyPairSpec;
use rug::Integer;
use rug::integer::Order;

use crate::contender::Contender;

const DIFFERENCE: &str = "our own loop: top two bits set, window sieved to 2^14, base 2 by \
                          mpz_powm, then the same rounds as keymill; variable time, all values, no check";
const WINDOW: usize = 4096;
const E: u32 = 65537;

/// The loop for the size of `spec`.
pub fn contender(spec: KeyPairSpec) -> Option<Contender> {
    let bits = spec.rsa_bits()? / 2;
    let primes = prime::primes_up_to(1 << 14).into_iter().skip(1);
    let primes = primes.map(|p| u32::try_from(p).expect("a small prime")).collect();
    let drbg = Drbg::from_system().expect("the system gives entropy");
    let mut search = Search { bits, primes, drbg };
    let mut contender = Contender::one_by_one(spec, "gmp-mpfr-sys", DIFFERENCE, move || {
        let (p, q) = (search.prime(), search.prime());
        black_box(key(&p, &q));
    });
    contender.name = format!("GMP {}", gmp_version());
    Some(contender)
}

fn gmp_version() -> String {
    let digits = [
        gmp_mpfr_sys::gmp::VERSION,
        gmp_mpfr_sys::gmp::VERSION_MINOR,
        gmp_mpfr_sys::gmp::VERSION_PATCHLEVEL,
    ];
    digits.map(|digit| digit.to_string()).join(".")
}

struct Search {
    bits: usize,
    primes: Vec<u32>,
    drbg: Drbg,
}

impl Search {
    fn random(&mut self) -> Integer {
        let mut bytes = vec![0; self.bits / 8];
        self.drbg.fill(&mut bytes);
        Integer::from_digits(&bytes, Order::Lsf)
    }

    fn prime(&mut self) -> Integer {
        loop {
            let mut start = self.random();
            let top = u32::try_from(self.bits - 1).expect("a small number");
            for bit in [0, top - 1, top] {
                start.set_bit(bit, true);
            }
            let survivors = self.survivors(&start);
            for offset in survivors {
                let candidate = Integer::from(&start + offset);
                if self.is_prime(&candidate) {
                    return candidate;
                }
            }
        }
    }

    /// Even offsets from `start` that no small prime divides.
    fn survivors(&self, start: &Integer) -> Vec<u32> {
        let mut composite = [false; WINDOW];
        for &p in &self.primes {
            // start + 2 i = 0 mod p.
            let residue = start.mod_u(p);
            let distance = if residue == 0 { 0 } else { p - residue };
            let first = if distance.is_multiple_of(2) { distance } else { distance + p } / 2;
            let multiples = composite.iter_mut().skip(first as usize).step_by(p as usize);
            multiples.for_each(|flag| *flag = true);
        }
        let places = composite.iter().zip(0_u32..).filter(|(composite, _)| !**composite);
        places.map(|(_, place)| 2 * place).collect()
    }

    fn is_prime(&mut self, n: &Integer) -> bool {
        let below = Integer::from(n - 1);
        let fermat = Integer::from(2).pow_mod(&below, n).expect("a positive exponent");
        if fermat != 1 || below.mod_u(E) == 0 {
            return false;
        }
        let twos = below.find_one(0).expect("n - 1 is not zero");
        let odd = Integer::from(&below >> twos);
        (0..prime::rounds(self.bits)).all(|_| {
            let base: Integer = self.random() % Integer::from(n - 3) + 2;
            let mut power = base.pow_mod(&odd, n).expect("a positive exponent");
            let mut pass = power == 1 || power == below;
            for _ in 1..twos {
                power = power.square() % n;
                pass |= power == below;
            }
            pass
        })
    }
}

/// n, d, dp, dq and qinv.
fn key(p: &Integer, q: &Integer) -> [Integer; 5] {
    let (p1, q1) = (Integer::from(p - 1), Integer::from(q - 1));
    let inverse = |m: &Integer| Integer::from(E).invert(m).expect("coprime to e");
    let lcm = Integer::from(p1.lcm_ref(&q1));
    let n = Integer::from(p * q);
    let qinv = q.clone().invert(p).expect("two primes");
    [n, inverse(&lcm), inverse(&p1), inverse(&q1), qinv]
}
