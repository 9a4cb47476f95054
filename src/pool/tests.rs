//! Laws of the pools, over makers whose pairs are numbers: never one twice, none lost but by a
//! fault, an end to every wait.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use super::*;
use crate::crypto::GenerateError;

const SPEC: KeyPairSpec = KeyPairSpec::EccNistEdwards25519;

/// Makes pairs whose halves begin with a number that no other pair has.
struct Numbered {
    next: Arc<AtomicU64>,
    rows: usize,
}

impl Maker for Numbered {
    fn step(&mut self, stock: &Stock) -> Result<usize, MakeError> {
        let mut room = stock.ready().claim(self.rows);
        let mut batch = KeyPairBatch::with_capacity(stock.spec(), self.rows);
        for _ in 0..room.len() {
            let number = self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            batch.push_with(|public, private| {
                public.fill(0);
                public[..8].copy_from_slice(&number);
                private[..8].copy_from_slice(&number);
                8
            });
        }
        Ok(stock.put(&mut batch, &mut room))
    }
}

/// Calls `first`, and counts.
struct Faulty<F>(F, Arc<AtomicUsize>);

impl<F: FnMut(&Stock) -> Result<usize, MakeError> + Send> Maker for Faulty<F> {
    fn step(&mut self, stock: &Stock) -> Result<usize, MakeError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        (self.0)(stock)
    }
}

fn options(ready: usize, producers: usize) -> PoolOptions {
    PoolOptions {
        pools: vec![(SPEC, Marks { low: ready / 2, ready, depth: 0 })],
        producers: Some(producers),
        make_way: false,
        ..PoolOptions::new(&[], Backend::Portable)
    }
}

fn numbered(ready: usize, producers: usize) -> (Pools, Arc<AtomicU64>) {
    let next = Arc::new(AtomicU64::new(0));
    let shared = next.clone();
    let make = move |_| -> Result<Box<dyn Maker>, MakeError> {
        Ok(Box::new(Numbered { next: shared.clone(), rows: 64 }))
    };
    (Pools::start_with(&options(ready, producers), &[], make).unwrap().0, next)
}

fn faulty(
    fault: impl FnMut(&Stock) -> Result<usize, MakeError> + Clone + Send + Sync + 'static,
) -> (Pools, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let make = move |_| -> Result<Box<dyn Maker>, MakeError> {
        Ok(Box::new(Faulty(fault.clone(), counted.clone())))
    };
    (Pools::start_with(&options(16, 1), &[], make).unwrap().0, calls)
}

/// The number of pair `row`, which both halves must tell.
fn number(batch: &KeyPairBatch, row: usize) -> u64 {
    let (public, private) = (batch.public_key(row), batch.private_key(row));
    assert_eq!(public[..8], *private, "halves of one pair");
    u64::from_le_bytes(private.try_into().unwrap())
}

fn batch(rows: usize) -> KeyPairBatch {
    KeyPairBatch::with_capacity(SPEC, rows)
}

fn patient() -> EmptyPool {
    EmptyPool::Wait(Duration::from_mins(1))
}

#[test]
fn no_pair_is_handed_out_twice() {
    const TAKERS: usize = 4;
    const EACH: usize = 250_000;
    let (pools, next) = numbered(1000, 3);
    let mut all: Vec<u64> = std::thread::scope(|scope| {
        let taker = |taker: usize| {
            let pools = &pools;
            move || {
                let mut batch = batch(1 + 7 * taker);
                let mut numbers = Vec::with_capacity(EACH);
                while numbers.len() < EACH {
                    batch.clear();
                    let rows = batch.capacity().min(EACH - numbers.len());
                    let taken = pools.take(&mut batch, rows, patient()).unwrap();
                    assert_eq!(taken, batch.len());
                    numbers.extend((0..taken).map(|row| number(&batch, row)));
                }
                numbers
            }
        };
        let takers: Vec<_> = (0..TAKERS).map(|number| scope.spawn(taker(number))).collect();
        takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
    });
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), TAKERS * EACH, "every number once");
    let status = pools.status()[0];
    assert_eq!(status.taken, (TAKERS * EACH) as u64);
    assert!(status.made <= next.load(Ordering::Relaxed) && status.made >= status.taken);
}

#[test]
fn real_pairs_of_every_kind_come_out_checked_and_once() {
    use crate::crypto::check::check_pair;
    let specs = [KeyPairSpec::EccNistP256, KeyPairSpec::Rsa2048, KeyPairSpec::MlKem512];
    let backend = crate::sys::features::BackendChoice::Auto.select().unwrap();
    let mut options = PoolOptions { make_way: false, ..PoolOptions::new(&specs, backend) };
    for (_, marks) in &mut options.pools {
        *marks = Marks { low: 8, ready: 12, depth: marks.depth.min(4) };
    }
    let pools = Pools::start(&options).unwrap();
    for spec in specs {
        let mut seen = HashSet::new();
        let wanted = if spec.rsa_bits().is_some() { 20 } else { 100 };
        while seen.len() < wanted {
            let mut batch = KeyPairBatch::with_capacity(spec, 1);
            assert_eq!(pools.take(&mut batch, 1, patient()), Ok(1));
            check_pair(spec, batch.public_key(0), batch.private_key(0)).unwrap();
            assert!(seen.insert(batch.public_key(0).to_vec()), "a {spec} pair came twice");
        }
    }
}

