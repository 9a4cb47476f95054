//! Sealed pools on the real program: whoever is killed, whatever is put back, no pair twice.
//!
//! Kill moments are drawn from a seed that is printed; see `rig`.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod rig;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use keymill::limits::POOL_CLAIM_FAST;
use keymill::pool::sealed::record_bytes;
use keymill::spec::KeyPairSpec;
use rig::{Dice, SmallDisk, talk};
use serde_json::Value;
use tempfile::TempDir;

const KEYMILL: &str = env!("CARGO_BIN_EXE_keymill");
const SPEC: KeyPairSpec = KeyPairSpec::EccNistEdwards25519;
const HEADER_BYTES: u64 = 64;

const BAD_DATA: i32 = 65;
const UNAVAILABLE: i32 = 69;
const TRY_AGAIN: i32 = 75;

/// A keystore, its pools, and every public key that was ever seen to leave them.
struct Factory {
    scratch: TempDir,
    seen: HashSet<String>,
}

impl Factory {
    fn new() -> Self {
        let factory = Self { scratch: TempDir::new().unwrap(), seen: HashSet::new() };
        factory.does(&["init"]);
        fs::create_dir(factory.pools()).unwrap();
        factory
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn pools(&self) -> PathBuf {
        self.path("pools")
    }

    /// The file of the pool.
    fn pool(&self) -> PathBuf {
        self.pools().join(format!("{SPEC}.pool"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KEYMILL);
        command.args(arguments).env("KEYMILL_HOME", "home").current_dir(self.scratch.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed.
    fn does(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", talk(&output));
        output
    }

    /// Runs a command that must fail with `code` and say `words`.
    fn refuses(&self, arguments: &[&str], code: i32, words: &[&str]) -> Output {
        let output = self.run(arguments);
        let said = talk(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{arguments:?} does not say '{word}': {said}");
        }
        output
    }

    fn fill(&self, count: u64) -> Output {
        let count = count.to_string();
        self.does(&[
            "pool",
            "fill",
            "--key-pair-spec",
            SPEC.name(),
            "-n",
            &count,
            "--pool",
            "pools",
        ])
    }

    /// Takes up to `count` pairs, none of which was seen before; says how many.
    fn drain(&mut self, count: u64) -> usize {
        let count = count.to_string();
        let output = self.does(&[&DRAIN[..], &["-n", &count]].concat());
        self.see(&output.stdout)
    }

    /// Notes the public keys of whole lines, and that none was seen before; says how many.
    fn see(&mut self, lines: &[u8]) -> usize {
        let mut seen = 0;
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            // The last line of a killed process may be cut.
            let Some(line) = line.strip_suffix(b"\n") else { continue };
            let line: Value = serde_json::from_slice(line).unwrap();
            let key = line["PublicKey"].as_str().unwrap().to_owned();
            assert!(self.seen.insert(key), "a pair left the pool twice");
            seen += 1;
        }
        seen
    }

    fn status(&self) -> Status {
        let output = self.does(&["pool", "status", "--pool", "pools", "--json"]);
        let pools: Value = serde_json::from_slice(&output.stdout).unwrap();
        let count = |name: &str| pools[0][name].as_u64().unwrap();
        Status {
            pairs: count("pairs"),
            taken: count("taken"),
            damaged: count("damaged"),
            unaccounted: count("unaccounted"),
        }
    }

    /// Changes the pool's file behind its back.
    fn tamper(&self, change: impl FnOnce(&File)) {
        change(&OpenOptions::new().read(true).write(true).open(self.pool()).unwrap());
    }

    fn flip(&self, at: u64) {
        self.tamper(|file| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x20], at).unwrap();
        });
    }
}

const DRAIN: [&str; 6] =
    ["pool", "drain", "--key-pair-spec", "ECC_NIST_EDWARDS25519", "--pool", "pools"];
const STATUS: [&str; 4] = ["pool", "status", "--pool", "pools"];
const FILL: [&str; 8] =
    ["pool", "fill", "--key-pair-spec", "ECC_NIST_EDWARDS25519", "--pool", "pools", "-n", "10"];
const GENERATE: [&str; 6] =
    ["generate", "--key-pair-spec", "ECC_NIST_EDWARDS25519", "--pool", "pools", "-n"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    pairs: u64,
    taken: u64,
    damaged: u64,
    unaccounted: u64,
}

/// Where record `number` begins.
fn place(number: u64) -> u64 {
    HEADER_BYTES + number * record_bytes(SPEC) as u64
}

