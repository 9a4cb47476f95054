//! `keymill pool`: key pairs made ahead.

use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use keymill::keystore::Keystore;
use keymill::limits::THREADS_MAX;
use keymill::pipeline::authorize::authorize;
use keymill::pipeline::drain::drain;
use keymill::pipeline::job::Team;
use keymill::pipeline::request::Request;
use keymill::pipeline::reserve::{self, Reserve, Reserves};
use keymill::pipeline::template::ContextTemplate;
use keymill::pool::sealed::{self, SealedPool};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::{Backend, BackendChoice};
use keymill::sys::team;

use crate::args::{Arguments, Generate, Pool, PoolDrain, PoolFill, PoolFolder};
use crate::failure::{Code, Failure};
use crate::home;
use crate::output::{binary_size, grouped, report, say};
use crate::progress::progress_bar;

pub fn run(arguments: &Arguments, pool: &Pool) -> Result<(), Failure> {
    match pool {
        Pool::Fill(wanted) => fill(arguments, wanted),
        Pool::Status(folder) => status(arguments, folder),
        Pool::Drain(wanted) => empty(arguments, wanted),
    }
}

/// `--pool`, else `pools` beside the keystore.
fn folder(arguments: &Arguments, folder: &PoolFolder) -> Result<PathBuf, Failure> {
    match &folder.path {
        Some(path) => Ok(path.clone()),
        None => Ok(home::path(arguments)?.join("pools")),
    }
}

fn backend(choice: BackendChoice) -> Result<Backend, Failure> {
    choice.select().map_err(|error| {
        Failure::new(Code::Unavailable, error).hint("--backend auto takes the best there is")
    })
}

fn check_threads(threads: Option<usize>) -> Result<(), Failure> {
    if threads.is_some_and(|threads| threads == 0 || threads > THREADS_MAX) {
        return Err(Failure::new(Code::Usage, format!("--threads is 1 to {THREADS_MAX}")));
    }
    Ok(())
}

/// What `pool fill` has done.
#[derive(Serialize)]
struct Filled {
    path: String,
    key_pair_spec: &'static str,
    pool_id: String,
    pairs: u64,
    made: u64,
    seconds: f64,
    keys_per_second: f64,
    backend: &'static str,
    threads: usize,
}

fn fill(arguments: &Arguments, wanted: &PoolFill) -> Result<(), Failure> {
    check_threads(wanted.threads)?;
    if wanted.count == 0 {
        return Err(Failure::new(Code::Usage, "the count is 0"));
    }
    let backend = backend(wanted.backend)?;
    let folder = folder(arguments, &wanted.folder)?;
    let mut keystore = home::open_or_create(arguments)?;
    make_folder(&folder)?;
    let (appender, claimed) = reserve::appender(&mut keystore, &folder, wanted.key_pair_spec)?;
    drop(keystore);
    let (path, id) = (appender.pool().path().to_owned(), appender.pool().id());
    warn_of_gap(appender.pool(), claimed)?;
    let (start, end) = (appender.next(), claimed.saturating_add(wanted.count));
    let made = end.saturating_sub(start);
    let team = team::start("keymill-fill", wanted.threads).map_err(|error| {
        Failure::new(Code::TryAgain, format!("cannot start the producers: {error}"))
    })?;
    let begun = Instant::now();
    if made > 0 {
        let bar = progress_bar(made, "pairs");
        let filled =
            sealed::fill(appender, end, &team, backend, &mut |made| bar.set_position(made));
        bar.finish_and_clear();
        filled?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let filled = Filled {
        path: path.display().to_string(),
        key_pair_spec: wanted.key_pair_spec.name(),
        pool_id: id.to_string(),
        pairs: end.max(start) - claimed,
        made,
        seconds,
        keys_per_second: made as f64 / seconds.max(1e-9),
        backend: backend.name(),
        threads: team.current_num_threads(),
    };
    conclude(arguments, &filled)
}

/// A pool's records are its data, so that the report is the only thing to print: as JSON on
/// standard output, as talk otherwise.
fn conclude(arguments: &Arguments, filled: &Filled) -> Result<(), Failure> {
    if arguments.json {
        return report(true, filled, |_| String::new());
    }
    let (path, pairs) = (&filled.path, grouped(filled.pairs));
    if filled.made == 0 {
        say(format!("{path}: {pairs} pairs already"));
        return Ok(());
    }
    say(format!("{path}: {pairs} pairs, {} of them new", grouped(filled.made)));
    say(format!(
        "{:.3} s, {:.0} keys/s, backend {}, {} threads",
        filled.seconds, filled.keys_per_second, filled.backend, filled.threads
    ));
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    match DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let message = format!("cannot make the folder {}: {error}", folder.display());
            Err(Failure::new(Code::CannotCreate, message))
        }
        _ => Ok(()),
    }
}

/// Tells of a pool that ends below what was claimed of it.
fn warn_of_gap(pool: &SealedPool, claimed: u64) -> Result<(), Failure> {
    let records = pool.records()?;
    if records < claimed {
        let path = pool.path().display();
        say(format!(
            "warning: {path}: {records} records, but {claimed} were handed out: an older copy, or \
             cut off; new ones go behind"
        ));
    }
    Ok(())
}

