//! `Signal`: a count that one side advances and the other watches, asleep or not.
//!
//! The side that announces stores the count and then asks whether it is awaited; the side that
//! watches says that it awaits and then looks at the count again. Between the two steps of each
//! stands a fence, so that one of them sees the other: no announcement goes unheard, and nobody
//! calls the kernel while the other side is awake. What was written before an announcement is seen
//! by whoever has seen the count.

use core::sync::atomic::{AtomicU32, Ordering, fence};
use core::time::Duration;
use std::sync::OnceLock;

use crate::limits::DOOR_SPIN;
use crate::sys::affinity::allowed_cores;
use crate::sys::clock::nanoseconds;
use crate::sys::shared_memory;

/// The two words of a direction, and how to sleep on the first.
pub(super) trait Signal {
    /// The count, and with it all that was written before it.
    fn count(&self) -> u32;
    /// Sets the count, after all that was written before.
    fn set_count(&self, count: u32);
    /// Whether somebody says to be waiting.
    fn is_awaited(&self) -> bool;
    /// Says whether this side is waiting.
    fn set_awaited(&self, is_awaited: bool);
    /// Keeps what comes after from being done before what comes before.
    fn fence(&self);
    /// Sleeps while the count is `seen`, at most so long.
    fn sleep(&self, seen: u32, patience: Duration);
    /// Wakes who sleeps.
    fn wake(&self);
}

/// Lets the other side know of `count`; returns whether it had to be woken.
pub(super) fn announce(signal: &impl Signal, count: u32) -> bool {
    signal.set_count(count);
    signal.fence();
    let is_awaited = signal.is_awaited();
    if is_awaited {
        signal.wake();
    }
    is_awaited
}

/// The count once it is another than `seen`, or after a while all the same: looks as long as
/// `may_spin` allows, and then sleeps, at most `patience`.
pub(super) fn watch(
    signal: &impl Signal,
    seen: u32,
    mut may_spin: impl FnMut() -> bool,
    patience: Duration,
) -> u32 {
    loop {
        let count = signal.count();
        if count != seen {
            return count;
        }
        if !may_spin() {
            break;
        }
    }
    signal.set_awaited(true);
    signal.fence();
    if signal.count() == seen {
        signal.sleep(seen, patience);
    }
    signal.set_awaited(false);
    signal.count()
}

/// When to spin before sleeping.
///
/// To spin pays if news comes within microseconds. If it does not, the core is taken from who
/// should bring it: the scheduler likes to put a woken thread where its waker runs. So each spin
/// that was in vain lets twice as many waits go by before the next, and one that paid is followed
/// by another.
#[derive(Debug, Default)]
pub(super) struct Spinning {
    in_vain: u32,
    skipped: u32,
}

impl Spinning {
    /// As [`watch`], after a spin of [`spin_time`] if one may pay.
    pub(super) fn watch(&mut self, signal: &impl Signal, seen: u32, patience: Duration) -> u32 {
        if self.skipped + 1 < 1 << self.in_vain {
            self.skipped += 1;
            return watch(signal, seen, || false, patience);
        }
        let mut is_spent = false;
        let mut may_spin = spin_for(spin_time());
        let count = watch(
            signal,
            seen,
            || {
                is_spent = !may_spin();
                !is_spent
            },
            patience,
        );
        self.skipped = 0;
        self.in_vain = if is_spent { (self.in_vain + 1).min(IN_VAIN_MAX) } else { 0 };
        count
    }
}

/// At most 2 to this many waits go by between two spins.
const IN_VAIN_MAX: u32 = 8;

/// How long a side looks for news before it sleeps: not at all where the other side could not run
/// meanwhile.
pub(super) fn spin_time() -> Duration {
    static CORES: OnceLock<usize> = OnceLock::new();
    if *CORES.get_or_init(|| allowed_cores().len()) > 1 { DOOR_SPIN } else { Duration::ZERO }
}

