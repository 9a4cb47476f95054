//! A manifest's way through: order and values unchanged, and every row's private key bound to
//! the encryption context that its own columns make.
//!
//! Values come from a seed that is printed; `KEYMILL_TEST_SEED=N` repeats a run.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_ipc::reader::FileReader;
use keymill::crypto::check::check_pair;
use keymill::crypto::seal::{BlobError, Opened, WrappingKey, open};
use keymill::keystore::{Keystore, OpenOptions};
use keymill::pipeline::sink::arrow::{PartFile, Row};
use keymill::pipeline::verify::PartContext;
use keymill::spec::{EncryptionContext, KeyPairSpec};
use tempfile::TempDir;

const COLUMNS: [&str; 5] = ["serial", "Site", "note", "rev", "empty or not"];
const ROWS: usize = 2000;

/// splitmix64, from a seed that is printed.
struct Dice(u64);

impl Dice {
    fn new(test: &str) -> Self {
        let given = env::var("KEYMILL_TEST_SEED").ok();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = given.map_or(u64::from(now.subsec_nanos()), |text| text.parse().unwrap());
        println!("{test}: KEYMILL_TEST_SEED={seed}");
        Self(seed)
    }

    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }

    /// Up to `length` pieces of what makes CSV hard: quotes, commas, line ends, spaces, UTF-8.
    fn text(&mut self, length: usize) -> String {
        const PIECES: [&str; 22] = [
            "a",
            "b",
            "Z",
            "0",
            "9",
            "-",
            " ",
            "\t",
            ",",
            ";",
            "\"",
            "\"\"",
            "\n",
            "\r\n",
            "'",
            "{",
            "}",
            "=",
            "\\",
            "\u{fc}",
            "\u{6f22}\u{5b57}",
            "\u{1f511}",
        ];
        (0..self.roll(length + 1)).map(|_| PIECES[self.roll(PIECES.len())]).collect()
    }

    fn row(&mut self, number: usize) -> [String; 5] {
        [
            format!("SN-{number:06}-{:04x}", self.roll(1 << 16)),
            format!("Werk {}{}", self.roll(9), self.text(6)),
            format!("{}!", self.text(12)),
            format!("{}.{}", self.roll(10), self.roll(100)),
            self.text(3),
        ]
    }
}

/// A manifest, its keystore and the file made of it.
struct Job {
    scratch: TempDir,
    rows: Vec<[String; 5]>,
}

