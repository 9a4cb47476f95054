//! Damaged files: found, and never a panic.

use super::*;

/// Small published parts, one with fixed and one with varying lengths.
fn victims() -> Vec<Vec<u8>> {
    [(KeyPairSpec::EccNistEdwards25519, 0), (KeyPairSpec::Rsa2048, 2)]
        .into_iter()
        .map(|(spec, columns)| {
            let scratch = Scratch::new();
            write_part(&scratch.path(), &description(spec, 5, 2, columns), 3);
            std::fs::read(scratch.path()).unwrap()
        })
        .collect()
}

/// Reads everything there is to read; whether the file passed as good.
fn walk(bytes: Vec<u8>) -> bool {
    let Ok(part) = PartFile::from_bytes(bytes) else { return false };
    let findings = part.check();
    for finding in &findings {
        assert!(!finding.to_string().is_empty());
    }
    let last = part.rows();
    for row in (0..last.min(8)).chain([last, last.saturating_sub(1), u64::MAX]) {
        let _readable = part.row(row);
    }
    assert!(part.row(last).is_err());
    findings.is_empty()
}

#[test]
fn every_single_changed_bit_is_found() {
    for good in victims() {
        assert!(walk(good.clone()));
        let mut bytes = good.clone();
        for at in 0..bytes.len() {
            let bit = 1 << (at % 8);
            bytes[at] ^= bit;
            assert!(!walk(bytes.clone()), "bit {bit} of byte {at} changed unnoticed");
            bytes[at] ^= bit;
        }
    }
}

#[test]
fn every_truncation_and_addition_is_found() {
    for good in victims() {
        for length in 0..good.len() {
            if length % 7 == 0 || good.len() - length < 3000 {
                assert!(!walk(good[..length].to_vec()), "{length} bytes passed as the whole");
            }
        }
        for added in [0, 0xff] {
            let mut longer = good.clone();
            longer.push(added);
            assert!(!walk(longer));
        }
    }
}

/// A generator good enough to hit everything: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }

    fn word(&mut self) -> u32 {
        const EXTREMES: [u32; 10] =
            [0, 1, 7, 8, 0x7fff_ffff, 0x8000_0000, u32::MAX, u32::MAX - 7, 4096, 1 << 20];
        match self.roll(3) {
            0 => u32::try_from(self.roll(1 << 32)).unwrap(),
            _ => EXTREMES[self.roll(EXTREMES.len())],
        }
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if bytes.len() < 8 {
            return;
        }
        let at = self.roll(bytes.len() - 4);
        match self.roll(6) {
            0 => bytes[at] ^= 1 << self.roll(8),
            // The schema message, the headers and the footer are where lengths are.
            1 => {
                let at = self.roll(bytes.len().min(1600) - 4) & !3;
                bytes[at..at + 4].copy_from_slice(&self.word().to_le_bytes());
            }
            2 => {
                let at = (bytes.len() - 4).saturating_sub(self.roll(1600));
                bytes[at..at + 4].copy_from_slice(&self.word().to_le_bytes());
            }
            3 => bytes[at & !3..][..4].copy_from_slice(&self.word().to_le_bytes()),
            4 => {
                let (from, length) = (self.roll(bytes.len()), self.roll(64));
                let piece: Vec<u8> = bytes[from..].iter().copied().take(length).collect();
                let end = (at + piece.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&piece[..end - at]);
            }
            _ => bytes.truncate(at),
        }
    }
}

#[test]
fn damaged_files_never_panic_nor_pass() {
    let seed = 0x6b65_796d_696c_6c00;
    println!("seed {seed:#x}");
    let mut dice = Dice(seed);
    let victims = victims();
    for _ in 0..20_000 {
        let good = &victims[dice.roll(victims.len())];
        let mut bytes = good.clone();
        for _ in 0..=dice.roll(3) {
            dice.mutate(&mut bytes);
        }
        assert!(bytes == *good || !walk(bytes));
    }
}