#[test]
fn an_empty_pool_answers_by_policy() {
    let (pools, _) = faulty(|_| {
        std::thread::sleep(Duration::from_millis(1));
        Ok(0)
    });
    let take = |policy| pools.take(&mut batch(1), 1, policy);
    assert_eq!(take(EmptyPool::Throttle), Err(TakeError::Throttled { spec: SPEC }));
    assert_eq!(take(EmptyPool::Error), Err(TakeError::Empty { spec: SPEC }));
    let begun = Instant::now();
    let wait = EmptyPool::Wait(Duration::from_millis(20));
    assert_eq!(take(wait), Err(TakeError::NothingCame { spec: SPEC }));
    assert!(begun.elapsed() >= Duration::from_millis(20));
    let spec = KeyPairSpec::Sm2;
    let mut other = KeyPairBatch::with_capacity(spec, 1);
    assert_eq!(pools.take(&mut other, 1, patient()), Err(TakeError::NoPool { spec }));
    assert!(!pools.is_warm());
}

#[test]
fn a_waiting_taker_is_woken() {
    let gate = Arc::new(Barrier::new(2));
    let next = Arc::new(AtomicU64::new(7));
    let (opened, mut is_open) = (gate.clone(), false);
    let (pools, _) = faulty(move |stock| {
        if !core::mem::replace(&mut is_open, true) {
            opened.wait();
        }
        Numbered { next: next.clone(), rows: 1 }.step(stock)
    });
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut batch = batch(1);
            pools.take(&mut batch, 1, patient()).map(|_| number(&batch, 0))
        });
        std::thread::sleep(Duration::from_millis(20));
        gate.wait();
        assert_eq!(waiting.join().unwrap(), Ok(7));
    });
}

#[test]
fn producers_rest_between_the_marks() {
    let (pools, next) = numbered(256, 2);
    while pools.status()[0].ready < 256 {
        std::thread::yield_now();
    }
    let made = next.load(Ordering::Relaxed);
    // 100 pairs stay above the low mark: nobody works.
    let mut taken = batch(200);
    assert_eq!(pools.take(&mut taken, 100, EmptyPool::Error), Ok(100));
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(next.load(Ordering::Relaxed), made);
    assert!(pools.is_warm());
    // 50 more do not.
    assert_eq!(pools.take(&mut taken, 50, EmptyPool::Error), Ok(50));
    while pools.status()[0].ready < 256 {
        std::thread::yield_now();
    }
}

#[test]
fn a_failing_maker_ends_its_pool_only() {
    let fault = GenerateError { spec: SPEC };
    let (pools, calls) = faulty(move |_| Err(fault.into()));
    let reason = MakeError::Generate(fault);
    let failed = Err(TakeError::Failed { spec: SPEC, reason });
    assert_eq!(pools.take(&mut batch(1), 1, patient()), failed);
    assert_eq!(pools.take(&mut batch(1), 1, EmptyPool::Throttle), failed);
    assert_eq!(calls.load(Ordering::Relaxed), 1, "it is not asked again");
    assert_eq!(pools.status()[0].failure, Some(reason));
}

#[test]
fn a_panicking_producer_loses_only_its_batch() {
    let next = Arc::new(AtomicU64::new(0));
    let mut steps = 0;
    let (pools, _) = faulty(move |stock| {
        steps += 1;
        assert!(steps < 3, "the third step fails");
        Numbered { next: next.clone(), rows: 2 }.step(stock)
    });
    let mut batch = batch(8);
    while batch.len() < 4 {
        pools.take(&mut batch, 1, patient()).unwrap();
    }
    let numbers: Vec<u64> = (0..4).map(|row| number(&batch, row)).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let reason = MakeError::Panicked;
    assert_eq!(pools.take(&mut batch, 1, patient()), Err(TakeError::Failed { spec: SPEC, reason }));
}

#[test]
fn closing_ends_producers_and_returns() {
    let (pools, next) = numbered(64, 2);
    while pools.status()[0].ready < 64 {
        std::thread::yield_now();
    }
    drop(pools);
    let made = next.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(next.load(Ordering::Relaxed), made);
}

#[test]
fn closing_does_not_wait_for_a_search() {
    let backend = crate::sys::features::BackendChoice::Auto.select().unwrap();
    let pools = Pools::start(&PoolOptions::new(&[KeyPairSpec::Rsa4096], backend)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let (done, wait) = channel();
    std::thread::spawn(move || {
        drop(pools);
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(20)).expect("a step is short");
}

#[test]
fn senseless_options_are_refused() {
    let two = PoolOptions::new(&[SPEC, SPEC], Backend::Portable);
    assert_eq!(Pools::start(&two).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let mut none = options(16, 1);
    none.pools[0].1.ready = 0;
    assert_eq!(Pools::start(&none).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}
