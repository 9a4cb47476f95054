//! The sieve and the source against plain integers.

use num_bigint_dig::BigUint;
use rand_core::Rng;

use super::search::{Search, WANTED_MAX};
use super::sieve::{Sieve, Sixteen};
use super::source::Source;
use super::{error_bound_bits, primes_up_to, rounds};
use crate::crypto::arith::{DIGIT_MASK, Eight, Kernel, LANES, Portable, Vectors, modulus_bits};
use crate::crypto::drbg::Drbg;
use crate::sys::features::Ifma;

fn big(digits: &[u64]) -> BigUint {
    digits.iter().rev().fold(BigUint::from(0_u8), |n, &d| (n << 52_usize) + BigUint::from(d))
}

fn digits<const K: usize>(number: &BigUint) -> [u64; K] {
    core::array::from_fn(|i| {
        let digit = (number >> (52 * i)) & BigUint::from(DIGIT_MASK);
        digit.to_bytes_le().iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    })
}

/// Random numbers of full digits; those of odd lanes are multiples of `prime`, the last pair is
/// the largest number and zero.
fn numbers<const K: usize>(drbg: &mut Drbg, prime: u64) -> Sixteen<K> {
    let mut sixteen = [Eight::ZERO; 2];
    for (i, eight) in sixteen.iter_mut().enumerate() {
        for lane in 0..LANES {
            let mut number =
                big(&core::array::from_fn::<_, K, _>(|_| drbg.next_u64() & DIGIT_MASK));
            if lane % 2 == 1 {
                number = &number / BigUint::from(prime) * BigUint::from(prime);
            }
            match (i, lane) {
                (1, 6) => eight.set_lane(lane, &[DIGIT_MASK; K]),
                (1, 7) => {}
                _ => eight.set_lane(lane, &digits(&number)),
            }
        }
    }
    sixteen
}

fn random_below(drbg: &mut Drbg, end: usize) -> usize {
    usize::try_from(drbg.next_u64() % end as u64).expect("below the end")
}

fn sieve_divides<N: Kernel, const K: usize>(kernel: N, above: u64, bound: usize, cases: usize) {
    let mut drbg = Drbg::from_seed([3; 32]);
    let sieve = Sieve::<K>::new(above, bound);
    let primes: Vec<u64> = primes_up_to(bound).into_iter().filter(|&p| p > above).collect();
    for case in 0..cases {
        // The ends of the table first, where groups are filled up.
        let prime = [primes[0], primes[primes.len() - 1]].get(case).copied();
        let prime = prime.unwrap_or_else(|| primes[random_below(&mut drbg, primes.len())]);
        let sixteen = numbers::<K>(&mut drbg, prime);
        let alive = kernel.run(
            #[inline(always)]
            || sieve.survivors::<N::V>(&sixteen),
        );
        for (eight, alive) in sixteen.iter().zip(alive) {
            for lane in 0..LANES {
                let number = big(&eight.lane(lane));
                let divides = |&p: &u64| &number % BigUint::from(p) == BigUint::from(0_u8);
                let expected = !primes.iter().any(divides);
                assert_eq!(alive >> lane & 1 == 1, expected, "lane {lane}, prime {prime}");
            }
        }
    }
}

#[test]
fn the_sieve_finds_every_divisor_and_no_other() {
    sieve_divides::<_, 20>(Portable, 683, 1 << 13, 6);
    let Some(token) = Ifma::detect() else { return };
    sieve_divides::<_, 20>(Vectors(token), 2, 1 << 10, 20);
    sieve_divides::<_, 20>(Vectors(token), 683, 1 << 16, 6);
    sieve_divides::<_, 30>(Vectors(token), 1049, 1 << 16, 4);
    sieve_divides::<_, 40>(Vectors(token), 1429, 1 << 16, 4);
}

#[test]
fn every_prime_of_the_table_divides_its_multiples() {
    let Some(token) = Ifma::detect() else { return };
    let sieve = Sieve::<20>::new(683, 1 << 16);
    let mut drbg = Drbg::from_seed([4; 32]);
    for p in primes_up_to(1 << 16).into_iter().filter(|&p| p > 683) {
        let sixteen = numbers::<20>(&mut drbg, p);
        let alive = Vectors(token).run(
            #[inline(always)]
            || sieve.survivors::<<Vectors as Kernel>::V>(&sixteen),
        );
        assert_eq!([alive[0] & 0b1010_1010, alive[1] & 0b0010_1010], [0, 0], "{p}");
    }
}

