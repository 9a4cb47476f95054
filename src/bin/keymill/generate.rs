//! `keymill generate`: the main job.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use keymill::crypto::laps::Stage;
use keymill::keystore::Keystore;
use keymill::limits::THREADS_MAX;
use keymill::pipeline::authorize::{Permit, authorize};
use keymill::pipeline::job::{self, Receipt, Team};
use keymill::pipeline::manifest::{Format, Manifest};
use keymill::pipeline::plan::{Begun, Plan, estimated_seconds};
use keymill::pipeline::request::Request;
use keymill::pipeline::template::ContextTemplate;
use keymill::spec::KeyArn;
use keymill::sys::counters::Counters;
use keymill::sys::features::Backend;

use crate::args::{Arguments, Generate, ManifestFormat, OutputFormat};
use crate::failure::{Code, Failure};
use crate::home;
use crate::output::{binary_size, grouped, report, say};
use crate::pool::{open_reserves, settle};
use crate::progress::progress_bar;

/// The last words of a job; with `--json` all of it.
#[derive(Serialize)]
struct Summary {
    rows: u64,
    made: u64,
    bytes: u64,
    seconds: f64,
    keys_per_second: f64,
    backend: &'static str,
    threads: usize,
    path: String,
    parts: usize,
    key_id: String,
    key_material_id: String,
    already_complete: bool,
    /// Of those made, how many came out of a pool; nothing if no pool was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_pool: Option<u64>,
    /// Worker time a key, by stage; nothing if no key was made.
    ns_per_key: Map<String, Value>,
    /// What the kernel counted against the warm workers, all together.
    workers: Map<String, Value>,
}

pub fn run(arguments: &Arguments, wanted: &Generate) -> Result<(), Failure> {
    let format = output_format(wanted)?;
    if wanted.threads.is_some_and(|threads| threads == 0 || threads > THREADS_MAX) {
        return Err(Failure::new(Code::Usage, format!("--threads is 1 to {THREADS_MAX}")));
    }
    let backend = wanted.backend.select().map_err(|error| {
        Failure::new(Code::Unavailable, error).hint("--backend auto takes the best there is")
    })?;
    let request = request(wanted)?;
    let mut keystore = home::open_or_create(arguments)?;
    home::follow(&mut keystore, request.key_id());
    match format {
        OutputFormat::Jsonl => print_lines(arguments, wanted, &request, keystore, backend),
        OutputFormat::Arrow => write_files(arguments, wanted, &request, keystore, backend),
    }
}

fn output_format(wanted: &Generate) -> Result<OutputFormat, Failure> {
    let to_stdout = wanted.output == Path::new("-");
    match wanted.format {
        Some(OutputFormat::Arrow) if to_stdout => Err(Failure::new(
            Code::Usage,
            "an Arrow file is written in place and cannot go to standard output",
        )
        .hint("-o FILE, or --format jsonl")),
        Some(OutputFormat::Jsonl) if !to_stdout => {
            Err(Failure::new(Code::Usage, "JSON lines go to standard output")
                .hint("-o - --format jsonl > FILE"))
        }
        Some(format) => Ok(format),
        None if to_stdout => Ok(OutputFormat::Jsonl),
        None => Ok(OutputFormat::Arrow),
    }
}

/// Stage 1: everything that can be known without the keystore.
fn request(wanted: &Generate) -> Result<Request, Failure> {
    if wanted.manifest.is_none() && (wanted.unique.is_some() || wanted.manifest_format.is_some()) {
        return Err(Failure::new(Code::Usage, "--unique and --manifest-format need a --manifest"));
    }
    let key_id = wanted.key_id.clone();
    let template = match wanted.encryption_context.as_str() {
        "" => ContextTemplate::default(),
        text => ContextTemplate::parse(text).map_err(|error| Failure::new(Code::Usage, error))?,
    };
    if let Some(path) = &wanted.manifest {
        let format = wanted.manifest_format.map(|format| match format {
            ManifestFormat::Csv => Format::Csv,
            ManifestFormat::Ndjson => Format::Ndjson,
            ManifestFormat::Arrow => Format::Arrow,
        });
        let manifest = Manifest::open(path, format)?;
        let (spec, unique) = (wanted.key_pair_spec, wanted.unique.as_deref());
        let request = Request::of_manifest(key_id, spec, manifest, unique, template)?;
        let names_a_file = wanted.output.extension().is_some_and(|ending| ending == "arrow");
        if request.is_by_row() && names_a_file && !wanted.output.is_dir() {
            let output = wanted.output.display();
            let message = format!("every row has its own spec, but {output} is one file");
            return Err(Failure::new(Code::Usage, message)
                .hint("end the output with / for a folder, with one folder in it for each spec"));
        }
        return Ok(request);
    }
    match (wanted.key_pair_spec, wanted.count) {
        (Some(spec), Some(count)) => Ok(Request::of_count(key_id, spec, count, template)?),
        (None, _) => Err(Failure::new(Code::Usage, "no key pair spec")
            .hint("--key-pair-spec ECC_NIST_P256, for example")),
        (_, None) => {
            Err(Failure::new(Code::Usage, "neither --count nor --manifest").hint("--count 1000"))
        }
    }
}

