//! `Shelf`: cells of secret memory, filled by some threads and emptied by others.
//!
//! Whoever fills may be stopped anywhere and for milliseconds, since a producer is mostly of the idle
//! class and gives its core up to whoever wakes, often to the very taker that looks for its pair. A
//! ring of many to many (crossbeam's) then makes the taker wait for a place that was claimed and not
//! filled yet, on the core that the producer needs. So a shelf is made of lanes, one for each producer, in
//! which full cells go one way and empty ones come back through `rtrb`, one to one, whose two ends know
//! nothing of each other. Each end has a lock; no producer holds that of the end where callers take
//! pairs, and where producers take primes from each other they pass over a lane that is held. A
//! producer fills cells of its own lane, and of others only if it has none left and nobody is at them.
//! `benches/ring.rs` compares the rings, and has a taker and an idle producer on one core.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rtrb::{Consumer, Producer, RingBuffer};
use zeroize::Zeroize;

use crate::sys::secret_memory::{Protection, SecretCell, allocate};

/// Cells that hold something, and cells that hold zeros.
#[derive(Debug)]
pub(super) struct Shelf {
    lanes: Box<[Lane]>,
    capacity: usize,
}

/// Some of the cells, always the same ones.
#[derive(Debug)]
struct Lane {
    front: Mutex<Front>,
    back: Mutex<Back>,
    /// Full cells, those among them that are being put.
    full: AtomicUsize,
    /// Empty cells, those among them that are being given back.
    empty: AtomicUsize,
}

/// The end of the takers.
#[derive(Debug)]
struct Front {
    full: Consumer<SecretCell>,
    empty: Producer<SecretCell>,
}

/// The end of the producers.
#[derive(Debug)]
struct Back {
    empty: Consumer<SecretCell>,
    full: Producer<SecretCell>,
    /// Cells that were claimed and not filled.
    unused: Vec<SecretCell>,
}

impl Shelf {
    /// A shelf of `count` empty cells of `bytes` bytes, for so many producers.
    pub(super) fn new(
        count: usize,
        bytes: usize,
        producers: usize,
        at_least: Protection,
    ) -> io::Result<(Self, Protection)> {
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a pool of no key pairs"));
        }
        let (cells, protection) = allocate(count, bytes, at_least)?;
        let per_lane = count.div_ceil(producers.max(1));
        let mut cells = cells.into_iter();
        let lanes = core::iter::from_fn(|| {
            let cells: Vec<SecretCell> = cells.by_ref().take(per_lane).collect();
            (!cells.is_empty()).then(|| Lane::new(cells))
        });
        Ok((Self { lanes: lanes.collect(), capacity: count }, protection))
    }

    /// How many cells hold something.
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.full.load(Ordering::Relaxed)).sum()
    }

    /// How many cells can be filled.
    pub(super) fn room(&self) -> usize {
        self.lanes.iter().map(|lane| lane.empty.load(Ordering::Relaxed)).sum()
    }

    /// How many cells there are.
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes up to `count` empty cells, to be filled.
    pub(super) fn claim(&self, count: usize) -> Held<'_> {
        let mut cells = Vec::with_capacity(count.min(self.room()));
        // A thread that is no producer has the first lane.
        let own = rayon::current_thread_index().unwrap_or(0) % self.lanes.len();
        self.lanes[own].claim(count, &mut self.lanes[own].back(), &mut cells);
        for lane in &self.lanes {
            if cells.len() < count
                && let Some(mut back) = unless_held(&lane.back)
            {
                lane.claim(count, &mut back, &mut cells);
            }
        }
        Held { cells }
    }

    /// Takes up to `count` full cells, to be used up by a producer: fewer than there are, if another
    /// one is at them.
    pub(super) fn withdraw(&self, count: usize) -> Withdrawn<'_> {
        let pop = || self.stocked().find_map(|lane| lane.pop(&mut *unless_held(&lane.front)?));
        Withdrawn { cells: core::iter::from_fn(pop).take(count).collect() }
    }

    /// Shows the content of one full cell to `read`; it is zeroed whatever `read` does.
    pub(super) fn take<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let taken = self.stocked().find_map(|lane| lane.pop(&mut lane.front()));
        taken.map(|taken| read(taken.content()))
    }

    /// Lanes in which there may be full cells.
    fn stocked(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| lane.full.load(Ordering::Relaxed) > 0)
    }
}

