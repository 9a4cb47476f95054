//! What each way of a slot into the file costs the workers that fill it: with pages that come when
//! they are touched, with pages made present ahead, through memory of its own with and without huge
//! pages, through the page cache and past it, pinned to cores and not.
//!
//! ```sh
//! cargo build --release --example ways_to_disk
//! target/release/examples/ways_to_disk --slots 700 --rounds 7
//! ```
//!
//! The work is the product's: P-256 pairs from the engine, a slot of them copied to its place. The
//! ways take turns in every round, each beginning a round once; printed are medians, in nanoseconds
//! a pair and worker. `wall` ends with the file on the disk; `worker` is processor time of the
//! workers, the kernel's for them counted; `copy` is the time of the copying alone.

#![expect(clippy::print_stdout, reason = "its report")]
#![expect(unsafe_code, reason = "the ways that the product does not go map the file for writing")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use crossbeam_queue::ArrayQueue;
use keymill::crypto::drbg::Drbg;
use keymill::crypto::{KeyPairBatch, engine};
use keymill::limits::slot_rows;
use keymill::spec::KeyPairSpec;
use keymill::sys::affinity::{allowed_cores, pin_to};
use keymill::sys::clock::{nanoseconds, thread_nanoseconds};
use keymill::sys::counters::Counters;
use keymill::sys::features::{Backend, BackendChoice};
use keymill::sys::file::LockedFile;
use memmap2::{Advice, MmapMut, MmapOptions};

type Failure = Box<dyn Error + Send + Sync>;

/// What `generate` makes most of.
const SPEC: KeyPairSpec = KeyPairSpec::EccNistP256;

/// A slot of it, in whole pages.
const SLOT_BYTES: usize = 353 * 4096;

/// Buffers between the workers and the disk, and slots whose pages are made present ahead.
const AHEAD: usize = 45;

#[derive(Debug, Parser)]
struct Arguments {
    /// Slots of 4096 pairs a run.
    #[arg(long, default_value_t = 350)]
    slots: usize,
    /// Rounds, in each of which every way is gone once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Workers.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Folder in which the file stands for a moment.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Into the mapped file.
    Mapped { ahead: bool },
    /// Into memory, from which a thread beside the workers writes.
    Staged { huge: bool, direct: bool },
}

const WAYS: [(&str, Way, bool); 6] = [
    ("mapped file", Way::Mapped { ahead: false }, true),
    ("mapped file, present ahead", Way::Mapped { ahead: true }, true),
    ("staged, page cache", Way::Staged { huge: true, direct: false }, true),
    ("staged, small pages", Way::Staged { huge: false, direct: true }, true),
    ("staged, not pinned", Way::Staged { huge: true, direct: true }, false),
    ("staged, as generate does", Way::Staged { huge: true, direct: true }, true),
];

