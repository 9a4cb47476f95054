//! Other owners, other jobs, foreign files, full disks, real kills.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;

fn error(path: &Path, part: &PartDescription) -> Error {
    PartWriter::open_or_resume(path, part).map(|_| ()).unwrap_err()
}

#[test]
fn a_second_run_is_told_to_wait() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::EccNistP256, 9, 4, 0);
    let first = open(&scratch.path(), &part);
    let second = error(&scratch.path(), &part);
    assert!(matches!(second, Error::Busy { .. }) && second.is_temporary(), "{second:?}");
    let reader = PartFile::open(&scratch.temporary()).unwrap_err();
    assert!(matches!(reader, Error::Busy { .. }));
    assert!(matches!(
        repair(&scratch.temporary(), &scratch.directory.path().join("out")),
        Err(Error::Busy { .. })
    ));
    drop(first);
    let reader = PartFile::open(&scratch.temporary()).unwrap();
    assert!(matches!(error(&scratch.path(), &part), Error::Busy { .. }));
    drop(reader);
    open(&scratch.path(), &part);
}

#[test]
fn of_two_publishers_one_wins() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::EccNistP256, 9, 4, 0);
    let other = Scratch::new();
    write_part(&other.path(), &part, 2);
    let writer = open(&scratch.path(), &part);
    fill(&writer, 1, usize::MAX, 1);
    std::fs::copy(other.path(), scratch.path()).unwrap();
    let summary = writer.finish().unwrap();
    assert!(!summary.published_here);
    assert_rows(&PartFile::open(&scratch.path()).unwrap(), |_| 2);
    assert_eq!(scratch.names(), ["keys.arrow"]);
}

#[test]
fn a_name_taken_by_another_job_meanwhile_is_respected() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::EccNistP256, 9, 4, 0);
    let writer = open(&scratch.path(), &part);
    fill(&writer, 1, usize::MAX, 1);
    let other = Scratch::new();
    write_part(&other.path(), &description(KeyPairSpec::Sm2, 9, 4, 0), 2);
    std::fs::copy(other.path(), scratch.path()).unwrap();
    assert!(matches!(writer.finish(), Err(Error::OtherJob { field: "KeyPairSpec", .. })));
    assert_eq!(scratch.names(), ["keys.arrow", "keys.arrow.tmp"]);
}

#[test]
fn racing_runs_publish_once() {
    for _ in 0..20 {
        let scratch = Scratch::new();
        let part = description(KeyPairSpec::EccNistP256, 9, 4, 0);
        let run = |salt| loop {
            match PartWriter::open_or_resume(&scratch.path(), &part) {
                Ok(Opened::Writer(writer)) => {
                    fill(&writer, 1, usize::MAX, salt);
                    return writer.finish().unwrap().published_here;
                }
                Ok(Opened::AlreadyComplete(_)) => return false,
                Err(Error::Busy { .. }) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        let published: usize = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|salt| scope.spawn(move || run(salt))).collect();
            runs.into_iter().map(|run| usize::from(run.join().unwrap())).sum()
        });
        assert_eq!(published, 1);
        assert_eq!(scratch.names(), ["keys.arrow"]);
        assert_eq!(PartFile::open(&scratch.path()).unwrap().check(), []);
    }
}

type Change = fn(&mut PartDescription);

const CHANGES: [(&str, Change); 12] = [
    ("KeyId", |p| {
        p.key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ac"
            .parse()
            .unwrap();
    }),
    ("KeyMaterialId", |p| p.material_id = MaterialId([0; 32])),
    ("KeyPairSpec", |p| p.spec = KeyPairSpec::Sm2),
    ("EncryptionContextTemplate", |p| p.context_template.push('x')),
    ("JobId", |p| p.job_id[31] ^= 1),
    ("Part", |p| p.part += 1),
    ("FirstRow", |p| p.first_row += 1),
    ("Rows", |p| p.rows -= 1),
    ("SlotRows", |p| p.slot_rows += 1),
    ("ManifestSha256", |p| p.manifest_sha256 = None),
    ("ColumnSlotBytes", |p| p.columns[0].slot_bytes_max += 1),
    ("columns", |p| p.columns[0].name.push('x')),
];

#[test]
fn another_job_is_refused_by_name() {
    let part = description(KeyPairSpec::EccNistP256, 9, 4, 1);
    let published = Scratch::new();
    write_part(&published.path(), &part, 1);
    let killed = Scratch::new();
    drop(open(&killed.path(), &part));
    for (wanted, change) in CHANGES {
        let mut other = part.clone();
        change(&mut other);
        for scratch in [&published, &killed] {
            let before = scratch.names();
            match error(&scratch.path(), &other) {
                Error::OtherJob { field, .. } => assert_eq!(field, wanted),
                other => panic!("{wanted}: {other:?}"),
            }
            assert_eq!(scratch.names(), before);
        }
    }
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let part = description(KeyPairSpec::EccNistP256, 9, 4, 0);
    let foreign = foreign_arrow_file();
    let contents: [&[u8]; 5] = [b"x", b"precious text", b"PAR1", b"ARROW2\0\0", &foreign];
    for content in contents {
        for name in ["keys.arrow", "keys.arrow.tmp"] {
            let scratch = Scratch::new();
            let path = scratch.directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            let error = error(&scratch.path(), &part);
            assert!(matches!(error, Error::NotOurs { .. }), "{content:?}: {error:?}");
            assert_eq!(std::fs::read(&path).unwrap(), content);
            assert_eq!(scratch.names(), [name]);
        }
    }
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path()).unwrap();
    assert!(matches!(error(&scratch.path(), &part), Error::NotOurs { .. }));
}

