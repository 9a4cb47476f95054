//! What a pool's ring costs: moving cells the size of a pool's from one thread to another.
//!
//! ```sh
//! cargo bench --bench ring
//! ```
//!
//! `crossbeam` and the lock let many fill and many take; `rtrb` is one to one, here with a lock at each
//! end, as in a lane of the pools. `batches` moves 16 cells at a time behind one pointer: cheaper a
//! cell, but a taker of one pair would have to keep the other 15, out of everybody's reach.
//!
//! In the last group a taker and a producer of the idle class share a core, as they do in an endpoint
//! whose pool runs low. The taker wakes every 50 us and takes what there is; in crossbeam's ring it
//! may then have to wait for the producer that it has just interrupted. In the mean that does not show
//! (118 us a turn, 122 for rtrb and 125 for the lock, on a CPU of AMD's family 26): it is a matter of
//! the longest waits, which an endpoint's callers see and a mean does not.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use keymill::sys::affinity::{allowed_cores, pin_to};
use keymill::sys::priority::yield_to_others;

const CELLS: usize = 1024;
const BATCH: usize = 16;

/// As large as a cell of secret memory: a reference and a range.
type Cell = [usize; 3];

/// A ring between a producer and a taker.
trait Ring: Sync {
    /// Moves `cells` in as far as there is room; says how many.
    fn put(&self, cells: usize) -> usize;

    /// Takes one step out; says how many cells that were.
    fn take(&self) -> usize;
}

struct Singles(ArrayQueue<Cell>);

impl Ring for Singles {
    fn put(&self, cells: usize) -> usize {
        (0..cells).take_while(|&cell| self.0.push([cell; 3]).is_ok()).count()
    }

    fn take(&self) -> usize {
        self.0.pop().map_or(0, |cell| black_box(cell).len() / 3)
    }
}

struct Batches(ArrayQueue<Box<[Cell; BATCH]>>);

impl Ring for Batches {
    fn put(&self, cells: usize) -> usize {
        let batch = |cell| Box::new([[cell; 3]; BATCH]);
        BATCH * (0..cells / BATCH).take_while(|&cell| self.0.push(batch(cell)).is_ok()).count()
    }

    fn take(&self) -> usize {
        self.0.pop().map_or(0, |batch| black_box(batch).len())
    }
}

struct Locked(Mutex<VecDeque<Cell>>);

impl Ring for Locked {
    fn put(&self, cells: usize) -> usize {
        let push = |&cell: &usize| {
            let mut queue = self.0.lock().expect("nobody panics");
            (queue.len() < CELLS).then(|| queue.push_back([cell; 3])).is_some()
        };
        (0..cells).take_while(push).count()
    }

    fn take(&self) -> usize {
        let cell = self.0.lock().expect("nobody panics").pop_front();
        cell.map_or(0, |cell| black_box(cell).len() / 3)
    }
}

/// Only one of the two locks is ever wanted by a thread: what is measured is the ring.
struct OneToOne(Mutex<rtrb::Producer<Cell>>, Mutex<rtrb::Consumer<Cell>>);

impl Ring for OneToOne {
    fn put(&self, cells: usize) -> usize {
        let mut producer = self.0.lock().expect("nobody panics");
        (0..cells).take_while(|&cell| producer.push([cell; 3]).is_ok()).count()
    }

    fn take(&self) -> usize {
        let mut consumer = self.1.lock().expect("nobody panics");
        consumer.pop().map_or(0, |cell| black_box(cell).len() / 3)
    }
}

/// One thread fills and empties the ring.
fn alone(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, ring: &impl Ring) {
    group.bench_function(name, |bench| {
        bench.iter(|| {
            assert_eq!(ring.put(CELLS), CELLS);
            let mut taken = 0;
            while taken < CELLS {
                taken += ring.take();
            }
        });
    });
}

/// The bench empties the ring while another thread keeps filling it.
fn beside(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, ring: &impl Ring) {
    let is_over = AtomicBool::new(false);
    scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                if ring.put(BATCH) == 0 {
                    std::hint::spin_loop();
                }
            }
        });
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let mut taken = 0;
                while taken < CELLS {
                    taken += ring.take();
                }
            });
        });
        is_over.store(true, Ordering::Relaxed);
    });
}

/// The bench wakes now and then to empty the ring, on the core where an idle thread fills it.
fn on_one_core(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, ring: &impl Ring) {
    let core = allowed_cores()[0];
    assert!(pin_to(core), "an allowed core");
    let is_over = AtomicBool::new(false);
    scope(|scope| {
        scope.spawn(|| {
            let _is_granted = yield_to_others();
            while !is_over.load(Ordering::Relaxed) {
                ring.put(1);
            }
        });
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let mut taken = 0;
                while taken < CELLS {
                    match ring.take() {
                        0 => sleep(Duration::from_micros(50)),
                        cells => taken += cells,
                    }
                }
            });
        });
        is_over.store(true, Ordering::Relaxed);
    });
}

fn rings(criterion: &mut Criterion) {
    let singles = Singles(ArrayQueue::new(CELLS));
    let batches = Batches(ArrayQueue::new(CELLS / BATCH));
    let locked = Locked(Mutex::new(VecDeque::with_capacity(CELLS)));
    let (producer, consumer) = rtrb::RingBuffer::new(CELLS);
    let one_to_one = OneToOne(Mutex::new(producer), Mutex::new(consumer));
    for is_shared in [false, true] {
        let name = if is_shared { "beside a producer" } else { "alone" };
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(CELLS as u64));
        macro_rules! each {
            ($($name:literal $ring:ident),*) => {$(
                if is_shared {
                    beside(&mut group, $name, &$ring);
                } else {
                    alone(&mut group, $name, &$ring);
                }
            )*};
        }
        each!("crossbeam" singles, "batches" batches, "lock" locked, "rtrb" one_to_one);
    }
    let mut group = criterion.benchmark_group("on the core of an idle producer");
    group.throughput(Throughput::Elements(CELLS as u64));
    on_one_core(&mut group, "crossbeam", &singles);
    on_one_core(&mut group, "lock", &locked);
    on_one_core(&mut group, "rtrb", &one_to_one);
}

criterion_group!(benches, rings);
criterion_main!(benches);
