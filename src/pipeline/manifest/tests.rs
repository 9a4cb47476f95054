//! Manifests: the same rows from every format, in one pass or slot by slot.

use std::io::Write;

use tempfile::NamedTempFile;

use super::check::{SpecSource, check};
use super::*;
use crate::pipeline::template::{BoundTemplate, ContextTemplate};
use crate::spec::KeyPairSpec;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn open(file: &NamedTempFile, format: Format) -> Manifest {
    Manifest::open(file.path(), Some(format)).unwrap()
}

/// All rows in one pass, and the same through the slots of a spec.
fn rows_both_ways(manifest: &Manifest, spec: KeyPairSpec) -> [Vec<Vec<String>>; 2] {
    let columns = manifest.columns().len();
    let mut scanned = Vec::new();
    manifest
        .scan(|record| {
            scanned.push((0..columns).map(|column| record.text(column).to_owned()).collect());
            Ok(())
        })
        .unwrap();
    let checked = check(manifest, SpecSource::One(spec), &BoundTemplate::default(), None).unwrap();
    let (mut by_slot, mut rows) = (Vec::new(), Rows::default());
    for place in &checked.groups[0].slots {
        manifest.read(place, by_slot.len() as u64, &mut rows, |_| true).unwrap();
        for row in 0..rows.len() {
            assert_eq!(rows.row(row).index(), by_slot.len() as u64);
            by_slot.push(rows.row(row).texts().map(str::to_owned).collect());
        }
    }
    [scanned, by_slot]
}

#[test]
fn slots_read_what_the_scan_saw() {
    let mut csv = "\u{feff}serial,note\r\n".to_owned();
    let mut ndjson = String::new();
    for row in 0..100 {
        csv += &format!("S{row},\"a, \"\"b\"\"\n{row}\"\r\n");
        let note = format!("a, \"b\"\n{row}");
        ndjson += &serde_json::json!({"serial": format!("S{row}"), "note": note}).to_string();
        ndjson += "\n\n";
    }
    let [csv, ndjson] = [file(&csv), file(&ndjson)];
    let [scanned, by_slot] = rows_both_ways(&open(&csv, Format::Csv), KeyPairSpec::Rsa2048);
    assert_eq!(scanned.len(), 100);
    assert_eq!(scanned[7], ["S7", "a, \"b\"\n7"]);
    assert_eq!(scanned, by_slot);
    let [lines, lines_by_slot] =
        rows_both_ways(&open(&ndjson, Format::Ndjson), KeyPairSpec::Rsa2048);
    assert_eq!(lines, scanned);
    assert_eq!(lines_by_slot, scanned);
}

#[test]
fn json_numbers_keep_their_digits() {
    let lines =
        file("{\"a\": 1.50, \"b\": true}\n{\"b\": \"x\", \"a\": 12345678901234567890123}\n");
    let [rows, _] = rows_both_ways(&open(&lines, Format::Ndjson), KeyPairSpec::Sm2);
    assert_eq!(rows, [["1.50", "true"], ["12345678901234567890123", "x"]]);
}

#[test]
fn first_of_two_duplicates_is_named_with_both_rows() {
    let rows = file("serial\nA\nB\nC\nB\nA\n");
    let manifest = open(&rows, Format::Csv);
    let spec = SpecSource::One(KeyPairSpec::Sm2);
    let refused = check(&manifest, spec, &BoundTemplate::default(), Some(0)).unwrap_err();
    assert!(refused.to_string().ends_with("row 4 (line 5), serial \"B\": duplicate of row 2"));
}

#[test]
fn an_open_quote_is_refused() {
    let rows = file("serial,batch\nA1,\"7\nA2,8\n");
    let spec = SpecSource::One(KeyPairSpec::Sm2);
    let template = ContextTemplate::default().bind(&[]).unwrap();
    let refused = check(&open(&rows, Format::Csv), spec, &template, None).unwrap_err();
    assert!(matches!(refused, ManifestError::Malformed { .. }), "{refused}");
}

#[test]
fn a_manifest_that_changes_under_the_job_is_noticed() {
    let mut rows = file("serial\nA\nB\n");
    let manifest = open(&rows, Format::Csv);
    let spec = SpecSource::One(KeyPairSpec::Sm2);
    let checked = check(&manifest, spec, &BoundTemplate::default(), None).unwrap();
    rows.write_all(b"C\n").unwrap();
    let place = &checked.groups[0].slots[0];
    let refused = manifest.read(place, 0, &mut Rows::default(), |_| true).unwrap_err();
    assert!(matches!(refused, ManifestError::Changed { .. }), "{refused}");
}