/// Two processes fill and drain, and each is killed at a moment of its own, until both kinds have
/// met `wanted` kills. How many moments come too late is up to the machine.
fn kill_in_rounds(wanted: usize) {
    const BATCH: u64 = 10_000;
    let mut dice = Dice::new("pool rounds");
    let mut factory = Factory::new();
    factory.fill(1000);
    let longest = [
        time(|| drop(factory.fill(1000 + BATCH))),
        time(|| assert_eq!(factory.drain(BATCH), usize::try_from(BATCH).unwrap())),
    ];
    let (mut rounds, mut kills, mut left) = (0, [0, 0], 0);
    while kills.iter().any(|kills| *kills < wanted) {
        rounds += 1;
        assert!(rounds <= 50 * wanted, "{kills:?} kills in {rounds} rounds: they are too quick");
        let lines = factory.path("lines");
        factory.fill(BATCH);
        let level = (2 * BATCH).to_string();
        let mut fill = factory.command(&[&FILL[..7], &[&level]].concat()).spawn().unwrap();
        let mut drain = factory.command(&[&DRAIN[..], &["--threads", "1"]].concat());
        let mut drain = drain.stdout(File::create(&lines).unwrap()).spawn().unwrap();
        let moments = longest.map(|longest| dice.moment(longest));
        let mut running = [(moments[0], 0, &mut fill), (moments[1], 1, &mut drain)];
        running.sort_by_key(|(moment, ..)| *moment);
        let begun = Instant::now();
        for (moment, which, child) in running {
            sleep(moment.saturating_sub(begun.elapsed()));
            kills[which] += usize::from(kill(child));
        }
        left += factory.see(&fs::read(&lines).unwrap());
    }
    factory.fill(100);
    factory.drain(u64::MAX);
    let Status { pairs, taken, damaged, unaccounted } = factory.status();
    println!(
        "{rounds} rounds, {kills:?} kills within {longest:?}: {} pairs left the pool, {left} of \
         them in the rounds; {unaccounted} unaccounted for",
        factory.seen.len(),
    );
    assert!(left > 0, "no pair left the pool in a round");
    assert_eq!((pairs, damaged), (0, 0));
    let claimed = taken + unaccounted;
    let seen = factory.seen.len() as u64;
    assert!(taken <= seen && seen <= claimed, "{taken} <= {seen} <= {claimed}");
    // A block, and what the one thread had in hand.
    let bound = kills[1] as u64 * 2 * POOL_CLAIM_FAST;
    assert!(claimed - seen <= bound, "{} lost, {bound} may be", claimed - seen);
    assert!(unaccounted <= bound, "{unaccounted} unaccounted for, {bound} may be");
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// Kills a process, with a signal that cannot be caught; whether it still ran.
fn kill(child: &mut Child) -> bool {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.code().is_none_or(|code| code == 0), "{status}");
    status.code().is_none()
}

#[test]
fn kills_while_two_fill_and_drain_issue_no_pair_twice() {
    kill_in_rounds(6);
}

#[test]
#[ignore = "takes minutes: the same, 200 kills of each"]
fn two_hundred_kills_while_two_fill_and_drain_issue_no_pair_twice() {
    kill_in_rounds(200);
}

#[test]
fn takers_at_once_share_the_pairs() {
    let mut factory = Factory::new();
    factory.fill(9000);
    let lines = ["one", "two", "three"].map(|name| factory.path(name));
    let drains = lines
        .each_ref()
        .map(|path| factory.command(&DRAIN).stdout(File::create(path).unwrap()).spawn().unwrap());
    let made = factory.does(&[&GENERATE[..], &["3000", "-o", "-"]].concat());
    for drain in drains {
        let ended = drain.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", talk(&ended));
    }
    let mut left = factory.see(&made.stdout);
    for path in &lines {
        left += factory.see(&fs::read(path).unwrap());
    }
    let Status { pairs, taken, unaccounted, .. } = factory.status();
    assert_eq!((pairs, taken, unaccounted), (0, 9000, 0));
    assert!((9000..=12_000).contains(&left), "{left}: what generate did not get it has made");
}

