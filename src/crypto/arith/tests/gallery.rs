//! Primes and pseudoprimes of full size whose every verdict is known beforehand.
//!
//! The pseudoprimes are products of `k (p - 1) + 1` over the multipliers k of their line in
//! `tests/data/strong_pseudoprimes.txt`, which also says to which bases they are strong. A
//! random base finds each with probability 3/4 and more.

use super::*;

const PSEUDOPRIMES: &str = include_str!("../../../../tests/data/strong_pseudoprimes.txt");

/// Prime bases that the tests try.
pub(super) const BASES: [u64; 19] =
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67];

/// A number and the verdicts it deserves.
#[derive(Clone)]
pub(super) struct Exhibit {
    pub(super) number: BigUint,
    pub(super) is_prime: bool,
    /// It is a strong probable prime to the prime bases up to here.
    pub(super) liars_up_to: u64,
}

fn power_of_two(exponent: usize) -> BigUint {
    BigUint::from(1_u8) << exponent
}

/// The last prime below `2^bits` and the first above `2^(bits-1)`, then primes p of each power of
/// two in p - 1, up to beyond a digit. GMP calls them prime, with 30 rounds of its own.
fn primes(bits: usize) -> Vec<BigUint> {
    let (below, above): (u32, u32) = match bits {
        1024 => (105, 1155),
        1536 => (3453, 699),
        _ => (1557, 1919),
    };
    let twos: [(usize, u32); 7] = match bits {
        1024 => [(1, 577), (2, 373), (3, 1093), (10, 127), (20, 1393), (33, 655), (51, 1219)],
        1536 => [(1, 349), (2, 743), (3, 641), (10, 1187), (20, 115), (33, 1205), (51, 889)],
        _ => [(1, 959), (2, 1265), (3, 1373), (10, 1001), (20, 1783), (33, 245), (51, 719)],
    };
    let half = power_of_two(bits - 1);
    let mut primes = vec![power_of_two(bits) - below, &half + above];
    primes.extend(twos.map(|(s, odd)| &half + (BigUint::from(odd) << s) + 1_u8));
    primes
}

/// The products of the file that have `bits` bits.
fn pseudoprimes(bits: usize) -> Vec<Exhibit> {
    let lines = PSEUDOPRIMES.lines().filter(|line| !line.starts_with('#'));
    let mut found = Vec::new();
    for line in lines {
        let [size, bound, multipliers, p] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("four fields, not {line}")
        };
        if size != bits.to_string() {
            continue;
        }
        let before = BigUint::parse_bytes(p.as_bytes(), 16).unwrap() - 1_u8;
        let factors = multipliers.split(',').map(|k| &before * k.parse::<u32>().unwrap() + 1_u8);
        let number: BigUint = factors.product();
        let liars_up_to = bound.parse().unwrap();
        found.push(Exhibit { number, is_prime: false, liars_up_to });
    }
    assert_eq!(found.len(), 3, "pseudoprimes of {bits} bits");
    found
}

/// The square of the last prime below `2^(bits/2)`, and the ends of the range.
fn composites(bits: usize) -> [BigUint; 3] {
    let below: u32 = match bits {
        1024 => 569,
        1536 => 825,
        _ => 105,
    };
    let prime = power_of_two(bits / 2) - below;
    [&prime * &prime, power_of_two(bits) - 1_u8, power_of_two(bits - 1) + 1_u8]
}

/// Everything of one size.
pub(super) fn of_size(bits: usize) -> Vec<Exhibit> {
    let known = |is_prime| {
        move |number| Exhibit { number, is_prime, liars_up_to: if is_prime { u64::MAX } else { 0 } }
    };
    let mut all: Vec<Exhibit> = primes(bits).into_iter().map(known(true)).collect();
    all.extend(composites(bits).map(known(false)));
    all.extend(pseudoprimes(bits));
    for exhibit in &all {
        assert_eq!(exhibit.number.bits(), bits, "full size");
    }
    all
}
