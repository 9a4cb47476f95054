//! Events on their way from the threads that answer to the one that writes.
//!
//! They lie behind each other in one buffer. The writer takes all of them at once and leaves its own
//! empty buffer, so that no event needs memory of its own, and nobody is woken for one but a writer
//! that has nothing to do.

use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use sha2::Sha256;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::chain::Link;

/// A bounded queue.
#[derive(Debug)]
pub(super) struct Queue {
    /// One for every event that may still come.
    places: Semaphore,
    capacity: usize,
    pending: Mutex<Pending>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    events: Events,
    is_closed: bool,
    /// Whether the writer sleeps until something comes.
    is_awaited: bool,
}

/// Events back to back.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    /// Where each ends, and its hash up to there.
    ends: Vec<(usize, Sha256)>,
}

impl Events {
    /// How many.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each, in the order of their coming.
    pub(super) fn iter(&self) -> impl Iterator<Item = Link<'_>> {
        let starts = core::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        starts
            .zip(&self.ends)
            .map(|(start, (end, hash))| Link { open: &self.bytes[start..*end], hash: hash.clone() })
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, event: Link<'_>) {
        self.bytes.extend_from_slice(event.open);
        self.ends.push((self.bytes.len(), event.hash));
    }
}

/// The place of one event; given back if nothing is put there.
#[derive(Debug)]
pub(super) struct FreePlace<'a> {
    queue: &'a Queue,
    permit: SemaphorePermit<'a>,
}

impl Queue {
    /// A queue with so many places.
    pub(super) fn new(capacity: usize) -> Self {
        let (pending, arrived) = (Mutex::default(), Condvar::new());
        Self { places: Semaphore::new(capacity), capacity, pending, arrived }
    }

    /// A place, if there is one at once.
    pub(super) fn try_place(&self) -> Option<FreePlace<'_>> {
        self.places.try_acquire().ok().map(|permit| FreePlace { queue: self, permit })
    }

    /// A place, as soon as there is one; none if nobody writes any more.
    pub(super) async fn place(&self) -> Option<FreePlace<'_>> {
        self.places.acquire().await.ok().map(|permit| FreePlace { queue: self, permit })
    }

    /// Events that are not written yet, and calls that will be.
    pub(super) fn occupied(&self) -> usize {
        self.capacity - self.places.available_permits()
    }

    /// No more will come.
    pub(super) fn close(&self) {
        self.pending().is_closed = true;
        self.arrived.notify_one();
    }

    /// Moves all that has come into `events`, which is empty; waits for it, but no longer than
    /// `patience`. Returns whether more may come.
    pub(super) fn take(&self, events: &mut Events, patience: Option<Duration>) -> bool {
        let mut pending = self.pending();
        if pending.events.len() == 0 && !pending.is_closed {
            pending.is_awaited = true;
            pending = match patience {
                None => self.arrived.wait(pending).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let waited = self.arrived.wait_timeout(pending, patience);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            pending.is_awaited = false;
        }
        core::mem::swap(&mut pending.events, events);
        !pending.is_closed
    }

    /// Makes room for as many events as were written.
    pub(super) fn free(&self, events: usize) {
        self.places.add_permits(events);
    }

    /// There is nobody any more to write what comes.
    pub(super) fn abandon(&self) {
        self.places.close();
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FreePlace<'_> {
    /// Puts an event there.
    pub(super) fn put(self, event: Link<'_>) {
        self.permit.forget();
        let mut pending = self.queue.pending();
        pending.events.push(event);
        if pending.is_awaited {
            self.queue.arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_its_event_is_written_or_never_came() {
        let queue = Queue::new(2);
        let (first, second) = (queue.try_place().unwrap(), queue.try_place().unwrap());
        assert!(queue.try_place().is_none());
        first.put(Link::of(b"one"));
        drop(second);
        queue.try_place().unwrap().put(Link::of(b"two"));
        assert!(queue.try_place().is_none());
        let mut events = Events::default();
        assert!(queue.take(&mut events, None));
        assert!(events.iter().map(|event| event.open).eq([b"one", b"two"]));
        assert_eq!((queue.occupied(), queue.try_place().is_none()), (2, true));
        queue.free(events.len());
        assert_eq!(queue.occupied(), 0);
        events.clear();
        assert!(queue.take(&mut events, Some(Duration::ZERO)));
        assert_eq!(events.len(), 0);
    }

    #[test]
    fn a_writer_that_sleeps_is_woken_by_an_event_and_by_the_end() {
        let queue = Queue::new(1);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let (mut all, mut events) = (Vec::new(), Events::default());
                loop {
                    let is_open = queue.take(&mut events, None);
                    all.extend(events.iter().map(|event| event.open.to_vec()));
                    queue.free(events.len());
                    events.clear();
                    if !is_open {
                        return all;
                    }
                }
            });
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for event in [b"one", b"two"] {
                runtime.block_on(queue.place()).unwrap().put(Link::of(event));
            }
            // All places free: both were taken.
            runtime.block_on(queue.places.acquire()).unwrap().forget();
            queue.close();
            assert_eq!(writer.join().unwrap(), [b"one", b"two"]);
        });
        queue.abandon();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(queue.place()).is_none());
    }
}
