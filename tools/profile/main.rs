//! Where the time of a wrapped key pair goes: nanoseconds a key and stage, end to end.
//!
//! Every round runs the engine alone, then a whole job (the one that `keymill generate` runs,
//! with keystore, file and final sync), so that the two rates are of the same minute. Printed are
//! medians over the rounds. Workers read a clock a few times a batch, never for a row; what no
//! stage counts (start, page work of the helping thread, the last sync) is `outside`.
//!
//! ```sh
//! cargo build --release --example profile
//! taskset -c 1 target/release/examples/profile --threads 1 --plot profile.svg ECC_NIST_P256
//! ```

mod chart;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use keymill::crypto::drbg::Drbg;
use keymill::crypto::laps::Stage;
use keymill::crypto::{KeyPairBatch, engine};
use keymill::keystore::{CreateKey, Keystore, OpenOptions};
use keymill::limits::slot_rows;
use keymill::pipeline::authorize::authorize;
use keymill::pipeline::job::{self, Team};
use keymill::pipeline::plan::Plan;
use keymill::pipeline::request::Request;
use keymill::pipeline::template::ContextTemplate;
use keymill::spec::{KeyArn, KeyId, KeyPairSpec};
use keymill::sys::features::{Backend, BackendChoice};
use serde::Serialize;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Nanoseconds a key, stage by stage, of the whole way from generator to file.
#[derive(Debug, Parser)]
struct Arguments {
    /// Specs to profile.
    #[arg(default_value = "ECC_NIST_P256")]
    specs: Vec<KeyPairSpec>,
    /// Key pairs a round.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Rounds of engine and job.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Workers of the job; the engine alone runs on one thread.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Encryption context of the job; `{Index}` is the number of the row.
    #[arg(long, default_value = "")]
    encryption_context: String,
    /// Instructions to use: auto, portable or ifma.
    #[arg(long, default_value = "auto")]
    backend: BackendChoice,
    /// Folder in which the job's file stands for a moment.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Draws the stages into this SVG file.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// One spec's profile; times in nanoseconds of a worker a key.
#[derive(Debug, Serialize)]
struct Profile {
    spec: &'static str,
    backend: &'static str,
    threads: usize,
    rows: u64,
    rounds: usize,
    /// The engine alone: generator, arithmetic, checks, DER.
    engine_ns: f64,
    /// The whole job.
    job_ns: f64,
    engine_keys_per_second: f64,
    job_keys_per_second: f64,
    /// Rate of the job over that of the engine times the workers; median of the rounds' ratios.
    share_of_engine: f64,
    stages: Vec<(&'static str, f64)>,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let backend = arguments.backend.select()?;
    let mut profiles = Vec::new();
    for spec in &arguments.specs {
        profiles.push(profile(&arguments, *spec, backend)?);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&profiles)?);
    } else {
        profiles.iter().for_each(print);
    }
    if let Some(path) = &arguments.plot {
        std::fs::write(path, chart::draw(&profiles))?;
    }
    Ok(())
}

/// One round: nanoseconds a key of the engine, of the job, and of its stages.
struct Round {
    engine: f64,
    job: f64,
    stages: Vec<f64>,
}

fn profile(arguments: &Arguments, spec: KeyPairSpec, backend: Backend) -> Result<Profile, Failure> {
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let team = Team::start(Some(arguments.threads), backend)?;
    let mut rounds = Vec::new();
    let mut name = "";
    for _ in 0..arguments.rounds {
        let (engine, used) = team.install(|| engine_alone(spec, backend, arguments.rows))?;
        name = used.name();
        let (job, stages) = whole_job(arguments, spec, &team, folder.path())?;
        rounds.push(Round { engine, job, stages });
    }
    let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let (engine_ns, job_ns) = (of(&|round| round.engine), of(&|round| round.job));
    let mut stages: Vec<_> = Stage::ALL
        .iter()
        .enumerate()
        .map(|(place, stage)| (stage.name(), of(&|round| round.stages[place])))
        .collect();
    stages.push(("outside", of(&|round| round.job - round.stages.iter().sum::<f64>())));
    Ok(Profile {
        spec: spec.name(),
        backend: name,
        threads: arguments.threads,
        rows: arguments.rows,
        rounds: arguments.rounds,
        engine_ns,
        job_ns,
        engine_keys_per_second: 1e9 / engine_ns,
        job_keys_per_second: 1e9 / job_ns * arguments.threads as f64,
        share_of_engine: of(&|round| round.engine / round.job),
        stages,
    })
}

/// Nanoseconds a key of the engine, into one batch again and again.
fn engine_alone(spec: KeyPairSpec, backend: Backend, rows: u64) -> Result<(f64, Backend), Failure> {
    let mut engine = engine(spec, backend);
    let mut drbg = Drbg::from_system()?;
    let mut batch = KeyPairBatch::with_capacity(spec, slot_rows(spec));
    engine.generate(&mut drbg, &mut batch, 1)?;
    let (begun, mut made) = (Instant::now(), 0);
    while made < rows {
        batch.clear();
        let rows = slot_rows(spec).min(usize::try_from(rows - made)?);
        engine.generate(&mut drbg, &mut batch, rows)?;
        made += rows as u64;
    }
    Ok((begun.elapsed().as_nanos() as f64 / rows as f64, engine.backend()))
}

/// Nanoseconds a key and worker of the whole job and of each stage.
fn whole_job(
    arguments: &Arguments,
    spec: KeyPairSpec,
    team: &Team,
    folder: &Path,
) -> Result<(f64, Vec<f64>), Failure> {
    let home = tempfile::tempdir_in(folder)?;
    let mut keystore = Keystore::init(home.path(), OpenOptions::default())?;
    let mut options = CreateKey::default();
    if spec == KeyPairSpec::Sm2 {
        options.scope.region = Some("cn-north-1".parse()?);
    }
    let arn: KeyArn = keystore.create_key(&options)?.arn.parse()?;
    keystore.set_scope(arn.scope.clone());
    let template = match arguments.encryption_context.as_str() {
        "" => ContextTemplate::default(),
        text => ContextTemplate::parse(text)?,
    };
    let request = Request::of_count(KeyId::KeyArn(arn.clone()), spec, arguments.rows, template)?;
    let permit = authorize(&keystore, &request, None)?;
    let output = folder.join("keys.arrow");
    let mut plan = Plan::new(&request, &arn, &output, u64::MAX)?;
    plan.seal_under(permit.key().material_id());
    let receipt = job::run(&request, &permit, &plan, team, &mut |_| {})?;
    std::fs::remove_file(&output)?;
    let rows = arguments.rows as f64;
    let stages = Stage::ALL.map(|stage| receipt.shift.laps.of(stage) as f64 / rows);
    let job = receipt.elapsed.as_nanos() as f64 * team.threads() as f64 / rows;
    Ok((job, stages.to_vec()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn print(profile: &Profile) {
    let Profile { spec, backend, threads, rows, rounds, .. } = profile;
    println!("{spec}, {backend}, {threads} worker(s), {rows} rows, median of {rounds} rounds");
    for (stage, ns) in &profile.stages {
        println!("  {stage:10} {ns:12.1} ns  {:5.1} %", 100.0 * ns / profile.job_ns);
    }
    println!(
        "  whole job  {:12.1} ns  {:12.0} keys/s",
        profile.job_ns, profile.job_keys_per_second
    );
    println!(
        "  engine     {:12.1} ns  {:12.0} keys/s  the job reaches {:.1} % of it a worker",
        profile.engine_ns,
        profile.engine_keys_per_second,
        100.0 * profile.share_of_engine
    );
}
