//! What an onlooker finds in the memory of a running process and in its core dump.
//!
//! Each test looks twice: at secrets in ordinary memory, which must be found, or the search would
//! prove nothing, and at the same secrets in secret memory. Root can read `/proc/PID/mem` of
//! every process; everybody can of their own children.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write, stdin};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use keymill::crypto::drbg::Drbg;
use keymill::crypto::{KeyPairBatch, engine};
use keymill::pool::{EmptyPool, Marks, PoolOptions, Pools};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::Backend;
use keymill::sys::secrecy::forbid_dumps;
use keymill::sys::secret_memory::{Protection, allocate};
use rustix::process::{Resource, Rlimit, setrlimit};

const SPEC: KeyPairSpec = KeyPairSpec::EccNistP256;

/// Bytes of a PKCS#8 P-256 key in front of its scalar.
const HEAD_BYTES: usize = 36;

/// A child of this test that says "ready" and waits for orders.
struct Onlooked {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Onlooked {
    /// Runs the test `name` of this file as a process of its own in `folder`.
    fn start(name: &str, folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--ignored", "--nocapture"]).current_dir(folder);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let orders = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, orders, answers }
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    /// Waits for the line `wanted`; false if the child said "cannot".
    fn says(&mut self, wanted: &str) -> bool {
        loop {
            let mut line = String::new();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the child ended");
            if line.contains("cannot") {
                return false;
            }
            if line.contains(wanted) {
                return true;
            }
        }
    }

    /// Every writable mapping that can be read.
    fn memory(&self) -> Vec<Vec<u8>> {
        let folder = Path::new("/proc").join(self.process.id().to_string());
        let memory = File::open(folder.join("mem")).unwrap();
        let maps = fs::read_to_string(folder.join("maps")).unwrap();
        let writable = maps.lines().filter(|line| line.contains(" rw"));
        let ranges = writable.filter_map(|line| {
            let (start, end) = line.split_once(' ')?.0.split_once('-')?;
            let parse = |text| u64::from_str_radix(text, 16).unwrap();
            Some((parse(start), parse(end)))
        });
        let read = |(start, end): (u64, u64)| {
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            memory.read_exact_at(&mut bytes, start).is_ok().then_some(bytes)
        };
        let readable: Vec<_> = ranges.filter_map(read).collect();
        assert!(readable.len() > 3, "heap, stacks and data can be read");
        readable
    }

    fn end(mut self) -> ExitStatus {
        drop(self.orders);
        self.process.wait().unwrap()
    }
}

fn ready(word: &str) {
    println!("\n{word}");
}

fn next_order() -> Option<String> {
    let mut line = String::new();
    (stdin().read_line(&mut line).unwrap() > 0).then(|| line.trim().to_owned())
}

/// How often `secret` stands in `memory`.
fn count(memory: &[Vec<u8>], secret: &[u8]) -> usize {
    let of = |bytes: &Vec<u8>| bytes.windows(secret.len()).filter(|here| *here == secret).count();
    memory.iter().map(of).sum()
}

/// How many whole P-256 private keys stand in `memory`: their head, and a scalar that is not 0.
fn keys(memory: &[Vec<u8>]) -> usize {
    let mut batch = KeyPairBatch::with_capacity(SPEC, 1);
    engine(SPEC, Backend::Portable).generate(&mut Drbg::from_seed([1; 32]), &mut batch, 1).unwrap();
    let head = batch.private_key(0)[..HEAD_BYTES].to_vec();
    let is_key = |here: &[u8]| {
        here[..HEAD_BYTES] == *head && here[HEAD_BYTES..].iter().any(|&byte| byte != 0)
    };
    let of = |bytes: &Vec<u8>| bytes.windows(HEAD_BYTES + 32).filter(|here| is_key(here)).count();
    memory.iter().map(of).sum()
}

/// A secret, as two shares that say nothing each.
fn shares() -> (Vec<u8>, String) {
    let (mut secret, mut mask) = ([0; 32], [0; 32]);
    let mut drbg = Drbg::from_system().unwrap();
    drbg.fill(&mut secret);
    drbg.fill(&mut mask);
    let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
    let other: [u8; 32] = core::array::from_fn(|i| secret[i] ^ mask[i]);
    (secret.to_vec(), format!("{} {}", hex(mask), hex(other)))
}

/// Puts a secret together nowhere but in `place`.
fn plant(shares: &str, place: &mut [u8]) {
    let byte = |text: &str, i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
    let (one, other) = shares.split_once(' ').unwrap();
    for (i, place) in place.iter_mut().enumerate() {
        *place = byte(one, i) ^ byte(other, i);
    }
}

/// Obeys: the place of the secret, its shares, then how to end.
#[test]
#[ignore = "a child process, run by the tests below"]
fn child_with_a_secret() {
    let (place, shares) = (next_order().unwrap(), next_order().unwrap());
    let mut ordinary = vec![0; 32];
    let mut secret = match allocate(1, 32, Protection::Secret) {
        Ok((cells, _)) => cells,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            return ready("cannot");
        }
    };
    plant(&shares, if place == "secret" { &mut secret[0] } else { &mut ordinary });
    ready("ready");
    let end = next_order();
    let unlimited = Rlimit { current: None, maximum: None };
    setrlimit(Resource::Core, unlimited).unwrap();
    if end.as_deref() == Some("abort undumpable") {
        assert!(forbid_dumps());
    }
    if end.is_some() {
        std::process::abort();
    }
    assert_ne!(ordinary.len() + secret[0].len(), 0, "both live until here");
}

#[test]
#[ignore = "a child process, run by the tests below"]
fn child_with_a_pool() {
    let mut options = PoolOptions::new(&[], Backend::Portable);
    options.pools.push((SPEC, Marks { low: 1, ready: 200, depth: 0 }));
    (options.at_least, options.make_way) = (Protection::Secret, false);
    let pools = match Pools::start(&options) {
        Ok(pools) => pools,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            return ready("cannot");
        }
    };
    while pools.status()[0].ready < 200 {
        sleep(Duration::from_millis(5));
    }
    ready("ready");
    next_order();
    let mut batch = KeyPairBatch::with_capacity(SPEC, 5);
    assert_eq!(pools.take(&mut batch, 5, EmptyPool::Error), Ok(5));
    ready("taken");
    next_order();
    batch.clear();
    ready("cleared");
    next_order();
}

