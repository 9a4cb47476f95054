//! Interleaved rounds: every contender has a slice of each round, so that a slow minute of the
//! machine is shared by all of them.

use std::time::Duration;

use indicatif::ProgressBar;

use crate::contender::Contender;
use crate::statistics::{half_quartiles, median, standard_error};
use crate::stopwatch::timed;

/// What one contender did in all rounds.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Keys made.
    pub keys: usize,
    /// CPU time of all of them.
    time: Duration,
    /// Nanoseconds a key, of every call.
    calls: Vec<f64>,
    /// Nanoseconds a key, of every round.
    rounds: Vec<f64>,
}

/// Nanoseconds a key, or a ratio of two of them, with its uncertainty as a part of it.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub value: f64,
    pub uncertainty: f64,
}

impl Record {
    /// One slice: whole calls until `slice` is used up, at least one.
    ///
    /// That the last call overruns the slice does not bias the mean: the number of calls is a
    /// stopping time, so time over keys still tends to the mean time of a key (Wald).
    fn slice(&mut self, contender: &mut Contender, slice: Duration) {
        let (mut keys, mut used) = (0, Duration::ZERO);
        while used < slice {
            let (time, made) = timed(&mut contender.make);
            self.calls.push(time.as_nanos() as f64 / made as f64);
            keys += made;
            used += time;
        }
        self.rounds.push(used.as_nanos() as f64 / keys as f64);
        self.keys += keys;
        self.time += used;
    }

    /// Mean time of a key with its standard error: right where keys differ by luck, as RSA does.
    pub fn mean(&self) -> Estimate {
        let value = self.time.as_nanos() as f64 / self.keys as f64;
        Estimate { value, uncertainty: standard_error(&self.calls) / value }
    }

    /// Median round with half the distance of the quartiles: right where keys are alike.
    pub fn median(&self) -> Estimate {
        let value = median(&self.rounds);
        Estimate { value, uncertainty: half_quartiles(&self.rounds) / value }
    }

    /// How many times as fast as `self` the `other` is, by the means.
    pub fn ratio_of_means(&self, other: &Self) -> Estimate {
        let (own, others) = (self.mean(), other.mean());
        Estimate {
            value: own.value / others.value,
            uncertainty: own.uncertainty.hypot(others.uncertainty),
        }
    }

    /// How many times as fast as `self` the `other` is: median of the ratios of each round.
    pub fn median_of_ratios(&self, other: &Self) -> Estimate {
        let pairs = self.rounds.iter().zip(&other.rounds);
        let ratios: Vec<f64> = pairs.map(|(own, others)| own / others).collect();
        let value = median(&ratios);
        Estimate { value, uncertainty: half_quartiles(&ratios) / value }
    }
}

/// Runs `rounds` rounds, after one call of each contender that warms caches and tables.
pub fn interleave(
    contenders: &mut [Contender],
    rounds: usize,
    slice: Duration,
    progress: &ProgressBar,
) -> Vec<Record> {
    for contender in &mut *contenders {
        (contender.make)();
    }
    let mut records = vec![Record::default(); contenders.len()];
    for _ in 0..rounds {
        for (contender, record) in contenders.iter_mut().zip(&mut records) {
            progress.set_message(contender.name.clone());
            record.slice(contender, slice);
            progress.inc(1);
        }
    }
    records
}
