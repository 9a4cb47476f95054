//! Arithmetic of the layout.

use super::*;
use crate::limits;
use crate::pipeline::sink::arrow::layout::SlotLayout;
use crate::pipeline::sink::arrow::message;

#[test]
fn places_are_aligned_apart_and_inside() {
    for spec in KeyPairSpec::ALL {
        for (slot_rows, columns) in [(1, 0), (1, 3), (7, 1), (64, 40), (4096, 2)] {
            let slot = SlotLayout::new(&description(spec, 10_000, slot_rows, columns)).unwrap();
            let mut places = vec![slot.index];
            for binary in &slot.binaries {
                places.extend([binary.offsets, binary.values]);
            }
            let mut end = slot.header_bytes;
            for place in &places {
                assert!(place.start >= end && place.start.is_multiple_of(64), "{slot:?}");
                end = place.range().end;
            }
            assert!(end <= slot.trailer.start);
            assert_eq!(slot.trailer.range().end, slot.bytes);
            assert!(slot.bytes.is_multiple_of(limits::PAGE_BYTES));
            assert!(slot.bytes - end < limits::PAGE_BYTES + 128, "a slot wastes over a page");
        }
    }
}

#[test]
fn headers_have_room_for_any_number_of_columns() {
    for columns in (0..40).chain([100, 333, 1000, limits::PART_COLUMNS_MAX]) {
        let mut part = description(KeyPairSpec::EccNistP256, 1, 1, 0);
        part.columns =
            (0..columns).map(|n| Column { name: n.to_string(), slot_bytes_max: n }).collect();
        let slot = SlotLayout::new(&part).unwrap();
        let header = message::slot_header(&slot, 1);
        assert_eq!(header.len(), slot.header_bytes);
        assert!(message::is_slot_header(&header, &slot, 1));
        assert!(!message::is_slot_header(&header, &slot, 0));
    }
}

#[test]
fn rows_are_divided_without_remainder() {
    for (rows, slot_rows, slots) in [(0, 4, 0), (1, 4, 1), (4, 4, 1), (5, 4, 2), (9, 3, 3)] {
        let part = description(KeyPairSpec::Rsa2048, rows, slot_rows, 1);
        let layout = Layout::new(&part).unwrap();
        assert_eq!(layout.slots(), slots);
        let mut next = part.first_row;
        for slot in 0..slots {
            let range = layout.slot_row_range(slot);
            assert_eq!(range.start, next);
            assert!(range.end - range.start <= slot_rows as u64 && !range.is_empty());
            next = range.end;
        }
        assert_eq!(next, part.first_row + rows);
        assert!(layout.slot_row_range(slots).is_empty());
        assert!(layout.slot_row_range(u64::MAX).is_empty());
    }
}

#[test]
fn a_small_part_takes_small_slots() {
    let spec = KeyPairSpec::EccNistP256;
    assert_eq!(PartDescription::slot_rows_for(spec, 0), 1);
    assert_eq!(PartDescription::slot_rows_for(spec, 10), 10);
    assert_eq!(PartDescription::slot_rows_for(spec, u64::MAX), limits::SLOT_ROWS_FAST);
    let layout = Layout::new(&description(spec, 1, 1, 0)).unwrap();
    assert!(layout.file_bytes() < 4 * limits::PAGE_BYTES as u64);
}

#[test]
fn bytes_a_row_stay_near_the_payload() {
    let part = description(KeyPairSpec::EccNistP256, 1_000_000, 4096, 0);
    let layout = Layout::new(&part).unwrap();
    let blob = HEADER_BYTES + 138 + TAG_BYTES;
    let payload = 8 + 91 + blob as u64 + 8;
    assert!(layout.file_bytes() < part.rows * (payload + 4), "{}", layout.file_bytes());
}

#[test]
fn impossible_parts_are_refused() {
    let good = description(KeyPairSpec::EccNistP256, 10, 4, 2);
    let error = |change: &dyn Fn(&mut PartDescription)| {
        let mut part = good.clone();
        change(&mut part);
        Layout::new(&part).unwrap_err().to_string()
    };
    assert!(error(&|p| p.slot_rows = 0).contains("cannot have 0 rows"));
    assert!(error(&|p| p.slot_rows = usize::MAX).contains("rows"));
    assert!(error(&|p| p.slot_rows = 100_000_000).contains("fewer rows"));
    assert!(error(&|p| p.first_row = u64::MAX).contains("64 bits"));
    assert!(error(&|p| p.part = 3).contains("number of parts"));
    assert!(error(&|p| p.rows = 1 << 40).contains("make more parts"));
    assert!(error(&|p| p.columns[1].name = "column 0".into()).contains("column 0"));
    assert!(error(&|p| p.columns[1].name = "PublicKey".into()).contains("rename"));
    assert!(error(&|p| p.columns[1].slot_bytes_max = usize::MAX).contains("fewer rows"));
    assert!(error(&|p| p.columns[1].slot_bytes_max = (1 << 30) - 1).contains("fewer rows"));
    assert!(error(&|p| p.context_template = "x".repeat(17 << 20)).contains("schema"));
    let many = vec![good.columns[0].clone(); limits::PART_COLUMNS_MAX + 1];
    assert!(error(&|p| p.columns.clone_from(&many)).contains("at most"));
}

/// Rows written at once lie where rows written one by one do; too few or too many are refused.
#[test]
fn a_slot_filled_at_once_is_the_slot_filled_row_by_row() {
    let spec = KeyPairSpec::EccNistP256;
    let description = description(spec, 7, 7, 2);
    let rows = || description.first_row..description.first_row + 7;
    let keys: Vec<u8> = rows().flat_map(|row| public_key(spec, row, 1)).collect();
    let blobs: Vec<u8> = rows().flat_map(|row| blob(spec, row, 1)).collect();
    let texts: Vec<String> =
        rows().flat_map(|row| [0, 1].map(|column| text(column, row))).collect();
    let whole = |texts: &[String], keys: &[u8], blobs: &[u8]| {
        let scratch = Scratch::new();
        let part = open(&scratch.path(), &description);
        with_stage(&part, |stage| {
            let mut slot = stage.claim().unwrap();
            slot.push_all(texts.iter().map(String::as_str), keys, blobs)?;
            slot.commit()
        })?;
        part.finish().unwrap();
        Ok::<_, PushError>(std::fs::read(scratch.path()).unwrap())
    };
    let scratch = Scratch::new();
    write_part(&scratch.path(), &description, 1);
    assert_eq!(whole(&texts, &keys, &blobs).unwrap(), std::fs::read(scratch.path()).unwrap());
    let columns = Err(PushError::ColumnCount);
    assert_eq!(whole(&texts[..13], &keys, &blobs), columns);
    assert_eq!(whole(&[&texts[..], &texts[..1]].concat(), &keys, &blobs), columns);
    let bytes = keys.len() - 1;
    assert_eq!(whole(&texts, &keys[1..], &blobs), Err(PushError::PublicKeyLength { bytes }));
    let bytes = blobs.len() - 1;
    assert_eq!(whole(&texts, &keys, &blobs[1..]), Err(PushError::BlobLength { bytes }));
}
