//! How long a take lasts from a warm pool while producers work on every core.
//!
//! ```sh
//! cargo run --release --example pool_latency -- --spec RSA_4096 --takes 500 --rate 200
//! ```
//!
//! The pools are filled, then pairs are taken at fixed moments (open loop), first while the
//! producers rest, then while they make pairs for a pool that never fills, of each spec in
//! `--beside`. `take` is the time of the call; `late` is how long after its moment it began: the
//! clock's slack, and waiting for a core.

#![expect(clippy::print_stdout, reason = "its report")]

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use keymill::crypto::KeyPairBatch;
use keymill::pool::{EmptyPool, Marks, PoolOptions, Pools};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::BackendChoice;

#[derive(Debug, Parser)]
struct Arguments {
    /// What is taken
    #[arg(long, default_value = "RSA_4096")]
    spec: KeyPairSpec,
    /// What is made meanwhile, each in a run of its own
    #[arg(long, value_delimiter = ',', default_value = "RSA_4096,ECC_NIST_P256,ML_KEM_768")]
    beside: Vec<KeyPairSpec>,
    /// Pairs to take in each run
    #[arg(long, default_value_t = 500)]
    takes: usize,
    /// Pairs to take a second
    #[arg(long, default_value_t = 200)]
    rate: u32,
}

/// Pairs of a pool that is never full.
const ENDLESS: usize = 100_000;

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let backend = BackendChoice::Auto.select().map_err(io::Error::other)?;
    println!("{} takes of {} a run, {} a second", arguments.takes, arguments.spec, arguments.rate);
    println!("producers          take us: p50      p99    p99.9      max    late us: p50      p99");
    for beside in core::iter::once(None).chain(arguments.beside.iter().copied().map(Some)) {
        let taken = marks(arguments.spec, arguments.takes);
        let mut options = PoolOptions::new(&[], backend);
        options.pools.push((arguments.spec, taken));
        let pools = Pools::start(&options)?;
        while pools.status()[0].ready < arguments.takes {
            sleep(Duration::from_millis(10));
        }
        let mut working = PoolOptions::new(&[], backend);
        if let Some(spec) = beside {
            let is_rsa = spec.rsa_bits().is_some();
            let (ready, depth) = if is_rsa { (8, ENDLESS) } else { (ENDLESS, 0) };
            working.pools.push((spec, Marks { low: ENDLESS, ready, depth }));
        }
        let others = Pools::start(&working)?;
        let (takes, late) = measure(&pools, &arguments)?;
        let made: u64 = others.status().iter().map(|pool| pool.made).sum();
        drop(others);
        let name = beside.map_or("rest", KeyPairSpec::name);
        report(name, takes, late, made);
    }
    Ok(())
}

/// A pool that comes to rest with `takes` pairs ready. Keys of RSA are derived in eights: with primes
/// to spare, what is left over is not missing from the ready ones.
fn marks(spec: KeyPairSpec, takes: usize) -> Marks {
    match spec.rsa_bits() {
        Some(_) => Marks { low: 1, ready: takes + 16, depth: 16 },
        None => Marks { low: 1, ready: takes, depth: 0 },
    }
}

/// Takes one pair at each moment; returns the times of the calls and their delays.
fn measure(pools: &Pools, arguments: &Arguments) -> io::Result<(Vec<Duration>, Vec<Duration>)> {
    let mut batch = KeyPairBatch::with_capacity(arguments.spec, 1);
    let (mut takes, mut late) = (Vec::new(), Vec::new());
    let period = Duration::from_secs(1) / arguments.rate;
    let begun = Instant::now();
    for number in 1..=arguments.takes {
        let moment = begun + period * u32::try_from(number).map_err(io::Error::other)?;
        sleep(moment.saturating_duration_since(Instant::now()));
        batch.clear();
        let start = Instant::now();
        pools.take(&mut batch, 1, EmptyPool::Error).map_err(io::Error::other)?;
        takes.push(start.elapsed());
        late.push(start.saturating_duration_since(moment));
    }
    Ok((takes, late))
}

fn report(name: &str, mut takes: Vec<Duration>, mut late: Vec<Duration>, made: u64) {
    takes.sort_unstable();
    late.sort_unstable();
    let at = |times: &[Duration], per_mille: usize| {
        let rank = (times.len() * per_mille).div_ceil(1000).max(1);
        times[rank - 1].as_secs_f64() * 1e6
    };
    println!(
        "{name:24}{:9.1}{:9.1}{:9.1}{:9.1}{:16.1}{:9.1}   ({made} made meanwhile)",
        at(&takes, 500),
        at(&takes, 990),
        at(&takes, 999),
        at(&takes, 1000),
        at(&late, 500),
        at(&late, 990),
    );
}
