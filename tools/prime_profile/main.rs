//! Where the time of an RSA key goes, and how far its arithmetic is from what the ports allow.
//!
//! ```text
//! cargo run --release --example prime_profile -- --spec RSA_2048 --plot profile.svg
//! ```
//!
//! Four instruments, each of the code that makes the keys:
//!
//! - the engine runs on a kernel that keeps account of what it is asked for ([`probe`]);
//! - one squaring and one multiplication are timed in short windows ([`kernel_cost`]);
//! - the same text runs over lanes that count operations ([`operations`]), and their number
//!   over the rate of independent multiply-adds, measured in turns with the kernel, is the least
//!   time the ports could take;
//! - in turns with the batches, keys are made one by one ([`one_key`]), as when somebody waits.
#![expect(unreachable_pub, reason = "a program exports nothing; `pub` means: to its other files")]

#[path = "../measure/clock.rs"]
mod clock;
mod kernel_cost;
#[path = "../measure/machine.rs"]
mod machine;
mod one_key;
mod operations;
mod plot;
mod probe;
mod report;
mod stages;
#[path = "../measure/stopwatch.rs"]
mod stopwatch;
#[path = "../measure/svg.rs"]
mod svg;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use keymill::crypto::arith::{Kernel, Limbs, Vectors};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::{Backend, BackendChoice};

use crate::machine::Machine;
use crate::report::Report;
use crate::stages::Profile;

/// Profiles the prime search.
#[derive(Debug, Parser)]
struct Arguments {
    /// RSA spec; may be repeated. `RSA_2048` if absent.
    #[arg(long)]
    spec: Vec<KeyPairSpec>,
    /// Keys of each spec.
    #[arg(long, default_value_t = 1024)]
    keys: usize,
    /// auto, portable or ifma.
    #[arg(long, default_value = "auto")]
    backend: BackendChoice,
    /// The core to run on; by default the last one.
    #[arg(long)]
    core: Option<usize>,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Draws the profile into this SVG file.
    #[arg(long)]
    plot: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = Arguments::parse();
    if arguments.spec.is_empty() {
        arguments.spec.push(KeyPairSpec::Rsa2048);
    }
    if let Some(other) = arguments.spec.iter().find(|spec| spec.rsa_bits().is_none()) {
        return Err(format!("{other} has no primes to search; choose an RSA spec").into());
    }
    let mut machine = Machine::pin(arguments.core);
    let (profiles, madds_per_ns, kernel) = match arguments.backend.select()? {
        backend @ Backend::Ifma(token) => {
            let kernel = Vectors(token);
            let profiles = profile(&arguments, kernel, backend);
            let madds_per_ns = kernel_cost::madds_per_ns(kernel);
            (profiles, Some(madds_per_ns), kernel_cost::kernel_costs(kernel))
        }
        backend @ Backend::Portable => (profile(&arguments, Limbs, backend), None, Vec::new()),
    };
    machine.finish();
    let report = Report { machine, profiles, madds_per_ns, kernel };
    if let Some(path) = &arguments.plot {
        std::fs::write(path, plot::draw(&report).to_string())
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

fn profile<N: Kernel + 'static>(
    arguments: &Arguments,
    kernel: N,
    backend: Backend,
) -> Vec<Profile> {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} keys, {eta}");
    let progress = ProgressBar::new((arguments.keys * arguments.spec.len()) as u64)
        .with_style(style.expect("a well-formed template"));
    let of_spec = |&spec| stages::profile(spec, (kernel, backend), arguments.keys, &progress);
    let profiles = arguments.spec.iter().map(of_spec).collect();
    progress.finish_and_clear();
    profiles
}
