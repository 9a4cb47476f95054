//! Primes for RSA, exactly uniform over `[sqrt(2) 2^(b-1), 2^b)` (FIPS 186-5 A.1.3).
//!
//! A candidate is drawn coprime to a primorial ([`source`]), divided by the next primes
//! ([`sieve`]), put to a base-2 Fermat test and then to Miller-Rabin ([`search`]). Candidates are
//! independent of each other, so what a rejected one reveals says nothing about the accepted one.
#![expect(
    clippy::inline_always,
    reason = "arithmetic must be inlined into the function that has the vector features on"
)]

pub mod search;
pub mod sieve;
pub mod source;

pub use search::Search;

/// Rounds of Miller-Rabin with random bases (FIPS 186-5 Table B.1, at the security strength of
/// the modulus; the values are as other libraries quote the table, not read in the standard).
#[must_use]
pub const fn rounds(bits: usize) -> usize {
    if bits <= 1024 { 5 } else { 4 }
}

/// A composite passes [`rounds`] with probability at most 2 to the minus this many bits.
#[must_use]
pub const fn error_bound_bits(bits: usize) -> usize {
    match bits {
        1024 => 112,
        1536 => 128,
        _ => 144,
    }
}

/// The largest prime divided by, for numbers of `digits` digits.
#[must_use]
pub const fn division_bound(digits: usize) -> usize {
    if digits == 20 { 1 << 14 } else { 1 << 15 }
}

/// All primes up to `bound`.
#[must_use]
pub fn primes_up_to(bound: usize) -> Vec<u64> {
    let mut composite = vec![false; bound + 1];
    let mut primes = Vec::new();
    for n in 2..=bound {
        if !composite[n] {
            primes.push(n as u64);
            composite[n..].iter_mut().step_by(n).for_each(|c| *c = true);
        }
    }
    primes
}
