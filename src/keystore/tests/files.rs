//! Files: modes, locks, root keys, creation and kills.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{CreateKey, Keystore, OpenOptions, Unlock, default_key, fresh, open, with_passphrase};
use crate::keystore::{Error, Kind, Outcome, PassphraseCost};
use crate::secret::Secret;

fn create(home: &Path) -> Result<(Keystore, Outcome), Error> {
    Keystore::open_or_create(home, OpenOptions::default())
}

#[test]
fn a_new_keystore_is_private_and_has_a_default_key() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("deep/home");
    let (keystore, outcome) = create(&home).unwrap();
    assert_eq!(outcome, Outcome::Created);
    keystore.wrapping_key(&default_key()).unwrap();
    assert_eq!((keystore.list_keys().len(), keystore.list_aliases().len()), (1, 1));

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home), 0o700);
    let mut names: Vec<_> =
        fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["keystore.redb", "root.key"]);
    for name in names {
        assert_eq!(mode(&home.join(name)), 0o600);
    }
    drop(keystore);
    assert_eq!(create(&home).unwrap().1, Outcome::Opened);
}

#[test]
fn what_was_done_is_there_after_reopening() {
    let (home, _, mut keystore) = fresh();
    let options = CreateKey { description: "kept".to_owned(), ..CreateKey::default() };
    let created = keystore.create_key(&options).unwrap();
    let before = keystore.wrapping_key(&created.arn.parse().unwrap()).unwrap();
    drop(keystore);
    let keystore = open(home.path()).unwrap();
    let after = keystore.wrapping_key(&created.arn.parse().unwrap()).unwrap();
    assert_eq!(before.material.expose(), after.material.expose());
    assert_eq!(keystore.describe(&created.arn.parse().unwrap()).unwrap().description, "kept");
}

#[test]
fn init_refuses_and_open_needs_a_keystore() {
    let dir = tempfile::tempdir().unwrap();
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    assert_eq!(
        error.to_string(),
        format!("{}/keystore.redb: no keystore here; create one with init", dir.path().display())
    );
    assert!(!Keystore::is_present(dir.path()));
    drop(Keystore::init(dir.path(), OpenOptions::default()).unwrap());
    assert!(Keystore::is_present(dir.path()));
    let error = Keystore::init(dir.path(), OpenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
}

#[test]
fn a_second_opener_is_told_or_waits() {
    let (home, _, keystore) = fresh();
    let error = open(home.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().ends_with("in use by another process; try again"), "{error}");

    let start = Instant::now();
    let release = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(keystore);
    });
    let options = OpenOptions { wait: Duration::from_secs(20), ..OpenOptions::default() };
    Keystore::open(home.path(), options).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(100));
    release.join().unwrap();
}

#[test]
fn of_many_first_uses_one_creates() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let first_use = || {
        let options = OpenOptions { wait: Duration::from_secs(30), ..OpenOptions::default() };
        let (keystore, outcome) = Keystore::open_or_create(&home, options).unwrap();
        let arn = keystore.describe(&default_key()).unwrap().arn;
        (outcome == Outcome::Created, arn)
    };
    let outcomes: Vec<(bool, String)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(first_use)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|(created, _)| *created).count(), 1);
    assert!(outcomes.iter().all(|(_, arn)| *arn == outcomes[0].1));
}

