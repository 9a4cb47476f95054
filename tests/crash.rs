//! Kills, full disks, rivals, and the memory of a long run: what a job survives, on the real
//! program.
//!
//! Kill moments are drawn from a seed that is printed; `KEYMILL_TEST_SEED=N` repeats a run as
//! far as the machine's clock allows.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod rig;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use keymill::pipeline::sink::arrow::{PartFile, SlotState};
use rig::{Dice, SmallDisk, talk};
use tempfile::TempDir;

const KEYMILL: &str = env!("CARGO_BIN_EXE_keymill");
const SPEC: &str = "ECC_NIST_EDWARDS25519";
const TRY_AGAIN: i32 = 75;

/// One job with a folder for its output and one for its keystore.
struct Job {
    home: PathBuf,
    folder: PathBuf,
    rows: u64,
    _scratch: TempDir,
}

impl Job {
    fn new(rows: u64) -> Self {
        let scratch = TempDir::new().unwrap();
        let (home, folder) = (scratch.path().join("home"), scratch.path().join("out"));
        fs::create_dir(&folder).unwrap();
        Self { home, folder, rows, _scratch: scratch }
    }

    /// A job whose keystore is there already.
    fn with_keystore(rows: u64) -> Self {
        let job = Self::new(rows);
        let made = job.command(&["init"]).output().unwrap();
        assert!(made.status.success(), "{}", talk(&made));
        job
    }

    fn path(&self) -> PathBuf {
        self.folder.join("keys.arrow")
    }

    fn temporary(&self) -> PathBuf {
        self.folder.join("keys.arrow.tmp")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KEYMILL);
        command.args(arguments).env("KEYMILL_HOME", &self.home).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn generate(&self) -> Command {
        let rows = self.rows.to_string();
        self.command(&["generate", "--key-pair-spec", SPEC, "--count", &rows, "-o", "keys.arrow"])
    }

    fn run(&self) -> Output {
        self.generate().output().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The job is done: one file, every row of it right, and a repetition changes nothing.
    fn assert_complete(&self) {
        assert_eq!(self.names(), ["keys.arrow"]);
        let part = PartFile::open(&self.path()).unwrap();
        assert!(part.is_complete());
        assert_eq!(part.rows(), self.rows);
        assert!(part.check().is_empty(), "{:?}", part.check());
        drop(part);
        let verified = self.command(&["verify", "keys.arrow"]).output().unwrap();
        assert_eq!(verified.status.code(), Some(0), "{}", talk(&verified));
        let before = stamp(&self.path());
        let again = self.run();
        assert_eq!(again.status.code(), Some(0), "{}", talk(&again));
        assert!(talk(&again).contains("already complete"), "{}", talk(&again));
        assert_eq!(stamp(&self.path()), before, "a published file was touched");
        assert_eq!(self.names(), ["keys.arrow"]);
    }
}

/// Which file it is, and when it was last written to.
fn stamp(path: &Path) -> (u64, u64, i64, i64) {
    let meta = fs::metadata(path).unwrap();
    (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())
}

/// Kills `child` after `moment`, with a signal that cannot be caught; whether it still ran.
fn kill_after(child: &mut Child, moment: Duration) -> bool {
    sleep(moment);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.success() || status.signal() == Some(9), "{status}");
    !status.success()
}

/// Public key and blob of every committed row.
type Rows = BTreeMap<u64, (Vec<u8>, Vec<u8>)>;

/// What a killed run has left.
struct Debris {
    committed_slots: usize,
    rows: Rows,
}

impl Debris {
    fn read(job: &Job) -> Self {
        let path = if job.path().exists() { job.path() } else { job.temporary() };
        // Killed before the prefix was written: nothing to keep yet.
        let Ok(part) = PartFile::open(&path) else {
            assert!(!job.path().exists(), "a published file does not open");
            return Self { committed_slots: 0, rows: Rows::new() };
        };
        let whole = |state| matches!(state, SlotState::Committed);
        let rows = (0..part.rows()).filter_map(|number| {
            let row = part.row(number).ok()?;
            Some((number, (row.public_key.to_vec(), row.blob.to_vec())))
        });
        Self {
            committed_slots: part.slots().filter(|(_, state)| whole(*state)).count(),
            rows: rows.collect(),
        }
    }

    /// No slot of `earlier` is lost or made anew.
    fn assert_keeps(&self, earlier: &Self) {
        assert!(self.committed_slots >= earlier.committed_slots, "a committed slot was lost");
        for (number, row) in &earlier.rows {
            assert_eq!(self.rows.get(number), Some(row), "row {number} changed");
        }
    }
}

/// How long the whole job takes when nobody kills it.
fn undisturbed(rows: u64) -> Duration {
    let job = Job::new(rows);
    let begun = Instant::now();
    let output = job.run();
    assert!(output.status.success(), "{}", talk(&output));
    let elapsed = begun.elapsed();
    job.assert_complete();
    elapsed
}

/// A number of rows that keeps this machine busy long enough for a kill to hit anything, and how
/// long it takes.
fn worth_killing() -> (u64, Duration) {
    let mut rows = 30_000;
    loop {
        let elapsed = undisturbed(rows);
        if elapsed > Duration::from_millis(120) || rows >= 120_000 {
            return (rows, elapsed);
        }
        rows *= 2;
    }
}

