//! `Maker`: what a producer has for each spec: an engine, a generator and room for one batch.
//!
//! A step is a few milliseconds of work, so that a producer can turn to another pool, or stop.

use core::fmt;
use core::time::Duration;
use std::io;
use std::time::Instant;

use super::stock::{DERIVED_ROWS, Stock};
use crate::crypto::drbg::{Drbg, EntropyError};
use crate::crypto::rsa::{PRIME_PAIRS, RsaEngine};
use crate::crypto::{Engine, GenerateError, KeyPairBatch, engine};
use crate::limits::{POOL_STEP, POOL_STEP_ROWS_MAX};
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;

/// Fills one pool, step by step.
pub(super) trait Maker: Send {
    /// Does one unit of work for `stock`; returns how many pairs it finished.
    fn step(&mut self, stock: &Stock) -> Result<usize, MakeError>;
}

/// Why no more pairs are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MakeError {
    /// A pair failed its check.
    Generate(GenerateError),
    /// No randomness.
    Entropy(EntropyError),
    /// No memory, or none that keeps secrets well enough.
    Memory(io::ErrorKind),
    /// A defect of this program.
    Panicked,
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generate(error) => error.fmt(f),
            Self::Entropy(error) => error.fmt(f),
            Self::Memory(kind) => write!(f, "no memory for the pool: {kind}"),
            Self::Panicked => f.write_str("a producer panicked"),
        }
    }
}

impl core::error::Error for MakeError {}

impl From<GenerateError> for MakeError {
    fn from(error: GenerateError) -> Self {
        Self::Generate(error)
    }
}

impl From<EntropyError> for MakeError {
    fn from(error: EntropyError) -> Self {
        Self::Entropy(error)
    }
}

/// The maker for `spec` on `backend`.
pub(super) fn maker(spec: KeyPairSpec, backend: Backend) -> Result<Box<dyn Maker>, MakeError> {
    let drbg = Drbg::from_system()?;
    if spec.rsa_bits().is_some() {
        return Ok(Box::new(PrimeMaker {
            engine: RsaEngine::new(spec, backend),
            drbg,
            batch: KeyPairBatch::with_capacity(spec, DERIVED_ROWS),
            rush_pairs: 1,
        }));
    }
    Ok(Box::new(BatchMaker {
        engine: engine(spec, backend),
        drbg,
        batch: KeyPairBatch::with_capacity(spec, POOL_STEP_ROWS_MAX),
        rows: DERIVED_ROWS,
    }))
}

/// Makes whole pairs, as many in a step as take about [`POOL_STEP`].
struct BatchMaker {
    engine: Box<dyn Engine>,
    drbg: Drbg,
    batch: KeyPairBatch,
    rows: usize,
}

impl Maker for BatchMaker {
    fn step(&mut self, stock: &Stock) -> Result<usize, MakeError> {
        let mut room = stock.ready().claim(self.rows);
        let begun = Instant::now();
        self.drbg.reseed()?;
        self.engine.generate(&mut self.drbg, &mut self.batch, room.len())?;
        self.rows = next_rows(self.rows, begun.elapsed());
        Ok(stock.put(&mut self.batch, &mut room))
    }
}

/// Rows for the next step, after `rows` took `time`.
fn next_rows(rows: usize, time: Duration) -> usize {
    match time {
        time if time > POOL_STEP => (rows / 2).max(1),
        time if time < POOL_STEP / 4 => (2 * rows).min(POOL_STEP_ROWS_MAX),
        _ => rows,
    }
}

/// Seeks primes for the depth and derives keys of them for the ready ring.
///
/// Keys are cheapest in eights. While the pool is empty somebody may wait for the next one, so that
/// a search is then for one pair of primes, and for twice as many after each, until the eights
/// are full again: the first keys come soon, and a pool that stays empty costs little more.
struct PrimeMaker {
    engine: RsaEngine,
    drbg: Drbg,
    batch: KeyPairBatch,
    rush_pairs: usize,
}

impl Maker for PrimeMaker {
    fn step(&mut self, stock: &Stock) -> Result<usize, MakeError> {
        let Self { engine, drbg, batch, rush_pairs } = self;
        let depth = stock.depth();
        if stock.can_derive() {
            let mut room = stock.ready().claim(DERIVED_ROWS);
            let primes = depth.withdraw(room.len());
            if primes.len() == 0 {
                return Ok(0);
            }
            engine.derive(drbg, primes.contents(), batch)?;
            return Ok(stock.put(batch, &mut room));
        }
        let is_empty = stock.is_empty();
        let pairs = if is_empty { *rush_pairs } else { PRIME_PAIRS };
        let is_found = engine.seek(drbg, pairs, |primes| {
            depth.claim(1).put(|cell| cell.copy_from_slice(primes));
        });
        stock.count_search(engine.take_tally());
        if is_found {
            // A new search begins, with nothing in it that an older state of the generator drew.
            engine.forget();
            drbg.reseed()?;
            *rush_pairs = if is_empty { (2 * pairs).min(PRIME_PAIRS) } else { 1 };
        }
        Ok(0)
    }
}
