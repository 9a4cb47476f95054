//! `Shelf`: a ring of cells of secret memory, filled by some threads and emptied by others.
//!
//! Both queues are crossbeam's bounded ring, many to many, without a lock. By `benches/ring.rs`, on
//! one core of an Intel Xeon (family 6, model 167), a cell goes in and out in 43 ns; through a mutex
//! in 51 and through `rtrb`, one to one, in 27: next to the microseconds in which a key is copied
//! and zeroed none of this counts, and what decides is that no thread can hold up another. Its one
//! wait is for a thread that stopped between claiming a place and storing three words into it, and
//! only if that place is next.

use std::io;

use crossbeam_queue::ArrayQueue;
use zeroize::Zeroize;

use crate::sys::secret_memory::{Protection, SecretCell, allocate};

/// Cells that hold something, and cells that hold zeros.
#[derive(Debug)]
pub(super) struct Shelf {
    full: ArrayQueue<SecretCell>,
    empty: ArrayQueue<SecretCell>,
}

impl Shelf {
    /// A shelf of `count` empty cells of `bytes` bytes.
    pub(super) fn new(
        count: usize,
        bytes: usize,
        at_least: Protection,
    ) -> io::Result<(Self, Protection)> {
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a pool of no key pairs"));
        }
        let (cells, protection) = allocate(count, bytes, at_least)?;
        let shelf = Self { full: ArrayQueue::new(count), empty: ArrayQueue::new(count) };
        for cell in cells {
            put_back(&shelf.empty, cell);
        }
        Ok((shelf, protection))
    }

    /// How many cells hold something.
    pub(super) fn len(&self) -> usize {
        self.full.len()
    }

    /// How many cells can be filled.
    pub(super) fn room(&self) -> usize {
        self.empty.len()
    }

    /// How many cells there are.
    pub(super) fn capacity(&self) -> usize {
        self.full.capacity()
    }

    /// Takes up to `count` empty cells, to be filled.
    pub(super) fn claim(&self, count: usize) -> Held<'_> {
        Held { shelf: self, cells: core::iter::from_fn(|| self.empty.pop()).take(count).collect() }
    }

    /// Takes up to `count` full cells, to be used up.
    pub(super) fn withdraw(&self, count: usize) -> Held<'_> {
        Held { shelf: self, cells: core::iter::from_fn(|| self.full.pop()).take(count).collect() }
    }

    /// Shows the content of one full cell to `read`; it is zeroed whatever `read` does.
    pub(super) fn take<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let taken = One { shelf: self, cell: Some(self.full.pop()?) };
        taken.cell.as_deref().map(read)
    }

    fn recycle(&self, mut cell: SecretCell) {
        cell.zeroize();
        put_back(&self.empty, cell);
    }
}

/// Stores `cell` in a queue that has room for every cell there is.
fn put_back(queue: &ArrayQueue<SecretCell>, cell: SecretCell) {
    let pushed = queue.push(cell);
    debug_assert!(pushed.is_ok(), "a queue has room for every cell");
}

/// A cell in a taker's hands.
struct One<'s> {
    shelf: &'s Shelf,
    cell: Option<SecretCell>,
}

impl Drop for One<'_> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            self.shelf.recycle(cell);
        }
    }
}

/// Cells in a producer's hands; those not put on the shelf are zeroed and empty afterwards.
pub(super) struct Held<'s> {
    shelf: &'s Shelf,
    cells: Vec<SecretCell>,
}

impl Held<'_> {
    /// How many cells.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// What the cells hold.
    pub(super) fn contents(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.cells.iter().map(|cell| &**cell)
    }

    /// Fills one of the cells and puts it on the shelf; false if none is left.
    pub(super) fn put(&mut self, write: impl FnOnce(&mut [u8])) -> bool {
        let Some(cell) = self.cells.last_mut() else { return false };
        write(cell);
        self.cells.pop().into_iter().for_each(|cell| put_back(&self.shelf.full, cell));
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.cells.drain(..).for_each(|cell| self.shelf.recycle(cell));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn shelf(count: usize) -> Shelf {
        Shelf::new(count, 16, Protection::Undumped).unwrap().0
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
        let all = shelf.claim(3);
        assert_eq!(all.len(), 3, "no cell is lost");
        assert!(all.contents().flatten().all(|&byte| byte == 0));
    }

    #[test]
    fn a_panicking_taker_uses_its_pair_up() {
        let shelf = shelf(1);
        shelf.claim(1).put(|cell| cell.fill(1));
        let taken = catch_unwind(AssertUnwindSafe(|| shelf.take(|_| panic!("too late"))));
        assert!(taken.is_err());
        assert_eq!((shelf.len(), shelf.room()), (0, 1));
    }

    #[test]
    fn withdrawn_cells_come_back_empty() {
        let shelf = shelf(2);
        shelf.claim(1).put(|cell| cell.fill(5));
        let held = shelf.withdraw(8);
        assert_eq!(held.contents().map(<[u8]>::to_vec).collect::<Vec<_>>(), [[5; 16]]);
        drop(held);
        assert_eq!((shelf.len(), shelf.room()), (0, 2));
    }
}