impl Lane {
    /// A lane of these cells, which are empty.
    fn new(cells: Vec<SecretCell>) -> Self {
        let count = cells.len();
        let (full_in, full_out) = RingBuffer::new(count);
        let (empty_in, empty_out) = RingBuffer::new(count);
        Self {
            front: Mutex::new(Front { full: full_out, empty: empty_in }),
            back: Mutex::new(Back { empty: empty_out, full: full_in, unused: cells }),
            full: AtomicUsize::new(0),
            empty: AtomicUsize::new(count),
        }
    }

    /// Adds empty cells to `cells` until these are `count`.
    fn claim<'s>(&'s self, count: usize, back: &mut Back, cells: &mut Vec<(&'s Self, SecretCell)>) {
        while cells.len() < count
            && let Some(cell) = back.unused.pop().or_else(|| back.empty.pop().ok())
        {
            self.empty.fetch_sub(1, Ordering::Relaxed);
            cells.push((self, cell));
        }
    }

    /// One full cell, if it is put already.
    fn pop(&self, front: &mut Front) -> Option<Taken<'_>> {
        let cell = front.full.pop().ok()?;
        self.full.fetch_sub(1, Ordering::Relaxed);
        Some(Taken { lane: self, cell: Some(cell) })
    }

    // A thread that panicked with a lock in its hands was between two whole steps.

    fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn back(&self) -> MutexGuard<'_, Back> {
        self.back.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `lock` guards, unless somebody else is at it.
fn unless_held<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match lock.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A full cell in a taker's hands; zeroed and given back when it is let go.
struct Taken<'s> {
    lane: &'s Lane,
    /// There until it is let go.
    cell: Option<SecretCell>,
}

impl Taken<'_> {
    /// What the cell holds.
    fn content(&self) -> &[u8] {
        self.cell.as_deref().unwrap_or_default()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Some(mut cell) = self.cell.take() else { return };
        cell.zeroize();
        // Counted first: whoever claims the cell counts it off.
        self.lane.empty.fetch_add(1, Ordering::Relaxed);
        let pushed = self.lane.front().empty.push(cell);
        debug_assert!(pushed.is_ok(), "a lane has room for all of its cells");
    }
}

/// Full cells in a taker's hands.
pub(super) struct Withdrawn<'s> {
    cells: Vec<Taken<'s>>,
}

impl Withdrawn<'_> {
    /// How many cells.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// What the cells hold.
    pub(super) fn contents(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.cells.iter().map(Taken::content)
    }
}

/// Empty cells in a producer's hands; those not put on the shelf are zeroed afterwards.
pub(super) struct Held<'s> {
    cells: Vec<(&'s Lane, SecretCell)>,
}