fn foreign_arrow_file() -> Vec<u8> {
    use arrow_schema::{DataType, Field, Schema};
    let schema = Schema::new(vec![Field::new("a", DataType::UInt64, true)]);
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &schema).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn debris_with_something_behind_it_is_refused() {
    let part = description(KeyPairSpec::EccNistP256, 9, 4, 0);
    let scratch = Scratch::new();
    let writer = open(&scratch.path(), &part);
    fill(&writer, 1, usize::MAX, 1);
    drop(writer);
    let good = std::fs::read(scratch.temporary()).unwrap();
    let damage = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        std::fs::write(scratch.temporary(), &bytes).unwrap();
        let error = error(&scratch.path(), &part);
        assert!(bytes == std::fs::read(scratch.temporary()).unwrap(), "{error} left it changed");
        match error {
            Error::Damaged { what, .. } => what,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(damage(&|bytes| bytes[..4096].fill(0)), Damage::Creation);
    assert_eq!(damage(&|bytes| bytes[16..200].fill(0x77)), Damage::Schema);
    assert_eq!(damage(&|bytes| bytes.push(0)), Damage::Length);
    let published = Scratch::new();
    write_part(&published.path(), &part, 1);
    let mut bytes = std::fs::read(published.path()).unwrap();
    bytes.pop();
    std::fs::write(published.path(), bytes).unwrap();
    let error = error(&published.path(), &part);
    assert!(matches!(error, Error::Damaged { what: Damage::Footer, .. }), "{error:?}");
}

#[test]
fn a_missing_directory_says_which() {
    let path = Path::new("/nonexistent/keys.arrow");
    let error = error(path, &description(KeyPairSpec::EccNistP256, 9, 4, 0));
    assert!(error.to_string().contains("/nonexistent/keys.arrow.tmp"), "{error}");
}

/// `/dev/shm` refuses at once what is larger than all of it, so that no disk has to be filled.
#[test]
fn a_part_larger_than_the_disk_is_refused_at_once() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        println!("skipped: no /dev/shm to be full");
        return;
    };
    let path = directory.path().join("keys.arrow");
    let part = description(KeyPairSpec::EccNistP256, 4096 << 20, 4096, 0);
    match error(&path, &part) {
        Error::DiskFull { bytes, .. } => assert!(bytes > 1 << 40),
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// A tiny file system that is full at first, then freed.
#[test]
fn a_full_disk_can_be_freed_and_the_job_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(directory.path())
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        println!("skipped: mounting a small file system is not allowed here");
        return;
    }
    let path = directory.path().join("keys.arrow");
    let ballast = directory.path().join("ballast");
    std::fs::write(&ballast, vec![1; 900 << 10]).unwrap();
    let part = description(KeyPairSpec::EccNistP256, 1000, 100, 0);
    let full = error(&path, &part);
    let names = std::fs::read_dir(directory.path()).unwrap().count();
    std::fs::remove_file(&ballast).unwrap();
    let rows = write_part(&path, &part, 1).rows;
    let findings = PartFile::open(&path).unwrap().check();
    Command::new("umount").arg(directory.path()).status().unwrap();
    assert!(matches!(full, Error::DiskFull { .. }), "{full:?}");
    assert_eq!((names, rows, findings.len()), (1, 1000, 0));
}

const KILLED_RUN: &str = "KEYMILL_TEST_KILLED_RUN";

/// The run that [`kills_at_any_moment_leave_whole_slots`] kills: not a test by itself. It says
/// so after each slot, and is slow enough to be hit.
#[test]
fn killed_run() {
    let Some(path) = std::env::var_os(KILLED_RUN) else { return };
    let writer = open(Path::new(&path), &killed_part());
    with_stage(&writer, |stage| {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(slot) = stage.claim() {
                        fill_slot(slot, writer.description(), 1);
                        if stage.write().unwrap() > 0 {
                            println!("\ncommitted");
                        }
                        std::thread::sleep(Duration::from_micros(300));
                    }
                });
            }
        });
    });
    writer.finish().unwrap();
}

fn killed_part() -> PartDescription {
    description(KeyPairSpec::Rsa2048, 10_000, 32, 2)
}

/// Starts a run and kills it after it has committed `slots` more.
fn run_and_kill(path: &Path, slots: usize) {
    let mut run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pipeline::sink::arrow::tests::faults::killed_run", "--nocapture"])
        .env(KILLED_RUN, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.filter(|line| line == "committed").take(slots).count(), slots);
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn kills_at_any_moment_leave_whole_slots() {
    let scratch = Scratch::new();
    let part = killed_part();
    let mut committed = 0;
    for kill in 0..12 {
        run_and_kill(&scratch.path(), 1 + kill % 5);
        assert_eq!(scratch.names(), ["keys.arrow.tmp"]);
        let found = PartFile::open(&scratch.temporary()).unwrap();
        assert!(!found.is_complete());
        let count = |wanted: fn(SlotState) -> bool| {
            found.slots().filter(|&(_, state)| wanted(state)).count()
        };
        let before = committed;
        committed = count(|state| state == SlotState::Committed);
        assert!(committed > before, "nothing was kept");
        assert!(count(|state| state == SlotState::Torn(SlotFault::Uncommitted)) <= 2);
        assert_eq!(
            found.slots().find(|(_, state)| {
                matches!(state, SlotState::Torn(fault) if *fault != SlotFault::Uncommitted)
            }),
            None
        );
    }
    let writer = open(&scratch.path(), &part);
    println!("resumed {} of {} rows", writer.rows_resumed(), part.rows);
    fill(&writer, 2, usize::MAX, 1);
    writer.finish().unwrap();
    assert_rows(&PartFile::open(&scratch.path()).unwrap(), |_| 1);
    assert_eq!(scratch.names(), ["keys.arrow"]);
}