/// As above, with every checksum set right again: what remains is the reader's own care.
#[test]
fn damage_behind_good_checksums_never_panics() {
    let seed = 0x6b65_796d_696c_6c01;
    println!("seed {seed:#x}");
    let mut dice = Dice(seed);
    let victims: Vec<_> = victims()
        .into_iter()
        .map(|bytes| (PartFile::from_bytes(bytes.clone()).unwrap().layout().clone(), bytes))
        .collect();
    let mut passed = 0;
    for _ in 0..10_000 {
        let (layout, good) = &victims[dice.roll(victims.len())];
        let mut bytes = good.clone();
        let slot = layout.slot_range(dice.roll(3) as u64);
        let place = layout.slot.binaries[dice.roll(layout.slot.binaries.len())];
        let at = slot.start + place.offsets.start + 4 * dice.roll(3);
        bytes[at..at + 4].copy_from_slice(&dice.word().to_le_bytes());
        for _ in 0..dice.roll(3) {
            dice.mutate(&mut bytes);
        }
        set_checksums(&mut bytes, layout);
        passed += usize::from(walk(bytes));
    }
    assert!(passed < 5_000, "{passed} damaged files passed");
}

fn set_checksums(bytes: &mut [u8], layout: &Layout) {
    let prefix = layout.slot_range(0).start;
    if bytes.len() < prefix {
        return;
    }
    let prefix_crc = crc32c::crc32c(&bytes[..prefix]).to_le_bytes();
    for slot in 0..layout.slots() {
        let Some(slot) = bytes.get_mut(layout.slot_range(slot)) else { return };
        let header = crc32c::crc32c(&slot[4..layout.slot.header_bytes]).to_le_bytes();
        let body = crc32c::crc32c(&slot[layout.slot.body()]).to_le_bytes();
        let trailer = &mut slot[layout.slot.trailer.range()];
        trailer[48..52].copy_from_slice(&prefix_crc);
        trailer[52..56].copy_from_slice(&header);
        trailer[56..60].copy_from_slice(&body);
        let own = crc32c::crc32c(&trailer[..60]).to_le_bytes();
        trailer[60..].copy_from_slice(&own);
    }
}

#[test]
fn findings_name_the_place() {
    let scratch = Scratch::new();
    let part = description(KeyPairSpec::EccNistP256, 5, 2, 1);
    write_part(&scratch.path(), &part, 3);
    let good = std::fs::read(scratch.path()).unwrap();
    let layout = PartFile::from_bytes(good.clone()).unwrap().layout().clone();
    let start = |slot| layout.slot_range(slot).start;
    let findings = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        PartFile::from_bytes(bytes).unwrap().check()
    };
    let slot = |slot, fault| vec![Finding::Slot { slot, fault }];
    let end = good.len();
    let body = layout.slot.header_bytes;
    let trailer = layout.slot.trailer.start;
    assert_eq!(findings(&|b| b[start(1)] = 0), slot(1, SlotFault::Marker));
    assert_eq!(findings(&|b| b[start(1)..][..4].fill(0)), slot(1, SlotFault::Uncommitted));
    assert_eq!(findings(&|b| b[start(1) + 20] ^= 1), slot(1, SlotFault::Header));
    assert_eq!(findings(&|b| b[start(2) + body] ^= 1), slot(2, SlotFault::Body));
    assert_eq!(findings(&|b| b[start(0) + trailer + 9] ^= 1), slot(0, SlotFault::Trailer));
    assert_eq!(findings(&|b| b[layout.slot_range(1)].fill(0)), [Finding::SlotEmpty { slot: 1 }]);
    assert_eq!(findings(&|b| b[end - 1] ^= 1), [Finding::Frame(FrameFault::Footer)]);
    assert_eq!(
        findings(&|b| b.truncate(layout.slot_range(1).end - 1)),
        [
            Finding::Slot { slot: 1, fault: SlotFault::Truncated },
            Finding::Slot { slot: 2, fault: SlotFault::Truncated },
            Finding::Frame(FrameFault::Truncated)
        ]
    );
    let index = |b: &mut Vec<u8>| {
        b[start(1) + layout.slot.index.start + 8] ^= 1;
        set_checksums(b, &layout);
    };
    assert_eq!(findings(&index), [Finding::Row { row: 3, fault: RowFault::Index }]);
    let text = |b: &mut Vec<u8>| {
        b[start(1) + layout.slot.binaries[0].values.start] = 0xff;
        set_checksums(b, &layout);
    };
    assert_eq!(findings(&text), [Finding::Row { row: 2, fault: RowFault::Text { column: 0 } }]);
}
