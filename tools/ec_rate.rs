//! Keys per second of each elliptic-curve spec: the lanes beside the portable crates.
//!
//! One thread, interleaved rounds (a batch by the lanes, then keys by the portable crate, and so
//! on), best and median round of each, so that a busy neighbour hits both. Pin it:
//! `taskset -c 1 cargo run --release --example ec_rate`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use keymill::crypto::drbg::Drbg;
use keymill::crypto::ec::EcEngine;
use keymill::crypto::{Engine, KeyPairBatch};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::Ifma;
use p256::elliptic_curve::Generate;

const ROUNDS: usize = 15;
const ROWS: usize = 8192;
const PORTABLE_KEYS: usize = 200;

/// One key by the portable crate: scalar, point, affine.
fn portable_key(spec: KeyPairSpec, drbg: &mut Drbg) {
    macro_rules! key {
        ($curve:ident) => {{
            let secret = $curve::SecretKey::generate_from_rng(drbg);
            black_box(secret.public_key());
        }};
    }
    match spec {
        KeyPairSpec::EccNistP256 => key!(p256),
        KeyPairSpec::EccNistP384 => key!(p384),
        KeyPairSpec::EccNistP521 => key!(p521),
        KeyPairSpec::EccSecgP256k1 => key!(k256),
        KeyPairSpec::Sm2 => key!(sm2),
        _ => {
            let mut seed = [0; 32];
            drbg.fill(&mut seed);
            black_box(ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key());
        }
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Keys per second of the best and of the median round.
fn rates(mut rounds: Vec<Duration>, keys: usize) -> (f64, f64) {
    rounds.sort();
    let rate = |time: Duration| keys as f64 / time.as_secs_f64();
    (rate(rounds[0]), rate(rounds[rounds.len() / 2]))
}

fn main() {
    let Some(token) = Ifma::detect() else {
        println!("this CPU has no AVX-512 IFMA");
        return;
    };
    let mut drbg = Drbg::from_seed([1; 32]);
    println!("spec                    lanes best   median  portable best   median   ratio");
    for spec in KeyPairSpec::ALL {
        let Some(mut engine) = EcEngine::new(spec, token) else { continue };
        let mut batch = KeyPairBatch::with_capacity(spec, ROWS);
        let (mut lanes, mut portable) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            batch.clear();
            lanes.push(timed(|| {
                engine.generate(&mut drbg, &mut batch, ROWS).expect("consistent keys");
            }));
            portable.push(timed(|| (0..PORTABLE_KEYS).for_each(|_| portable_key(spec, &mut drbg))));
        }
        let (lanes, lanes_median) = rates(lanes, ROWS);
        let (portable, portable_median) = rates(portable, PORTABLE_KEYS);
        println!(
            "{:22} {lanes:11.0} {lanes_median:8.0} {portable:14.0} {portable_median:8.0} {:7.1}",
            spec.name(),
            lanes_median / portable_median
        );
    }
}