impl Held<'_> {
    /// How many cells.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Fills one of the cells and puts it on the shelf; false if none is left.
    pub(super) fn put(&mut self, write: impl FnOnce(&mut [u8])) -> bool {
        let Some((_, cell)) = self.cells.last_mut() else { return false };
        write(cell);
        if let Some((lane, cell)) = self.cells.pop() {
            // Counted first: whoever takes the cell counts it off.
            lane.full.fetch_add(1, Ordering::Relaxed);
            let pushed = lane.back().full.push(cell);
            debug_assert!(pushed.is_ok(), "a lane has room for all of its cells");
        }
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for (lane, mut cell) in self.cells.drain(..) {
            cell.zeroize();
            lane.empty.fetch_add(1, Ordering::Relaxed);
            lane.back().unused.push(cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn shelf(count: usize) -> Shelf {
        Shelf::new(count, 16, 1, Protection::Undumped).unwrap().0
    }

    #[test]
    fn what_is_put_is_taken_once_in_order() {
        let shelf = shelf(4);
        let mut claim = shelf.claim(9);
        assert_eq!((claim.len(), shelf.room()), (4, 0));
        for byte in 0..3 {
            assert!(claim.put(|cell| cell.fill(byte)));
        }
        drop(claim);
        assert_eq!((shelf.len(), shelf.room()), (3, 1));
        let taken: Vec<u8> = core::iter::from_fn(|| shelf.take(|cell| cell[15])).collect();
        assert_eq!(taken, [0, 1, 2]);
        assert_eq!((shelf.len(), shelf.room()), (0, 4));
    }

    #[test]
    fn every_empty_cell_is_zero() {
        let shelf = shelf(3);
        shelf.claim(3).put(|cell| cell.fill(0xff));
        shelf.take(|_| ()).unwrap();
        let mut abandoned = shelf.claim(1);
        let put = catch_unwind(AssertUnwindSafe(|| {
            abandoned.put(|cell| {
                cell.fill(0xff);
                panic!("in the middle of it");
            })
        }));
        assert!(put.is_err());
        drop(abandoned);
        let mut all = shelf.claim(3);
        assert_eq!(all.len(), 3, "no cell is lost");
        while all.put(|cell| assert!(cell.iter().all(|&byte| byte == 0))) {}
    }

    #[test]
    fn a_panicking_taker_uses_its_pair_up() {
        let shelf = shelf(1);
        shelf.claim(1).put(|cell| cell.fill(1));
        let taken = catch_unwind(AssertUnwindSafe(|| shelf.take(|_| panic!("too late"))));
        assert!(taken.is_err());
        assert_eq!((shelf.len(), shelf.room()), (0, 1));
    }

    /// Whoever comes gets what there is, in whichever lane it lies.
    #[test]
    fn all_cells_of_all_lanes_go_round() {
        for (count, producers) in [(1, 3), (7, 3), (8, 2), (4, 4)] {
            let shelf = Shelf::new(count, 1, producers, Protection::Undumped).unwrap().0;
            for round in 0..5 {
                assert_eq!((shelf.len(), shelf.room(), shelf.capacity()), (0, count, count));
                let mut held = shelf.claim(count + round);
                assert_eq!((held.len(), shelf.room()), (count, 0));
                (0..count - 1).for_each(|at| {
                    held.put(|cell| cell[0] = u8::try_from(at).unwrap());
                });
                drop(held);
                let mut taken: Vec<_> =
                    core::iter::from_fn(|| shelf.take(|cell| cell[0])).collect();
                taken.sort_unstable();
                assert!(
                    taken.into_iter().map(usize::from).eq(0..count - 1),
                    "{count}, {producers}"
                );
            }
        }
    }

    #[test]
    fn many_fill_and_many_take_and_nothing_is_lost_or_doubled() {
        const EACH: u32 = if cfg!(miri) { 200 } else { 20_000 };
        let shelf = Shelf::new(64, 4, 3, Protection::Undumped).unwrap().0;
        let fill = |number: u32| {
            let mut left = number * EACH..(number + 1) * EACH;
            while !left.is_empty() {
                let mut held = shelf.claim(5);
                for value in left.by_ref().take(held.len()) {
                    held.put(|cell| cell.copy_from_slice(&value.to_le_bytes()));
                }
            }
        };
        let take = || {
            let mut all = Vec::new();
            while all.last() != Some(&u32::MAX) {
                let value = shelf.take(|cell| u32::from_le_bytes(cell.try_into().unwrap()));
                value.map_or_else(std::thread::yield_now, |value| all.push(value));
            }
            all.pop();
            all
        };
        let mut all = std::thread::scope(|scope| {
            let takers = [(); 3].map(|()| scope.spawn(take));
            let fillers = [0, 1, 2].map(|number| scope.spawn(move || fill(number)));
            for filler in fillers {
                filler.join().unwrap();
            }
            while shelf.len() > 0 {
                std::thread::yield_now();
            }
            // Each taker stops at one of these.
            for _ in 0..3 {
                while !shelf.claim(1).put(|cell| cell.fill(0xff)) {}
            }
            takers.map(|taker| taker.join().unwrap()).concat()
        });
        all.sort_unstable();
        assert!(all.into_iter().eq(0..3 * EACH));
        assert_eq!((shelf.len(), shelf.room()), (0, 64));
    }

    #[test]
    fn withdrawn_cells_come_back_empty() {
        let shelf = shelf(2);
        shelf.claim(1).put(|cell| cell.fill(5));
        let withdrawn = shelf.withdraw(8);
        assert_eq!(withdrawn.contents().map(<[u8]>::to_vec).collect::<Vec<_>>(), [[5; 16]]);
        drop(withdrawn);
        assert_eq!((shelf.len(), shelf.room()), (0, 2));
    }
}
