//! What a run leaves when it is killed at each of its steps, and what the next makes of it.

use super::*;
use crate::limits::PAGE_BYTES;

/// A part of five slots, the last one short, as a killed run left it: all slots committed.
struct Killed {
    scratch: Scratch,
    part: PartDescription,
    layout: Layout,
}

impl Killed {
    fn new(spec: KeyPairSpec) -> Self {
        let scratch = Scratch::new();
        let part = description(spec, 4 * 8 + 3, 8, 2);
        let writer = open(&scratch.path(), &part);
        fill(&writer, 2, usize::MAX, 1);
        let layout = writer.layout().clone();
        drop(writer);
        Self { scratch, part, layout }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.scratch.temporary()).unwrap();
        change(&mut bytes);
        std::fs::write(self.scratch.temporary(), bytes).unwrap();
    }

    /// Repeats the run; the rows of `redone` slots must be new, all others old.
    fn finish(&self, redone: &[u64]) {
        let writer = open(&self.scratch.path(), &self.part);
        assert_eq!(writer.missing_slots(), redone);
        let rows: u64 = redone
            .iter()
            .map(|&slot| self.layout.slot_row_range(slot))
            .map(|range| range.end - range.start)
            .sum();
        assert_eq!(writer.rows_resumed(), self.part.rows - rows);
        fill(&writer, 2, usize::MAX, 2);
        let summary = writer.finish().unwrap();
        assert_eq!(summary.rows_resumed, self.part.rows - rows);
        let found = PartFile::open(&self.scratch.path()).unwrap();
        assert_rows(&found, |row| if redone.contains(&(row / 8)) { 2 } else { 1 });
        assert_eq!(self.scratch.names(), ["keys.arrow"]);
        // Slack is deterministic too: a run without any kill gives the same bytes.
        let again = Scratch::new();
        let writer = open(&again.path(), &self.part);
        with_stage(&writer, |stage| {
            for slot in 0..self.layout.slots() {
                let salt = if redone.contains(&slot) { 2 } else { 1 };
                fill_slot(stage.claim().unwrap(), &self.part, salt);
                stage.write().unwrap();
            }
        });
        writer.finish().unwrap();
        let both = [self.scratch.path(), again.path()].map(|path| std::fs::read(path).unwrap());
        assert!(both[0] == both[1]);
    }
}

#[test]
fn a_kill_between_any_two_stores_of_a_slot_loses_that_slot_only() {
    for spec in [KeyPairSpec::EccNistP256, KeyPairSpec::Rsa2048] {
        let layout = Layout::new(&description(spec, 35, 8, 2)).unwrap();
        let slot = &layout.slot;
        // Everything from the step's place on is not written yet, in the order of the commit:
        // body, trailer, header, marker.
        let body = slot.body();
        let half = usize::midpoint(body.start, body.end);
        let steps: [&[(usize, usize)]; 5] = [
            &[(0, slot.bytes)],
            &[(0, slot.header_bytes), (half, slot.bytes)],
            &[(0, slot.header_bytes), (slot.trailer.start, slot.bytes)],
            &[(0, slot.header_bytes)],
            &[(0, 4)],
        ];
        for unwritten in steps {
            for lost in [vec![0], vec![4], vec![1, 3, 4], vec![0, 1, 2, 3, 4]] {
                let killed = Killed::new(spec);
                killed.change(|bytes| {
                    for &lost in &lost {
                        let slot = &mut bytes[layout.slot_range(lost)];
                        for &(start, end) in unwritten {
                            slot[start..end].fill(0);
                        }
                    }
                });
                killed.finish(&lost);
            }
        }
    }
}

#[test]
fn pages_lost_to_a_power_cut_are_found() {
    let killed = Killed::new(KeyPairSpec::Rsa3072);
    killed.change(|bytes| {
        for (slot, page) in [(0, 0), (1, 1), (3, 2)] {
            let start = killed.layout.slot_range(slot).start + page * PAGE_BYTES;
            bytes[start..start + PAGE_BYTES].fill(0);
        }
        let other = bytes[killed.layout.slot_range(0)].to_vec();
        bytes[killed.layout.slot_range(0)].copy_from_slice(&other);
    });
    killed.finish(&[0, 1, 3]);
}

#[test]
fn a_slot_of_another_place_or_job_is_not_kept() {
    let killed = Killed::new(KeyPairSpec::EccNistP256);
    let other = Scratch::new();
    let mut part = killed.part.clone();
    part.job_id = [8; 32];
    let writer = open(&other.path(), &part);
    fill(&writer, 1, usize::MAX, 9);
    drop(writer);
    let stranger = std::fs::read(other.temporary()).unwrap();
    killed.change(|bytes| {
        let range = |slot| killed.layout.slot_range(slot);
        let third = bytes[range(3)].to_vec();
        bytes[range(2)].copy_from_slice(&third);
        bytes[range(0)].copy_from_slice(&stranger[range(0)]);
    });
    killed.finish(&[0, 2]);
}

