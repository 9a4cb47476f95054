//! The shared-memory door of the real program, killed at random moments, and its status.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keymill::door::{CallError, Client, Request, Status};
use keymill::spec::{EncryptionContext, KeyPairSpec};

const CLIENTS: usize = 2;

/// How long a pair may take on a machine that does something else.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running `keymill serve`, killed at the end.
struct Serve(Child);

impl Serve {
    fn start(home: &Path, ring: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_keymill"))
            .args(["serve", "--listen", "127.0.0.1:0", "--threads", "1", "--eager", "--home"])
            .arg(home)
            .arg("--ring")
            .arg(ring)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("listening on")), "it serves");
        thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes pairs of two kinds until the server is gone, and says when there is one; returns their
/// public keys.
fn take_until_gone(mut client: Client, is_going: &AtomicBool) -> Vec<Vec<u8>> {
    let context = EncryptionContext::from_pairs([("round", "kill")]).unwrap();
    let mut keys = Vec::new();
    loop {
        let is_tenth = keys.len() % 1000 == 999;
        let spec = if is_tenth { KeyPairSpec::Rsa2048 } else { KeyPairSpec::EccNistP256 };
        let request = Request { key_id: "alias/default", spec, context: &context, dry_run: false };
        match client.call(&request) {
            Ok(answer) => {
                is_going.store(true, Ordering::Relaxed);
                keys.push(answer.public_key);
            }
            Err(CallError::Gone) => return keys,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Kills the server `rounds` times while clients take.
fn kill_rounds(rounds: u32) {
    let folder = tempfile::tempdir().unwrap();
    let (home, ring) = (folder.path().join("home"), folder.path().join("ring"));
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    for round in 0..rounds {
        let mut serve = Serve::start(&home, &ring);
        let (begun, is_going) = (Instant::now(), AtomicBool::new(false));
        let taken: Vec<Vec<u8>> = thread::scope(|scope| {
            let clients: [_; CLIENTS] = core::array::from_fn(|_| {
                let client = Client::connect(&ring).unwrap();
                scope.spawn(|| take_until_gone(client, &is_going))
            });
            // On a busy machine the first pair takes its time. Every fourth round does not wait for it.
            while round % 4 > 0 && !is_going.load(Ordering::Relaxed) {
                if begun.elapsed() > PATIENCE {
                    // The clients take until it is gone.
                    serve.kill();
                    panic!("no pair came");
                }
                thread::sleep(Duration::from_millis(1));
            }
            // A moment that no round shares with another.
            let nanoseconds = begun.elapsed().subsec_nanos();
            thread::sleep(Duration::from_millis(5 + u64::from(nanoseconds % 97) * 2));
            serve.kill();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        println!("round {round}: {} pairs", taken.len());
        for key in taken {
            assert!(seen.insert(key), "a key was issued twice");
        }
    }
    assert!(seen.len() >= rounds as usize / 2, "rounds gave pairs");
}

#[test]
fn a_running_server_tells_what_it_made() {
    let folder = tempfile::tempdir().unwrap();
    let (home, ring) = (folder.path().join("home"), folder.path().join("ring"));
    let _serve = Serve::start(&home, &ring);
    let context = EncryptionContext::default();
    let (key_id, spec) = ("alias/default", KeyPairSpec::Rsa2048);
    let mut client = Client::connect(&ring).unwrap();
    client.call(&Request { key_id, spec, context: &context, dry_run: false }).unwrap();
    let read = || Status::of_server(&home.join("status.sock")).unwrap();
    let mut status = read();
    // A hundred primes take a number of tests that is a tenth off, mostly.
    while status.pools[0].search.as_ref().unwrap().primes < 100 {
        thread::sleep(Duration::from_millis(20));
        status = read();
    }
    let pool = &status.pools[0];
    assert_eq!((status.pools.len(), &*pool.spec, pool.taken), (1, "RSA_2048", 1));
    let search = pool.search.as_ref().unwrap();
    let tests = search.tested as f64 / search.primes as f64 / search.expected_tests_a_prime;
    assert!((0.5..2.0).contains(&tests), "{tests} of the tests expected");
    let made: u64 = status.producers.iter().map(|producer| producer.made).sum();
    assert!(made >= 1 && status.producers.iter().any(|producer| producer.cpu_seconds > 0.0));
    let top = |arguments: &[&str]| {
        let top = Command::new(env!("CARGO_BIN_EXE_keymill"))
            .args(["top", "-n", "1", "--home"])
            .arg(&home)
            .args(arguments)
            .output()
            .unwrap();
        assert!(top.status.success(), "{top:?}");
        String::from_utf8(top.stdout).unwrap()
    };
    let line = top(&[]);
    assert!(line.contains(" s: RSA_2048 ") && line.contains("faults since warm"), "{line}");
    let read: Status = serde_json::from_str(&top(&["--json"])).unwrap();
    assert_eq!(read.pools[0].taken, 1);
}

#[test]
fn a_killed_server_issues_no_key_twice() {
    kill_rounds(10);
}

#[test]
#[ignore = "takes minutes; the same as the one above, more often"]
fn a_server_killed_often_issues_no_key_twice() {
    kill_rounds(200);
}
