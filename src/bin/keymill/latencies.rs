//! How long calls took: a line for each operation, and a file of HDR histograms.

use std::fs;
use std::path::Path;

use hdrhistogram::Histogram;
use keymill::kms::{Tally, percentiles};

use crate::failure::{Code, Failure};
use crate::output::{grouped, say};

/// Says how long the calls of each operation took, and writes their histograms to `path`.
pub fn tell(tally: &Tally, path: Option<&Path>) -> Result<(), Failure> {
    let mut text = String::new();
    for (operation, calls) in tally.operations() {
        let latency = calls.latency();
        say(format!("{operation}: {}", line(latency)));
        text += &format!("# {operation}, microseconds\n{}\n", percentiles(latency));
    }
    path.map_or(Ok(()), |path| publish(path, &text))
}

/// `12,345 calls, p50 0.021 ms, ...`.
pub fn line(latency: &Histogram<u64>) -> String {
    let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1e6;
    format!(
        "{} calls, p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, longest {:.3} ms",
        grouped(latency.len()),
        at(0.5),
        at(0.99),
        at(0.999),
        latency.max() as f64 / 1e6
    )
}

/// Gives `text` the name `path`, whole or not at all.
pub fn publish(path: &Path, text: &str) -> Result<(), Failure> {
    let fault = |error| Failure::new(Code::Io, format!("{}: {error}", path.display()));
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".tmp");
    fs::write(&unfinished, text).map_err(fault)?;
    fs::rename(&unfinished, path).map_err(fault)
}
