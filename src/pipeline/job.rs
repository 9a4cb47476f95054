//! A whole job: all parts of a plan, by a team of pinned workers.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::Write;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

use crate::crypto::engine;
use crate::crypto::laps::Laps;
use crate::crypto::seal::WrappedBatch;
use crate::pipeline::authorize::Permit;
use crate::pipeline::error::Error;
use crate::pipeline::manifest::Rows;
use crate::pipeline::plan::{PartPlan, Plan};
use crate::pipeline::request::Request;
use crate::pipeline::reserve::{Reserve, Reserves};
use crate::pipeline::sink::arrow::{Opened, PartWriter, PushError, SlotWriter, Stage};
use crate::pipeline::sink::json_lines;
use crate::pipeline::take::TakeError;
use crate::pipeline::worker::Worker;
use crate::spec::KeyPairSpec;
use crate::sys::counters::Counters;
use crate::sys::entropy::Mailbox;
use crate::sys::features::Backend;
use crate::sys::priority::be_prompt;
use crate::sys::seccomp::Confinement;
use crate::sys::staging::StagingMemory;
use crate::sys::team;
use crate::sys::warm::{keep_slack, map_code, touch_slack};

/// How often the thread beside the workers looks after seeds and tells progress: a seed is wanted
/// every few milliseconds.
const TURN_PERIOD: Duration = Duration::from_millis(1);

/// Threads that make keys, one pinned to each core.
#[derive(Debug)]
pub struct Team {
    /// Absent only while it is dropped.
    pool: Option<ThreadPool>,
    backend: Backend,
    confinement: Option<Confinement>,
    reserves: Reserves,
}

impl Team {
    /// Starts `threads` workers, or one for each core this process may use.
    pub fn start(threads: Option<usize>, backend: Backend) -> Result<Self, Error> {
        keep_slack();
        map_code();
        let pool = team::start("keymill", threads).map_err(Error::Threads)?;
        let reserves = Reserves::default();
        Ok(Self { pool: Some(pool), backend, confinement: None, reserves })
    }

    /// Lets the kernel end the process if a worker makes a system call between its first slot and
    /// its last. The team is then good for one part of a job that has no manifest to read.
    pub fn confine(&mut self) -> Result<(), Error> {
        self.confinement = Some(Confinement::prepare().map_err(Error::Threads)?);
        Ok(())
    }

    /// Lets the workers draw pairs from `reserves` before they make any.
    #[must_use]
    pub fn drawing_from(mut self, reserves: Reserves) -> Self {
        self.reserves = reserves;
        self
    }

    /// What the workers draw from.
    #[must_use]
    pub const fn reserves(&self) -> &Reserves {
        &self.reserves
    }

    /// What the workers draw pairs of `spec` from, told that they will want `rows` more.
    fn reserve(&self, spec: KeyPairSpec, rows: u64) -> Option<&Reserve> {
        let reserve = self.reserves.of(spec)?;
        reserve.expect(rows);
        Some(reserve)
    }

    fn pool(&self) -> &ThreadPool {
        self.pool.as_ref().expect("a team has its threads until it is dropped")
    }

    /// Runs `task` on the team, its parallel iterators too.
    pub fn install<R: Send>(&self, task: impl FnOnce() -> R + Send) -> R {
        self.pool().install(task)
    }

    /// The instructions its engines are to run on.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Number of workers.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool().current_num_threads()
    }
}

impl Drop for Team {
    /// A confined thread may not even clean up after itself: it waits for the end of the process.
    fn drop(&mut self) {
        if self.confinement.is_some() {
            core::mem::forget(self.pool.take());
        }
    }
}

/// What a finished job was.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Rows of the whole job.
    pub rows: u64,
    /// Of these, how many this run made.
    pub made: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Time from the first key to the last file.
    pub elapsed: Duration,
    /// What the workers did, all together.
    pub shift: Shift,
    /// Instructions the engine ran on.
    pub backend: Backend,
    /// The published files.
    pub paths: Vec<PathBuf>,
}

/// What a worker did with its time, and what the kernel counted against it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shift {
    /// Time by stage.
    pub laps: Laps,
    /// Faults and switches between the end of its first slot, when it is warm, and of its last.
    pub since_warm: Counters,
}

