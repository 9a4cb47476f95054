//! Tests of the Arrow sink: what others read, what kills leave, what damage is found.

mod faults;
mod interop;
mod mutation;
mod places;
mod resume;
mod staging;

use std::path::{Path, PathBuf};

use super::*;
use crate::crypto::seal::{HEADER_BYTES, TAG_BYTES};
use crate::spec::{KeyPairSpec, MaterialId};
use crate::sys::staging::StagingMemory;

/// A directory that goes away with the test, and the part's path in it.
struct Scratch {
    directory: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("keys.arrow")
    }

    fn temporary(&self) -> PathBuf {
        self.directory.path().join("keys.arrow.tmp")
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The text of manifest column `column` in `row`; some are empty, some are not ASCII.
fn text(column: usize, row: u64) -> String {
    match column % 3 {
        0 => format!("SN-{row:07}"),
        1 if row.is_multiple_of(2) => String::new(),
        1 => format!("caf\u{e9} {}", row * row),
        _ => "\u{1f511}".repeat(usize::try_from(row % 5).unwrap()),
    }
}

fn description(spec: KeyPairSpec, rows: u64, slot_rows: usize, columns: usize) -> PartDescription {
    let first_row = 1000;
    let columns = (0..columns).map(|column| {
        let slot_bytes = |slot: u64| -> usize {
            let start = slot * slot_rows as u64;
            let end = (start + slot_rows as u64).min(rows);
            (start..end).map(|row| text(column, first_row + row).len()).sum()
        };
        let slots = rows.div_ceil(slot_rows as u64);
        Column {
            name: format!("column {column}"),
            slot_bytes_max: (0..slots).map(slot_bytes).max().unwrap_or(0),
        }
    });
    PartDescription {
        spec,
        key_arn: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
            .parse()
            .unwrap(),
        material_id: MaterialId([0xa5; 32]),
        context_template: "serial={column 0},batch=7".to_owned(),
        job_id: [7; 32],
        part: 0,
        parts: 3,
        first_row,
        rows,
        slot_rows,
        manifest_sha256: Some([9; 32]),
        columns: columns.collect(),
        repaired: None,
    }
}

/// Bytes that depend on all three numbers.
fn bytes(row: u64, salt: u64, length: usize) -> Vec<u8> {
    let mut state = (row << 20) ^ (salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)) ^ length as u64;
    let next = |_| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state.to_le_bytes()[7]
    };
    (0..length).map(next).collect()
}

fn public_key(spec: KeyPairSpec, row: u64, salt: u64) -> Vec<u8> {
    bytes(row, salt, spec.public_key_bytes())
}

fn blob(spec: KeyPairSpec, row: u64, salt: u64) -> Vec<u8> {
    let longest = HEADER_BYTES + spec.private_key_bytes_max() + TAG_BYTES;
    let shorter = if spec.private_key_is_fixed_size() { 0 } else { row % 5 };
    bytes(!row, salt, longest - usize::try_from(shorter).unwrap())
}

fn open(path: &Path, description: &PartDescription) -> PartWriter {
    match PartWriter::open_or_resume(path, description).unwrap() {
        Opened::Writer(writer) => *writer,
        Opened::AlreadyComplete(summary) => panic!("complete already: {summary:?}"),
    }
}

fn fill_slot(mut slot: SlotWriter<'_, '_>, description: &PartDescription, salt: u64) {
    for row in slot.rows() {
        let texts: Vec<_> =
            (0..description.columns.len()).map(|column| text(column, row)).collect();
        slot.push(
            texts.iter().map(String::as_str),
            &public_key(description.spec, row, salt),
            &blob(description.spec, row, salt),
        )
        .unwrap();
    }
    slot.commit().unwrap();
}

/// Gives `task` a stage for `part`, and writes at the end what was left on it.
fn with_stage<R>(part: &PartWriter, task: impl FnOnce(&Stage<'_>) -> R) -> R {
    let mut memory = StagingMemory::new(Stage::memory_bytes(part, 2)).unwrap();
    let stage = Stage::new(part, &mut memory);
    let result = task(&stage);
    stage.write().unwrap();
    result
}

/// Fills `slots_max` missing slots with `threads` threads.
fn fill(part: &PartWriter, threads: usize, slots_max: usize, salt: u64) {
    with_stage(part, |stage| {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while part.slots_claimed() < slots_max
                        && let Some(slot) = stage.claim()
                    {
                        fill_slot(slot, part.description(), salt);
                        stage.write().unwrap();
                    }
                });
            }
        });
    });
}

/// Makes and publishes a whole part.
fn write_part(path: &Path, description: &PartDescription, salt: u64) -> Summary {
    let part = open(path, description);
    fill(&part, 2, usize::MAX, salt);
    part.finish().unwrap()
}

/// Asserts that `part` is whole and row `row` was made with the salt that `salt_of` says.
fn assert_rows(part: &PartFile, salt_of: impl Fn(u64) -> u64) {
    assert_eq!(part.check(), []);
    let spec = part.description().spec;
    for row in 0..part.rows() {
        let found = part.row(row).unwrap();
        let index = part.description().first_row + row;
        assert_eq!(found.index, index);
        for (column, (name, value)) in found.columns.iter().enumerate() {
            assert_eq!(*name, format!("column {column}"));
            assert_eq!(*value, text(column, index));
        }
        assert_eq!(found.public_key, public_key(spec, index, salt_of(row)));
        assert_eq!(found.blob, blob(spec, index, salt_of(row)));
    }
}
