//! What a pool is like at one moment.

use core::time::Duration;

use super::maker::MakeError;
use super::stock::Marks;
use crate::spec::KeyPairSpec;
use crate::sys::counters::Counters;
use crate::sys::secret_memory::Protection;

/// A pool at one moment; the numbers were read one after the other.
#[derive(Clone, Copy, Debug)]
pub struct PoolStatus {
    /// What it holds.
    pub spec: KeyPairSpec,
    /// How much it should hold.
    pub marks: Marks,
    /// Whether it is kept full: from the start on, or since somebody first took from it.
    pub is_wanted: bool,
    /// Whether it was filled up to its low mark once.
    pub was_warm: bool,
    /// Finished pairs.
    pub ready: usize,
    /// Pairs of primes behind them.
    pub depth: usize,
    /// Pairs that came in since the start, made here or fed.
    pub made: u64,
    /// Pairs handed out since the start.
    pub taken: u64,
    /// Numbers put to a Fermat test, for primes.
    pub tested: u64,
    /// Primes found.
    pub primes: u64,
    /// How many tests a prime should take on average; `None` where no primes are sought.
    pub expected_tests: Option<f64>,
    /// What its memory is, once it has any.
    pub protection: Option<Protection>,
    /// Why no more pairs are made, if so.
    pub failure: Option<MakeError>,
}

/// A producer at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProducerStatus {
    /// Pairs it finished since the start.
    pub made: u64,
    /// Processor time it used.
    pub cpu_time: Duration,
    /// What the kernel counted since it last began with a new spec.
    pub since_warm: Counters,
}
