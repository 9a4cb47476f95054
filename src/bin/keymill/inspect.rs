//! `keymill inspect`: what is in a file, without opening anything.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keymill::pipeline::sink::arrow::{PartFile, Row, SlotState};
use serde_json::{Map, Value, json};

use crate::args::{Arguments, Inspect, RowRange};
use crate::failure::Failure;
use crate::output::{binary_size, grouped, report};
use crate::parts;

/// Bytes of a binary value that are shown.
const SHOWN_BYTES: usize = 12;

pub fn run(arguments: &Arguments, wanted: &Inspect) -> Result<(), Failure> {
    let files = parts::open(&wanted.path)?;
    let mut described = Vec::new();
    let mut first = 0;
    for file in &files {
        let rows = overlap(&wanted.rows, first, file.rows());
        described.push(describe(file, rows, arguments.json));
        first += file.rows();
    }
    report(arguments.json, &described, |described| described.iter().map(human).collect())
}

/// The rows of `wanted` that a file with `rows` rows from `first` on has, counted within it.
fn overlap(wanted: &RowRange, first: u64, rows: u64) -> core::ops::Range<u64> {
    let within = |row: u64| row.clamp(first, first + rows) - first;
    within(wanted.start)..within(wanted.end)
}

fn describe(file: &PartFile, rows: core::ops::Range<u64>, whole: bool) -> Value {
    let described = file.description();
    let states: Vec<SlotState> = file.slots().map(|(_, state)| state).collect();
    let count = |wanted: fn(&SlotState) -> bool| states.iter().filter(|s| wanted(s)).count();
    let columns: Vec<&str> = described.columns.iter().map(|c| c.name.as_str()).collect();
    let shown: Vec<Value> =
        rows.filter_map(|row| file.row(row).ok()).map(|row| show(&row, whole)).collect();
    json!({
        "path": file.path().display().to_string(),
        "bytes": file.bytes(),
        "key_pair_spec": described.spec.name(),
        "rows": described.rows,
        "first_index": described.first_row,
        "part": described.part,
        "parts": described.parts,
        "key_id": described.key_arn.to_string(),
        "key_material_id": described.material_id.to_string(),
        "encryption_context": described.context_template,
        "manifest_columns": columns,
        "generator": file.generator(),
        "slots": {
            "committed": count(|state| matches!(state, SlotState::Committed)),
            "empty": count(|state| matches!(state, SlotState::Empty)),
            "torn": count(|state| matches!(state, SlotState::Torn(_))),
        },
        "sample": shown,
    })
}

fn show(row: &Row<'_>, whole: bool) -> Value {
    let mut shown = Map::new();
    shown.insert("Index".to_owned(), row.index.into());
    for (name, text) in &row.columns {
        shown.insert((*name).to_owned(), (*text).into());
    }
    let binary = |bytes: &[u8]| match bytes.get(..SHOWN_BYTES) {
        Some(head) if !whole => {
            format!("{}... ({} bytes)", BASE64_STANDARD.encode(head), bytes.len())
        }
        _ => BASE64_STANDARD.encode(bytes),
    };
    shown.insert("PublicKey".to_owned(), binary(row.public_key).into());
    shown.insert("PrivateKeyCiphertextBlob".to_owned(), binary(row.blob).into());
    Value::Object(shown)
}

fn human(file: &Value) -> String {
    let text = |name: &str| file[name].as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let mut out = format!(
        "{}: {} rows {}, {}, part {} of {}\n",
        text("path"),
        grouped(number(&file["rows"])),
        text("key_pair_spec"),
        binary_size(number(&file["bytes"])),
        number(&file["part"]) + 1,
        number(&file["parts"]),
    );
    let slots = &file["slots"];
    let (committed, empty, torn) =
        (number(&slots["committed"]), number(&slots["empty"]), number(&slots["torn"]));
    out += &format!("  key       {}\n", text("key_id"));
    out += &format!("  material  {}\n", text("key_material_id"));
    out += &format!("  context   {}\n", text("encryption_context"));
    out += &format!("  slots     {committed} committed, {empty} empty, {torn} torn\n");
    for row in file["sample"].as_array().into_iter().flatten() {
        out += &format!("  {row}\n");
    }
    out
}