#[test]
fn fifty_kills_lose_nothing_and_publish_once() {
    const KILLS: usize = 50;
    let mut dice = Dice::new("fifty_kills");
    let (rows, longest) = worth_killing();
    let mut job = Job::new(rows);
    let mut earlier = Debris::read(&job);
    let (mut kills, mut finished) = (0, 0);
    while kills < KILLS {
        let mut child = job.generate().spawn().unwrap();
        let was_killed = kill_after(&mut child, dice.moment(longest));
        assert!(job.names().iter().all(|name| name.starts_with("keys.arrow")), "{:?}", job.names());
        let debris = Debris::read(&job);
        debris.assert_keeps(&earlier);
        earlier = debris;
        if was_killed {
            kills += 1;
            continue;
        }
        assert_eq!(earlier.rows.len() as u64, rows);
        job.assert_complete();
        finished += 1;
        job = Job::new(rows);
        earlier = Debris::read(&job);
    }
    let output = job.run();
    assert!(output.status.success(), "{}", talk(&output));
    Debris::read(&job).assert_keeps(&earlier);
    job.assert_complete();
    println!("{kills} kills within {longest:?} of {rows} rows; {finished} jobs done in between");
}

#[test]
fn kills_during_the_first_use_leave_a_keystore_that_works() {
    const KILLS: usize = 40;
    let mut dice = Dice::new("first_use");
    let longest = undisturbed(8);
    let mut kills = 0;
    while kills < KILLS {
        let job = Job::new(8);
        for _ in 0..3 {
            let mut child = job.generate().spawn().unwrap();
            kills += usize::from(kill_after(&mut child, dice.moment(longest)));
        }
        let output = job.run();
        assert!(output.status.success(), "{}", talk(&output));
        job.assert_complete();
    }
}

/// A kill between the two system calls that publish leaves both names for one file.
#[test]
fn a_kill_between_link_and_unlink_is_tidied_up() {
    let job = Job::new(100);
    assert!(job.run().status.success());
    fs::hard_link(job.path(), job.temporary()).unwrap();
    let again = job.run();
    assert!(again.status.success(), "{}", talk(&again));
    job.assert_complete();
}

#[test]
fn of_two_rivals_one_publishes() {
    let mut dice = Dice::new("two_rivals");
    for round in 0..16 {
        // In every other round they race for the keystore too.
        let job = if round % 2 == 0 { Job::with_keystore(20_000) } else { Job::new(20_000) };
        let first = job.generate().spawn().unwrap();
        sleep(if round < 8 { Duration::ZERO } else { dice.moment(Duration::from_millis(300)) });
        let second = job.generate().spawn().unwrap();
        let ended = [first, second].map(|child| child.wait_with_output().unwrap());
        for output in &ended {
            let (code, said) = (output.status.code(), talk(output));
            assert!(matches!(code, Some(0 | TRY_AGAIN)), "{code:?} {said}");
            assert_eq!(code == Some(TRY_AGAIN), said.contains("error"), "{said}");
        }
        assert!(ended.iter().any(|output| output.status.success()), "both gave up");
        job.assert_complete();
    }
}

#[test]
fn a_full_disk_is_an_error_until_there_is_room() {
    let job = Job::with_keystore(30_000);
    let Some(disk) = SmallDisk::over(&job.folder, "2m") else { return };
    for _ in 0..2 {
        let output = job.run();
        assert_eq!(output.status.code(), Some(TRY_AGAIN), "{}", talk(&output));
        assert!(talk(&output).contains("keys.arrow.tmp"), "{}", talk(&output));
        assert!(talk(&output).contains("make room"), "{}", talk(&output));
        assert!(job.names().is_empty(), "what does not fit must not keep the disk full");
    }
    disk.resize("32m");
    let output = job.run();
    assert!(output.status.success(), "{}", talk(&output));
    job.assert_complete();
}

/// Whether the schema stands in the file: its space is reserved then. Looks without a lock, which
/// would be in the way of the job.
fn has_begun(path: &Path) -> bool {
    let mut start = [0; 6];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"ARROW1"
}

/// The space of a job is reserved when it begins: what others write cannot stop it any more.
#[test]
fn a_disk_that_fills_up_meanwhile_does_not_stop_a_job() {
    let job = Job::with_keystore(30_000);
    let Some(_disk) = SmallDisk::over(&job.folder, "16m") else { return };
    let mut child = job.generate().spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !job.path().exists() && !has_begun(&job.temporary()) {
        assert!(Instant::now() < deadline, "the job never began");
        sleep(Duration::from_micros(200));
    }
    sleep(Duration::from_millis(5));
    child.kill().unwrap();
    child.wait().unwrap();
    let filler = job.folder.join("filler");
    let filled = fs::write(&filler, vec![1; 16 << 20]);
    assert!(filled.is_err(), "the disk is not full");
    let output = job.run();
    assert!(output.status.success(), "{}", talk(&output));
    fs::remove_file(filler).unwrap();
    job.assert_complete();
}

/// The most anonymous memory that `keymill generate` of `rows` rows has, in bytes.
fn peak_anonymous(rows: u64) -> u64 {
    let job = Job::with_keystore(rows);
    let mut child = job.generate().spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let field = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = field.and_then(|field| field.trim().strip_suffix(" kB"));
        peak = peak.max(kib.map_or(0, |kib| kib.trim().parse::<u64>().unwrap() * 1024));
        sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    assert!(peak > 0, "no sample of the memory");
    peak
}

#[test]
fn memory_is_bounded_and_does_not_grow_with_the_count() {
    const MIB: u64 = 1 << 20;
    // Both fill every buffer that there is between the workers and the disk.
    let (few, many) = (peak_anonymous(300_000), peak_anonymous(1_200_000));
    println!("anonymous memory: {} KiB for N rows, {} KiB for 4N", few >> 10, many >> 10);
    assert!(many < 200 * MIB, "{many} bytes");
    assert!(few.abs_diff(many) < 20 * MIB, "{few} bytes, then {many}");
}
