//! Primes for RSA, exactly uniform over `[sqrt(2) 2^(b-1), 2^b)` (FIPS 186-5 A.1.3).
//!
//! A candidate is drawn coprime to a primorial ([`source`]), divided by the next primes
//! ([`sieve`]), put to a base-2 Fermat test and then to Miller-Rabin ([`search`]). Candidates are
//! independent of each other, so what a rejected one reveals says nothing about the accepted one.
//!
//! # Where the time goes, and how far to divide
//!
//! By Mertens' theorem a number of b bits that no prime up to B divides is prime with probability
//! `e^gamma ln B / ln 2^b`, so that a prime costs
//!
//! > tests = 0.5615 ln(2^b) / ln B
//!
//! Fermat tests. Dividing a survivor by one more prime p costs t and saves 1/p of a test of cost F:
//! it pays up to `B = F / t`. With t = 0.4, 0.55 and 0.7 ns and F = 31, 105 and 245 us a number
//! (one core, AVX-512 IFMA at 3 GHz) this is 2^16.2, 2^17.5 and 2^18.4 for 1024, 1536 and 2048
//! bits. The optimum is flat; [`division_bound`] is the power of two below.
//!
//! Division by three primes with the product M takes 2 (K - 1) multiply-adds for the digits, 8
//! operations to fold them, and 2 for each prime: 52, 72 and 92 for eight numbers of 20, 30 and 40
//! digits.
#![expect(
    clippy::inline_always,
    reason = "arithmetic must be inlined into the function that has the vector features on"
)]

mod queue;
pub mod search;
pub mod sieve;
pub mod source;

#[cfg(test)]
mod distribution_tests;
#[cfg(test)]
mod tests;

pub use search::Search;

use crate::crypto::arith::DIGIT_BITS;

/// Rounds of Miller-Rabin with random bases: the least that reach [`error_bound_bits`], as in FIPS
/// 186-5, Table B.1.
///
/// The standard's own pages were not at hand. The table is the one quoted in full at
/// <https://crypto.stackexchange.com/questions/104265>, whose last column `OpenTitan` quotes too
/// (`sw/otbn/crypto/rsa_keygen.s`); the tests compute all of its values for p and q by the formula of
/// C.1, which is Damgard, Landrock and Pomerance's.
#[must_use]
pub const fn rounds(bits: usize) -> usize {
    if bits <= 1024 { 5 } else { 4 }
}

/// A number that passed [`rounds`] is composite with probability at most 2 to the minus this many
/// bits: the security strength of a modulus of twice the bits (FIPS 186-5 Table B.1).
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
    match digits {
        20 => 1 << 16,
        30 => 1 << 17,
        _ => 1 << 18,
    }
}

/// Fermat tests that a prime of `bits` bits takes on average, after division up to
/// [`division_bound`] (Mertens' third theorem).
#[must_use]
pub fn expected_tests(bits: usize) -> f64 {
    const E_TO_MINUS_GAMMA: f64 = 0.561_459_483_566_885;
    let bound = division_bound(bits.div_ceil(DIGIT_BITS)) as f64;
    E_TO_MINUS_GAMMA * bits as f64 * core::f64::consts::LN_2 / bound.ln()
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
