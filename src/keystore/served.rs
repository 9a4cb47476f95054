//! A keystore behind an endpoint: read by many threads without a lock, changed by one at a time.
//!
//! Changes are seen at once, or, if [`ServedOptions::lateness`] says so, as late as at a service of
//! many machines: then the snapshots of that time are kept, and readers see what they make together.
//! [`ServedKeystore::reset_to_seed`] puts everything back to the seed, if there is one, and that is
//! seen at once.
//!
//! The file is open only while changes are written, so that the command line can use the keystore
//! beside a running endpoint. A thread closes it when no change has come for a moment, and looks
//! every now and then whether somebody else has written it; if so it is read anew.

use core::fmt;
use core::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;

use super::error::Error;
use super::ledger::Claim;
use super::material::SealingKey;
use super::seed::Seed;
use super::snapshot::Snapshot;
use super::{ClosedKeystore, Keystore};
use crate::spec::PoolId;
use crate::spec::key_id::Scope;

/// How long the file stays open after a change, and how often it is looked at while it is closed.
const PERIOD: Duration = Duration::from_millis(200);

/// How long a change waits while another process has the file open.
const WAIT: Duration = Duration::from_secs(5);

/// How a keystore is served.
#[derive(Debug, Default)]
pub struct ServedOptions {
    /// How long a change of a key's state, an alias or a grant takes to be seen. What is new is seen
    /// at once.
    pub lateness: Duration,
    /// What [`ServedKeystore::reset_to_seed`] goes back to.
    pub seed: Option<Seed>,
}

/// A keystore and the snapshot that stands for it.
pub struct ServedKeystore {
    shared: Arc<Shared>,
    watcher: Option<JoinHandle<()>>,
}

struct Shared {
    closed: ClosedKeystore,
    scope: Scope,
    options: ServedOptions,
    /// What is seen.
    snapshot: ArcSwap<Snapshot>,
    /// Held while a change is written; never by a reader.
    file: Mutex<File>,
    /// Wakes the watcher when the endpoint ends.
    closing: Condvar,
}

/// The file, open or not.
struct File {
    keystore: Option<Keystore>,
    /// What the keystore was like, and since when; the last is what it is like. All but the first
    /// are younger than the lateness.
    history: Vec<(Instant, Arc<Snapshot>)>,
    /// Whether a change was written since the watcher last looked.
    is_in_use: bool,
    /// What the file was like when it was closed.
    seen: Option<Stamp>,
    is_closing: bool,
}

/// By what another's change is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
}

impl ServedKeystore {
    /// Opens every material and secret of `keystore`, and starts the watcher.
    pub fn new(keystore: Keystore) -> Result<Self, Error> {
        Self::with(keystore, ServedOptions::default())
    }

    /// As [`new`](Self::new), with options.
    pub fn with(keystore: Keystore, options: ServedOptions) -> Result<Self, Error> {
        let snapshot = Arc::new(Snapshot::of(&keystore, &Snapshot::default())?);
        let history = vec![(Instant::now(), Arc::clone(&snapshot))];
        let file =
            File { keystore: None, history, is_in_use: false, seen: None, is_closing: false };
        let shared = Arc::new(Shared {
            closed: keystore.closed(),
            scope: keystore.scope.clone(),
            options,
            snapshot: ArcSwap::new(snapshot),
            file: Mutex::new(File { keystore: Some(keystore), ..file }),
            closing: Condvar::new(),
        });
        let watched = Arc::clone(&shared);
        let watcher = thread::Builder::new()
            .name("keymill-keystore".to_owned())
            .spawn(move || watched.watch())
            .map_err(Error::io("watch", &shared.closed.database()))?;
        Ok(Self { shared, watcher: Some(watcher) })
    }

