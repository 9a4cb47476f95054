//! Where the time of an RSA key goes, and how many candidates it takes.

use std::time::Duration;

use indicatif::ProgressBar;
use keymill::crypto::arith::{Eight, Kernel, LANES, modulus_bits};
use keymill::crypto::drbg::Drbg;
use keymill::crypto::prime;
use keymill::crypto::prime::sieve::Sieve;
use keymill::crypto::prime::source::Source;
use keymill::crypto::rsa::RsaEngine;
use keymill::crypto::{Engine, KeyPairBatch};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::Backend;
use serde::Serialize;

use crate::one_key::{OneByOne, OneKey};
use crate::probe::{self, Account, Probed, Work};
use crate::stopwatch::timed;

/// Keys of one request, as a worker asks for them.
const ROWS: usize = 32;

/// Keys that are made one by one after each request.
const SINGLE_ROWS: usize = 8;

/// e^-gamma: Mertens' constant, the share of numbers without a divisor up to B is 0.5615 / ln B.
const MERTENS: f64 = 0.561_459_483_566_885;

/// The profile of one size.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    pub spec: &'static str,
    pub backend: &'static str,
    pub keys: usize,
    pub us_per_key: f64,
    pub stages: Vec<Stage>,
    pub candidates: Candidates,
    pub one_key: OneKey,
}

/// One stage of a key's way.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    pub name: &'static str,
    pub ns_per_prime: f64,
    /// Of the whole time.
    pub share: f64,
}

/// Candidates of one prime: counted, and as theory has it.
#[derive(Clone, Debug, Serialize)]
pub struct Candidates {
    /// The largest prime that candidates are coprime to by construction.
    pub coprime_to: u64,
    /// The largest number that candidates are divided by.
    pub divided_to: usize,
    /// Share of the drawn candidates that trial division lets through.
    pub survivors: f64,
    pub survivors_theory: f64,
    /// Fermat tests a prime.
    pub tests: f64,
    pub tests_theory: f64,
    /// One Fermat test of one candidate.
    pub us_per_test: f64,
    /// Miller-Rabin rounds that a prime took, of all eight lanes and however filled.
    pub rounds: f64,
    /// One Miller-Rabin round of one number, in Fermat tests.
    pub round_in_tests: f64,
}

/// Makes `keys` keys under observation.
pub fn profile<N: Kernel + 'static>(
    spec: KeyPairSpec,
    (kernel, backend): (N, Backend),
    keys: usize,
    progress: &ProgressBar,
) -> Profile {
    let mut engine = RsaEngine::with_kernel(spec, backend, Probed(kernel));
    let mut batch = KeyPairBatch::with_capacity(spec, ROWS);
    let mut drbg = Drbg::from_system().expect("the system gives entropy");
    let mut request = |rows| {
        batch.clear();
        engine.generate(&mut drbg, &mut batch, rows).expect("a machine that computes rightly");
    };
    request(LANES);
    probe::take_account();
    let mut singles = OneByOne::new(spec, (kernel, backend));
    let mut time = Duration::ZERO;
    let requests = keys.div_ceil(ROWS);
    for _ in 0..requests {
        time += timed(|| request(ROWS)).0;
        singles.make(SINGLE_ROWS);
        progress.inc(ROWS as u64);
    }
    let keys = requests * ROWS;
    let account = probe::take_account();
    let sifting = match spec {
        KeyPairSpec::Rsa2048 => Sifting::measure::<N, 20>(kernel),
        KeyPairSpec::Rsa3072 => Sifting::measure::<N, 30>(kernel),
        _ => Sifting::measure::<N, 40>(kernel),
    };
    Profile {
        spec: spec.name(),
        backend: backend.name(),
        keys,
        us_per_key: time.as_nanos() as f64 / 1e3 / keys as f64,
        stages: stages(&account, &sifting, time, keys),
        candidates: candidates(&account, &sifting, keys),
        one_key: singles.finish(),
    }
}

fn stages(account: &Account, sifting: &Sifting, time: Duration, keys: usize) -> Vec<Stage> {
    let total = time.as_nanos() as f64;
    let source = sifting.source_ns(account);
    let named = [
        ("source", source),
        ("trial division", account.ns(Work::Candidates) - source),
        ("Fermat tests", account.ns(Work::Fermat)),
        ("Miller-Rabin", account.ns(Work::MillerRabin)),
        ("qinv, every key used once", account.ns(Work::Powers)),
        ("other key parts, encoding", total - account.total_ns()),
    ];
    let stage = |(name, ns): (&'static str, f64)| Stage {
        name,
        ns_per_prime: ns / (2 * keys) as f64,
        share: ns / total,
    };
    named.map(stage).to_vec()
}

fn candidates(account: &Account, sifting: &Sifting, keys: usize) -> Candidates {
    let primes = (2 * keys) as f64;
    let lanes = LANES as f64;
    let test = account.ns(Work::Fermat) / account.calls(Work::Fermat) / lanes;
    let round = account.ns(Work::MillerRabin) / account.calls(Work::MillerRabin) / lanes;
    let (from, to) = ((sifting.coprime_to as f64).ln(), (sifting.divided_to as f64).ln());
    Candidates {
        coprime_to: sifting.coprime_to,
        divided_to: sifting.divided_to,
        survivors: sifting.survivors / (2 * LANES) as f64,
        survivors_theory: from / to,
        tests: account.calls(Work::Fermat) * lanes / primes,
        tests_theory: MERTENS * sifting.bits as f64 * std::f64::consts::LN_2 / to,
        us_per_test: test / 1e3,
        rounds: account.calls(Work::MillerRabin) * lanes / primes,
        round_in_tests: round / test,
    }
}

/// Drawing and dividing by themselves: the search asks for both by one name, so what it spent is
/// shared out by the time a draw takes alone, and the draws that its tests must have needed.
struct Sifting {
    bits: usize,
    coprime_to: u64,
    divided_to: usize,
    draw_ns: f64,
    /// Survivors of a draw.
    survivors: f64,
}

impl Sifting {
    fn measure<N: Kernel, const K: usize>(kernel: N) -> Self {
        const DRAWS: u32 = 400;
        let mut source = Source::<K>::new();
        let divided_to = prime::division_bound(K);
        let sieve = Sieve::<K>::new(source.largest(), divided_to);
        let mut drbg = Drbg::from_system().expect("the system gives entropy");
        let mut batch = [Eight::ZERO; 2];
        let (mut drawing, mut survivors) = (Duration::ZERO, 0);
        for _ in 0..DRAWS {
            let (time, inside) = timed(|| {
                kernel.run(
                    #[inline(always)]
                    || source.draw::<N::V>(&mut drbg, &mut batch),
                )
            });
            drawing += time;
            let alive = kernel.run(
                #[inline(always)]
                || sieve.survivors::<N::V>(&batch),
            );
            for (inside, alive) in inside.into_iter().zip(alive) {
                survivors += (inside & alive).count_ones();
            }
        }
        Self {
            bits: modulus_bits(K),
            coprime_to: source.largest(),
            divided_to,
            draw_ns: drawing.as_nanos() as f64 / f64::from(DRAWS),
            survivors: f64::from(survivors) / f64::from(DRAWS),
        }
    }

    /// Time that drawing took for as many tests as were made.
    fn source_ns(&self, account: &Account) -> f64 {
        account.calls(Work::Fermat) * LANES as f64 / self.survivors * self.draw_ns
    }
}
