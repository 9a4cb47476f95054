//! A small stock of ready key pairs per spec, kept full by one thread with engines of its own.
//!
//! Engines make keys many at a time, calls take them one by one. A spec is stocked from its first
//! use on; of those in use the emptiest is filled first.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};

use crossbeam_queue::ArrayQueue;

use crate::crypto::KeyPairBatch;
use crate::pipeline::source::KeyPairSource;
use crate::pipeline::take::{Supply, TakeError};
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;

/// A stock and the thread that fills it; dropping it ends both.
pub struct Stock {
    shelves: Arc<Shelves>,
    filler: Option<JoinHandle<()>>,
}

/// One shelf a spec, in the order of [`KeyPairSpec::ALL`].
struct Shelves {
    shelves: Vec<Shelf>,
    closing: AtomicBool,
}

struct Shelf {
    spec: KeyPairSpec,
    /// Batches of one pair each.
    ready: ArrayQueue<KeyPairBatch>,
    /// Set by the first taker.
    in_use: AtomicBool,
    /// Tasks to wake when a batch was put in. Touched only when the shelf is empty.
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    wakers: Vec<Waker>,
    /// Why the last attempt to fill the shelf failed; told to one taker.
    failed: Option<TakeError>,
}

impl Stock {
    /// Starts the thread. Nothing is made before it is asked for.
    pub fn start(backend: Backend) -> std::io::Result<Self> {
        let shelves = KeyPairSpec::ALL.map(Shelf::new).into();
        let shelves = Arc::new(Shelves { shelves, closing: AtomicBool::new(false) });
        let filled = Arc::clone(&shelves);
        let filler = thread::Builder::new()
            .name("keymill-stock".to_owned())
            .spawn(move || filled.keep_full(backend))?;
        Ok(Self { shelves, filler: Some(filler) })
    }

    fn filler(&self) -> Option<&Thread> {
        self.filler.as_ref().map(JoinHandle::thread)
    }
}

impl KeyPairSource for Stock {
    fn poll_take(
        &self,
        spec: KeyPairSpec,
        context: &mut Context<'_>,
    ) -> Poll<Result<KeyPairBatch, TakeError>> {
        let shelf = &self.shelves.shelves[usize::from(spec.code()) - 1];
        let taken = shelf.poll_take(context);
        if shelf.is_low() {
            self.filler().inspect(|filler| filler.unpark());
        }
        taken
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.shelves.closing.store(true, Ordering::Release);
        if let Some(filler) = self.filler.take() {
            filler.thread().unpark();
            // A filler that panicked has nothing left to end.
            let _ = filler.join();
        }
    }
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stock").finish_non_exhaustive()
    }
}

impl Shelves {
    /// The life of the filling thread.
    fn keep_full(&self, backend: Backend) {
        let mut supplies: Vec<Option<Supply>> = KeyPairSpec::ALL.map(|_| None).into();
        while !self.closing.load(Ordering::Acquire) {
            let wanted = self.shelves.iter().zip(&mut supplies);
            let wanted = wanted.filter(|(shelf, _)| shelf.has_room());
            match wanted.min_by_key(|(shelf, _)| shelf.fill_permille()) {
                Some((shelf, supply)) => shelf.fill(supply, backend),
                None => thread::park(),
            }
        }
    }
}

impl Shelf {
    fn new(spec: KeyPairSpec) -> Self {
        let (ready, in_use, waiting) =
            (ArrayQueue::new(shelf_pairs(spec)), AtomicBool::new(false), Mutex::default());
        Self { spec, ready, in_use, waiting }
    }

    fn poll_take(&self, context: &mut Context<'_>) -> Poll<Result<KeyPairBatch, TakeError>> {
        if let Some(batch) = self.ready.pop() {
            return Poll::Ready(Ok(batch));
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = waiting.failed.take() {
            return Poll::Ready(Err(error));
        }
        waiting.wakers.push(context.waker().clone());
        self.in_use.store(true, Ordering::Release);
        drop(waiting);
        // A batch that came between the first look and the registration has woken nobody.
        self.ready.pop().map_or(Poll::Pending, |batch| Poll::Ready(Ok(batch)))
    }

    fn is_low(&self) -> bool {
        self.ready.len() <= self.ready.capacity() / 2
    }

    /// Whether a whole batch fits, and anybody wants one.
    fn has_room(&self) -> bool {
        let room = self.ready.capacity() - self.ready.len();
        room >= batch_pairs(self.spec) && self.in_use.load(Ordering::Acquire)
    }

    fn fill_permille(&self) -> usize {
        self.ready.len() * 1000 / self.ready.capacity()
    }

    /// Makes one batch and puts its pairs in, one by one.
    fn fill(&self, supply: &mut Option<Supply>, backend: Backend) {
        let failed = self.try_fill(supply, backend).err();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_some() {
            // Nothing more is made until somebody asks again.
            self.in_use.store(false, Ordering::Release);
            waiting.failed = failed;
        }
        waiting.wakers.drain(..).for_each(Waker::wake);
    }

    fn try_fill(&self, supply: &mut Option<Supply>, backend: Backend) -> Result<(), TakeError> {
        let supply = match supply {
            Some(supply) => supply,
            None => supply.insert(Supply::new(self.spec, backend)?),
        };
        let pairs = batch_pairs(self.spec);
        let mut batch = supply.take(KeyPairBatch::with_capacity(self.spec, pairs), pairs, None)?;
        while let Some(pair) = batch.split_last() {
            // The filler alone puts in, and looked that there is room.
            let _none_left_over = self.ready.push(pair);
        }
        Ok(())
    }
}

/// Pairs made in one go: what an engine needs to be at its best.
const fn batch_pairs(spec: KeyPairSpec) -> usize {
    match spec {
        KeyPairSpec::Rsa2048 | KeyPairSpec::Rsa3072 | KeyPairSpec::Rsa4096 => 8,
        KeyPairSpec::MlKem512 | KeyPairSpec::MlKem768 | KeyPairSpec::MlKem1024 => 64,
        _ => 256,
    }
}

/// Pairs in stock: enough for the calls that come while the next batches are made.
const fn shelf_pairs(spec: KeyPairSpec) -> usize {
    8 * batch_pairs(spec)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::task::Wake;

    use super::*;
    use crate::sys::features::BackendChoice;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn take(stock: &Stock, spec: KeyPairSpec) -> KeyPairBatch {
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut context = Context::from_waker(&waker);
        loop {
            match stock.poll_take(spec, &mut context) {
                Poll::Ready(taken) => return taken.unwrap(),
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn every_pair_is_handed_out_once() {
        let stock = Stock::start(BackendChoice::Auto.select().unwrap()).unwrap();
        let spec = KeyPairSpec::EccNistEdwards25519;
        let keys: Vec<Vec<u8>> = thread::scope(|scope| {
            let takers: [_; 4] = core::array::from_fn(|_| {
                let one = || take(&stock, spec).public_key(0).to_vec();
                scope.spawn(move || (0..2500).map(|_| one()).collect::<Vec<_>>())
            });
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
        });
        assert_eq!(keys.len(), 10_000);
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 10_000);
    }

    #[test]
    fn a_stock_gives_every_spec_and_ends() {
        let stock = Stock::start(BackendChoice::Auto.select().unwrap()).unwrap();
        for spec in KeyPairSpec::ALL.into_iter().filter(|spec| spec.rsa_bits() != Some(4096)) {
            let batch = take(&stock, spec);
            assert_eq!((batch.spec(), batch.len()), (spec, 1));
        }
        drop(stock);
    }
}
