//! Everything that reads what others wrote, fed with a million texts and files: no panic, and the
//! laws of each parser hold.
//!
//! Cases come from a seed that is printed; `KEYMILL_TEST_SEED=N` repeats a run, and a failing
//! case is shrunk and printed. `KEYMILL_TEST_FACTOR=N` runs N times as many.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use keymill::crypto::seal::{BlobHeader, HEADER_BYTES, Payload, TAG_BYTES};
use keymill::pipeline::manifest::{Format, Manifest, Rows};
use keymill::pipeline::request::Request;
use keymill::pipeline::sink::arrow::PartFile;
use keymill::pipeline::template::ContextTemplate;
use keymill::pipeline::verify::PartContext;
use keymill::spec::{KeyArn, KeyId, KeyPairSpec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngSeed, TestRunner};
use tempfile::TempDir;

// A million in all.
const KEY_IDS: u32 = 300_000;
const TEMPLATES: u32 = 300_000;
const BLOBS: u32 = 250_000;
const PARTS: u32 = 130_000;
const CSV_FILES: u32 = 10_000;
const NDJSON_FILES: u32 = 10_000;

const _: () = assert!(KEY_IDS + TEMPLATES + BLOBS + PARTS + CSV_FILES + NDJSON_FILES == 1_000_000);

/// Runs `law` on `cases` cases of `strategy`.
fn hold<S: Strategy>(
    name: &str,
    cases: u32,
    strategy: &S,
    law: impl Fn(S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("KEYMILL_TEST_SEED").unwrap_or_else(|| u64::from(now.subsec_nanos()));
    let factor = u32::try_from(number("KEYMILL_TEST_FACTOR").unwrap_or(1)).unwrap();
    println!("{name}: KEYMILL_TEST_SEED={seed}, {} cases", cases * factor);
    let config = ProptestConfig {
        cases: cases * factor,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(strategy, law) {
        panic!("{name} (KEYMILL_TEST_SEED={seed}): {error}");
    }
}

/// Texts put together of `tokens`, now and then of any characters.
fn soup(tokens: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let token = prop_oneof![
        12 => select(tokens).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => (0..128_u8).prop_map(|byte| char::from(byte).to_string()),
    ];
    prop::collection::vec(token, 0..most).prop_map(|tokens| tokens.concat())
}

/// A text with a few of its characters replaced, taken out, or doubled.
fn nearly(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let edit = (any::<Index>(), 0..4_u8, any::<char>());
    (select(texts), prop::collection::vec(edit, 0..4)).prop_map(|(text, edits)| {
        let mut text: Vec<char> = text.chars().collect();
        for (place, what, other) in edits {
            let at = place.index(text.len().max(1));
            match what {
                _ if text.is_empty() => text.push(other),
                0 => text[at] = other,
                1 => _ = text.remove(at),
                2 => text.insert(at, text[at]),
                _ => text.truncate(at),
            }
        }
        text.into_iter().collect()
    })
}

#[test]
fn key_ids() {
    const TOKENS: &[&str] = &[
        "arn:",
        "aws",
        "aws-cn",
        "aws-us-gov",
        ":kms:",
        "us-east-1",
        "cn-north-1",
        ":",
        "/",
        "-",
        "000000000000",
        "111122223333",
        ":key/",
        ":alias/",
        "alias/",
        "alias/aws/",
        "mrk-",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "1234abcd12ab34cd56ef1234567890ab",
        "key",
        "_",
        "A",
    ];
    const GOOD: &[&str] = &[
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890ab",
        "alias/ExampleAlias",
        "arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws-cn:kms:cn-north-1:111122223333:alias/Line_7/east",
        "arn:aws:kms:eu-west-1:000000000000:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    ];
    let texts = prop_oneof![soup(TOKENS, 10), nearly(GOOD), select(GOOD).prop_map(str::to_owned)];
    hold("key_ids", KEY_IDS, &texts, |text| {
        match text.parse::<KeyId>() {
            Ok(id) => {
                prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id.clone()));
                // A KMS key has one spelling: what was accepted is what is shown.
                prop_assert_eq!(id.to_string(), &*text);
                prop_assert_eq!(text.parse::<KeyArn>().is_ok(), matches!(id, KeyId::KeyArn(_)));
            }
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                prop_assert!(text.parse::<KeyArn>().is_err());
            }
        }
        Ok(())
    });
}