impl Shift {
    fn add(&mut self, other: &Self) {
        self.laps.add(&other.laps);
        self.since_warm = self.since_warm + other.since_warm;
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows in {:.3} s", self.rows, self.elapsed.as_secs_f64())
    }
}

/// Makes every part of `plan` that is not there yet; `progress` is told the finished rows.
pub fn run(
    request: &Request,
    permit: &Permit,
    plan: &Plan,
    team: &Team,
    progress: &mut dyn FnMut(u64),
) -> Result<Receipt, Error> {
    let begun = Instant::now();
    let mut receipt = Receipt {
        rows: request.rows(),
        made: 0,
        bytes: 0,
        elapsed: Duration::ZERO,
        shift: Shift::default(),
        backend: backend_in_use(request, team),
        paths: Vec::new(),
    };
    let mut done = 0;
    for part in &plan.parts {
        let opened = PartWriter::open_or_resume(&part.path, &part.description)?;
        let summary = match opened {
            Opened::AlreadyComplete(summary) => summary,
            Opened::Writer(writer) => {
                let kept = writer.rows_resumed();
                let progress = &mut |rows| progress(done + rows);
                receipt.shift.add(&fill(request, permit, part, &writer, team, progress)?);
                receipt.made += part.description.rows - kept;
                writer.finish()?
            }
        };
        done += part.description.rows;
        receipt.bytes += summary.bytes;
        receipt.paths.push(part.path.clone());
    }
    receipt.elapsed = begun.elapsed();
    Ok(receipt)
}