/// What a run measured; times in nanoseconds a pair and worker, counts a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    wall: f64,
    worker: f64,
    copy: f64,
    faults: f64,
    waits: f64,
    preemptions: f64,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let backend = BackendChoice::Auto.select()?;
    let mut runs = vec![Vec::new(); WAYS.len()];
    for round in 0..arguments.rounds {
        for turn in 0..WAYS.len() {
            let number = (round + turn) % WAYS.len();
            let (_, way, pinned) = WAYS[number];
            runs[number].push(go(&arguments, backend, way, pinned)?);
        }
    }
    println!("{:28}       nanoseconds a pair       events a slot", "");
    println!("{:28}    wall  worker    copy  faults   waits preempted", "");
    for ((name, ..), runs) in WAYS.iter().zip(&runs) {
        let of = |value: fn(&Run) -> f64| median(runs.iter().map(value).collect());
        let (wall, worker, copy) = (of(|run| run.wall), of(|run| run.worker), of(|run| run.copy));
        print!("{name:28} {wall:7.0} {worker:7.0} {copy:7.0}");
        let (faults, waits) = (of(|run| run.faults), of(|run| run.waits));
        println!(" {faults:7.2} {waits:7.2} {:9.2}", of(|run| run.preemptions));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// One run of one way.
fn go(arguments: &Arguments, backend: Backend, way: Way, pinned: bool) -> Result<Run, Failure> {
    let path = arguments.folder.join("ways_to_disk.tmp");
    let begun = Instant::now();
    let file = LockedFile::open_exclusive(&path)?;
    file.reserve((arguments.slots * SLOT_BYTES) as u64)?;
    let shifts = match way {
        Way::Mapped { ahead } => mapped(arguments, backend, pinned, &file, ahead)?,
        Way::Staged { huge, direct } => staged(arguments, backend, pinned, &file, huge, direct)?,
    };
    file.bypass_cache(false);
    file.sync()?;
    let pairs = (arguments.slots * slot_rows(SPEC)) as f64;
    let wall = begun.elapsed().as_nanos() as f64 * arguments.threads as f64 / pairs;
    remove(&path)?;
    let a_pair = |of: fn(&Shift) -> u64| shifts.iter().map(of).sum::<u64>() as f64 / pairs;
    let slots = arguments.slots as f64;
    let a_slot = |of: fn(&Counters) -> u64| {
        shifts.iter().map(|shift| of(&shift.since_warm)).sum::<u64>() as f64 / slots
    };
    Ok(Run {
        wall,
        worker: a_pair(|shift| shift.worker),
        copy: a_pair(|shift| shift.copy),
        faults: a_slot(|counters| counters.faults),
        waits: a_slot(|counters| counters.voluntary_switches),
        preemptions: a_slot(|counters| counters.preemptions),
    })
}

fn remove(path: &Path) -> std::io::Result<()> {
    std::fs::remove_file(path)
}

/// What one warm worker did, in nanoseconds.
struct Shift {
    worker: u64,
    copy: u64,
    since_warm: Counters,
}

/// Fills slots that `claim` gives until there are none, and hands them to `put`.
fn work<'m>(
    backend: Backend,
    core: Option<usize>,
    claim: impl Fn() -> Option<&'m mut [u8]>,
    put: impl Fn(&'m mut [u8]),
) -> Result<Shift, Failure> {
    let _pinned = core.map(pin_to);
    let mut engine = engine(SPEC, backend);
    let mut drbg = Drbg::from_system()?;
    let mut batch = KeyPairBatch::with_capacity(SPEC, slot_rows(SPEC));
    // Stands for the blobs, which are as long.
    let blobs = vec![7_u8; SLOT_BYTES - slot_rows(SPEC) * SPEC.public_key_bytes()];
    engine.generate(&mut drbg, &mut batch, slot_rows(SPEC))?;
    let (warm, started, mut copy) = (Counters::of_this_thread(), thread_nanoseconds(), 0);
    while let Some(slot) = claim() {
        batch.clear();
        engine.generate(&mut drbg, &mut batch, slot_rows(SPEC))?;
        let begun = nanoseconds();
        let (public, private) = slot.split_at_mut(batch.public_keys().len());
        public.copy_from_slice(batch.public_keys());
        private.copy_from_slice(&blobs);
        copy += nanoseconds() - begun;
        put(slot);
    }
    let worker = thread_nanoseconds() - started;
    Ok(Shift { worker, copy, since_warm: Counters::of_this_thread() - warm })
}

/// The core of each worker, if it has one.
fn cores(threads: usize, pinned: bool) -> Vec<Option<usize>> {
    let cores = allowed_cores();
    let core = |worker| pinned.then(|| cores.get(worker % cores.len().max(1)).copied()).flatten();
    (0..threads).map(core).collect()
}

fn mapped(
    arguments: &Arguments,
    backend: Backend,
    pinned: bool,
    file: &LockedFile,
    ahead: bool,
) -> Result<Vec<Shift>, Failure> {
    // SAFETY: the file is locked and nobody else's.
    let mut map = unsafe { MmapOptions::new().map_mut(file.file())? };
    let start = map.as_mut_ptr() as usize;
    let slots = ArrayQueue::new(arguments.slots);
    for slot in map.chunks_exact_mut(SLOT_BYTES) {
        let _there_is_room = slots.push(slot);
    }
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let claim = || {
        next.fetch_add(1, Ordering::Relaxed);
        slots.pop()
    };
    thread::scope(|scope| {
        if ahead {
            scope.spawn(|| populate(start, arguments.slots, &next, &done));
        }
        let cores = cores(arguments.threads, pinned);
        let start = |core| scope.spawn(move || work(backend, core, claim, |_| ()));
        let workers: Vec<_> = cores.into_iter().map(start).collect();
        let shifts = workers.into_iter().map(|worker| worker.join().expect("no panic")).collect();
        done.store(true, Ordering::Relaxed);
        shifts
    })
}

/// Makes pages present, [`AHEAD`] slots ahead of `next`.
fn populate(start: usize, slots: usize, next: &AtomicUsize, done: &AtomicBool) {
    let mut present = 0;
    while !done.load(Ordering::Relaxed) && present < slots {
        if present >= next.load(Ordering::Relaxed) + AHEAD {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        let place = std::ptr::with_exposed_provenance_mut(start + present * SLOT_BYTES);
        let advice = rustix::mm::Advice::LinuxPopulateWrite;
        // SAFETY: populating changes no byte, and the mapping lives as long as the scope.
        let _hint = unsafe { rustix::mm::madvise(place, SLOT_BYTES, advice) };
        present += 1;
    }
}

fn staged(
    arguments: &Arguments,
    backend: Backend,
    pinned: bool,
    file: &LockedFile,
    huge: bool,
    direct: bool,
) -> Result<Vec<Shift>, Failure> {
    file.bypass_cache(direct);
    let mut memory = MmapMut::map_anon(AHEAD * SLOT_BYTES)?;
    memory.advise(if huge { Advice::HugePage } else { Advice::NoHugePage })?;
    memory.advise(Advice::PopulateWrite)?;
    let (empty, full) = (ArrayQueue::new(AHEAD), ArrayQueue::new(AHEAD));
    for buffer in memory.chunks_exact_mut(SLOT_BYTES) {
        let _there_is_room = empty.push(buffer);
    }
    let next = AtomicUsize::new(0);
    let claim = || {
        if next.fetch_add(1, Ordering::Relaxed) >= arguments.slots {
            return None;
        }
        loop {
            match empty.pop() {
                Some(buffer) => return Some(buffer),
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    };
    thread::scope(|scope| {
        let scribe = scope.spawn(|| -> std::io::Result<()> {
            for slot in 0..arguments.slots {
                let buffer: &mut [u8] = loop {
                    match full.pop() {
                        Some(buffer) => break buffer,
                        None => thread::sleep(Duration::from_millis(2)),
                    }
                };
                file.write_pages(buffer, (slot * SLOT_BYTES) as u64)?;
                let _there_is_room = empty.push(buffer);
            }
            Ok(())
        });
        let put = |buffer| {
            let _there_is_room = full.push(buffer);
        };
        let cores = cores(arguments.threads, pinned);
        let start = |core| scope.spawn(move || work(backend, core, claim, put));
        let workers: Vec<_> = cores.into_iter().map(start).collect();
        let shifts = workers.into_iter().map(|worker| worker.join().expect("no panic")).collect();
        scribe.join().expect("no panic")?;
        shifts
    })
}