/// A signal whose words lie in shared memory.
pub(super) struct SharedSignal<'m> {
    pub(super) count: &'m AtomicU32,
    pub(super) awaited: &'m AtomicU32,
}

impl Signal for SharedSignal<'_> {
    fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    fn set_count(&self, count: u32) {
        self.count.store(count, Ordering::Release);
    }

    fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed) != 0
    }

    fn set_awaited(&self, is_awaited: bool) {
        self.awaited.store(is_awaited.into(), Ordering::Relaxed);
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn sleep(&self, seen: u32, patience: Duration) {
        shared_memory::wait(self.count, seen, patience);
    }

    fn wake(&self) {
        shared_memory::wake(self.count);
    }
}

/// Allows to look again and again for `time`.
pub(super) fn spin_for(time: Duration) -> impl FnMut() -> bool {
    let mut begun = None;
    move || {
        for _ in 0..16 {
            core::hint::spin_loop();
        }
        let now = nanoseconds();
        u128::from(now - *begun.get_or_insert(now)) < time.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use loom::sync::atomic::{AtomicU32, Ordering, fence};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::*;

    /// A direction with one slot of payload. The kernel compares and queues under one lock.
    struct Model {
        count: AtomicU32,
        awaited: AtomicU32,
        payload: AtomicU32,
        kernel: Mutex<()>,
        queue: Condvar,
    }

    impl Model {
        fn new() -> Self {
            Self {
                count: AtomicU32::new(0),
                awaited: AtomicU32::new(0),
                payload: AtomicU32::new(0),
                kernel: Mutex::new(()),
                queue: Condvar::new(),
            }
        }
    }

    impl Signal for Model {
        fn count(&self) -> u32 {
            self.count.load(Ordering::Acquire)
        }

        fn set_count(&self, count: u32) {
            self.count.store(count, Ordering::Release);
        }

        fn is_awaited(&self) -> bool {
            self.awaited.load(Ordering::Relaxed) != 0
        }

        fn set_awaited(&self, is_awaited: bool) {
            self.awaited.store(is_awaited.into(), Ordering::Relaxed);
        }

        fn fence(&self) {
            fence(Ordering::SeqCst);
        }

        /// Without an end to its patience: a lost wake-up is a deadlock, which the model finds.
        fn sleep(&self, seen: u32, _: Duration) {
            let queued = self.kernel.lock().unwrap();
            if self.count.load(Ordering::Relaxed) == seen {
                drop(self.queue.wait(queued).unwrap());
            }
        }

        fn wake(&self) {
            let _queued = self.kernel.lock().unwrap();
            self.queue.notify_all();
        }
    }

    /// Sends `numbers` through `requests` and hears each of them, doubled, from `responses`.
    fn exchange(requests: &Model, responses: &Model, numbers: u32) {
        for number in 0..numbers {
            requests.payload.store(number + 10, Ordering::Relaxed);
            announce(requests, number + 1);
            let mut count = number;
            while count == number {
                count = watch(responses, number, || false, Duration::ZERO);
            }
            assert_eq!(count, number + 1);
            assert_eq!(responses.payload.load(Ordering::Relaxed), 2 * (number + 10));
        }
    }

    fn answer(requests: &Model, responses: &Model, numbers: u32) {
        for number in 0..numbers {
            while watch(requests, number, || false, Duration::ZERO) == number {}
            let asked = requests.payload.load(Ordering::Relaxed);
            responses.payload.store(2 * asked, Ordering::Relaxed);
            announce(responses, number + 1);
        }
    }

    #[test]
    fn in_every_order_each_request_is_heard_and_each_answer_seen() {
        const NUMBERS: u32 = 2;
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let (requests, responses) = (Arc::new(Model::new()), Arc::new(Model::new()));
            let (theirs, ours) = (Arc::clone(&requests), Arc::clone(&responses));
            let server = thread::spawn(move || answer(&theirs, &ours, NUMBERS));
            exchange(&requests, &responses, NUMBERS);
            server.join().unwrap();
        });
    }
}
