//! What is counted while requests go out and answers come in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use keymill::kms::{latency_histogram, nanoseconds};
use keymill::spec::KeyPairSpec;

use super::link::{End, Loss};
use super::mix::Share;
use super::schedule::Ticket;

/// Counts and latencies of all requests.
#[derive(Debug)]
pub struct Tally {
    pub specs: Vec<SpecTally>,
    /// How long after they were due requests were sent, in nanoseconds.
    pub lateness: Histogram<u64>,
    /// By exception.
    pub refused: BTreeMap<String, u64>,
    pub lost: BTreeMap<Loss, u64>,
    /// When the last answer came.
    pub last_answer: Option<Instant>,
}

/// Counts and latencies of the requests for one spec.
#[derive(Debug)]
pub struct SpecTally {
    pub spec: KeyPairSpec,
    pub percent: f64,
    pub sent: u64,
    /// From the moment a request was due to its key pair, in nanoseconds. Refusals are not in it: they
    /// are quick, and would flatter.
    pub latency: Histogram<u64>,
}

impl Tally {
    pub fn new(shares: &[Share]) -> Self {
        let spec = |share: &Share| SpecTally {
            spec: share.spec,
            percent: share.percent,
            sent: 0,
            latency: latency_histogram(),
        };
        Self {
            specs: shares.iter().map(spec).collect(),
            lateness: latency_histogram(),
            refused: BTreeMap::new(),
            lost: BTreeMap::new(),
            last_answer: None,
        }
    }

    /// Counts a request for the spec at `place` that goes out now.
    pub fn sent(&mut self, place: usize, ticket: Ticket) {
        self.specs[place].sent += 1;
        self.lateness.saturating_record(nanoseconds(ticket.due.elapsed()));
    }

    /// Counts what became of it, and says how long that took.
    pub fn ended(&mut self, place: usize, ticket: Ticket, end: &End) -> Duration {
        let now = Instant::now();
        let latency = now - ticket.due;
        match end {
            End::Pair(_) => {
                self.specs[place].latency.saturating_record(nanoseconds(latency));
                self.last_answer = Some(now);
            }
            End::Exception(name) => {
                *self.refused.entry(name.clone()).or_default() += 1;
                self.last_answer = Some(now);
            }
            End::Lost(loss) => *self.lost.entry(*loss).or_default() += 1,
        }
        latency
    }

    /// The latencies of all specs.
    pub fn latency(&self) -> Histogram<u64> {
        let mut all = latency_histogram();
        for spec in &self.specs {
            // All have the same bounds, so that everything fits.
            let _ = all.add(&spec.latency);
        }
        all
    }
}