#[test]
fn a_secret_is_found_in_ordinary_memory_only() {
    let folder = tempfile::tempdir().unwrap();
    for (place, found) in [("ordinary", 1), ("secret", 0)] {
        let (secret, shares) = shares();
        let mut child = Onlooked::start("child_with_a_secret", folder.path());
        child.order(place);
        child.order(&shares);
        if !child.says("ready") {
            println!("this kernel grants no secret memory: nothing to compare");
            return;
        }
        assert_eq!(count(&child.memory(), &secret), found, "in {place} memory");
        assert!(child.end().success());
    }
}

#[test]
fn a_core_dump_holds_ordinary_memory_only() {
    for (place, found) in [("ordinary", true), ("secret", false)] {
        let folder = tempfile::tempdir().unwrap();
        let (secret, shares) = shares();
        let mut child = Onlooked::start("child_with_a_secret", folder.path());
        child.order(place);
        child.order(&shares);
        if !child.says("ready") {
            println!("this kernel grants no secret memory: nothing to compare");
            return;
        }
        child.order("abort");
        let status = child.end();
        let dumps: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|dump| dump.unwrap().path()).collect();
        if !status.core_dumped() || dumps.is_empty() {
            println!("/proc/sys/kernel/core_pattern sends core dumps elsewhere: nothing to search");
            return;
        }
        let dump = vec![fs::read(&dumps[0]).unwrap()];
        assert_eq!(count(&dump, &secret) > 0, found, "in {place} memory");
    }
}

#[test]
fn an_undumpable_process_leaves_no_core() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Onlooked::start("child_with_a_secret", folder.path());
    child.order("ordinary");
    child.order(&shares().1);
    if !child.says("ready") {
        println!("this kernel grants no secret memory: nothing to compare");
        return;
    }
    child.order("abort undumpable");
    let status = child.end();
    assert_eq!(status.signal(), Some(libc::SIGABRT));
    assert!(!status.core_dumped());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn pooled_keys_are_nowhere_to_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Onlooked::start("child_with_a_pool", folder.path());
    if !child.says("ready") {
        println!("this kernel grants no secret memory: nothing to compare");
        return;
    }
    assert_eq!(keys(&child.memory()), 0, "200 keys lie in the pool");
    child.order("take");
    assert!(child.says("taken"));
    assert_eq!(keys(&child.memory()), 5, "those taken lie in the taker's batch");
    child.order("clear");
    assert!(child.says("cleared"));
    assert_eq!(keys(&child.memory()), 0, "they are zeroed");
    assert!(child.end().success());
}

/// What `keymill serve` says first, when it may lock `memlock` bytes; whether it serves.
fn serve(arguments: &[&str], memlock: &str) -> (bool, Vec<String>) {
    let home = tempfile::tempdir().unwrap();
    let limit = format!("--memlock={memlock}");
    let mut words = vec!["prlimit", &*limit];
    if rustix::process::geteuid().is_root() {
        // The limit binds whoever lacks this right.
        words.extend(["setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock"]);
    }
    words.extend([env!("CARGO_BIN_EXE_keymill"), "serve", "--listen", "127.0.0.1:0", "--eager"]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments).env("KEYMILL_HOME", home.path());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.last().is_some_and(|line| line.contains("listening on")) {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    (status.signal() == Some(libc::SIGKILL), said)
}

#[test]
fn a_server_says_what_its_memory_is_and_refuses_less_than_required() {
    let says = |said: &[String], words: &str| said.iter().any(|line| line.contains(words));
    let (serves, said) = serve(&[], "0");
    assert!(serves && says(&said, "key pairs wait in undumped memory"), "{said:?}");
    for level in ["--require-secret-memory", "--require-secret-memory=locked"] {
        let (serves, said) = serve(&[level], "0");
        assert!(!serves && says(&said, "secret memory is only undumped here"), "{said:?}");
        assert!(says(&said, "ulimit -l"), "{said:?}");
    }
    let (serves, said) = serve(&["--require-secret-memory=undumped"], "0");
    assert!(serves, "{said:?}");
    let (cells, best) = allocate(1, 1, Protection::Undumped).unwrap();
    drop(cells);
    let (serves, said) = serve(&["--require-secret-memory"], "8388608");
    assert_eq!(serves, best == Protection::Secret, "{said:?}");
    assert_eq!(serves, says(&said, "key pairs wait in secret memory"), "{said:?}");
}
