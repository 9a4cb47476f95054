//! The audit log: every call of a known caller, as CloudTrail would show it.
//!
//! One event is one line of JSON, in files that follow each other (`audit-000001.jsonl`, ...). Each
//! line ends with its number and the hash of everything up to it, so that [`verify`] finds what was
//! changed, left out or put in between. Whoever can write the files can make a whole new chain: what
//! they cannot do is to leave the last hash as it was noted elsewhere.
//!
//! ```text
//! event     what happened, without anything secret     on the thread that answers
//! scribe    the event as a line of JSON, hashed
//! queue     bounded; a call waits for its place in it before the work begins
//! writer    chain, file, rotation                      one thread
//! ```
//!
//! A clean stop writes everything. If the process is killed, what stands in the queue is lost, and the
//! lines on the last page of the file while it is not full: [`AUDIT_QUEUE_EVENTS`] and a few at most,
//! some milliseconds' worth where the disk keeps up. A power cut loses one second more
//! ([`AUDIT_SYNC`]). While the disk takes nothing, calls are refused; a call whose event has no place is
//! not made.

mod chain;
mod event;
mod files;
mod json;
mod parameters;
mod queue;
mod scribe;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::time::timeout;

pub use chain::Break;
pub(super) use event::{End, Event, Noted, TlsDetails};
pub(super) use scribe::Scribe;
pub use verify::{Fault, Report, Verification, verify};

use super::error::Error;
use crate::limits::{AUDIT_FILE_BYTES_DEFAULT, AUDIT_PLACE_WAIT, AUDIT_QUEUE_EVENTS};
use crate::sys::clock;
use files::Folder;
use queue::{FreePlace, Queue};
use writer::Writer;

#[expect(unused_imports, reason = "named in the documentation above")]
use crate::limits::AUDIT_SYNC;

/// Where the log is written, and in what pieces.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// The folder; it is made if it is not there.
    pub folder: PathBuf,
    /// The size at which a file is followed by another, in bytes.
    pub file_bytes: u64,
}

impl AuditOptions {
    /// The defaults in `folder`.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder, file_bytes: AUDIT_FILE_BYTES_DEFAULT }
    }
}

/// A log that is being written.
pub struct Audit {
    queue: Arc<Queue>,
    state: Arc<State>,
    writer: Mutex<Option<JoinHandle<Result<Head, AuditError>>>>,
}

/// What is known of the writer while it writes.
#[derive(Debug, Default)]
struct State {
    events: AtomicU64,
    failures: AtomicU64,
    is_failing: AtomicBool,
    is_stopping: AtomicBool,
}

/// The end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of lines, those of the files' openings and endings among them.
    pub lines: u64,
    /// Hash of all of them.
    pub hash: [u8; 32],
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Audit {
    /// Opens a new file behind those in the folder, and starts the writer.
    pub fn start(options: &AuditOptions) -> Result<Self, AuditError> {
        let folder = Folder::open(&options.folder)?;
        let state = Arc::<State>::default();
        let writer = Writer::open(folder, options.file_bytes, Arc::clone(&state))?;
        let queue = Arc::new(Queue::new(AUDIT_QUEUE_EVENTS));
        let received = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("keymill-audit".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|error| AuditError::Io(options.folder.clone(), error))?;
        Ok(Self { queue, state, writer: Mutex::new(Some(thread)) })
    }

    /// A place for one event. Without it a call must not be made.
    pub(super) async fn place(&self) -> Result<Place<'_>, Error> {
        if self.state.is_failing.load(Ordering::Relaxed) {
            return Err(Error::internal());
        }
        if let Some(place) = self.queue.try_place() {
            return Ok(Place(place));
        }
        let place = timeout(AUDIT_PLACE_WAIT, self.queue.place()).await;
        place.ok().flatten().map(Place).ok_or_else(Error::internal)
    }

    /// Events that left the queue, those in it, failed attempts to write, and whether the last one was.
    pub(super) fn status(&self) -> AuditStatus {
        AuditStatus {
            events: self.state.events.load(Ordering::Relaxed),
            queued: self.queue.occupied(),
            failures: self.state.failures.load(Ordering::Relaxed),
            is_failing: self.state.is_failing.load(Ordering::Relaxed),
        }
    }

    /// Writes what is left, ends the file, and says where the log ends. To be called when no call is
    /// under way any more.
    pub fn stop(&self) -> Result<Option<Head>, AuditError> {
        self.state.is_stopping.store(true, Ordering::Release);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = writer.take() else { return Ok(None) };
        self.queue.close();
        writer.join().map_or(Err(AuditError::Panicked), |head| head.map(Some))
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        // Whoever wants to know the end calls `stop`.
        let _ = self.stop();
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("state", &self.state).finish_non_exhaustive()
    }
}

/// The place of one event in the queue.
pub(super) struct Place<'a>(FreePlace<'a>);

impl Place<'_> {
    /// Puts `event` there, as `scribe` writes it.
    pub(super) fn fill(self, event: &Event<'_>, scribe: &mut Scribe) {
        self.0.put(scribe.link(event, clock::wall_second()));
    }
}

/// How the log is doing.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuditStatus {
    pub(super) events: u64,
    pub(super) queued: usize,
    pub(super) failures: u64,
    pub(super) is_failing: bool,
}

/// Why there is no log, or no more of it.
#[derive(Debug)]
pub enum AuditError {
    /// Another process writes there.
    Busy(PathBuf),
    /// A file ends in a line that is none of a chain.
    NotALog(PathBuf),
    /// A file or folder cannot be read or written.
    Io(PathBuf, io::Error),
    /// The writer ended where it must not.
    Panicked,
}

impl AuditError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Io(path, error)
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(path) => {
                write!(f, "{}: another process writes its audit log there", path.display())
            }
            Self::NotALog(path) => write!(
                f,
                "{}: does not end as an audit log does; choose another folder, or see keymill \
                 audit verify",
                path.display()
            ),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Panicked => f.write_str("the writer of the audit log ended where it must not"),
        }
    }
}

impl core::error::Error for AuditError {}