fn write_files(
    arguments: &Arguments,
    wanted: &Generate,
    request: &Request,
    keystore: Keystore,
    backend: Backend,
) -> Result<(), Failure> {
    let arn = keystore.resolve(request.key_id())?.arn().clone();
    let mut plan = Plan::new(request, &arn, &wanted.output, wanted.part_bytes)?;
    let begun = plan.begun()?;
    if let (true, Some(material), false) = (begun.complete, begun.material, wanted.dry_run) {
        plan.seal_under(material);
        plan.tidy()?;
        return already_complete(arguments, wanted, request, &plan, &begun, &arn, backend);
    }
    let permit = authorize(&keystore, request, begun.material)?;
    let reserves = open_reserves(&keystore, wanted, request)?;
    // The store is open no longer than needed: other commands may want it during a long job.
    drop(keystore);
    plan.seal_under(permit.key().material_id());
    if wanted.confine_workers && plan.parts.len() > 1 {
        return Err(Failure::new(Code::Usage, "--confine-workers is for an output of one file")
            .hint("-o FILE"));
    }
    let mut team = Team::start(wanted.threads, backend)?.drawing_from(reserves);
    if wanted.dry_run {
        return dry_run(arguments, request, &plan, &permit, &team, backend);
    }
    if wanted.confine_workers {
        team.confine()?;
    }
    make_folders(&plan, &wanted.output)?;
    let progress = progress_bar(request.rows(), "rows");
    let receipt = job::run(request, &permit, &plan, &team, &mut |rows| progress.set_position(rows));
    progress.finish_and_clear();
    team.reserves().iter().for_each(settle);
    summarize(arguments, wanted, &permit, &team, &plan, &receipt?)
}

