//! The files behind a path: one file, or the parts in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use keymill::pipeline::sink::arrow::PartFile;

use crate::failure::{Code, Failure};

/// Opens the file at `path`, or all `.arrow` files below the folder `path`, in order of name.
pub fn open(path: &Path) -> Result<Vec<PartFile>, Failure> {
    let mut paths = Vec::new();
    if path.is_dir() {
        collect(path, &mut paths)?;
        paths.sort();
        if paths.is_empty() {
            let message = format!("{} holds no .arrow file", path.display());
            return Err(Failure::new(Code::NoInput, message));
        }
    } else {
        paths.push(path.to_owned());
    }
    paths.iter().map(|path| Ok(PartFile::open(path)?)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failure =
        |error| Failure::new(Code::Io, format!("cannot read {}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        let path = entry.path();
        // Links are not followed, so that no folder is walked twice.
        if entry.file_type().map_err(failure)?.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "arrow") {
            paths.push(path);
        }
    }
    Ok(())
}

/// The part that holds row `row` of all `parts`, and the row within it.
pub fn find_row(parts: &[PartFile], row: u64) -> Result<(&PartFile, u64), Failure> {
    let mut first = 0;
    for part in parts {
        if row < first + part.rows() {
            return Ok((part, row - first));
        }
        first += part.rows();
    }
    Err(Failure::new(Code::Usage, format!("no row {row}; there are {first}, counted from 0")))
}
