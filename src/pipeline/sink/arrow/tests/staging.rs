//! The way of a slot from the thread that fills it to its place in the file.

use std::io;
use std::time::Duration;

use super::*;
use crate::limits::{STAGED_BYTES_MAX, STAGED_SLOTS_MAX};
use crate::sys::file::LockedFile;

fn state(part: &PartWriter, path: &Path, slot: u64) -> SlotState {
    let bytes = std::fs::read(path).unwrap();
    let bytes = &bytes[part.layout().slot_range(slot)];
    crate::pipeline::sink::arrow::slot::examine(bytes, slot, part.layout(), part.identity())
}

#[test]
fn nothing_is_in_the_file_before_it_is_committed_and_written() {
    let scratch = Scratch::new();
    let description = description(KeyPairSpec::EccNistP256, 9, 4, 1);
    let part = open(&scratch.path(), &description);
    let state = |slot| state(&part, &scratch.temporary(), slot);
    with_stage(&part, |stage| {
        let (first, second) = (stage.claim().unwrap(), stage.claim().unwrap());
        fill_slot(second, &description, 1);
        assert_eq!((state(1), part.rows_committed()), (SlotState::Empty, 0));
        assert_eq!(stage.write().unwrap(), 1);
        assert_eq!((state(0), state(1)), (SlotState::Empty, SlotState::Committed));
        assert_eq!((part.is_committed(0), part.is_committed(1)), (false, true));
        fill_slot(first, &description, 1);
        assert_eq!(stage.write().unwrap(), 1);
        assert_eq!((state(0), part.rows_committed()), (SlotState::Committed, 8));
    });
}

#[test]
fn buffers_are_bounded_and_never_too_few() {
    let scratch = Scratch::new();
    let slots_of = |spec, rows, slot_rows, workers| {
        let path = scratch.directory.path().join("measured.arrow");
        let part = open(&path, &description(spec, rows, slot_rows, 0));
        let bytes = Stage::memory_bytes(&part, workers);
        drop(part);
        std::fs::remove_file(crate::sys::file::temporary_path(&path)).unwrap();
        (
            bytes,
            bytes as u64
                / Layout::new(&description(spec, rows, slot_rows, 0)).unwrap().slot_bytes(),
        )
    };
    let rsa = KeyPairSpec::Rsa4096;
    assert_eq!(slots_of(rsa, 48, 16, 2).1, 3, "no more than there are to fill");
    assert_eq!(slots_of(rsa, 16_000, 16, 2).1, STAGED_SLOTS_MAX as u64);
    assert_eq!(slots_of(rsa, 16_000, 16, 99).1, 100, "one for each worker, and one");
    let (bytes, slots) = slots_of(rsa, 300_000, 4096, 2);
    assert!(bytes <= STAGED_BYTES_MAX && slots == 5, "{slots}");
    assert_eq!(slots_of(rsa, 300_000, 30_000, 2).1, 3);
}

/// With fewer buffers than slots, who finds none waits until the scribe has emptied one.
#[test]
fn workers_wait_for_the_disk_and_the_scribe_for_workers() {
    let scratch = Scratch::new();
    let description = description(KeyPairSpec::EccNistEdwards25519, 4000, 8, 1);
    let part = open(&scratch.path(), &description);
    let mut memory =
        StagingMemory::new(2 * usize::try_from(part.layout().slot_bytes()).unwrap()).unwrap();
    let stage = Stage::new(&part, &mut memory);
    std::thread::scope(|scope| {
        let scribe = scope.spawn(|| stage.write_until_closed());
        let work = || {
            while let Some(slot) = stage.claim() {
                fill_slot(slot, &description, 1);
            }
        };
        for worker in [(); 4].map(|()| scope.spawn(work)) {
            worker.join().unwrap();
        }
        stage.close();
        scribe.join().unwrap().unwrap();
    });
    drop(stage);
    part.finish().unwrap();
    assert_rows(&PartFile::open(&scratch.path()).unwrap(), |_| 1);
}

#[test]
fn a_closed_stage_lets_nobody_wait() {
    let scratch = Scratch::new();
    let part = open(&scratch.path(), &description(KeyPairSpec::EccNistP256, 9, 4, 0));
    let bytes = usize::try_from(part.layout().slot_bytes()).unwrap();
    let mut memory = StagingMemory::new(bytes).unwrap();
    let stage = Stage::new(&part, &mut memory);
    let held = stage.claim().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stage.claim().is_none());
        std::thread::sleep(Duration::from_millis(5));
        assert!(!waiting.is_finished());
        stage.close();
        assert!(waiting.join().unwrap());
    });
    drop(held);
    assert!(stage.claim().is_none());
    stage.write_until_closed().unwrap();
    assert_eq!(part.rows_committed(), 0);
}

/// Pages written past the cache are those that are read through it, before and after.
#[test]
fn the_short_way_and_the_long_way_meet() {
    for folder in [std::env::temp_dir(), "/dev/shm".into()] {
        let Ok(directory) = tempfile::tempdir_in(&folder) else { continue };
        let file = LockedFile::open_exclusive(&directory.path().join("file")).unwrap();
        let page = crate::limits::PAGE_BYTES;
        let mut memory = StagingMemory::new(2 * page).unwrap();
        let mut found = vec![0; 2 * page];
        file.reserve(4 * page as u64).unwrap();
        for (round, bypass) in [(1, true), (2, false), (3, true)] {
            file.bypass_cache(bypass);
            memory.bytes().fill(round);
            file.write_pages(memory.bytes(), page as u64).unwrap();
            file.bypass_cache(false);
            file.read_at(&mut found, page as u64).unwrap();
            assert_eq!(found, memory.bytes(), "round {round} in {}", folder.display());
        }
        let beyond = file.read_at(&mut found, 3 * page as u64).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
    }
}
