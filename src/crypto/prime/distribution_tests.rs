//! The source at a size at which every candidate can be counted: 18 bits.
//!
//! A test fails where chi-squared exceeds a value that a uniform source exceeds once in a
//! million; the seeds are fixed, so that it does so always or never.

use super::primes_up_to;
use super::source::Source;
use crate::crypto::arith::{Eight, Kernel, LANES, Portable, Vectors};
use crate::crypto::drbg::Drbg;
use crate::sys::features::Ifma;

const BITS: usize = 18;
/// Leaves a primorial of 210.
const K_BITS: usize = 8;
const PRIMORIAL: usize = 210;
/// `sqrt(2) 2^17`, rounded up.
const LOWEST: usize = 185_364;
const END: usize = 1 << BITS;
const PRIMES: usize = 100_000;

/// The upper quantile of chi-squared for one in a million (Wilson and Hilferty, 1931; 4.7534 is
/// that quantile of the normal distribution).
fn critical(degrees: usize) -> f64 {
    let part = 2.0 / (9.0 * degrees as f64);
    degrees as f64 * (1.0 - part + 4.7534 * part.sqrt()).powi(3)
}

/// Chi-squared of `counts` against `weights`, and its critical value.
fn chi_squared(counts: &[usize], weights: &[usize]) -> (f64, f64) {
    let [drawn, whole] = [counts, weights].map(|of| of.iter().sum::<usize>() as f64);
    let term = |(&count, &weight): (&usize, &usize)| {
        let expected = weight as f64 * drawn / whole;
        (count as f64 - expected).powi(2) / expected
    };
    (counts.iter().zip(weights).map(term).sum(), critical(counts.len() - 1))
}

/// How often each number below 2^18 was drawn, until 10^5 of those drawn were primes.
fn draw<N: Kernel>(kernel: N, is_prime: &[bool]) -> Vec<usize> {
    let mut source = Source::<5>::of_size(BITS, K_BITS);
    assert_eq!(source.largest(), 7, "the primorial is 210");
    let (mut drbg, mut sixteen) = (Drbg::from_seed([9; 32]), [Eight::ZERO; 2]);
    let (mut counts, mut primes) = (vec![0; END], 0);
    while primes < PRIMES {
        let inside = kernel.run(
            #[inline(always)]
            || source.draw::<N::V>(&mut drbg, &mut sixteen),
        );
        for (eight, inside) in sixteen.iter().zip(inside) {
            for lane in (0..LANES).filter(|lane| inside >> lane & 1 == 1) {
                let [number, rest @ ..] = eight.lane(lane);
                assert_eq!(rest, [0; 4], "18 bits");
                let number = usize::try_from(number).expect("18 bits");
                counts[number] += 1;
                primes += usize::from(is_prime[number]);
            }
        }
    }
    counts
}

/// The counts of what `keep` keeps, gathered by `class`, against how many numbers there are.
fn judge(
    name: &str,
    counts: &[usize],
    keep: impl Fn(usize) -> bool,
    class: impl Fn(usize) -> usize,
) -> (f64, f64) {
    let [mut drawn, mut whole] = [(); 2].map(|()| vec![0; END]);
    for number in (LOWEST..END).filter(|&number| keep(number)) {
        drawn[class(number)] += counts[number];
        whole[class(number)] += 1;
    }
    let classes: Vec<usize> = (0..END).filter(|&class| whole[class] > 0).collect();
    let of = |table: &[usize]| classes.iter().map(|&class| table[class]).collect::<Vec<_>>();
    let (chi, bound) = chi_squared(&of(&drawn), &of(&whole));
    println!("{name}: chi-squared {chi:.1}, {} classes, critical {bound:.1}", classes.len());
    (chi, bound)
}

fn primes_of_the_range() -> Vec<bool> {
    let mut is_prime = vec![false; END];
    for p in primes_up_to(END - 1) {
        is_prime[usize::try_from(p).expect("18 bits")] = true;
    }
    is_prime
}

fn source_is_uniform<N: Kernel>(kernel: N) {
    let is_prime = primes_of_the_range();
    let counts = draw(kernel, &is_prime);
    let is_unit = |number: usize| [2, 3, 5, 7].iter().all(|p| !number.is_multiple_of(*p));
    let drawn = |number: &usize| counts[*number] > 0;
    assert!((0..END).filter(drawn).all(|number| number >= LOWEST && is_unit(number)));
    assert_eq!(LOWEST * LOWEST / (1 << (2 * BITS - 1)), 1, "the range starts above sqrt(2) 2^17");
    let keep = |number: usize| is_prime[number];
    for (name, (chi, bound)) in [
        ("each candidate", judge("each candidate", &counts, is_unit, |number| number)),
        ("each unit", judge("each unit modulo 210", &counts, is_unit, |number| number % PRIMORIAL)),
        ("each prime", judge("each prime", &counts, keep, |number| number)),
        ("top byte", judge("top byte of primes", &counts, keep, |number| number >> (BITS - 8))),
    ] {
        assert!(chi < bound, "{name}: {chi:.1} above {bound:.1}");
    }
    for modulus in [3, 5, 7, 11, 13, 17] {
        let name = format!("primes modulo {modulus}");
        let (chi, bound) = judge(&name, &counts, keep, |number| number % modulus);
        assert!(chi < bound, "{name}: {chi:.1} above {bound:.1}");
    }
}

#[test]
fn every_candidate_and_prime_of_18_bits_is_drawn_equally_often() {
    source_is_uniform(Portable);
    let Some(token) = Ifma::detect() else { return };
    source_is_uniform(Vectors(token));
}

/// The test would see what it is there to exclude: the same draws, each moved on to the next
/// prime as an incremental search does.
#[test]
fn an_incremental_search_is_seen_to_favour_primes_after_gaps() {
    let is_prime = primes_of_the_range();
    let counts = draw(Portable, &is_prime);
    let (mut moved, mut waiting) = (vec![0; END], 0);
    for number in LOWEST..END {
        waiting += counts[number];
        if is_prime[number] {
            moved[number] = core::mem::take(&mut waiting);
        }
    }
    let (chi, bound) = judge("incremental", &moved, |number| is_prime[number], |number| number);
    assert!(chi > 2.0 * bound, "{chi:.1} is not far above {bound:.1}");
}