#[test]
fn generate_takes_what_there_is_and_makes_the_rest() {
    let factory = Factory::new();
    for (spec, pool, rows) in [("RSA_2048", 21, 30), (SPEC.name(), 5000, 6000)] {
        let (pool, rows) = (pool.to_string(), rows.to_string());
        factory.does(&["pool", "fill", "--key-pair-spec", spec, "-n", &pool, "--pool", "pools"]);
        let arguments = ["generate", "--key-pair-spec", spec, "-n", &rows, "--pool", "pools"];
        let report = factory.does(&[&arguments[..], &["-o", "keys/", "--json"]].concat());
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        assert_eq!(report["from_pool"].to_string(), pool);
        assert_eq!(report["made"].to_string(), rows);
        factory.does(&["verify", "keys/"]);
        fs::remove_dir_all(factory.path("keys")).unwrap();
    }
    let said = talk(&factory.does(&[&GENERATE[..], &["5", "-o", "more.arrow"]].concat()));
    assert!(said.contains("0 of them from the pool"), "{said}");
}

#[test]
fn a_torn_tail_is_overwritten_and_a_hole_is_left_out() {
    let mut factory = Factory::new();
    factory.fill(100);
    factory.tamper(|file| file.set_len(place(100) - 10).unwrap());
    assert_eq!(factory.status().pairs, 99);
    factory.tamper(|file| file.write_all_at(&[0x55; 40], place(99)).unwrap());
    factory.fill(100);
    assert_eq!(factory.drain(60), 60);
    // What a power cut leaves where the length was written and the records were not.
    factory.tamper(|file| file.set_len(place(103)).unwrap());
    let output = factory.refuses(&DRAIN, BAD_DATA, &["3 records do not open", "record 100"]);
    assert_eq!(factory.see(&output.stdout), 40);
    assert_eq!(factory.status(), Status { pairs: 0, taken: 100, damaged: 3, unaccounted: 0 });
}

#[test]
fn a_flipped_byte_costs_one_pair() {
    let mut factory = Factory::new();
    factory.fill(100);
    factory.flip(place(17) + 33);
    let output = factory.does(&[&GENERATE[..], &["30", "-o", "-"]].concat());
    let said = talk(&output);
    assert!(said.contains("warning: ") && said.contains("record 17"), "{said}");
    assert_eq!(factory.see(&output.stdout), 30);
    factory.flip(place(40));
    let output = factory.refuses(&DRAIN, BAD_DATA, &["1 records", "record 40", "those records"]);
    assert_eq!(factory.see(&output.stdout), 68);
    assert_eq!(factory.status(), Status { pairs: 0, taken: 98, damaged: 2, unaccounted: 0 });
}

#[test]
fn a_damaged_header_is_told_and_the_file_left_alone() {
    let factory = Factory::new();
    factory.fill(10);
    let whole = fs::read(factory.pool()).unwrap();
    for at in [0, 16, 20, 24, 33, 47, 50, 63] {
        factory.flip(at);
        let damaged = fs::read(factory.pool()).unwrap();
        for arguments in [&DRAIN[..], &STATUS, &FILL, &[&GENERATE[..], &["1", "-o", "x"]].concat()]
        {
            factory.refuses(arguments, BAD_DATA, &["ECC_NIST_EDWARDS25519.pool: ", "restore"]);
        }
        assert!(fs::read(factory.pool()).unwrap() == damaged, "byte {at}");
        fs::write(factory.pool(), &whole).unwrap();
    }
    for bytes in [0, 1, 63] {
        factory.tamper(|file| file.set_len(bytes).unwrap());
        factory.refuses(&DRAIN, BAD_DATA, &["not a pool of key pairs, or cut off"]);
        fs::write(factory.pool(), &whole).unwrap();
    }
}

#[test]
fn an_older_copy_takes_no_claim_back() {
    let mut factory = Factory::new();
    factory.fill(100);
    let copy = fs::read(factory.pool()).unwrap();
    assert_eq!(factory.drain(60), 60);
    fs::write(factory.pool(), &copy).unwrap();
    assert_eq!(factory.status().pairs, 40);
    assert_eq!(factory.drain(100), 40);
    fs::write(factory.pool(), &copy).unwrap();
    assert_eq!(factory.drain(100), 0);
    // Filled beyond the copy, and drained beyond it.
    factory.fill(50);
    assert_eq!(factory.drain(20), 20);
    fs::write(factory.pool(), &copy).unwrap();
    let words = ["100 records, but 120 were handed out", "older copy", "pool fill"];
    factory.refuses(&DRAIN, BAD_DATA, &words);
    factory.refuses(&[&GENERATE[..], &["1", "-o", "x"]].concat(), BAD_DATA, &words);
    assert!(talk(&factory.fill(10)).contains("new ones go behind"));
    assert_eq!(factory.drain(100), 10);
}

