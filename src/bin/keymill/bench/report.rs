//! What is told at the end: what was asked, what was sent, what was answered, and how fast.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::args::Bench;
use super::load::Outcome;
use crate::output::grouped;

/// All of it, as JSON shows it.
#[derive(Debug, Serialize)]
pub struct Report {
    endpoint: String,
    asked: Asked,
    sent: Sent,
    answered: Answered,
    /// From the moment a request was due to its key pair.
    latency_ms: Percentiles,
    by_spec: Vec<SpecReport>,
    /// Seconds of CPU that this program took; near the run's length it was the bottleneck itself.
    client_cpu_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Asked {
    requests: u64,
    per_second: f64,
    seconds: f64,
    connections: usize,
    key_id: String,
}

#[derive(Debug, Serialize)]
struct Sent {
    requests: u64,
    /// After the moment each was due.
    late_ms: Percentiles,
}

#[derive(Debug, Serialize)]
struct Answered {
    requests: u64,
    per_second: f64,
    ok: u64,
    exceptions: BTreeMap<String, u64>,
    lost: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct SpecReport {
    key_pair_spec: &'static str,
    percent: f64,
    sent: u64,
    ok: u64,
    latency_ms: Percentiles,
}

/// In milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Percentiles {
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    #[serde(rename = "p99.99")]
    p99_99: f64,
    longest: f64,
}

impl Percentiles {
    fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e6;
        Self {
            mean: times.mean() / 1e6,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            longest: times.max() as f64 / 1e6,
        }
    }
}

impl Report {
    pub fn new(wanted: &Bench, outcome: &Outcome, cpu: Duration) -> Self {
        let Outcome { tally, schedule } = outcome;
        let refused: u64 = tally.refused.values().sum();
        let ok: u64 = tally.specs.iter().map(|spec| spec.latency.len()).sum();
        let took = tally.last_answer.map_or(0.0, |last| (last - schedule.begun()).as_secs_f64());
        let took = took.max(wanted.duration.as_secs_f64().min(1.0 / wanted.rate));
        let spec = |spec: &super::tally::SpecTally| SpecReport {
            key_pair_spec: spec.spec.name(),
            percent: spec.percent,
            sent: spec.sent,
            ok: spec.latency.len(),
            latency_ms: Percentiles::of(&spec.latency),
        };
        Self {
            endpoint: wanted.endpoint.to_string(),
            asked: Asked {
                requests: schedule.count,
                per_second: wanted.rate,
                seconds: wanted.duration.as_secs_f64(),
                connections: wanted.connections,
                key_id: wanted.key_id.to_string(),
            },
            sent: Sent {
                requests: tally.specs.iter().map(|spec| spec.sent).sum(),
                late_ms: Percentiles::of(&tally.lateness),
            },
            answered: Answered {
                requests: ok + refused,
                per_second: (ok + refused) as f64 / took,
                ok,
                exceptions: tally.refused.clone(),
                lost: tally.lost.iter().map(|(loss, count)| (loss.name(), *count)).collect(),
            },
            latency_ms: Percentiles::of(&tally.latency()),
            by_spec: tally.specs.iter().map(spec).collect(),
            client_cpu_seconds: cpu.as_secs_f64(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let Self { asked, sent, answered, .. } = self;
        let mut text = format!(
            "asked    {:>12}  {} a second for {} s, of {} at {}, {} connections\n",
            grouped(asked.requests),
            asked.per_second,
            asked.seconds,
            asked.key_id,
            self.endpoint,
            asked.connections,
        );
        text += &format!(
            "sent     {:>12}  p50 {:.3} ms late, p99 {:.3} ms, at most {:.3} ms\n",
            grouped(sent.requests),
            sent.late_ms.p50,
            sent.late_ms.p99,
            sent.late_ms.longest,
        );
        let ends = [("OK", answered.ok)].into_iter();
        let ends = ends.chain(answered.exceptions.iter().map(|(name, count)| (&**name, *count)));
        text += &format!(
            "answered {:>12}  {:.0} a second: {}\n",
            grouped(answered.requests),
            answered.per_second,
            counts(ends),
        );
        let lost: u64 = answered.lost.values().sum();
        if lost > 0 {
            let reasons = counts(answered.lost.iter().map(|(name, count)| (*name, *count)));
            text += &format!("lost     {:>12}  {reasons}\n", grouped(lost));
        }
        text += &format!("client   {:>12.1}  seconds of CPU\n\n", self.client_cpu_seconds);
        text + &self.table()
    }

    /// The latencies, a line for each spec.
    fn table(&self) -> String {
        let mut text = format!(
            "{:23}{:>12}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}\n",
            "ms from due to answered", "OK", "p50", "p90", "p99", "p99.9", "p99.99", "longest"
        );
        let mut row = |name: &str, ok, times: &Percentiles| {
            let Percentiles { p50, p90, p99, p99_9, p99_99, longest, .. } = times;
            text += &format!(
                "{name:23}{:>12}{p50:>11.3}{p90:>11.3}{p99:>11.3}{p99_9:>11.3}{p99_99:>11.3}\
                 {longest:>11.3}\n",
                grouped(ok)
            );
        };
        for spec in &self.by_spec {
            row(spec.key_pair_spec, spec.ok, &spec.latency_ms);
        }
        if self.by_spec.len() > 1 {
            row("all", self.answered.ok, &self.latency_ms);
        }
        text
    }
}

/// `OK 12,345, ThrottlingException 6`.
fn counts<'a>(ends: impl Iterator<Item = (&'a str, u64)>) -> String {
    let ends: Vec<String> =
        ends.map(|(name, count)| format!("{name} {}", grouped(count))).collect();
    ends.join(", ")
}
