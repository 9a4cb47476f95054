//! arrow-rs reads what is written, as a file and as a stream.

use std::io::Cursor;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};

use super::*;

fn assert_batches(batches: &[RecordBatch], part: &PartDescription, salt: u64) {
    let mut row = part.first_row;
    for batch in batches {
        assert_eq!(batch.num_columns(), part.columns.len() + 3);
        let index = batch["Index"].as_primitive::<UInt64Type>();
        let public = batch["PublicKey"].as_binary::<i32>();
        let blobs = batch["PrivateKeyCiphertextBlob"].as_binary::<i32>();
        for position in 0..batch.num_rows() {
            assert_eq!(index.value(position), row);
            for (number, column) in part.columns.iter().enumerate() {
                let texts = batch[column.name.as_str()].as_string::<i32>();
                assert_eq!(texts.value(position), text(number, row));
            }
            assert_eq!(public.value(position), public_key(part.spec, row, salt));
            assert_eq!(blobs.value(position), blob(part.spec, row, salt));
            row += 1;
        }
        for column in batch.columns() {
            column.to_data().validate_full().unwrap();
            assert_eq!(column.null_count(), 0);
        }
    }
    assert_eq!(row, part.first_row + part.rows);
}

fn read_both_ways(path: &Path, part: &PartDescription, salt: u64) {
    let bytes = std::fs::read(path).unwrap();
    let file = FileReader::try_new(Cursor::new(&bytes), None).unwrap();
    let schema = file.schema();
    assert_eq!(schema.metadata().get("KeyId").unwrap(), &part.key_arn.to_string());
    assert_eq!(schema.metadata().get("Part").unwrap(), "0 of 3");
    assert!(schema.fields().iter().all(|field| !field.is_nullable()));
    let batches: Vec<_> = file.map(Result::unwrap).collect();
    assert_batches(&batches, part, salt);
    let stream = StreamReader::try_new(Cursor::new(&bytes[8..]), None).unwrap();
    let batches: Vec<_> = stream.map(Result::unwrap).collect();
    assert_batches(&batches, part, salt);
}

#[test]
fn arrow_rs_reads_all_rows_of_every_spec() {
    for spec in KeyPairSpec::ALL {
        let scratch = Scratch::new();
        let part = description(spec, 50, 16, 1);
        let summary = write_part(&scratch.path(), &part, 1);
        assert!(summary.published_here);
        assert_eq!(summary.bytes, std::fs::metadata(scratch.path()).unwrap().len());
        read_both_ways(&scratch.path(), &part, 1);
        assert_rows(&PartFile::open(&scratch.path()).unwrap(), |_| 1);
        assert_eq!(scratch.names(), ["keys.arrow"]);
    }
}

#[test]
fn arrow_rs_reads_every_division_of_rows() {
    for spec in [KeyPairSpec::EccNistEdwards25519, KeyPairSpec::Rsa2048] {
        for (rows, slot_rows, columns) in
            [(0, 1, 0), (1, 1, 0), (1, 8, 5), (16, 8, 0), (16, 8, 3), (17, 8, 2), (33, 1, 3)]
        {
            let scratch = Scratch::new();
            let part = description(spec, rows, slot_rows, columns);
            write_part(&scratch.path(), &part, rows);
            read_both_ways(&scratch.path(), &part, rows);
            assert_rows(&PartFile::open(&scratch.path()).unwrap(), |_| rows);
        }
    }
}

#[test]
fn eight_threads_fill_one_part() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::EccNistP256, 20_011, 128, 3);
    let writer = open(&scratch.path(), &part);
    fill(&writer, 8, usize::MAX, 5);
    assert_eq!(writer.rows_committed(), 20_011);
    with_stage(&writer, |stage| assert!(stage.claim().is_none()));
    let summary = writer.finish().unwrap();
    assert_eq!((summary.rows, summary.slots, summary.rows_resumed), (20_011, 157, 0));
    read_both_ways(&scratch.path(), &part, 5);
}