#[test]
fn a_cut_file_is_told_and_filled_on() {
    let mut factory = Factory::new();
    factory.fill(100);
    assert_eq!(factory.drain(60), 60);
    factory.tamper(|file| file.set_len(place(30)).unwrap());
    let words = ["30 records, but 60 were handed out", "cut off"];
    factory.refuses(&DRAIN, BAD_DATA, &words);
    let status = factory.does(&STATUS);
    assert!(talk(&status).contains(words[0]), "{}", talk(&status));
    factory.fill(25);
    assert_eq!(factory.drain(100), 25);
}

#[test]
fn a_pool_of_another_keystore_stays_closed() {
    let factory = Factory::new();
    factory.fill(10);
    let before = fs::read(factory.pool()).unwrap();
    factory.does(&["init", "--home", "other"]);
    for arguments in [&DRAIN[..], &STATUS, &FILL, &[&GENERATE[..], &["1", "-o", "x"]].concat()] {
        let arguments = [arguments, &["--home", "other"]].concat();
        factory.refuses(&arguments, UNAVAILABLE, &["another keystore made it", "--home"]);
    }
    assert!(fs::read(factory.pool()).unwrap() == before, "the file was touched");
}

#[test]
fn one_fills_at_a_time() {
    let factory = Factory::new();
    let slow = ["pool", "fill", "--key-pair-spec", "RSA_4096", "--pool", "pools", "-n", "100000"];
    let mut first = factory.command(&slow).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !factory.pools().join("RSA_4096.pool").exists() {
        assert!(Instant::now() < deadline, "the first never began");
        sleep(Duration::from_millis(2));
    }
    factory.refuses(&slow, TRY_AGAIN, &["another process fills this pool"]);
    kill(&mut first);
    let status = factory.does(&STATUS);
    assert!(String::from_utf8(status.stdout).unwrap().contains("of RSA_4096"));
}

#[test]
fn a_full_disk_keeps_what_fits() {
    let mut factory = Factory::new();
    let pools = factory.pools();
    let Some(disk) = SmallDisk::over(&pools, "512k") else { return };
    let fill = [&FILL[..7], &["6000"]].concat();
    for _ in 0..2 {
        factory.refuses(&fill, TRY_AGAIN, &["the disk is full", "make room"]);
        let pairs = factory.status().pairs;
        assert!((2000..6000).contains(&pairs), "{pairs}");
    }
    assert_eq!(factory.drain(1000), 1000);
    disk.resize("4m");
    factory.does(&fill);
    assert_eq!(factory.drain(u64::MAX), 6000);
    let Status { pairs, damaged, unaccounted, .. } = factory.status();
    assert_eq!((pairs, damaged, unaccounted), (0, 0, 0));
    drop(disk);
}

/// Where no claim can be made durable, no pair leaves.
#[test]
fn a_keystore_on_a_full_disk_gives_nothing_away() {
    let mut factory = Factory::new();
    let home = factory.path("home");
    let aside = factory.path("aside");
    fs::rename(&home, &aside).unwrap();
    fs::create_dir(&home).unwrap();
    let Some(disk) = SmallDisk::over(&home, "4m") else { return };
    for file in fs::read_dir(&aside).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), home.join(file.file_name())).unwrap();
    }
    factory.fill(3000);
    fill_up(&home.join("filler"));
    let output = factory.run(&DRAIN);
    if output.status.success() {
        println!("the database had room for a claim in its file");
        factory.see(&output.stdout);
    } else {
        assert_eq!(output.status.code(), Some(TRY_AGAIN), "{}", talk(&output));
        assert!(output.stdout.is_empty(), "pairs left without a claim");
    }
    fs::remove_file(home.join("filler")).unwrap();
    factory.drain(u64::MAX);
    assert_eq!(factory.status().pairs, 0);
    drop(disk);
}

/// Writes to `path` until the disk is full.
fn fill_up(path: &Path) {
    let file = File::create(path).unwrap();
    let mut at = 0;
    while file.write_all_at(&[1; 4096], at).is_ok() {
        at += 4096;
    }
}

/// The lines of a running drain come while it runs, and a reader that goes away ends it.
#[test]
fn a_reader_that_goes_away_ends_a_drain() {
    let mut factory = Factory::new();
    factory.fill(20_000);
    let mut drain = factory.command(&DRAIN).spawn().unwrap();
    let mut lines = BufReader::new(drain.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    drop(lines);
    let ended = drain.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", talk(&ended));
    factory.see(first.as_bytes());
    let rest = factory.drain(u64::MAX);
    assert!(rest > 0, "the rest was left in the pool");
    let Status { taken, unaccounted, .. } = factory.status();
    assert_eq!(taken + unaccounted, 20_000);
}
