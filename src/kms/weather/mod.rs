//! The weather: what goes wrong on demand, so that clients can be tested for it.
//!
//! A [`Forecast`] says what is to come, in the little languages of `--quotas`, `--fault`,
//! `--latency` and `--drop`; a [`Weather`] is a forecast in force. What becomes of a request, its
//! fate, is a function of the forecast's seed and of how many requests came before it: the same seed
//! and order of requests give the same faults. Nothing of it is drawn where the sky is clear.
//!
//! ```text
//! drop      the work is done, the answer is lost on its way      chance
//! fault     an exception in place of the work                    fault
//! latency   no answer sooner than this                           latency
//! quotas    what is too much is throttled                        quota, bucket
//! ```

mod bucket;
mod chance;
mod dice;
mod fault;
mod forecast;
mod latency;
mod quota;
#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use chance::Chance;
pub use fault::Fault;
pub use forecast::{Forecast, ForecastError};
pub use latency::Latency;
pub use quota::Quotas;

use super::error::Error;
use crate::spec::key_id::Scope;
use bucket::Buckets;
use dice::Dice;
pub(super) use quota::Class;

/// A forecast in force.
#[derive(Debug)]
pub(super) struct Weather {
    forecast: Forecast,
    /// Whether nothing is drawn for any request.
    is_clear: bool,
    /// Requests so far; the number of the next.
    arrived: AtomicU64,
    buckets: Buckets,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// Whether the answer is lost.
    pub(super) is_dropped: bool,
    /// The exception that is answered in place of the work.
    pub(super) fault: Option<&'static str>,
    /// The least time to the answer.
    pub(super) latency: Duration,
}

impl Weather {
    pub(super) fn new(forecast: Forecast) -> Self {
        let is_clear = forecast.is_clear();
        Self { forecast, is_clear, arrived: AtomicU64::new(0), buckets: Buckets::default() }
    }

    /// What is to come.
    pub(super) const fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// The fate of the request that has just arrived.
    pub(super) fn next_fate(&self) -> Fate {
        if self.is_clear {
            return Fate::default();
        }
        self.fate(self.arrived.fetch_add(1, Ordering::Relaxed))
    }

    /// The fate of request `number`. Each part has draws of its own, whether or not they are needed,
    /// so that a change of one leaves the others as they were.
    fn fate(&self, number: u64) -> Fate {
        let Forecast { faults, latency, drop, seed, .. } = &self.forecast;
        let mut dice = Dice::new(*seed, number);
        let is_dropped = drop.befalls(dice.draw());
        let fault = Fault::pick(faults, dice.draw());
        let latency = latency.sample(dice.draw(), dice.draw());
        Fate { is_dropped, fault, latency }
    }

    /// Takes one call of `class` by an account in a Region off its quota, if something is left.
    pub(super) fn admit(&self, scope: &Scope, class: Class) -> Result<(), Error> {
        let Some(rate) = self.forecast.quotas.rate(class, &scope.region) else { return Ok(()) };
        let is_in_time = self.buckets.take(scope, class, rate, Instant::now());
        if is_in_time { Ok(()) } else { Err(Error::throttled()) }
    }
}
