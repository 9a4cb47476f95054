//! `keymill verify`: every row checked, as its receiver would.

use keymill::crypto::seal::WrappingKey;
use keymill::pipeline::job::Team;
use keymill::pipeline::manifest::Manifest;
use keymill::pipeline::sink::arrow::PartFile;
use keymill::pipeline::verify::{Verification, compare_with_manifest, find_repeated, verify_part};
use keymill::sys::features::Backend;
use serde_json::json;

use crate::args::{Arguments, Verify};
use crate::failure::{Code, Failure};
use crate::output::{grouped, report, say};
use crate::{home, parts};

pub fn run(arguments: &Arguments, wanted: &Verify) -> Result<(), Failure> {
    let files = parts::open(&wanted.path)?;
    let manifest = wanted.manifest.as_deref().map(|path| Manifest::open(path, None)).transpose()?;
    let keys = keys(arguments, &files)?;
    let team = Team::start(wanted.threads, Backend::Portable)?;
    let rows: u64 = files.iter().map(PartFile::rows).sum();
    let stride = wanted.sample.map_or(1, |sample| rows.div_ceil(sample.max(1)).max(1));
    let mut all = Verification::default();
    for (file, key) in files.iter().zip(&keys) {
        let found = team.install(|| verify_part(file, key, stride));
        all.rows += found.rows;
        all.opened += found.opened;
        all.faults.extend(found.faults);
    }
    all.faults.extend(find_repeated(&files, wanted.unique.as_deref()));
    if let Some(manifest) = &manifest {
        all.faults.extend(compare_with_manifest(&files, manifest)?);
    }
    conclude(arguments, wanted, &files, &all)
}

/// The wrapping key of each file.
fn keys(arguments: &Arguments, files: &[PartFile]) -> Result<Vec<WrappingKey>, Failure> {
    let mut keystore = home::open(arguments)?;
    let key = |file: &PartFile| {
        let described = file.description();
        keystore.set_scope(described.key_arn.scope.clone());
        let material =
            keystore.wrapping_key_by_material(described.key_arn.id, described.material_id)?;
        Ok(WrappingKey::new(material.arn, &material.material))
    };
    files.iter().map(key).collect()
}

fn conclude(
    arguments: &Arguments,
    wanted: &Verify,
    files: &[PartFile],
    found: &Verification,
) -> Result<(), Failure> {
    let faults: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
    let summary = json!({
        "path": wanted.path.display().to_string(),
        "files": files.len(),
        "rows": found.rows,
        "opened": found.opened,
        "faults": faults,
    });
    report(arguments.json, &summary, |_| {
        let verdict = if faults.is_empty() { "all is well" } else { "NOT well" };
        let (rows, opened) = (grouped(found.rows), grouped(found.opened));
        format!("{}: {rows} rows, {opened} opened: {verdict}\n", wanted.path.display())
    })?;
    if faults.is_empty() {
        return Ok(());
    }
    for fault in &faults {
        say(fault);
    }
    let message = format!("{} faults in {}", faults.len(), wanted.path.display());
    Err(Failure::new(Code::BadData, message))
}