#[test]
fn context_templates() {
    const TOKENS: &[&str] = &[
        "a", "serial", "=", ",", "{serial}", "{Index}", "{", "}", "{{", "}}", "\"", "\\\"", "\\",
        "\\\\", ":", " ", "{\"", "\":\"", "\"}", "\",\"", "k=v", "\\u00fc", "\u{fc}", "[", "1",
    ];
    const GOOD: &[&str] = &[
        "batch=2026-11,serial={serial}",
        r#"{"batch":"2026-11","serial":"{serial}"}"#,
        r#"note="a, \"b\" \\",n={Index}"#,
        r#"{"a":"{{x}}","b":"\u00fc\n"}"#,
        "k={{{serial}}}",
    ];
    let columns = ["serial".to_owned(), "x".to_owned()];
    let texts = prop_oneof![soup(TOKENS, 12), nearly(GOOD)];
    hold("context_templates", TEMPLATES, &texts, |text| {
        let template = match ContextTemplate::parse(&text) {
            Ok(template) => template,
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
        };
        let json = template.to_json();
        // No context is written as no text, which is no template.
        if !json.is_empty() {
            let again = ContextTemplate::parse(&json);
            prop_assert_eq!(again.as_ref(), Ok(&template));
            prop_assert!(serde_json::from_str::<BTreeMap<String, String>>(&json).is_ok());
        }
        if let Ok(bound) = template.bind(&columns) {
            let mut rows = Rows::default();
            rows.reset(columns.len());
            rows.push(7, ["SN-1", "y"]);
            let filled = bound.fill(&rows.row(0));
            let mut encoded = bound.head().to_vec();
            bound.encode_rest(&rows.row(0), &mut encoded);
            if let Ok(context) = filled {
                let mut wanted = Vec::new();
                context.encode(&mut wanted);
                prop_assert_eq!(encoded, wanted);
            }
        }
        Ok(())
    });
}

/// A change of one place of a file.
#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Word(Index, u32),
    Move(Index, Index, usize),
    Truncate(Index),
    Grow(Vec<u8>),
}

impl Edit {
    fn any() -> impl Strategy<Value = Self> {
        let word = prop_oneof![
            select(&[0, 1, 7, 8, 0x7fff_ffff, 0x8000_0000, u32::MAX, u32::MAX - 7, 4096][..]),
            any::<u32>(),
        ];
        prop_oneof![
            6 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            6 => (any::<Index>(), word).prop_map(|(at, word)| Self::Word(at, word)),
            2 => (any::<Index>(), any::<Index>(), 1..64_usize)
                .prop_map(|(from, to, length)| Self::Move(from, to, length)),
            1 => any::<Index>().prop_map(Self::Truncate),
            1 => prop::collection::vec(any::<u8>(), 1..16).prop_map(Self::Grow),
        ]
    }

    /// Applies it at one of `places`, or anywhere in the file if there is none.
    fn apply(&self, bytes: &mut Vec<u8>, places: &[usize]) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        let place = |at: &Index| match places {
            [] => at.index(length),
            places => *at.get(places) % length,
        };
        match self {
            Self::Flip(at, bit) => bytes[place(at)] ^= 1 << bit,
            Self::Word(at, word) => {
                let at = place(at) & !3;
                let end = (at + 4).min(length);
                bytes[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
            }
            Self::Move(from, to, count) => {
                let (from, to) = (from.index(length), place(to));
                let count = (*count).min(length - from.max(to));
                bytes.copy_within(from..from + count, to);
            }
            Self::Truncate(at) => bytes.truncate(at.index(length)),
            Self::Grow(more) => bytes.extend_from_slice(more),
        }
    }
}