fn source_is_coprime<N: Kernel, const K: usize>(kernel: N) {
    let mut drbg = Drbg::from_seed([5; 32]);
    let mut source = Source::<K>::new();
    let mut sixteen = [Eight::ZERO; 2];
    let small = primes_up_to(usize::try_from(source.largest()).expect("small"));
    let square = BigUint::from(1_u8) << (2 * modulus_bits(K) - 1);
    for _ in 0..20 {
        let inside = kernel.run(
            #[inline(always)]
            || source.draw::<N::V>(&mut drbg, &mut sixteen),
        );
        assert_eq!(inside, [0xff; 2], "what falls outside has a chance of 2^-60");
        for number in sixteen.iter().flat_map(|eight| (0..LANES).map(|lane| eight.lane(lane))) {
            let number = big(&number);
            assert!(&number * &number > square && number.bits() == modulus_bits(K));
            let zero = BigUint::from(0_u8);
            assert!(small.iter().all(|&p| &number % BigUint::from(p) != zero));
        }
    }
}

#[test]
fn candidates_are_in_the_range_and_coprime_to_the_primorial() {
    source_is_coprime::<_, 20>(Portable);
    let Some(token) = Ifma::detect() else { return };
    source_is_coprime::<_, 20>(Vectors(token));
    source_is_coprime::<_, 30>(Vectors(token));
    source_is_coprime::<_, 40>(Vectors(token));
}

#[test]
fn any_number_of_primes_can_be_searched_for_and_none_comes_twice() {
    let Some(token) = Ifma::detect() else { return };
    let mut drbg = Drbg::from_seed([6; 32]);
    let mut search = Search::<_, 20>::new(Vectors(token));
    let mut all = Vec::new();
    for count in [1, 2, 3, 7, 8, 9, WANTED_MAX] {
        let mut primes = vec![[0; 20]; count];
        search.primes(&mut drbg, &mut primes);
        all.extend(primes.iter().map(|prime| big(prime)));
        search.forget();
    }
    for (i, prime) in all.iter().enumerate() {
        assert!(num_bigint_dig::prime::probably_prime(prime, 10), "{prime}");
        assert!(!all[..i].contains(prime), "{prime} came twice");
    }
}

/// Minus the binary logarithm of the probability that a random number of `bits` bits which passed
/// `rounds` is composite (FIPS 186-5 C.1, after Damgard, Landrock and Pomerance, "Average case
/// error estimates for the strong probable prime test", 1993).
fn error_bits(bits: usize, rounds: usize) -> f64 {
    let (k, t) = (bits as f64, rounds as f64);
    let inner = |m: u32| (2..=m).map(|j| (-(f64::from(j) + (k - 1.0) / f64::from(j))).exp2()).sum();
    let term = |m: u32| -> f64 {
        let sum: f64 = inner(m);
        (f64::from(m) - (f64::from(m) - 1.0) * t).exp2() * sum
    };
    let weight = 8.0 * (core::f64::consts::PI.powi(2) - 6.0) / 3.0;
    let of = |last: u32| {
        let many = (-2.0 - f64::from(last) * t).exp2();
        let few = weight / 4.0 * (3..=last).map(term).sum::<f64>();
        2.00743 * core::f64::consts::LN_2 * k * (many + few)
    };
    let lasts = (3..).take_while(|&last| f64::from(last) <= 2.0 * (k - 1.0).sqrt() - 1.0);
    -lasts.map(of).fold(1.0, f64::min).log2()
}

/// FIPS 186-5, Table B.1, for p and q: their bits, the binary logarithm of one over the error
/// probability, rounds. See [`rounds`] for where this was read.
const TABLE_B_1: [(usize, usize, usize); 6] = [
    (1024, 100, 4),
    (1024, 112, 5),
    (1536, 100, 3),
    (1536, 128, 4),
    (2048, 100, 2),
    (2048, 144, 4),
];

#[test]
fn the_formula_gives_the_published_rounds() {
    for (bits, wanted, rounds) in TABLE_B_1 {
        assert!(error_bits(bits, rounds) >= wanted as f64, "{bits}, {wanted}");
        assert!(error_bits(bits, rounds - 1) < wanted as f64, "{bits}, {wanted}");
    }
}

#[test]
fn rounds_are_those_of_the_security_strength() {
    for bits in [1024, 1536, 2048] {
        let chosen = (bits, error_bound_bits(bits), rounds(bits));
        assert!(TABLE_B_1.contains(&chosen), "{chosen:?}");
    }
}