#[test]
fn a_kill_during_creation_starts_anew() {
    let killed = Killed::new(KeyPairSpec::EccNistP256);
    let prefix = killed.layout.slot_range(0).start;
    let kept: [(usize, usize); 6] =
        [(0, 0), (0, 1), (0, 100_000), (5, 5), (700, 20_000), (prefix - 1, prefix - 1)];
    for (written, length) in kept {
        let killed = Killed::new(KeyPairSpec::EccNistP256);
        killed.change(|bytes| {
            bytes[written..].fill(0);
            bytes.truncate(length);
        });
        killed.finish(&[0, 1, 2, 3, 4]);
    }
}

#[test]
fn a_kill_during_the_end_keeps_every_slot() {
    // The footer half or wholly written; the file cut behind a slot, which no kill does.
    let killed = Killed::new(KeyPairSpec::EccNistP256);
    killed.change(|bytes| {
        let end = bytes.len();
        bytes[end - 600..].fill(0x55);
    });
    killed.finish(&[]);
    let killed = Killed::new(KeyPairSpec::EccNistP256);
    killed.change(|bytes| bytes.truncate(killed.layout.slot_range(3).end));
    killed.finish(&[4]);
    let killed = Killed::new(KeyPairSpec::EccNistP256);
    killed.change(|bytes| bytes.truncate(killed.layout.slot_range(3).end - 1));
    killed.finish(&[3, 4]);
}

#[test]
fn a_kill_between_link_and_unlink_is_complete() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::EccNistP256, 9, 4, 0);
    write_part(&scratch.path(), &part, 1);
    std::fs::hard_link(scratch.path(), scratch.temporary()).unwrap();
    let opened = PartWriter::open_or_resume(&scratch.path(), &part).unwrap();
    assert!(matches!(opened, Opened::AlreadyComplete(_)));
    assert_eq!(scratch.names(), ["keys.arrow"]);
}

#[test]
fn a_finished_job_is_already_complete() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::Rsa2048, 9, 4, 1);
    let first = write_part(&scratch.path(), &part, 1);
    let before = std::fs::read(scratch.path()).unwrap();
    let Opened::AlreadyComplete(second) =
        PartWriter::open_or_resume(&scratch.path(), &part).unwrap()
    else {
        panic!("it was complete");
    };
    assert_eq!(second, Summary { published_here: false, ..first });
    assert!(before == std::fs::read(scratch.path()).unwrap());
    assert_eq!(scratch.names(), ["keys.arrow"]);
}

#[test]
fn repair_keeps_what_was_committed() {
    for spec in [KeyPairSpec::EccNistP256, KeyPairSpec::Rsa2048] {
        for (torn, empty, rows) in
            [(vec![1], vec![3], 19), (vec![4], vec![], 32), (vec![], vec![], 35)]
        {
            let killed = Killed::new(spec);
            killed.change(|bytes| {
                for &slot in &torn {
                    bytes[killed.layout.slot_range(slot).start + 2000] ^= 1;
                }
                for &slot in &empty {
                    bytes[killed.layout.slot_range(slot)].fill(0);
                }
            });
            let before = std::fs::read(killed.scratch.temporary()).unwrap();
            let out = killed.scratch.directory.path().join("repaired.arrow");
            let report = repair(&killed.scratch.temporary(), &out).unwrap();
            assert_eq!((report.torn, report.missing), (torn.len() as u64, empty.len() as u64));
            assert_eq!((report.committed, report.rows), (5 - report.torn - report.missing, rows));
            assert_eq!(report.bytes, std::fs::metadata(&out).unwrap().len());
            assert!(before == std::fs::read(killed.scratch.temporary()).unwrap());
            assert_repaired(&out, &killed, &[torn, empty].concat());
            assert!(matches!(repair(&killed.scratch.temporary(), &out), Err(Error::Exists { .. })));
            assert!(matches!(
                repair(&killed.scratch.temporary(), &killed.scratch.path()),
                Err(Error::Reserved { .. })
            ));
        }
    }
}

fn assert_repaired(out: &Path, killed: &Killed, lost: &[u64]) {
    let part = PartFile::open(out).unwrap();
    assert_eq!(part.check(), []);
    assert_eq!(part.description().repaired, Some(35));
    let slots = (0..5).filter(|slot| !lost.contains(slot));
    let indices: Vec<u64> = slots.flat_map(|slot| killed.layout.slot_row_range(slot)).collect();
    let bytes = std::fs::read(out).unwrap();
    let reader =
        arrow_ipc::reader::StreamReader::try_new(std::io::Cursor::new(&bytes[8..]), None).unwrap();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, indices.len());
    for (row, &index) in indices.iter().enumerate() {
        let found = part.row(row as u64).unwrap();
        assert_eq!(found.index, index);
        assert_eq!(found.columns[0].1, text(0, index));
        assert_eq!(found.blob, blob(killed.part.spec, index, 1));
    }
}