#[test]
fn metadata_describes_the_part_completely() {
    let scratch = Scratch::new();
    for change in 0..4 {
        let mut part = description(KeyPairSpec::EccNistP384, 5, 2, 2);
        match change {
            0 => {}
            1 => part.manifest_sha256 = None,
            2 => part.columns.clear(),
            _ => (part.part, part.first_row) = (2, u64::MAX - 5),
        }
        let path = scratch.directory.path().join(change.to_string());
        let writer = open(&path, &part);
        drop(writer);
        let found = PartFile::open(&file_temporary(&path)).unwrap();
        assert_eq!(found.description(), &part);
        assert_eq!(found.generator(), concat!("keymill ", env!("CARGO_PKG_VERSION")));
    }
}

fn file_temporary(path: &Path) -> PathBuf {
    crate::sys::file::temporary_path(path)
}

#[test]
fn rows_that_do_not_fit_are_refused_and_leave_no_trace() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::Rsa2048, 2, 2, 1);
    let writer = open(&scratch.path(), &part);
    with_stage(&writer, |stage| {
        let mut slot = stage.claim().unwrap();
        let public = public_key(part.spec, 1000, 0);
        let sealed = blob(part.spec, 1000, 0);
        let long = "x".repeat(part.columns[0].slot_bytes_max + 1);
        let bytes = public.len() - 1;
        assert_eq!(
            slot.push([text(0, 1000).as_str()], &public[1..], &sealed),
            Err(PushError::PublicKeyLength { bytes })
        );
        let huge = vec![0; sealed.len() * 3];
        assert_eq!(
            slot.push([text(0, 1000).as_str()], &public, &huge),
            Err(PushError::BlobLength { bytes: huge.len() })
        );
        assert_eq!(
            slot.push([long.as_str()], &public, &sealed),
            Err(PushError::ColumnFull { column: 0 })
        );
        assert_eq!(slot.push([], &public, &sealed), Err(PushError::ColumnCount));
        assert_eq!(slot.push(["", ""], &public, &sealed), Err(PushError::ColumnCount));
        assert_eq!(slot.rows_left(), 2);
        fill_slot(slot, &part, 0);
        assert!(stage.claim().is_none());
    });
    writer.finish().unwrap();
    assert_rows(&PartFile::open(&scratch.path()).unwrap(), |_| 0);
}

#[test]
fn an_incomplete_slot_is_not_committed() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::EccNistP256, 4, 2, 0);
    let writer = open(&scratch.path(), &part);
    with_stage(&writer, |stage| {
        let slot = stage.claim().unwrap();
        assert_eq!(slot.commit(), Err(PushError::RowsMissing { rows: 2 }));
    });
    fill(&writer, 1, usize::MAX, 3);
    assert_eq!(writer.rows_committed(), 2);
    assert!(matches!(writer.finish(), Err(Error::Unfinished { slots: 1, .. })));
    assert_eq!(scratch.names(), ["keys.arrow.tmp"]);
    let writer = open(&scratch.path(), &part);
    assert_eq!(writer.missing_slots(), [0]);
    fill(&writer, 1, usize::MAX, 4);
    writer.finish().unwrap();
    let found = PartFile::open(&scratch.path()).unwrap();
    assert_rows(&found, |row| if row < 2 { 4 } else { 3 });
}

/// Leaves one part of every kind in the directory that `KEYMILL_TEST_PARTS` names.
#[test]
#[ignore = "writes files for tools/read_arrow.py"]
fn parts_for_other_readers() {
    let directory = PathBuf::from(std::env::var_os("KEYMILL_TEST_PARTS").unwrap());
    for (number, spec) in KeyPairSpec::ALL.into_iter().enumerate() {
        let rows = 40_000 / spec.private_key_bytes_max() as u64 * 10 + 1;
        let part = description(spec, rows, 256, number % 5);
        write_part(&directory.join(format!("{spec}.arrow")), &part, 1);
    }
    for rows in [0, 1, 512] {
        let part = description(KeyPairSpec::EccNistP256, rows, 256, 2);
        write_part(&directory.join(format!("{rows}.arrow")), &part, 1);
    }
    let path = directory.join("killed.arrow");
    let part = description(KeyPairSpec::EccNistP256, 1000, 100, 2);
    fill(&open(&path, &part), 2, 6, 1);
    repair(&file_temporary(&path), &directory.join("repaired.arrow")).unwrap();
}
