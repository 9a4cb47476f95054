//! RSA keys a second, side by side: interleaved rounds of this engine and the `rsa` crate.
//!
//! The `rsa` crate draws from a comparable range but makes no consistency check. Arguments:
//! number of rounds (default 10), modulus bits (default 2048). Pin it to one core.

use std::time::Instant;

use keymill::crypto::arith::{Eight, Kernel, Lanes, Modulus, Scratch, Vectors, modulus_bits};
use keymill::crypto::drbg::Drbg;
use keymill::crypto::rsa::RsaEngine;
use keymill::crypto::{Engine, KeyPairBatch};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::{Backend, Ifma};

fn engine_seconds(engine: &mut RsaEngine, batch: &mut KeyPairBatch, drbg: &mut Drbg) -> f64 {
    batch.clear();
    let start = Instant::now();
    engine.generate(drbg, batch, batch.capacity()).expect("a sound machine");
    start.elapsed().as_secs_f64() / batch.capacity() as f64
}

fn square_ns<const K: usize>(token: Ifma) {
    let mut x = Eight::<K>::small(3);
    let (modulus, mut scratch) = (Modulus::new(&Eight::small(1)), Scratch::default());
    let best = (0..3000).map(|_| {
        let start = Instant::now();
        Vectors(token).run(|| {
            for _ in 0..100 {
                modulus.square(&mut x, <<Vectors as Kernel>::V as Lanes>::splat(0), &mut scratch);
            }
        });
        start.elapsed().as_nanos() / 100
    });
    println!("square of 8 x {} bits: {} ns", modulus_bits(K), best.min().unwrap_or(0));
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a number"));
    let (rounds, bits) = (arguments.next().unwrap_or(10), arguments.next().unwrap_or(2048));
    let spec = KeyPairSpec::ALL.into_iter().find(|s| s.rsa_bits() == Some(bits)).expect("RSA size");
    let token = Ifma::detect().expect("a CPU with AVX-512 IFMA");
    square_ns::<20>(token);
    square_ns::<30>(token);
    square_ns::<40>(token);
    let mut drbg = Drbg::from_system().expect("entropy");
    let (mut ifma, mut portable) =
        (RsaEngine::new(spec, Backend::Ifma(token)), RsaEngine::new(spec, Backend::Portable));
    let mut eight = KeyPairBatch::with_capacity(spec, 32);
    let mut one = KeyPairBatch::with_capacity(spec, 1);
    let mut seconds = [0.0; 3];
    for _ in 0..rounds {
        seconds[0] += engine_seconds(&mut ifma, &mut eight, &mut drbg);
        seconds[1] += engine_seconds(&mut portable, &mut one, &mut drbg);
        let start = Instant::now();
        for _ in 0..4 {
            std::hint::black_box(rsa::PrivateKey::new(&mut drbg, bits).expect("a key"));
        }
        seconds[2] += start.elapsed().as_secs_f64() / 4.0;
    }
    for (name, total) in ["ifma", "portable", "rsa 0.10"].into_iter().zip(seconds) {
        let rate = rounds as f64 / total;
        println!("{name:10} {rate:8.2} keys/s  {:6.2} x rsa", seconds[2] / total);
    }
}
