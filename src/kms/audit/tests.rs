//! The log as it is left behind: whole after a clean stop, and not to be changed unseen.

use std::fs;
use std::path::Path;

use super::chain::{Break, Chain, Link};
use super::*;

fn start(folder: &Path, file_bytes: u64) -> Audit {
    Audit::start(&AuditOptions { folder: folder.to_owned(), file_bytes }).unwrap()
}

/// Puts numbered events of at least so many bytes into the log.
fn put_numbered(audit: &Audit, events: u64, bytes: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for number in 0..events {
            let fill = "x".repeat(bytes);
            let event = format!(r#"{{"eventSource":"test","number":{number},"fill":"{fill}"}}"#);
            // However long the disk takes.
            audit.queue.place().await.unwrap().put(Link::of(event.as_bytes()));
        }
    });
}

/// Puts numbered events into the log and stops it.
fn write(folder: &Path, file_bytes: u64, events: u64) -> Head {
    let audit = start(folder, file_bytes);
    put_numbered(&audit, events, 0);
    audit.stop().unwrap().unwrap()
}

fn whole(folder: &Path) -> Report {
    match verify(folder, |_| ()).unwrap() {
        Verification::Whole(report) => report,
        Verification::Broken(fault) => panic!("{fault}"),
    }
}

fn verify_is_broken(folder: &Path) -> bool {
    matches!(verify(folder, |_| ()).unwrap(), Verification::Broken(_))
}

fn broken(folder: &Path) -> (String, u64, Break) {
    match verify(folder, |_| ()).unwrap() {
        Verification::Whole(report) => panic!("taken for whole: {report:?}"),
        Verification::Broken(Fault { path, line, what }) => {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), line, what)
        }
    }
}

/// Replaces the text of a file of the log.
fn alter(folder: &Path, number: u64, change: impl FnOnce(&mut Vec<String>)) {
    let path = folder.join(format!("audit-{number:06}.jsonl"));
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_clean_stop_loses_nothing_and_the_next_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), 1 << 20, 5000);
    assert_eq!(first.lines, 5002);
    let second = write(folder.path(), 1 << 20, 10);
    let report = whole(folder.path());
    assert_eq!((report.files, report.calls, report.unclean_ends), (2, 5010, 0));
    assert_eq!((report.lines, report.head), (second.lines, second.to_string()));
    let text = fs::read_to_string(folder.path().join("audit-000001.jsonl")).unwrap();
    for (number, line) in text.lines().skip(1).take(5000).enumerate() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(json["number"], number);
        assert_eq!(json["sequence"], number + 1);
    }
}

#[test]
fn files_follow_each_other_and_old_ones_can_be_put_away() {
    let folder = tempfile::tempdir().unwrap();
    // The writer takes no more at once than there are places, and looks at the size behind each time.
    let events = 3 * AUDIT_QUEUE_EVENTS as u64;
    write(folder.path(), 4096, events);
    let report = whole(folder.path());
    assert!(report.files > 2, "{report:?}");
    assert_eq!(report.calls, events);
    fs::remove_file(folder.path().join("audit-000001.jsonl")).unwrap();
    let rest = whole(folder.path());
    assert_eq!((rest.first_file, &rest.head), (2, &report.head));
    fs::remove_file(folder.path().join("audit-000003.jsonl")).unwrap();
    if report.files > 3 {
        assert_eq!(broken(folder.path()), ("audit-000004.jsonl".to_owned(), 1, Break::Opening));
    }
}

#[test]
fn every_change_is_found_where_it_is() {
    type Change = fn(&mut Vec<String>);
    let name = "audit-000001.jsonl".to_owned();
    let cases: [(Change, u64, Break); 7] = [
        (|lines| lines[3] = lines[3].replace("\"number\":2", "\"number\":9"), 4, Break::Hash),
        (|lines| lines[3] = lines[3].replace('}', " }"), 4, Break::Form),
        (|lines| drop(lines.remove(3)), 4, Break::Sequence { expected: 3, found: 4 }),
        (|lines| lines.insert(3, lines[2].clone()), 4, Break::Sequence { expected: 3, found: 2 }),
        (|lines| lines.swap(3, 4), 4, Break::Sequence { expected: 3, found: 4 }),
        (|lines| lines.push(lines[3].clone()), 9, Break::Form),
        (|lines| drop(lines.remove(0)), 1, Break::Opening),
    ];
    for (change, line, what) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1 << 20, 6);
        alter(folder.path(), 1, change);
        assert_eq!(broken(folder.path()), (name.clone(), line, what));
    }
}

/// A changed line with a hash made to fit is found at the next one.
#[test]
fn a_line_that_was_made_anew_breaks_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1 << 20, 6);
    alter(folder.path(), 1, |lines| {
        let mut chain = Chain::behind(lines[2].as_bytes()).unwrap();
        let mut line = Vec::new();
        chain.append(Link::of(br#"{"eventSource":"test","number":77}"#), &mut line);
        lines[3] = String::from_utf8(line).unwrap().trim_end().to_owned();
    });
    assert_eq!(broken(folder.path()), ("audit-000001.jsonl".to_owned(), 5, Break::Hash));
}

#[test]
fn an_unfinished_line_is_cut_off_and_an_unclean_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1 << 20, 6);
    let path = folder.path().join("audit-000001.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    // As if killed while the fifth event was written.
    let end = text.match_indices('\n').nth(4).unwrap().0;
    fs::write(&path, &text[..end + 20]).unwrap();
    assert!(!whole(folder.path()).is_ended);
    write(folder.path(), 1 << 20, 2);
    let report = whole(folder.path());
    assert_eq!((report.files, report.calls, report.unclean_ends), (2, 6, 1));
    assert!(report.is_ended);
}

/// As a process finds it that starts behind one that was killed, at any time.
#[test]
fn what_is_there_meanwhile_is_whole_but_for_its_end() {
    const EVENTS: u64 = 30_000;
    let [folder, copy] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [log, copied] = [&folder, &copy].map(|folder| folder.path().join("audit-000001.jsonl"));
    let audit = start(folder.path(), 1 << 30);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| put_numbered(&audit, EVENTS, 1000));
        let mut calls = 0;
        while !writing.is_finished() {
            fs::copy(&log, &copied).unwrap();
            if verify_is_broken(copy.path()) {
                // Where the file just ended there may have been zeros for an instant.
                fs::copy(&log, &copied).unwrap();
            }
            let report = whole(copy.path());
            assert!(report.calls >= calls && !report.is_ended, "{report:?} behind {calls}");
            calls = report.calls;
        }
    });
    audit.stop().unwrap();
    assert_eq!(whole(folder.path()).calls, EVENTS);
}

#[test]
fn one_process_writes_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let audit = start(folder.path(), 1 << 20);
    let options = AuditOptions::new(folder.path().to_owned());
    assert!(matches!(Audit::start(&options), Err(AuditError::Busy(_))));
    drop(audit);
    assert!(Audit::start(&options).is_ok());
}

#[test]
fn a_log_that_ends_strangely_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("audit-000001.jsonl"), "{\"a\": 1}\n").unwrap();
    let options = AuditOptions::new(folder.path().to_owned());
    assert!(matches!(Audit::start(&options), Err(AuditError::NotALog(_))));
    assert_eq!(fs::read(folder.path().join("audit-000001.jsonl")).unwrap(), b"{\"a\": 1}\n");
}