/// A pool, as `pool status` shows it.
#[derive(Serialize)]
struct Status {
    path: String,
    key_pair_spec: &'static str,
    pool_id: String,
    created: String,
    /// Pairs that can be taken.
    pairs: u64,
    taken: u64,
    damaged: u64,
    /// Claimed by processes that have not, or never, said what became of them.
    unaccounted: u64,
    disk_bytes: u64,
}

fn status(arguments: &Arguments, wanted: &PoolFolder) -> Result<(), Failure> {
    let folder = folder(arguments, wanted)?;
    let keystore = home::open(arguments)?;
    let mut pools = Vec::new();
    for spec in KeyPairSpec::ALL {
        match SealedPool::open_in(&folder, spec) {
            Err(error) if error.is_missing() => {}
            pool => pools.push(look(&keystore, &pool?)?),
        }
    }
    if pools.is_empty() {
        return Err(none_in(&folder));
    }
    report(arguments.json, &pools, |pools| pools.iter().map(describe).collect())
}

/// There is no pool in `folder`.
pub fn none_in(folder: &Path) -> Failure {
    Failure::new(Code::NoInput, format!("{}: no pools here", folder.display()))
        .hint("keymill pool fill makes a pool")
}

fn look(keystore: &Keystore, pool: &SealedPool) -> Result<Status, Failure> {
    let ledger = reserve::ledger(keystore, pool)?;
    warn_of_gap(pool, ledger.claimed())?;
    Ok(Status {
        path: pool.path().display().to_string(),
        key_pair_spec: pool.spec().name(),
        pool_id: pool.id().to_string(),
        created: ledger.created().to_string(),
        pairs: pool.records()?.saturating_sub(ledger.claimed()),
        taken: ledger.taken(),
        damaged: ledger.damaged(),
        unaccounted: ledger.unaccounted(),
        disk_bytes: pool.disk_bytes()?,
    })
}

fn describe(pool: &Status) -> String {
    format!(
        "{}: {} pairs of {}, {} taken, {} damaged, {} unaccounted for, {}\n",
        pool.path,
        grouped(pool.pairs),
        pool.key_pair_spec,
        grouped(pool.taken),
        grouped(pool.damaged),
        grouped(pool.unaccounted),
        binary_size(pool.disk_bytes)
    )
}

fn empty(arguments: &Arguments, wanted: &PoolDrain) -> Result<(), Failure> {
    check_threads(wanted.threads)?;
    let backend = backend(wanted.backend)?;
    let folder = folder(arguments, &wanted.folder)?;
    let template = match wanted.encryption_context.as_str() {
        "" => ContextTemplate::default(),
        text => ContextTemplate::parse(text).map_err(|error| Failure::new(Code::Usage, error))?,
    };
    let count = wanted.count.unwrap_or(u64::MAX);
    let request = Request::of_count(wanted.key_id.clone(), wanted.key_pair_spec, count, template)?;
    let mut keystore = home::open(arguments)?;
    home::follow(&mut keystore, request.key_id());
    let permit = authorize(&keystore, &request, None)?;
    let reserve = Reserve::open(&keystore, &folder, wanted.key_pair_spec)?;
    drop(keystore);
    let team = Team::start(wanted.threads, backend)?;
    let bar = progress_bar(reserve.pool().records()?.min(count), "pairs");
    let mut out = io::stdout().lock();
    let drained =
        drain(&request, &permit, &reserve, &team, &mut out, &mut |done| bar.set_position(done));
    bar.finish_and_clear();
    settle_one(&reserve);
    let drained = match drained {
        Err(keymill::pipeline::Error::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            return Ok(());
        }
        drained => drained?,
    };
    say(format!("{}: {} pairs taken", reserve.pool().path().display(), grouped(drained)));
    match reserve.outcome().damaged {
        0 => Ok(()),
        _ => Err(Failure::new(Code::BadData, damage(&reserve))
            .hint("the pairs that were taken are whole; those records are lost")),
    }
}

/// The pools that `generate` was told to take from.
pub fn open_reserves(
    keystore: &Keystore,
    wanted: &Generate,
    request: &Request,
) -> Result<Reserves, Failure> {
    let Some(folder) = &wanted.pool else { return Ok(Reserves::default()) };
    if !folder.is_dir() {
        return Err(Failure::new(Code::NoInput, format!("{}: no such folder", folder.display()))
            .hint("keymill pool fill makes a pool"));
    }
    let specs = request.groups().iter().map(|group| group.spec);
    let reserves = Reserves::open(keystore, folder, specs.clone())?;
    for spec in specs.filter(|spec| reserves.of(*spec).is_none()) {
        let folder = folder.display();
        say(format!("{folder}: no pool of {spec} key pairs here; all of them are made"));
    }
    Ok(reserves)
}

/// Reports to the keystore what became of drawn pairs, and tells of damage.
pub fn settle(reserve: &Reserve) {
    settle_one(reserve);
    if reserve.outcome().damaged > 0 {
        say(format!("warning: {}", damage(reserve)));
    }
}

/// What was taken is with the caller, whether the ledger learns of it or not.
fn settle_one(reserve: &Reserve) {
    if let Err(error) = reserve.settle() {
        say(format!("warning: the last pairs taken count as unaccounted for: {error}"));
    }
}

fn damage(reserve: &Reserve) -> String {
    let outcome = reserve.outcome();
    format!(
        "{}: {} records do not open and were left out, the first of them record {}",
        reserve.pool().path().display(),
        grouped(outcome.damaged),
        outcome.first_damaged.unwrap_or_default()
    )
}