#[test]
fn the_root_key_must_be_the_right_one() {
    let (home, _, keystore) = fresh();
    drop(keystore);
    let (other, ..) = fresh();
    let path = home.path().join("root.key");
    let right = fs::read(&path).unwrap();

    let foreign = fs::read(other.path().join("root.key")).unwrap();
    let mut flipped = right.clone();
    flipped[30] ^= 1;
    let mut long = right.clone();
    long.push(0);
    for (bytes, kind, text) in [
        (&foreign[..], Kind::Locked, "belongs to another keystore"),
        (&flipped, Kind::Damaged, "not a keymill root key, or damaged"),
        (&right[..55], Kind::Damaged, "not a keymill root key, or damaged"),
        (&[], Kind::Damaged, "not a keymill root key, or damaged"),
        (&long, Kind::Damaged, "not a keymill root key, or damaged"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = open(home.path()).unwrap().wrapping_key(&default_key()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let error = create(home.path()).unwrap().0.unlock().unwrap_err();
    assert_eq!(error.kind(), Kind::Missing, "{error}");
    assert!(!path.exists(), "a lost root key is never replaced");

    fs::write(&path, &right).unwrap();
    open(home.path()).unwrap().wrapping_key(&default_key()).unwrap();
}

#[test]
fn a_passphrase_unlocks_and_a_wrong_one_does_not() {
    let home = tempfile::tempdir().unwrap();
    drop(Keystore::init(home.path(), with_passphrase("correct horse")).unwrap());
    assert!(!home.path().join("root.key").exists());

    let keystore = Keystore::open(home.path(), with_passphrase("correct horse")).unwrap();
    let before = keystore.wrapping_key(&default_key()).unwrap();
    drop(keystore);
    let mut keystore = Keystore::open(home.path(), with_passphrase("correct house")).unwrap();
    assert!(matches!(keystore.wrapping_key(&default_key()), Err(Error::WrongPassphrase)));
    assert!(matches!(keystore.rotate(&default_key()), Err(Error::WrongPassphrase)));
    drop(keystore);
    let keystore = open(home.path()).unwrap();
    assert!(matches!(keystore.wrapping_key(&default_key()), Err(Error::PassphraseNeeded(_))));
    drop(keystore);
    let keystore = Keystore::open(home.path(), with_passphrase("correct horse")).unwrap();
    let after = keystore.wrapping_key(&default_key()).unwrap();
    assert_eq!(before.material.expose(), after.material.expose());
}

#[test]
fn a_passphrase_is_asked_for_only_when_needed_and_once() {
    let home = tempfile::tempdir().unwrap();
    drop(Keystore::init(home.path(), with_passphrase("open sesame")).unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let ask = |asked: &Arc<AtomicUsize>| {
        let asked = Arc::clone(asked);
        Unlock::Ask(Box::new(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok(Secret::new("open sesame".to_owned()))
        }))
    };
    let options = OpenOptions { unlock: ask(&asked), ..OpenOptions::default() };
    let mut keystore = Keystore::open(home.path(), options).unwrap();
    assert_eq!(keystore.list_keys().len(), 1);
    keystore.disable(&default_key()).unwrap();
    keystore.enable(&default_key()).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    keystore.wrapping_key(&default_key()).unwrap();
    keystore.rotate(&default_key()).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    let (plain, ..) = fresh();
    let options = OpenOptions { unlock: ask(&asked), ..OpenOptions::default() };
    Keystore::open(plain.path(), options).unwrap().unlock().unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let unused = Keystore::open(plain.path(), with_passphrase("x")).unwrap().unlock();
    assert!(matches!(unused, Err(Error::PassphraseUnused(_))));
}

#[test]
fn a_new_passphrase_is_not_empty_and_its_cost_bounded() {
    let home = tempfile::tempdir().unwrap();
    let empty = Keystore::init(home.path(), with_passphrase(""));
    assert!(matches!(empty, Err(Error::PassphraseEmpty)));
    let huge = PassphraseCost { memory_kib: u32::MAX, passes: 1, lanes: 1 };
    let options = OpenOptions { passphrase_cost: huge, ..with_passphrase("x") };
    assert!(matches!(Keystore::init(home.path(), options), Err(Error::Resources(_))));
    assert!(!Keystore::is_present(home.path()));
}

/// Every state in which a kill can leave the first use: nothing, a part of the root key, the root
/// key alone, and a part of the database or all of it under its temporary name.
#[test]
fn creation_can_be_cut_off_anywhere() {
    let (whole, _, keystore) = fresh();
    drop(keystore);
    let root_key = fs::read(whole.path().join("root.key")).unwrap();
    let database = fs::read(whole.path().join("keystore.redb")).unwrap();
    let mut cuts: Vec<(&str, &[u8], bool)> = vec![
        ("root.key.new", &[], false),
        ("root.key.new", &root_key[..20], false),
        ("root.key.new", &root_key, false),
        ("other", &[], true),
    ];
    for part in [0, 1, 4096, database.len() / 2, database.len()] {
        cuts.push(("keystore.redb.new", &database[..part], true));
    }
    for (name, bytes, has_root_key) in cuts {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
        if has_root_key {
            fs::write(dir.path().join("root.key"), &root_key).unwrap();
        }
        let (keystore, outcome) = create(dir.path()).unwrap();
        assert_eq!(outcome, Outcome::Created, "{name} of {} bytes", bytes.len());
        keystore.wrapping_key(&default_key()).unwrap();
        assert!(!dir.path().join("root.key.new").exists());
        assert!(!dir.path().join("keystore.redb.new").exists());
        assert_eq!(has_root_key, fs::read(dir.path().join("root.key")).unwrap() == root_key);
    }
}

const CHILD_HOME: &str = "KEYMILL_TEST_KEYSTORE_HOME";

/// Not a test of its own: the process that the next test kills. Makes a keystore and keys in it,
/// and prints the ARN of each key that is safely there.
#[test]
fn child_works_until_killed() {
    let Some(home) = std::env::var_os(CHILD_HOME) else { return };
    let (mut keystore, _) = create(Path::new(&home)).unwrap();
    loop {
        let created = keystore.create_key(&CreateKey::default()).unwrap();
        println!("\n{}", created.arn);
    }
}

#[test]
fn a_killed_process_loses_nothing_it_reported() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let mut reported = Vec::new();
    for round in 0..25 {
        // The first rounds start over, so that creation is hit too.
        if round < 12 && home.exists() {
            fs::remove_dir_all(&home).unwrap();
            reported.clear();
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "keystore::tests::files::child_works_until_killed", "--nocapture"])
            .env(CHILD_HOME, &home)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(3 * round + 2));
        child.kill().unwrap();
        child.wait().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        reported.extend(lines.map_while(Result::ok).filter(|line| line.starts_with("arn:")));

        let (keystore, _) = create(&home).unwrap();
        for arn in &reported {
            if let Ok(id) = arn.parse() {
                keystore.wrapping_key(&id).unwrap();
            }
        }
        keystore.wrapping_key(&default_key()).unwrap();
    }
    assert!(!reported.is_empty(), "the child was always killed before its first key");
}

#[test]
fn a_home_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for home in [file.clone(), file.join("below")] {
        let error = create(&home).unwrap_err();
        assert_eq!(error.kind(), Kind::Io, "{error}");
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    }
    let kept = dir.path().join("kept");
    fs::create_dir_all(kept.join("keystore.redb")).unwrap();
    assert_eq!(create(&kept).unwrap_err().kind(), Kind::Io);
}
