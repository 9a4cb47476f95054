//! One producer: looks where the need is greatest, does one unit of work, looks again.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};

use event_listener::Listener;

use super::Shared;
use super::maker::{MakeError, Maker};
use super::status::ProducerStatus;
use crate::spec::KeyPairSpec;
use crate::sys::clock::thread_nanoseconds;
use crate::sys::counters::Counters;

/// Makes a maker; each producer has its own of every spec.
pub(super) type Make = dyn Fn(KeyPairSpec) -> Result<Box<dyn Maker>, MakeError> + Send + Sync;

/// What a producer tells of itself.
#[derive(Debug, Default)]
pub(super) struct Diary {
    made: AtomicU64,
    cpu_nanoseconds: AtomicU64,
    faults: AtomicU64,
    voluntary_switches: AtomicU64,
    preemptions: AtomicU64,
}

impl Diary {
    /// Notes a step of which `made` pairs came.
    fn note(&self, made: usize, since_warm: Counters) {
        self.made.fetch_add(made as u64, Ordering::Relaxed);
        self.cpu_nanoseconds.store(thread_nanoseconds(), Ordering::Relaxed);
        self.faults.store(since_warm.faults, Ordering::Relaxed);
        self.voluntary_switches.store(since_warm.voluntary_switches, Ordering::Relaxed);
        self.preemptions.store(since_warm.preemptions, Ordering::Relaxed);
    }

    pub(super) fn status(&self) -> ProducerStatus {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        ProducerStatus {
            made: read(&self.made),
            cpu_time: Duration::from_nanos(read(&self.cpu_nanoseconds)),
            since_warm: Counters {
                faults: read(&self.faults),
                voluntary_switches: read(&self.voluntary_switches),
                preemptions: read(&self.preemptions),
            },
        }
    }
}

/// Works until the pools are closed.
pub(super) fn run(shared: &Shared, diary: &Diary, make: &Make) {
    let mut makers: Vec<Option<Box<dyn Maker>>> = shared.stocks.iter().map(|_| None).collect();
    let mut warm = Counters::of_this_thread();
    while !shared.is_stopping() {
        if let Some(number) = shared.neediest() {
            let is_new = makers[number].is_none();
            let made = step(shared, number, &mut makers[number], make);
            let counted = Counters::of_this_thread();
            if is_new {
                warm = counted;
            }
            diary.note(made, counted - warm);
            continue;
        }
        // Listening before looking once more: a need told in between is not missed.
        let listener = shared.need.listen();
        if shared.neediest().is_none() && !shared.is_stopping() {
            listener.wait();
        }
    }
}

/// One unit of work for pool `number`; returns the pairs it finished. A maker that fails or panics is not asked again: it may
/// be wrong about more than this one pair.
fn step(shared: &Shared, number: usize, maker: &mut Option<Box<dyn Maker>>, make: &Make) -> usize {
    let stock = &shared.stocks[number];
    let work = || {
        if !stock.is_open() {
            stock.open().map_err(|error| MakeError::Memory(error.kind()))?;
        }
        match maker {
            Some(maker) => maker.step(stock),
            None => maker.insert(make(stock.spec())?).step(stock),
        }
    };
    let reason = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(made)) => return made,
        Ok(Err(reason)) => reason,
        Err(_) => MakeError::Panicked,
    };
    *maker = None;
    stock.fail(reason);
    0
}