fn print_lines(
    arguments: &Arguments,
    wanted: &Generate,
    request: &Request,
    keystore: Keystore,
    backend: Backend,
) -> Result<(), Failure> {
    let arn = keystore.resolve(request.key_id())?.arn().clone();
    let permit = authorize(&keystore, request, None)?;
    let reserves = open_reserves(&keystore, wanted, request)?;
    drop(keystore);
    let team = Team::start(wanted.threads, backend)?.drawing_from(reserves);
    let plan = Plan::new(request, &arn, &wanted.output, wanted.part_bytes)?;
    if wanted.dry_run {
        return dry_run(arguments, request, &plan, &permit, &team, backend);
    }
    let progress = progress_bar(request.rows(), "rows");
    let mut out = io::stdout().lock();
    let receipt =
        job::print(request, &permit, &team, &mut out, &mut |rows| progress.set_position(rows));
    progress.finish_and_clear();
    team.reserves().iter().for_each(settle);
    match receipt {
        Ok(receipt) => {
            let rows = grouped(receipt.rows);
            say(format!("{rows} rows in {:.3} s", receipt.elapsed.as_secs_f64()));
            Ok(())
        }
        Err(keymill::pipeline::Error::Output(error))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn make_folders(plan: &Plan, output: &Path) -> Result<(), Failure> {
    plan.make_folders().map_err(|error| {
        let message = format!("cannot make the folder of {}: {error}", output.display());
        Failure::new(Code::CannotCreate, message)
    })
}

fn summarize(
    arguments: &Arguments,
    wanted: &Generate,
    permit: &Permit,
    team: &Team,
    plan: &Plan,
    receipt: &Receipt,
) -> Result<(), Failure> {
    let seconds = receipt.elapsed.as_secs_f64();
    let summary = Summary {
        rows: receipt.rows,
        made: receipt.made,
        bytes: receipt.bytes,
        seconds,
        keys_per_second: receipt.made as f64 / seconds.max(1e-9),
        backend: receipt.backend.name(),
        threads: team.threads(),
        path: wanted.output.display().to_string(),
        parts: plan.parts.len(),
        key_id: permit.key().arn().to_string(),
        key_material_id: permit.key().material_id().to_string(),
        already_complete: false,
        from_pool: wanted.pool.is_some().then(|| drawn(team)),
        ns_per_key: ns_per_key(receipt),
        workers: counters(receipt),
    };
    conclude(arguments, &summary)
}

/// Pairs that came out of pools.
fn drawn(team: &Team) -> u64 {
    team.reserves().iter().map(|reserve| reserve.outcome().taken).sum()
}

fn ns_per_key(receipt: &Receipt) -> Map<String, Value> {
    let stages = Stage::ALL.into_iter().filter(|_| receipt.made > 0);
    let ns = |stage| receipt.shift.laps.of(stage) as f64 / receipt.made as f64;
    stages.map(|stage| (stage.name().to_owned(), ns(stage).into())).collect()
}

fn counters(receipt: &Receipt) -> Map<String, Value> {
    let Counters { faults, voluntary_switches, preemptions } = receipt.shift.since_warm;
    let pair = |(name, count): (&str, u64)| (name.to_owned(), count.into());
    let named = [
        ("faults", faults),
        ("voluntary_switches", voluntary_switches),
        ("preemptions", preemptions),
    ];
    named.into_iter().map(pair).collect()
}

/// A repeated command finds its work done.
fn already_complete(
    arguments: &Arguments,
    wanted: &Generate,
    request: &Request,
    plan: &Plan,
    begun: &Begun,
    arn: &KeyArn,
    backend: Backend,
) -> Result<(), Failure> {
    let summary = Summary {
        rows: request.rows(),
        made: 0,
        bytes: plan.bytes()?,
        seconds: 0.0,
        keys_per_second: 0.0,
        backend: backend.name(),
        threads: 0,
        path: wanted.output.display().to_string(),
        parts: plan.parts.len(),
        key_id: arn.to_string(),
        key_material_id: begun.material.map(|id| id.to_string()).unwrap_or_default(),
        already_complete: true,
        from_pool: None,
        ns_per_key: Map::new(),
        workers: Map::new(),
    };
    conclude(arguments, &summary)
}

/// A job writes its data to files, so that its summary is the only thing to print: as JSON on
/// standard output, as talk otherwise.
fn conclude(arguments: &Arguments, summary: &Summary) -> Result<(), Failure> {
    if arguments.json {
        return report(true, summary, |_| String::new());
    }
    let (path, rows) = (&summary.path, grouped(summary.rows));
    if summary.already_complete {
        say(format!("{path}: already complete, {rows} rows"));
        return Ok(());
    }
    let kept = match summary.rows - summary.made {
        0 => String::new(),
        kept => format!(" ({} of them from an earlier run)", grouped(kept)),
    };
    say(format!("{path}: {rows} rows{kept}, {}", binary_size(summary.bytes)));
    if let Some(drawn) = summary.from_pool {
        say(format!("{} of them from the pool", grouped(drawn)));
    }
    say(format!(
        "{:.3} s, {:.0} keys/s, backend {}, {} threads",
        summary.seconds, summary.keys_per_second, summary.backend, summary.threads
    ));
    let stages = Stage::ALL.map(|stage| {
        let ns = summary.ns_per_key.get(stage.name()).and_then(Value::as_f64).unwrap_or_default();
        format!("{} {ns:.0}", stage.name())
    });
    say(format!("worker ns a key: {}", stages.join(", ")));
    let count = |name| summary.workers.get(name).and_then(Value::as_u64).unwrap_or_default();
    say(format!(
        "workers: {} faults, {} voluntary switches, {} preemptions",
        count("faults"),
        count("voluntary_switches"),
        count("preemptions")
    ));
    Ok(())
}

/// The plan, as `--dry-run` prints it.
#[derive(Serialize)]
struct PlanReport {
    rows: u64,
    bytes: u64,
    estimated_seconds: f64,
    backend: &'static str,
    threads: usize,
    key_id: String,
    key_material_id: String,
    parts: Vec<PartReport>,
}

#[derive(Serialize)]
struct PartReport {
    path: String,
    key_pair_spec: &'static str,
    rows: u64,
}

fn dry_run(
    arguments: &Arguments,
    request: &Request,
    plan: &Plan,
    permit: &Permit,
    team: &Team,
    backend: Backend,
) -> Result<(), Failure> {
    let seconds = request
        .groups()
        .iter()
        .map(|group| estimated_seconds(group.spec, group.rows, backend, team.threads()));
    let part = |part: &keymill::pipeline::plan::PartPlan| PartReport {
        path: part.path.display().to_string(),
        key_pair_spec: part.description.spec.name(),
        rows: part.description.rows,
    };
    let plan = PlanReport {
        rows: request.rows(),
        bytes: plan.bytes()?,
        estimated_seconds: seconds.sum(),
        backend: backend.name(),
        threads: team.threads(),
        key_id: permit.key().arn().to_string(),
        key_material_id: permit.key().material_id().to_string(),
        parts: plan.parts.iter().map(part).collect(),
    };
    report(arguments.json, &plan, |plan| {
        let mut text = format!(
            "{} rows, {}, about {:.0} s on {} threads ({}) under {}\n",
            grouped(plan.rows),
            binary_size(plan.bytes),
            plan.estimated_seconds,
            plan.threads,
            plan.backend,
            plan.key_id
        );
        for part in &plan.parts {
            let rows = grouped(part.rows);
            text += &format!("{}: {rows} rows {}\n", part.path, part.key_pair_spec);
        }
        text + "Nothing was made.\n"
    })
}
