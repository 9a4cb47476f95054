//! The thread that writes the log.

use core::sync::atomic::Ordering;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::chain::{Chain, Link};
use super::files::Folder;
use super::queue::{Events, Queue};
use super::{AuditError, Head, State};
use crate::kms::hex::push_hex;
use crate::limits::{AUDIT_SYNC, STOP_SECONDS_MAX};
use crate::sys::append::AppendFile;

/// How long events gather before they are written: a busy thread wakes nobody for each, and what
/// comes at once is worth a way past the page cache.
const GATHER: Duration = Duration::from_millis(8);

/// Between attempts to write where the disk takes nothing.
const RETRY: Duration = Duration::from_millis(100);

/// What writes.
#[derive(Debug)]
pub(super) struct Writer {
    folder: Folder,
    path: PathBuf,
    file: AppendFile,
    number: u64,
    file_bytes: u64,
    chain: Chain,
    /// Since when something is written that may not be on the disk.
    unsynced_since: Option<Instant>,
    state: Arc<State>,
}

/// Why a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Because {
    Full,
    Stopped,
}

impl Writer {
    /// Begins a new file behind those of the folder.
    pub(super) fn open(
        folder: Folder,
        file_bytes: u64,
        state: Arc<State>,
    ) -> Result<Self, AuditError> {
        let (last, chain) = folder.end()?;
        let number = last + 1;
        let (path, file) = folder.create(number)?;
        let unsynced_since = None;
        let mut writer =
            Self { folder, path, file, number, file_bytes, chain, unsynced_since, state };
        let mut line = Vec::new();
        let before = writer.chain;
        writer.chain.append(Link::of(&writer.opening(&before)), &mut line);
        writer.write(&line)?;
        writer.sync()?;
        Ok(writer)
    }

    /// Writes what comes, until the queue is closed.
    pub(super) fn run(self, queue: &Queue) -> Result<Head, AuditError> {
        let head = self.write_all(queue);
        // Whoever still waits for a place is told that there will be none.
        queue.abandon();
        head
    }

    fn write_all(mut self, queue: &Queue) -> Result<Head, AuditError> {
        let (mut events, mut lines) = (Events::default(), Vec::new());
        loop {
            let until_sync =
                self.unsynced_since.map(|since| AUDIT_SYNC.checked_sub(since.elapsed()));
            if until_sync == Some(None) {
                self.insist(Self::sync)?;
                continue;
            }
            // Nothing that came before waits longer than it takes for more to come.
            let patience =
                if self.file.is_settled() { until_sync.flatten() } else { Some(Duration::ZERO) };
            let is_open = queue.take(&mut events, patience);
            events.iter().for_each(|event| self.chain.append(event, &mut lines));
            if lines.is_empty() {
                self.insist(Self::settle)?;
            } else {
                self.insist(|writer| writer.write(&lines))?;
            }
            self.state.events.fetch_add(events.len() as u64, Ordering::Relaxed);
            queue.free(events.len());
            events.clear();
            lines.clear();
            if !is_open {
                return self.end();
            }
            if self.file.bytes() >= self.file_bytes {
                self.rotate()?;
            }
            sleep(GATHER);
        }
    }

    /// Ends the log.
    fn end(mut self) -> Result<Head, AuditError> {
        self.close(Because::Stopped)?;
        Ok(Head { lines: self.chain.lines, hash: self.chain.hash })
    }

    /// Ends this file and begins the next.
    fn rotate(&mut self) -> Result<(), AuditError> {
        self.close(Because::Full)?;
        let number = self.number + 1;
        self.insist(|writer| {
            let (path, file) = writer.folder.create(number)?;
            (writer.path, writer.file, writer.number) = (path, file, number);
            Ok(())
        })?;
        let (before, mut line) = (self.chain, Vec::new());
        self.chain.append(Link::of(&self.opening(&before)), &mut line);
        self.insist(|writer| writer.write(&line))
    }

    fn close(&mut self, because: Because) -> Result<(), AuditError> {
        let because = match because {
            Because::Full => "full",
            Because::Stopped => "stopped",
        };
        let event = self.event("AuditFileClosed", &format!(r#""because":"{because}""#));
        let mut line = Vec::new();
        self.chain.append(Link::of(&event), &mut line);
        self.insist(|writer| writer.write(&line))?;
        self.insist(Self::sync)
    }

    /// The first line of a file.
    fn opening(&self, before: &Chain) -> Vec<u8> {
        let mut hash = Vec::with_capacity(64);
        push_hex(&before.hash, &mut hash);
        let hash = String::from_utf8_lossy(&hash);
        let data = format!(r#""previousHash":"{hash}","version":"{}""#, env!("CARGO_PKG_VERSION"));
        self.event("AuditFileOpened", &data)
    }

    /// An event of the log itself.
    fn event(&self, name: &str, data: &str) -> Vec<u8> {
        let (time, number) = (Timestamp::now(), self.number);
        format!(
            r#"{{"eventVersion":"1.11","eventTime":"{time:.0}","eventSource":"keymill","eventName":"{name}","additionalEventData":{{"file":{number},{data}}},"readOnly":true,"eventType":"AwsServiceEvent","managementEvent":true,"eventCategory":"Management"}}"#
        )
        .into_bytes()
    }

    /// Writes `lines` behind the others. Nothing stands there before all of it does: an attempt that
    /// failed is written over by the next.
    fn write(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        self.file.append(lines).map_err(AuditError::io(&self.path))?;
        self.unsynced_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn settle(&mut self) -> Result<(), AuditError> {
        self.file.settle().map_err(AuditError::io(&self.path))
    }

    fn sync(&mut self) -> Result<(), AuditError> {
        self.file.sync().map_err(AuditError::io(&self.path))?;
        self.unsynced_since = None;
        Ok(())
    }

    /// Tries again until it succeeds or the endpoint has been stopping for too long. Meanwhile no
    /// call is made.
    fn insist(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let mut given_up_at = None;
        loop {
            let Err(error) = attempt(self) else {
                self.state.is_failing.store(false, Ordering::Relaxed);
                return Ok(());
            };
            self.state.is_failing.store(true, Ordering::Relaxed);
            self.state.failures.fetch_add(1, Ordering::Relaxed);
            if self.state.is_stopping.load(Ordering::Acquire) {
                let patience = Duration::from_secs(STOP_SECONDS_MAX);
                let end = *given_up_at.get_or_insert_with(|| Instant::now() + patience);
                if Instant::now() >= end {
                    return Err(error);
                }
            }
            sleep(RETRY);
        }
    }
}
