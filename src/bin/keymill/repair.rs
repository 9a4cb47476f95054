//! `keymill repair`: what an interrupted run had committed.

use std::path::{Path, PathBuf};

use keymill::pipeline::sink::arrow;
use serde_json::json;

use crate::args::{Arguments, Repair};
use crate::failure::{Code, Failure};
use crate::output::{grouped, report};

pub fn run(arguments: &Arguments, wanted: &Repair) -> Result<(), Failure> {
    let output = match &wanted.output {
        Some(output) => output.clone(),
        None => default_output(&wanted.path)?,
    };
    let saved = arrow::repair(&wanted.path, &output)?;
    let summary = json!({
        "rows": saved.rows,
        "slots_committed": saved.committed,
        "slots_torn": saved.torn,
        "slots_missing": saved.missing,
        "path": output.display().to_string(),
    });
    report(arguments.json, &summary, |_| {
        format!(
            "{}: {} rows from {} slots; {} torn, {} never written\n\
             The interrupted job can still be finished by running its command again.\n",
            output.display(),
            grouped(saved.rows),
            saved.committed,
            saved.torn,
            saved.missing
        )
    })
}

/// `keys.arrow.tmp` becomes `keys.repaired.arrow`.
fn default_output(path: &Path) -> Result<PathBuf, Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|n| n.strip_suffix(".tmp"));
    let Some(name) = name else {
        return Err(Failure::new(Code::Usage, format!("{} does not end in .tmp", path.display()))
            .hint("repair takes the .tmp file of an interrupted run; -o FILE names the result"));
    };
    let stem = name.strip_suffix(".arrow").unwrap_or(name);
    Ok(path.with_file_name(format!("{stem}.repaired.arrow")))
}
