//! The files of a log: `audit-000001.jsonl` and so on, in a folder that one process writes to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use super::AuditError;
use super::chain::Chain;
use crate::sys::append::AppendFile;
use crate::sys::file::LockedFile;

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// A folder of which this process holds the lock.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: LockedFile,
}

impl Folder {
    /// Opens or makes the folder, and keeps others from writing there.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(AuditError::io(path))?;
        let lock_path = path.join("lock");
        match LockedFile::open_exclusive(&lock_path) {
            Ok(lock) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(AuditError::Busy(path.to_owned()))
            }
            Err(error) => Err(AuditError::Io(lock_path, error)),
        }
    }

    /// The number of the last file and the end of its chain; a line that a crash left unfinished is
    /// cut off first, for it was never whole.
    pub(super) fn end(&self) -> Result<(u64, Chain), AuditError> {
        for (number, path) in list(&self.path)?.into_iter().rev() {
            if let Some(chain) = mend(&path)? {
                return Ok((number, chain));
            }
        }
        Ok((0, Chain::default()))
    }

    /// A new file.
    pub(super) fn create(&self, number: u64) -> Result<(PathBuf, AppendFile), AuditError> {
        let path = self.path.join(format!("{PREFIX}{number:06}{SUFFIX}"));
        let file = AppendFile::create(&path).map_err(AuditError::io(&path))?;
        let synced = File::open(&self.path).and_then(|folder| folder.sync_all());
        synced.map_err(AuditError::io(&self.path))?;
        Ok((path, file))
    }
}

/// The files of the log in `folder` with their numbers, in order.
pub(super) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, AuditError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(AuditError::io(folder))? {
        let entry = entry.map_err(AuditError::io(folder))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            files.push((number, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Cuts an unfinished line off the end of a file; the end of the chain if there is a line at all. A
/// file without one is removed.
fn mend(path: &Path) -> Result<Option<Chain>, AuditError> {
    let io = || AuditError::io(path);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(io())?;
    let bytes = file.metadata().map_err(io())?.len();
    let whole = last_newline(&file, bytes).map_err(io())?.map_or(0, |at| at + 1);
    if whole == 0 {
        fs::remove_file(path).map_err(io())?;
        return Ok(None);
    }
    if whole < bytes {
        file.set_len(whole).and_then(|()| file.sync_all()).map_err(io())?;
    }
    let start = last_newline(&file, whole - 1).map_err(io())?.map_or(0, |at| at + 1);
    let length =
        usize::try_from(whole - 1 - start).map_err(|_| AuditError::NotALog(path.into()))?;
    let mut line = vec![0; length];
    file.read_exact_at(&mut line, start).map_err(io())?;
    Chain::behind(&line).map(Some).ok_or_else(|| AuditError::NotALog(path.to_owned()))
}

/// Where the last newline before `end` stands.
fn last_newline(file: &File, end: u64) -> std::io::Result<Option<u64>> {
    let mut block = [0; 8192];
    let mut end = end;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..usize::try_from(end - start).unwrap_or_default()];
        file.read_exact_at(block, start)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}
