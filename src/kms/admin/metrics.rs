//! `/metrics`: what the endpoint counts, in the text form of Prometheus (exposition format 0.0.4).

use core::fmt::{Display, Write};

use crate::kms::endpoint::Endpoint;
use crate::kms::tally::{OperationTally, Tally};
use crate::pool::PoolStatus;

/// Upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 17] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
    0.5, 1.0, 5.0, 10.0,
];

/// The whole text.
pub(super) fn text(endpoint: &Endpoint) -> String {
    let mut text = Text::default();
    calls(&mut text, &endpoint.tally());
    pools(&mut text, &endpoint.source.status());
    text.head(
        "keymill_pools_warm",
        "gauge",
        "Whether the pools that were asked for have been full.",
    );
    text.line("keymill_pools_warm", "", u8::from(endpoint.source.is_warm()));
    if let Some(audit) = &endpoint.audit {
        let status = audit.status();
        text.head("keymill_audit_events_total", "counter", "Events written to the audit log.");
        text.line("keymill_audit_events_total", "", status.events);
        text.head("keymill_audit_queued_events", "gauge", "Events that wait to be written.");
        text.line("keymill_audit_queued_events", "", status.queued);
        text.head("keymill_audit_failures_total", "counter", "Attempts to write that failed.");
        text.line("keymill_audit_failures_total", "", status.failures);
    }
    text.0
}

fn calls(text: &mut Text, tally: &Tally) {
    let name = "keymill_requests_total";
    text.head(name, "counter", "Answered requests by operation and exception.");
    for (operation, calls) in tally.operations() {
        for (end, count) in calls.ends() {
            text.line(name, &format!("operation=\"{operation}\",code=\"{end}\""), count);
        }
    }
    let name = "keymill_request_duration_seconds";
    text.head(name, "histogram", "From the whole request to its answer.");
    for (operation, calls) in tally.operations() {
        histogram(text, name, operation, calls);
    }
    let name = "keymill_faults_injected_total";
    text.head(name, "counter", "Exceptions that came on demand.");
    for (exception, count) in tally.injected() {
        text.line(name, &format!("code=\"{exception}\""), count);
    }
    text.head("keymill_answers_dropped_total", "counter", "Answers that were lost on demand.");
    text.line("keymill_answers_dropped_total", "", tally.dropped());
}

fn histogram(text: &mut Text, name: &str, operation: &str, calls: &OperationTally) {
    let latency = calls.latency();
    let bucket = format!("{name}_bucket");
    for bound in BOUNDS {
        let count = latency.count_between(0, nanoseconds(bound));
        text.line(&bucket, &format!("operation=\"{operation}\",le=\"{bound}\""), count);
    }
    text.line(&bucket, &format!("operation=\"{operation}\",le=\"+Inf\""), latency.len());
    let labels = format!("operation=\"{operation}\"");
    let sum = latency.mean() * latency.len() as f64 / 1e9;
    text.line(&format!("{name}_sum"), &labels, sum);
    text.line(&format!("{name}_count"), &labels, latency.len());
}

fn nanoseconds(seconds: f64) -> u64 {
    crate::kms::tally::nanoseconds(core::time::Duration::from_secs_f64(seconds))
}

fn pools(text: &mut Text, pools: &[PoolStatus]) {
    let mut each = |name, kind, help, value: fn(&PoolStatus) -> u64| {
        text.head(name, kind, help);
        for pool in pools.iter().filter(|pool| pool.is_wanted) {
            text.line(name, &format!("spec=\"{}\"", pool.spec), value(pool));
        }
    };
    each("keymill_pool_ready_pairs", "gauge", "Finished key pairs.", |pool| pool.ready as u64);
    each("keymill_pool_low_mark_pairs", "gauge", "Refilling begins below so many.", |pool| {
        pool.marks.low as u64
    });
    each("keymill_pool_prime_pairs", "gauge", "Pairs of primes behind them.", |pool| {
        pool.depth as u64
    });
    each("keymill_pool_made_total", "counter", "Key pairs finished.", |pool| pool.made);
    each("keymill_pool_taken_total", "counter", "Key pairs handed out.", |pool| pool.taken);
}

/// The text so far.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a string takes all");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        writeln!(self.0, "{name}{labels} {value}").expect("a string takes all");
    }
}