/// Lets the team fill all slots of one part, while a scribe beside it writes them to the disk.
fn fill(
    request: &Request,
    permit: &Permit,
    part: &PartPlan,
    writer: &PartWriter,
    team: &Team,
    progress: &mut dyn FnMut(u64),
) -> Result<Shift, Error> {
    let bytes = Stage::memory_bytes(writer, team.threads());
    let mut memory = StagingMemory::new(bytes).map_err(Error::Threads)?.locked();
    let stage = Stage::new(writer, &mut memory);
    let (shift, written) = thread::scope(|scope| {
        let scribe = scope.spawn(|| {
            let _sooner_or_later = be_prompt();
            stage.write_until_closed()
        });
        let shift = {
            let _closing = Closing(|| stage.close());
            mint(request, permit, part, &stage, team, &mut || progress(writer.rows_committed()))
        };
        (shift, scribe.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    progress(writer.rows_committed());
    // A worker's error first: that of a scribe only lets the workers end.
    let shift = shift?;
    written?;
    Ok(shift)
}

/// Lets the team fill all slots of `stage`; looks after its seeds meanwhile.
fn mint(
    request: &Request,
    permit: &Permit,
    part: &PartPlan,
    stage: &Stage<'_>,
    team: &Team,
    progress: &mut dyn FnMut(),
) -> Result<Shift, Error> {
    let group = &request.groups()[part.group];
    let reserve = team.reserve(group.spec, stage.rows_missing());
    let outcome = Mutex::new(Ok(Shift::default()));
    // A confined worker may not ask the system for a seed.
    let waits = team.confinement.is_some();
    let seeds = (0..team.threads()).map(|_| Mailbox::filled(waits));
    let seeds: Vec<Mailbox> = seeds.collect::<Result<_, _>>().map_err(TakeError::from)?;
    let failed = AtomicBool::new(false);
    let (finished, wait) = channel();
    let _sooner_or_later = be_prompt();
    team.pool().in_place_scope(|scope| {
        let (outcome, failed, finished, seeds) = (&outcome, &failed, &finished, &seeds);
        scope.spawn_broadcast(move |_, thread| {
            // A worker that panics has ended too: else this thread would look after it for ever.
            let _ended = Closing(|| {
                let _ = finished.send(());
            });
            let mine = Worker::new(request, permit, group, team.backend)
                .map(|worker| worker.seeded_by(&seeds[thread.index()]).drawing_from(reserve))
                .and_then(|mut worker| work(&mut worker, part, stage, failed, team));
            failed.fetch_or(mine.is_err(), Ordering::Relaxed);
            unite(&mut lock(outcome), mine);
        });
        // Else the workers would wait for ever for a thread that has ended.
        let _closing = Closing(|| seeds.iter().for_each(Mailbox::close));
        for _ in 0..team.threads() {
            while wait.recv_timeout(TURN_PERIOD).is_err() {
                // A mailbox that cannot be filled tells its worker so.
                for mailbox in seeds {
                    let _is_told_there = mailbox.refill();
                }
                progress();
            }
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Does at the end of a scope, however it ends, what others wait for.
struct Closing<F: Fn()>(F);

impl<F: Fn()> Drop for Closing<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The shifts of all workers together, or the first error.
fn unite(all: &mut Result<Shift, Error>, one: Result<Shift, Error>) {
    match (all, one) {
        (Ok(sum), Ok(shift)) => sum.add(&shift),
        (all @ Ok(_), Err(error)) => *all = Err(error),
        (Err(_), _) => {}
    }
}

/// One worker's share of a part: slots until none is left or somebody failed.
fn work(
    worker: &mut Worker<'_>,
    part: &PartPlan,
    stage: &Stage<'_>,
    failed: &AtomicBool,
    team: &Team,
) -> Result<Shift, Error> {
    let mut warm = None;
    while !failed.load(Ordering::Relaxed) {
        let Some(slot) = stage.claim() else { break };
        let number = usize::try_from(slot.slot()).unwrap_or(usize::MAX);
        worker.make(part.first_slot + number, |rows, wrapped| fill_slot(slot, rows, wrapped))?;
        if warm.is_none() {
            touch_slack();
            if let Some(confinement) = &team.confinement {
                confinement.apply().map_err(Error::Threads)?;
            }
            warm = Some(Counters::of_this_thread());
        }
    }
    let since_warm = warm.map(|warm| Counters::of_this_thread() - warm).unwrap_or_default();
    Ok(Shift { laps: worker.laps(), since_warm })
}

/// Writes a batch into its slot and commits it.
fn fill_slot(
    mut slot: SlotWriter<'_, '_>,
    rows: &Rows,
    wrapped: &WrappedBatch,
) -> Result<(), PushError> {
    if let Some(blobs) = wrapped.blobs() {
        slot.push_all(rows.texts(), wrapped.public_keys(), blobs)?;
    } else {
        for row in 0..wrapped.len() {
            slot.push(rows.row(row).texts(), wrapped.public_key(row), wrapped.blob(row))?;
        }
    }
    slot.commit()
}

/// Prints the whole job to `out` as JSON lines, in the order of the rows.
///
/// The team makes one slot each at a time; the lines of these are then written in order.
pub fn print(
    request: &Request,
    permit: &Permit,
    team: &Team,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Receipt, Error> {
    let begun = Instant::now();
    let mut done = 0;
    let mut bytes = 0;
    let mut shift = Shift::default();
    for group in request.groups() {
        let reserve = team.reserve(group.spec, group.rows);
        let worker = |_| Worker::new(request, permit, group, team.backend);
        let mut workers = (0..team.threads())
            .map(|number| Ok(worker(number)?.drawing_from(reserve)))
            .collect::<Result<Vec<_>, Error>>()?;
        let slots: Vec<usize> = (0..group.slot_count()).collect();
        let group_rows = done;
        for round in slots.chunks(team.threads()) {
            let last = round.last().copied().unwrap_or_default();
            let make = |(worker, slot): (&mut Worker<'_>, &usize)| {
                let mut lines = Vec::new();
                worker.make(*slot, |rows, wrapped| {
                    json_lines::write_batch(permit, request.columns(), rows, wrapped, &mut lines)
                })?;
                Ok(lines)
            };
            let round: Vec<Vec<u8>> = team.pool().install(|| {
                workers.par_iter_mut().zip(round).map(make).collect::<Result<_, Error>>()
            })?;
            done = group_rows + group.slot_range(last).end;
            for lines in round {
                bytes += lines.len() as u64;
                out.write_all(&lines)?;
            }
            progress(done);
        }
        for worker in &workers {
            shift.laps.add(&worker.laps());
        }
    }
    out.flush()?;
    Ok(Receipt {
        rows: request.rows(),
        made: request.rows(),
        bytes,
        elapsed: begun.elapsed(),
        shift,
        backend: backend_in_use(request, team),
        paths: Vec::new(),
    })
}

/// What the engines really run on: a spec may have no engine for the backend of the team.
fn backend_in_use(request: &Request, team: &Team) -> Backend {
    let first = request.groups().first();
    first.map_or(team.backend, |group| engine(group.spec, team.backend).backend())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
