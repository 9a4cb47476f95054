//! The comparison of one spec, as a table and as JSON.

use std::fmt;

use keymill::spec::KeyPairSpec;
use serde::Serialize;

use crate::contender::Contender;
use crate::rounds::{Estimate, Record};

/// All contenders of one spec.
#[derive(Debug, Serialize)]
pub struct Comparison {
    spec: &'static str,
    rounds: usize,
    slice_ms: u64,
    /// `mean +- standard error` or `median +- half the quartiles' distance`.
    statistic: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    keys_per_s: f64,
    us_per_key: f64,
    uncertainty: f64,
    keys: usize,
    /// How many times as fast each of keymill's engines is.
    ratios: Vec<Ratio>,
    difference: &'static str,
}

#[derive(Debug, Serialize)]
struct Ratio {
    engine: String,
    times: f64,
    uncertainty: f64,
}

impl Comparison {
    /// Compares everyone with the engines of keymill.
    pub fn new(
        spec: KeyPairSpec,
        (rounds, slice_ms): (usize, u64),
        contenders: &[Contender],
        records: &[Record],
    ) -> Self {
        let by_luck = spec.rsa_bits().is_some();
        let statistic = if by_luck {
            "mean +- standard error"
        } else {
            "median of rounds +- half the quartiles' distance"
        };
        let engines: Vec<_> = contenders
            .iter()
            .zip(records)
            .filter_map(|(contender, record)| {
                Some((contender.name.strip_prefix("keymill ")?, record))
            })
            .collect();
        let row = |(contender, record): (&Contender, &Record)| {
            let Estimate { value: ns, uncertainty } =
                if by_luck { record.mean() } else { record.median() };
            let ratio = |&(engine, other): &(&str, &Record)| {
                let Estimate { value: times, uncertainty } = if by_luck {
                    record.ratio_of_means(other)
                } else {
                    record.median_of_ratios(other)
                };
                Ratio { engine: engine.to_owned(), times, uncertainty }
            };
            Row {
                name: contender.name.clone(),
                keys_per_s: 1e9 / ns,
                us_per_key: ns / 1e3,
                uncertainty,
                keys: record.keys,
                ratios: engines.iter().map(ratio).collect(),
                difference: contender.difference,
            }
        };
        let rows = contenders.iter().zip(records).map(row).collect();
        Self { spec: spec.name(), rounds, slice_ms, statistic, rows }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, rounds, slice_ms, statistic, rows } = self;
        writeln!(f, "\n{spec}, {rounds} rounds of {slice_ms} ms each, {statistic}")?;
        write!(f, "{:22}{:>12}{:>14}{:>9}{:>9}", "", "keys/s", "us a key", "+-", "keys")?;
        for ratio in rows.first().map_or(&[][..], |row| &row.ratios) {
            write!(f, "{:>20}", format!("{} is", ratio.engine))?;
        }
        writeln!(f)?;
        for row in rows {
            let percent = 100.0 * row.uncertainty;
            write!(f, "{:22}{:12.2}{:14.3}", row.name, row.keys_per_s, row.us_per_key)?;
            write!(f, "{percent:7.1} %{:9}", row.keys)?;
            for Ratio { times, uncertainty, .. } in &row.ratios {
                let decimals = if *times < 1.0 { 3 } else { 2 };
                let spread = times * uncertainty;
                let text = format!("{times:.decimals$} +- {spread:.decimals$} x");
                write!(f, "{text:>20}")?;
            }
            writeln!(f)?;
        }
        rows.iter().try_for_each(|row| writeln!(f, "  {}: {}", row.name, row.difference))
    }
}
