//! How long a key takes that is wanted alone, so that all lanes are at work on its two primes.

use std::time::Duration;

use keymill::crypto::arith::Kernel;
use keymill::crypto::drbg::Drbg;
use keymill::crypto::rsa::RsaEngine;
use keymill::crypto::{Engine, KeyPairBatch};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::Backend;
use serde::Serialize;

use crate::stopwatch::timed;

/// CPU time of keys that were asked for one by one.
#[derive(Clone, Debug, Serialize)]
pub struct OneKey {
    pub keys: usize,
    pub p50_us: f64,
    pub p99_us: f64,
    pub mean_us: f64,
}

/// Asks for keys one by one, in turns with whoever asks for many.
#[derive(Debug)]
pub struct OneByOne {
    engine: RsaEngine,
    drbg: Drbg,
    batch: KeyPairBatch,
    times: Vec<Duration>,
}

impl OneByOne {
    pub fn new<N: Kernel + 'static>(spec: KeyPairSpec, (kernel, backend): (N, Backend)) -> Self {
        Self {
            engine: RsaEngine::with_kernel(spec, backend, kernel),
            drbg: Drbg::from_system().expect("the system gives entropy"),
            batch: KeyPairBatch::with_capacity(spec, 1),
            times: Vec::new(),
        }
    }

    /// Makes `keys` keys.
    pub fn make(&mut self, keys: usize) {
        let Self { engine, drbg, batch, times } = self;
        for _ in 0..keys {
            batch.clear();
            let (time, made) = timed(|| engine.generate(drbg, batch, 1));
            made.expect("a machine that computes rightly");
            times.push(time);
        }
    }

    /// What was measured; there must be something.
    pub fn finish(mut self) -> OneKey {
        self.times.sort_unstable();
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let at = |percent: usize| us(self.times[(self.times.len() * percent).div_ceil(100) - 1]);
        OneKey {
            keys: self.times.len(),
            p50_us: at(50),
            p99_us: at(99),
            mean_us: us(self.times.iter().sum()) / self.times.len() as f64,
        }
    }
}
