//! What each thread counts of the calls it answers: how many, with which end, how long they took.
//!
//! A thread has a tally of its own, which nobody else asks for but the admin address now and then,
//! so that its lock costs nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::weather::Fate;
use crate::spec::Operation;

/// Calls of one thread, or of all.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    operations: BTreeMap<Option<Operation>, OperationTally>,
    /// Exceptions that came on demand.
    injected: BTreeMap<&'static str, u64>,
    dropped: u64,
}

/// Calls of one operation.
#[derive(Clone, Debug)]
pub struct OperationTally {
    /// By exception; [`OK`] where there was none.
    ends: BTreeMap<&'static str, u64>,
    /// In nanoseconds, from the whole request to the answer.
    latency: Histogram<u64>,
}

/// The end of a call that did not fail.
pub(super) const OK: &str = "OK";

impl Tally {
    /// Counts one call; `operation` is none if there is no such operation.
    pub(super) fn count(
        &mut self,
        operation: Option<Operation>,
        end: &'static str,
        time: Duration,
        fate: Fate,
    ) {
        let tally = self.operations.entry(operation).or_insert_with(OperationTally::new);
        *tally.ends.entry(end).or_default() += 1;
        tally.latency.saturating_record(nanoseconds(time));
        if fate.fault == Some(end) {
            *self.injected.entry(end).or_default() += 1;
        }
        self.dropped += u64::from(fate.is_dropped);
    }

    /// Adds what another thread counted.
    pub(super) fn add(&mut self, other: &Self) {
        for (operation, theirs) in &other.operations {
            let ours = self.operations.entry(*operation).or_insert_with(OperationTally::new);
            for (end, count) in &theirs.ends {
                *ours.ends.entry(end).or_default() += count;
            }
            // Both have the same bounds, so that everything fits.
            let _ = ours.latency.add(&theirs.latency);
        }
        for (exception, count) in &other.injected {
            *self.injected.entry(exception).or_default() += count;
        }
        self.dropped += other.dropped;
    }

    /// The operations that were called, by name; what is none is `Unknown`.
    pub fn operations(&self) -> impl Iterator<Item = (&'static str, &OperationTally)> {
        self.operations
            .iter()
            .map(|(operation, tally)| (operation.map_or("Unknown", Operation::name), tally))
    }

    /// Exceptions that came on demand.
    pub fn injected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.injected.iter().map(|(exception, count)| (*exception, *count))
    }

    /// Answers that were lost on demand.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl OperationTally {
    fn new() -> Self {
        Self { ends: BTreeMap::new(), latency: latency_histogram() }
    }

    /// How many calls ended how.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.ends.iter().map(|(end, count)| (*end, *count))
    }

    /// How long they took, in nanoseconds.
    #[must_use]
    pub const fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }
}

/// A histogram of times from a tenth of a microsecond to two minutes, in nanoseconds, to three
/// digits.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the bounds are in order")]
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(100, 120_000_000_000, 3).expect("bounds that are in order")
}

/// A time as histograms take it.
#[must_use]
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The percentiles of `latency` in microseconds, in the form that plotters of HDR histograms read.
#[must_use]
pub fn percentiles(latency: &Histogram<u64>) -> String {
    const NS_A_US: f64 = 1000.0;
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut count = 0;
    for step in latency.iter_quantiles(5) {
        let quantile = step.quantile_iterated_to();
        count += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / NS_A_US;
        text += &format!("{value:>12.3} {quantile:>14.12} {count:>10}");
        if quantile < 1.0 {
            text += &format!(" {:>14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    text + &format!(
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]\n\
         #[Max     = {:>12.3}, Total count    = {:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {:>12}]\n",
        latency.mean() / NS_A_US,
        latency.stdev() / NS_A_US,
        latency.max() as f64 / NS_A_US,
        latency.len(),
        latency.buckets(),
        2048
    )
}