fn keymill(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keymill"));
    command.args(arguments).env("KEYMILL_HOME", folder.join("home")).current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Small whole files: without a manifest, and with columns and a context.
fn small_files() -> Vec<Vec<u8>> {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    fs::write(folder.join("m.csv"), "serial,note\nSN-1,a\nSN-2,\nSN-3,\u{fc}\n").unwrap();
    let spec = ["generate", "--key-pair-spec", "ECC_NIST_EDWARDS25519"];
    keymill(folder, &[&spec[..], &["--count", "3", "-o", "a.arrow"]].concat());
    let context = "serial={serial},n={Index}";
    let manifest = ["--manifest", "m.csv", "--encryption-context", context, "-o", "b.arrow"];
    keymill(folder, &[&spec[..], &manifest].concat());
    ["a.arrow", "b.arrow"].map(|name| fs::read(folder.join(name)).unwrap()).to_vec()
}

#[test]
fn blob_headers() {
    let part = PartFile::from_bytes(small_files().remove(0)).unwrap();
    let blob = part.row(0).unwrap().blob.to_vec();
    let payload = Payload::PrivateKey(KeyPairSpec::EccNistEdwards25519);
    assert_eq!(BlobHeader::parse(&blob).unwrap().payload(), payload);
    let edits = prop::collection::vec(Edit::any(), 0..4).prop_map(move |edits| {
        let mut blob = blob.clone();
        for edit in &edits {
            edit.apply(&mut blob, &[]);
        }
        blob
    });
    let bytes = prop_oneof![4 => edits, 1 => prop::collection::vec(any::<u8>(), 0..120)];
    hold("blob_headers", BLOBS, &bytes, |blob| {
        match BlobHeader::parse(&blob) {
            Ok(header) => {
                // Nothing behind the header has a say in it.
                let shortest = &blob[..HEADER_BYTES + TAG_BYTES];
                prop_assert_eq!(BlobHeader::parse(shortest), Ok(header.clone()));
                let _shown = (header.payload(), header.key_id(), header.material_id());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        Ok(())
    });
}

/// Places in a file where it is not zero: most of a small file is padding.
fn places(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|&at| bytes[at] != 0).collect()
}

#[test]
fn part_files() {
    let files: Vec<_> = small_files().into_iter().map(|file| (places(&file), file)).collect();
    let whole = |bytes: &[u8]| {
        let part = PartFile::from_bytes(bytes.to_vec()).unwrap();
        part.check().is_empty() && part.is_complete()
    };
    assert!(files.iter().all(|(_, file)| whole(file)));
    let edits = prop::collection::vec(Edit::any(), 1..4);
    let mutation = (any::<Index>(), any::<bool>(), edits);
    hold("part_files", PARTS, &mutation, |(which, anywhere, edits)| {
        let (places, good) = which.get(&files);
        let mut bytes = good.clone();
        let places = if anywhere { &[][..] } else { places };
        for edit in &edits {
            edit.apply(&mut bytes, places);
        }
        let is_changed = bytes != *good;
        let part = match PartFile::from_bytes(bytes) {
            Ok(part) => part,
            Err(error) => {
                prop_assert!(is_changed);
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
        };
        let findings = part.check();
        prop_assert_eq!(findings.is_empty(), !is_changed, "{:?}", findings);
        let context = PartContext::of(&part);
        for number in (0..part.rows().min(5)).chain([part.rows(), u64::MAX]) {
            if let (Ok(row), Ok(context)) = (part.row(number), &context) {
                let _maybe = context.of_row(&row);
            }
        }
        prop_assert!(part.row(part.rows()).is_err());
        let _states = part.slots().take(16).count();
        Ok(())
    });
}

/// Memory, where the system has such a folder: the files live a few microseconds.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    TempDir::new_in(memory).or_else(|_| TempDir::new()).unwrap()
}

/// Whatever the file says, all passes over it tell the same.
fn walk_manifest(path: &Path, format: Format) -> Result<(), TestCaseError> {
    let manifest = match Manifest::open(path, Some(format)) {
        Ok(manifest) => manifest,
        Err(error) => {
            prop_assert!(!error.to_string().is_empty());
            return Ok(());
        }
    };
    let columns = manifest.columns().to_vec();
    prop_assert!(!columns.is_empty());
    let mut scanned: Vec<Vec<String>> = Vec::new();
    let outcome = manifest.scan(|record| {
        scanned.push((0..columns.len()).map(|column| record.text(column).to_owned()).collect());
        Ok(())
    });
    let key: KeyId = "alias/default".parse().unwrap();
    // With a spec of its own, unless the manifest brings one.
    let spec = manifest.column("key_pair_spec").is_none().then_some(KeyPairSpec::Rsa2048);
    let template = ContextTemplate::default();
    let request = match Request::of_manifest(key, spec, manifest, None, template) {
        Ok(request) => request,
        Err(error) => {
            prop_assert!(!error.to_string().is_empty());
            return Ok(());
        }
    };
    prop_assert!(outcome.is_ok());
    prop_assert_eq!(request.rows(), scanned.len() as u64);
    let mut read = Vec::new();
    let mut rows = Rows::default();
    for group in request.groups() {
        for slot in 0..group.slot_count() {
            prop_assert!(request.read_slot(group, slot, &mut rows).is_ok());
            for row in 0..rows.len() {
                read.push(rows.row(row).texts().map(str::to_owned).collect::<Vec<_>>());
            }
        }
    }
    if spec.is_none() {
        // By spec, then.
        scanned.sort();
        read.sort();
    }
    prop_assert_eq!(read, scanned);
    Ok(())
}

fn manifests(name: &str, cases: u32, format: Format, texts: &impl Strategy<Value = String>) {
    let scratch = scratch();
    let path: PathBuf = scratch.path().join("manifest");
    let edits = prop::collection::vec(Edit::any(), 0..3);
    // Half of the files stay as they were put together.
    let files = (texts, any::<bool>(), edits).prop_map(|(text, is_edited, edits)| {
        let mut bytes = text.into_bytes();
        edits.iter().filter(|_| is_edited).for_each(|edit| edit.apply(&mut bytes, &[]));
        bytes
    });
    hold(name, cases, &files, |bytes| {
        fs::write(&path, &bytes).unwrap();
        walk_manifest(&path, format)
    });
}

/// A byte order mark is one at the head of a file only; a row that begins with the same
/// character is read alike by all passes.
#[test]
fn a_row_may_begin_like_a_file() {
    let scratch = scratch();
    let path = scratch.path().join("manifest");
    for text in ["c\n\u{feff}x\n", "\u{feff}c\n\u{feff}x\ny\n", "c\n\u{feff}\n"] {
        fs::write(&path, text).unwrap();
        walk_manifest(&path, Format::Csv).unwrap();
    }
}

#[test]
fn csv_manifests() {
    const TOKENS: &[&str] = &[
        "serial,note",
        "a,b",
        "1,2",
        "SN-1",
        ",",
        ",",
        "\n",
        "\n",
        "\r\n",
        "\r",
        "\"",
        "\"\"",
        "\"a,b\"",
        "\"x\ny\"",
        " ",
        "\t",
        "#",
        "\u{feff}",
        "\u{fc}",
        "key_pair_spec",
        "RSA_2048",
        "Index",
        "\0",
    ];
    let line = |columns: usize| {
        let value = soup(&["a", "Z", "1", " ", "\u{fc}", "#", "-"], 4);
        let quoted = soup(&["a", ",", "\n", "\r\n", "\"\"", "\u{fc}"], 4);
        let value = prop_oneof![value, quoted.prop_map(|text| format!("\"{text}\""))];
        prop::collection::vec(value, columns).prop_map(|values| values.join(",") + "\n")
    };
    let table = (1..4_usize, 0..40_usize).prop_flat_map(move |(columns, rows)| {
        let header = (0..columns).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
        prop::collection::vec(line(columns), rows)
            .prop_map(move |lines| format!("{header}\n{}", lines.concat()))
    });
    manifests("csv_manifests", CSV_FILES, Format::Csv, &prop_oneof![table, soup(TOKENS, 40)]);
}

#[test]
fn ndjson_manifests() {
    const TOKENS: &[&str] = &[
        "{\"serial\":\"SN-1\",\"n\":1}\n",
        "{\"serial\":\"SN-2\",\"n\":2}\n",
        "{",
        "}",
        "\"",
        ":",
        ",",
        "\n",
        "null",
        "true",
        "1e9",
        "-0.5",
        "[",
        "]",
        "{\"a\":{}}",
        "\\u0000",
        "\\ud800",
        "\"serial\"",
        "\"key_pair_spec\":\"RSA_2048\"",
        "\u{fc}",
        " ",
        "\r\n",
        "\\",
    ];
    let value = prop_oneof![
        soup(&["a", "\\n", "\\\"", "\u{fc}", "\\u00e9", " "], 4).prop_map(|s| format!("\"{s}\"")),
        select(&["1", "-2.50", "1e400", "true", "false", "\"\"", "12345678901234567890"][..])
            .prop_map(str::to_owned),
    ];
    let line = (value.clone(), value, any::<bool>()).prop_map(|(a, b, is_swapped)| {
        if is_swapped {
            format!("{{\"b\":{b},\"a\":{a}}}\n")
        } else {
            format!("{{\"a\":{a}, \"b\":{b}}}\n")
        }
    });
    let table = prop::collection::vec(line, 0..40).prop_map(|lines| lines.concat());
    let texts = prop_oneof![table, soup(TOKENS, 30)];
    manifests("ndjson_manifests", NDJSON_FILES, Format::Ndjson, &texts);
}
