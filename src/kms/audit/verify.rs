//! Checking a log: does every line follow the one before it?

use core::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::{Break, Chain};
use super::files;
use super::{AuditError, Head};
use crate::kms::hex::parse_hex;

/// What was found.
#[derive(Debug)]
pub enum Verification {
    /// Every line follows the one before it.
    Whole(Report),
    /// One does not.
    Broken(Fault),
}

/// A log that is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Number of files.
    pub files: u64,
    /// Number of the first file; those before it are not there.
    pub first_file: u64,
    /// Number of lines.
    pub lines: u64,
    /// How many of them are calls.
    pub calls: u64,
    /// Files that a crash ended. What stood in the queue then is lost.
    pub unclean_ends: u64,
    /// Whether the last file was ended, or is being written.
    pub is_ended: bool,
    /// Hash of the last line.
    pub head: String,
}

/// The first line that does not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its file.
    pub path: PathBuf,
    /// Its number in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: Break,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.path.display(), self.line, self.what)
    }
}

/// What is looked at in the lines that open and end a file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Mark {
    event_name: String,
    event_type: String,
    additional_event_data: MarkData,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MarkData {
    file: u64,
    previous_hash: String,
}

/// Follows the log in `folder` from its first file to its last line; `progress` is told the bytes
/// that are done. The last line of the last file may be unfinished: it is being written, or was when
/// a crash came.
pub fn verify(folder: &Path, mut progress: impl FnMut(u64)) -> Result<Verification, AuditError> {
    let files = files::list(folder)?;
    let mut report = Report { is_ended: true, ..Report::default() };
    report.first_file = files.first().map_or(0, |(number, _)| *number);
    let mut chain = Chain::default();
    for (at, (number, path)) in files.iter().enumerate() {
        report.unclean_ends += u64::from(!report.is_ended);
        report.files += 1;
        let is_last = at + 1 == files.len();
        let mut file = Following { path, number: *number, line: 0, is_ended: false };
        let start = if at == 0 { Start::Anywhere } else { Start::Here };
        let end = file.follow(&mut chain, start, is_last, &mut report, &mut progress)?;
        if let Some(what) = end {
            return Ok(Verification::Broken(Fault { path: path.clone(), line: file.line, what }));
        }
        report.is_ended = file.is_ended;
    }
    report.lines = chain.lines;
    report.head = Head { lines: chain.lines, hash: chain.hash }.to_string();
    Ok(Verification::Whole(report))
}

/// Where a file may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Where it says: files before it may have been put away.
    Anywhere,
    /// Where the one before it ended.
    Here,
}

/// One file on the way through it.
struct Following<'a> {
    path: &'a Path,
    number: u64,
    line: u64,
    is_ended: bool,
}

impl Following<'_> {
    fn follow(
        &mut self,
        chain: &mut Chain,
        start: Start,
        is_last: bool,
        report: &mut Report,
        progress: &mut impl FnMut(u64),
    ) -> Result<Option<Break>, AuditError> {
        let file = File::open(self.path).map_err(AuditError::io(self.path))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let bytes = reader.read_until(b'\n', &mut line).map_err(AuditError::io(self.path))?;
            progress(bytes as u64);
            match line.pop() {
                None => return Ok(None),
                Some(b'\n') => {}
                Some(_) if is_last => return Ok(None),
                Some(_) => return Ok(Some(Break::Form)),
            }
            self.line += 1;
            if let Err(what) = self.follow_line(&line, chain, start, report) {
                return Ok(Some(what));
            }
        }
    }

    fn follow_line(
        &mut self,
        line: &[u8],
        chain: &mut Chain,
        start: Start,
        report: &mut Report,
    ) -> Result<(), Break> {
        // Calls are by far the most, and need no look inside.
        let mark = Mark::of(line);
        if self.line == 1 {
            let opening = mark.as_ref().filter(|mark| mark.event_name == "AuditFileOpened");
            let data = &opening.ok_or(Break::Opening)?.additional_event_data;
            let before = parse_hex(data.previous_hash.as_bytes()).ok_or(Break::Opening)?;
            if start == Start::Anywhere && self.number > 1 {
                let behind = Chain::behind(line).ok_or(Break::Form)?;
                *chain = Chain { lines: behind.lines - 1, hash: before };
            }
            if data.file != self.number || before != chain.hash {
                return Err(Break::Opening);
            }
        }
        // Nothing stands behind the line that ends a file.
        if self.is_ended {
            return Err(Break::Form);
        }
        chain.follow(line)?;
        report.calls += u64::from(mark.is_none());
        self.is_ended = mark.is_some_and(|mark| mark.event_name == "AuditFileClosed");
        Ok(())
    }
}

impl Mark {
    /// What a line says, if it is one of the log's own.
    fn of(line: &[u8]) -> Option<Self> {
        const OWN: &[u8] = br#""eventSource":"keymill""#;
        // It stands near the front, where nothing that a client sent can be.
        let head = &line[..line.len().min(128)];
        let is_own = head.windows(OWN.len()).any(|part| part == OWN);
        let mark = is_own.then(|| serde_json::from_slice::<Self>(line).ok()).flatten();
        mark.filter(|mark| mark.event_type == "AwsServiceEvent")
    }
}