    /// The keystore's own partition, Region and account.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.shared.scope
    }

    /// The key that seals what leaves the keystore.
    pub(super) fn sealing_key(&self) -> Result<&SealingKey, Error> {
        self.shared.closed.sealing_key()
    }

    /// What time it is for the keystore.
    pub(super) fn now(&self) -> Timestamp {
        self.shared.closed.now()
    }

    /// Everything as of now.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.shared.snapshot.load()
    }

    /// Runs `change` on the keystore as it answers for `scope`. When this returns, what was changed
    /// is on the disk and in the snapshot.
    ///
    /// Blocks while another change is written, and for the disk.
    pub fn change<T>(
        &self,
        scope: &Scope,
        change: impl FnOnce(&mut Keystore) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut file = self.shared.lock();
        let keystore = self.shared.open(&mut file)?;
        keystore.set_scope(scope.clone());
        let outcome = change(keystore);
        self.shared.publish(&mut file)?;
        outcome
    }

    /// Claims records of a sealed pool, as [`Keystore::claim`]. Nothing of that is in a snapshot.
    ///
    /// Blocks while a change is written, and for the disk. The file is left as it is found, open or
    /// closed, however often this is called: other processes may wait for it.
    pub fn claim(&self, id: PoolId, claim: Claim) -> Result<Range<u64>, Error> {
        let mut file = self.shared.lock();
        match &mut file.keystore {
            Some(keystore) => keystore.claim(id, claim),
            None => self.shared.closed.open(WAIT)?.claim(id, claim),
        }
    }

    /// Puts everything back to the seed; false if there is none. When this returns, that is on the
    /// disk and in the snapshot.
    pub fn reset_to_seed(&self) -> Result<bool, Error> {
        let Some(seed) = &self.shared.options.seed else { return Ok(false) };
        let mut file = self.shared.lock();
        let keystore = self.shared.open(&mut file)?;
        keystore.set_scope(self.shared.scope.clone());
        keystore.reset_to_seed(seed)?;
        file.history.clear();
        self.shared.publish(&mut file)?;
        Ok(true)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open keystore.
    fn open<'f>(&self, file: &'f mut File) -> Result<&'f mut Keystore, Error> {
        file.is_in_use = true;
        let keystore = match file.keystore.take() {
            Some(keystore) => keystore,
            None => self.closed.open(WAIT)?,
        };
        Ok(file.keystore.insert(keystore))
    }

    /// Notes the keystore's present state, and shows what is to be seen of it.
    fn publish(&self, file: &mut File) -> Result<(), Error> {
        let Some(keystore) = &file.keystore else { return Ok(()) };
        let nothing = Snapshot::default();
        let previous = file.history.last().map_or(&nothing, |(_, snapshot)| snapshot);
        let snapshot = Arc::new(Snapshot::of(keystore, previous)?);
        file.history.push((Instant::now(), snapshot));
        self.settle(file);
        Ok(())
    }

    /// Forgets what has been replaced for long enough, and shows what is to be seen now.
    fn settle(&self, file: &mut File) {
        let lateness = self.options.lateness;
        let is_settled = |(since, _): &(Instant, _)| since.elapsed() >= lateness;
        let settled = file.history.iter().rposition(is_settled).unwrap_or(0);
        file.history.drain(..settled);
        let history: Vec<_> =
            file.history.iter().map(|(_, snapshot)| Arc::clone(snapshot)).collect();
        let seen = match &history[..] {
            [only] => Some(Arc::clone(only)),
            many => Snapshot::as_seen(many),
        };
        if let Some(seen) = seen {
            self.snapshot.store(seen);
        }
    }

    /// Whether a deletion or rotation is to be done.
    fn is_due(&self) -> bool {
        let now = self.closed.now();
        self.snapshot.load().due_next().is_some_and(|due| due <= now)
    }

    fn catch_up(&self, file: &mut File) -> Result<(), Error> {
        let keystore = self.open(file)?;
        keystore.catch_up()?;
        self.publish(file)
    }

    /// The life of the watching thread.
    fn watch(&self) {
        let mut file = self.lock();
        while !file.is_closing {
            if self.is_due() {
                // What cannot be done now is due again at the next look.
                if self.catch_up(&mut file).is_err() {
                    file.keystore = None;
                }
            } else if file.keystore.is_none() && file.seen != self.stamp() {
                // While another process has the file open, or if it is gone, the snapshot stays.
                if let Ok(keystore) = self.closed.open(Duration::ZERO) {
                    file.keystore = Some(keystore);
                    let _ = self.publish(&mut file);
                }
            } else if !core::mem::take(&mut file.is_in_use) && file.keystore.is_some() {
                file.keystore = None;
                file.seen = self.stamp();
            }
            if file.history.len() > 1 {
                self.settle(&mut file);
            }
            let waited = self.closing.wait_timeout(file, PERIOD);
            file = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        let found = std::fs::metadata(self.closed.database()).ok()?;
        Some(Stamp { modified: found.modified().ok()?, bytes: found.len() })
    }
}

impl Drop for ServedKeystore {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.closing.notify_all();
        if let Some(watcher) = self.watcher.take() {
            // A watcher that panicked has nothing left to end.
            let _ = watcher.join();
        }
        self.shared.lock().keystore = None;
    }
}

impl fmt::Debug for ServedKeystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedKeystore").field("scope", self.scope()).finish_non_exhaustive()
    }
}