impl Job {
    /// `serial={serial},batch=2026-11,Note={note}` for [`ROWS`] rows.
    fn run(test: &str) -> Self {
        let mut dice = Dice::new(test);
        let rows: Vec<[String; 5]> = (0..ROWS).map(|number| dice.row(number)).collect();
        let job = Self { scratch: TempDir::new().unwrap(), rows };
        let mut csv = csv::Writer::from_path(job.path("devices.csv")).unwrap();
        csv.write_record(COLUMNS).unwrap();
        for row in &job.rows {
            csv.write_record(row).unwrap();
        }
        csv.flush().unwrap();
        let context = "serial={serial},batch=2026-11,Note={note}";
        job.generate(&["--manifest", "devices.csv"], context, "keys.arrow");
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn generate(&self, source: &[&str], context: &str, output: &str) {
        keymill(
            self.scratch.path(),
            &[
                &["generate", "--key-pair-spec", "ECC_NIST_P256"],
                source,
                &["--encryption-context", context, "-o", output],
            ]
            .concat(),
        );
    }

    fn part(&self) -> PartFile {
        PartFile::open(&self.path("keys.arrow")).unwrap()
    }

    fn key_of(&self, part: &PartFile) -> WrappingKey {
        let keystore = Keystore::open(&self.path("home"), OpenOptions::default()).unwrap();
        let described = part.description();
        let material =
            keystore.wrapping_key_by_material(described.key_arn.id, described.material_id).unwrap();
        WrappingKey::new(material.arn, &material.material)
    }

    /// What row `row` is bound to, by the manifest and not by the file.
    fn pairs(&self, row: usize) -> Vec<(String, String)> {
        let [serial, _, note, ..] = &self.rows[row];
        [("serial", serial.as_str()), ("batch", "2026-11"), ("Note", note)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec()
    }
}

fn keymill(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keymill"));
    command.args(arguments).env("KEYMILL_HOME", folder.join("home")).current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn context(pairs: &[(String, String)]) -> EncryptionContext {
    EncryptionContext::from_pairs(pairs.iter().cloned()).unwrap()
}

fn assert_refused(opened: &Result<Opened, BlobError>, why: &str) {
    assert!(matches!(opened, Err(BlobError::InvalidCiphertext)), "{why}: {opened:?}");
}

#[test]
fn order_and_values_are_unchanged() {
    let job = Job::run("order_and_values");
    let part = job.part();
    assert_eq!(part.rows(), ROWS as u64);
    for (number, wanted) in job.rows.iter().enumerate() {
        let row = part.row(number as u64).unwrap();
        assert_eq!(row.index, number as u64);
        let (names, values): (Vec<_>, Vec<_>) = row.columns.into_iter().unzip();
        assert_eq!(
            (names, values),
            (COLUMNS.to_vec(), wanted.iter().map(String::as_str).collect())
        );
    }
    let mut number = 0;
    let file = File::open(job.path("keys.arrow")).unwrap();
    for batch in FileReader::try_new(file, None).unwrap() {
        let batch = batch.unwrap();
        let index = batch["Index"].as_primitive::<UInt64Type>();
        for place in 0..batch.num_rows() {
            assert_eq!(index.value(place), number as u64);
            for (name, wanted) in COLUMNS.iter().zip(&job.rows[number]) {
                assert_eq!(batch[*name].as_string::<i32>().value(place), wanted);
            }
            number += 1;
        }
    }
    assert_eq!(number, ROWS);
    let folder = job.scratch.path();
    keymill(folder, &["verify", "keys.arrow", "--manifest", "devices.csv", "--unique", "serial"]);
}

#[test]
fn every_row_opens_under_its_own_context() {
    let job = Job::run("own_context");
    let part = job.part();
    let key = job.key_of(&part);
    let rebuilt = PartContext::of(&part).unwrap();
    for number in 0..ROWS {
        let row = part.row(number as u64).unwrap();
        let wanted = context(&job.pairs(number));
        assert_eq!(rebuilt.of_row(&row).unwrap(), wanted, "row {number}");
        let opened = open(&key, row.blob, &wanted).unwrap();
        let plaintext = opened.plaintext.expose();
        check_pair(KeyPairSpec::EccNistP256, row.public_key, plaintext).unwrap();
    }
}

/// `text` with the character at `place` made another one.
fn changed(text: &str, place: usize) -> String {
    let other = |c: char| match c {
        c if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
        c if c.is_ascii_uppercase() => c.to_ascii_lowercase(),
        _ => 'x',
    };
    text.chars().enumerate().map(|(at, c)| if at == place { other(c) } else { c }).collect()
}

#[test]
fn a_changed_letter_anywhere_closes_a_row() {
    let job = Job::run("changed_letter");
    let part = job.part();
    let key = job.key_of(&part);
    let mut tried = 0;
    for number in (0..ROWS).step_by(37) {
        let row = part.row(number as u64).unwrap();
        let pairs = job.pairs(number);
        let mut refuse = |pairs: &[(String, String)], why: &str| {
            tried += 1;
            assert_refused(&open(&key, row.blob, &context(pairs)), why);
        };
        for pair in 0..pairs.len() {
            for place in 0..pairs[pair].0.chars().count() {
                let mut other = pairs.clone();
                other[pair].0 = changed(&other[pair].0, place);
                refuse(&other, "a letter of a key");
            }
            for place in 0..pairs[pair].1.chars().count() {
                let mut other = pairs.clone();
                other[pair].1 = changed(&other[pair].1, place);
                refuse(&other, "a letter of a value");
            }
            let mut other = pairs.clone();
            other.remove(pair);
            refuse(&other, "a pair less");
        }
        refuse(&[&*pairs, &[("x".into(), "y".into())]].concat(), "a pair more");
        refuse(&job.pairs((number + 1) % ROWS), "the next row's");
        refuse(&[], "none");
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn a_changed_column_closes_its_row() {
    let job = Job::run("changed_column");
    let part = job.part();
    let key = job.key_of(&part);
    let rebuilt = PartContext::of(&part).unwrap();
    for number in (0..ROWS as u64).step_by(37) {
        let row = part.row(number).unwrap();
        for column in [0, 2] {
            let text = changed(row.columns[column].1, 0);
            let mut other: Row<'_> = row.clone();
            other.columns[column].1 = &text;
            let context = rebuilt.of_row(&other).unwrap();
            assert_refused(&open(&key, row.blob, &context), "a letter of a column");
        }
    }
    // On the disk too, where the checksum of the slot speaks first.
    let serial = job.rows[7][0].as_bytes().to_vec();
    drop(part);
    let mut bytes = fs::read(job.path("keys.arrow")).unwrap();
    let place = bytes.windows(serial.len()).position(|window| window == serial).unwrap();
    bytes[place] ^= 1;
    let damaged = PartFile::from_bytes(bytes).unwrap();
    assert!(!damaged.check().is_empty());
    assert!(damaged.row(7).is_err());
}

/// Contexts that a careless encoding would confuse: each opens its own blob and no other.
#[test]
fn no_two_contexts_are_confused() {
    const CONTEXTS: [&str; 12] = [
        r#"{"ab":"c"}"#,
        r#"{"a":"bc"}"#,
        r#"{"a":"b","c":"d"}"#,
        r#"{"a":"b,c=d"}"#,
        r#"{"a":"b\",\"c\":\"d"}"#,
        r#"{"a":"d","c":"b"}"#,
        r#"{"a=b":"c=d"}"#,
        r#"{"A":"bc"}"#,
        r#"{"a":"bC"}"#,
        r#"{"a":"bc "}"#,
        r#"{"a":"b\u0000c"}"#,
        "",
    ];
    let job = Job { scratch: TempDir::new().unwrap(), rows: Vec::new() };
    let contexts = CONTEXTS.map(|text| {
        let text = if text.is_empty() { "{}" } else { text };
        let pairs: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
        EncryptionContext::from_pairs(pairs).unwrap()
    });
    let parts: Vec<PartFile> = CONTEXTS
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let name = format!("{number}.arrow");
            job.generate(&["--count", "1"], text, &name);
            PartFile::open(&job.path(&name)).unwrap()
        })
        .collect();
    let key = job.key_of(&parts[0]);
    for (sealed, part) in parts.iter().enumerate() {
        let row = part.row(0).unwrap();
        for (tried, context) in contexts.iter().enumerate() {
            let opened = open(&key, row.blob, context);
            if sealed == tried {
                assert!(opened.is_ok(), "{} does not open", CONTEXTS[sealed]);
            } else {
                let why = format!("{} under {}", CONTEXTS[sealed], CONTEXTS[tried]);
                assert_refused(&opened, &why);
            }
        }
    }
}
