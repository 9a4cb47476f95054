//! The `crypto-primes` crate over fixed-width integers: its presets, two primes a key.

use std::hint::black_box;

use crypto_bigint::{U1024, U1536, U2048};
use crypto_primes::{Flavor, random_prime};
use keymill::crypto::drbg::Drbg;
use keymill::spec::KeyPairSpec;

use crate::contender::Contender;

const DIFFERENCE: &str = "two primes only, no key; top bit of a prime set, sieve from a random \
                          start, Miller-Rabin to base 2 and one strong Lucas test";

/// Two primes of the size that `spec` needs.
pub fn contender(spec: KeyPairSpec) -> Option<Contender> {
    let mut drbg = Drbg::from_system().expect("the system gives entropy");
    macro_rules! primes {
        ($integer:ident) => {
            Contender::one_by_one(spec, "crypto-primes", DIFFERENCE, move || {
                for _ in 0..2 {
                    let bits = $integer::BITS;
                    black_box(random_prime::<$integer, _>(&mut drbg, Flavor::Any, bits));
                }
            })
        };
    }
    match spec {
        KeyPairSpec::Rsa2048 => Some(primes!(U1024)),
        KeyPairSpec::Rsa3072 => Some(primes!(U1536)),
        KeyPairSpec::Rsa4096 => Some(primes!(U2048)),
        _ => None,
    }
}
