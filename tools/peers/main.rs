//! Keys a second of this project beside other libraries, in interleaved rounds on one core.
//!
//! ```text
//! cargo run --release --features peers --example peers -- --spec RSA_2048 --spec ECC_NIST_P256
//! ```
//!
//! Without the feature only pure-Rust rivals run, and nothing but Rust is needed. The rivals in
//! Rust are fastest when compiled for the machine: `RUSTFLAGS="-C target-cpu=native"`. keymill is
//! then compiled the same way; it chooses its instructions at run time and needs no flag.
#![expect(unreachable_pub, reason = "a program exports nothing; `pub` means: to its other files")]

#[cfg(feature = "peers")]
mod aws_lc;
#[path = "../measure/clock.rs"]
mod clock;
mod contender;
mod crypto_primes_pair;
#[cfg(feature = "peers")]
mod gmp_loop;
mod keymill_engine;
#[cfg(feature = "peers")]
mod libcrux;
#[path = "../measure/machine.rs"]
mod machine;
#[cfg(feature = "peers")]
mod openssl_system;
mod report;
mod rounds;
mod rustcrypto;
#[path = "../measure/statistics.rs"]
mod statistics;
#[path = "../measure/stopwatch.rs"]
mod stopwatch;

use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use keymill::spec::KeyPairSpec;
use serde::Serialize;

use crate::contender::contenders;
use crate::machine::Machine;
use crate::report::Comparison;

/// Compares key generation of keymill and other libraries.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to make; may be repeated. All specs if absent.
    #[arg(long)]
    spec: Vec<KeyPairSpec>,
    /// Rounds; each gives every contender one slice.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// CPU time of a slice; by default 500 for RSA, whose keys differ by luck, and 50 for the rest.
    #[arg(long)]
    slice_ms: Option<u64>,
    /// Only contenders whose name contains this text, and keymill; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// The core to run on; by default the last one.
    #[arg(long)]
    core: Option<usize>,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    comparisons: Vec<Comparison>,
}

fn compare(arguments: &Arguments, spec: KeyPairSpec) -> Comparison {
    let slice_ms = arguments.slice_ms.unwrap_or(if spec.rsa_bits().is_some() { 500 } else { 50 });
    let wanted = |name: &str| arguments.only.iter().any(|part| name.contains(part.as_str()));
    let mut contenders = contenders(spec);
    contenders.retain(|contender| {
        arguments.only.is_empty() || wanted(&contender.name) || contender.name.contains("keymill")
    });
    let slices = (arguments.rounds * contenders.len()) as u64;
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {eta} {msg:20}");
    let progress = ProgressBar::new(slices)
        .with_style(style.expect("a well-formed template"))
        .with_prefix(spec.name());
    let slice = Duration::from_millis(slice_ms);
    let records = rounds::interleave(&mut contenders, arguments.rounds, slice, &progress);
    progress.finish_and_clear();
    Comparison::new(spec, (arguments.rounds, slice_ms), &contenders, &records)
}

fn main() -> Result<(), serde_json::Error> {
    let arguments = Arguments::parse();
    let specs = if arguments.spec.is_empty() { &KeyPairSpec::ALL[..] } else { &arguments.spec };
    let mut machine = Machine::pin(arguments.core);
    let comparisons = specs.iter().map(|&spec| compare(&arguments, spec)).collect();
    machine.finish();
    let report = Report { machine, comparisons };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.machine);
        report.comparisons.iter().for_each(|comparison| print!("{comparison}"));
    }
    Ok(())
}
