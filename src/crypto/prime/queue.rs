//! `Queue`: numbers that wait between two steps of the search.

use zeroize::Zeroize;

use crate::crypto::arith::{Eight, LANES};

/// Numbers waiting, most recent first. All room is allocated at the start.
#[derive(Debug)]
pub(super) struct Queue<const K: usize>(Vec<[u64; K]>);

impl<const K: usize> Queue<K> {
    /// A queue that is filled with up to sixteen numbers at a time while it has fewer than
    /// sixteen.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(4 * LANES))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds the numbers in the lanes of `mask`.
    pub(super) fn push_lanes(&mut self, numbers: &Eight<K>, mask: u8) {
        for lane in (0..LANES).filter(|lane| mask >> lane & 1 == 1) {
            self.0.push(numbers.lane(lane));
        }
    }

    /// Takes eight numbers.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub(super) fn pop_lanes(&mut self, numbers: &mut Eight<K>) {
        for lane in 0..LANES {
            self.pop(|number| numbers.set_lane(lane, number));
        }
    }

    /// Takes the last number; its place is overwritten with zeros.
    pub(super) fn pop(&mut self, take: impl FnOnce(&[u64; K])) {
        let number = self.0.last_mut().expect("a number waits");
        take(number);
        number.zeroize();
        self.0.pop();
    }

    /// Forgets all numbers.
    pub(super) fn clear(&mut self) {
        self.0.as_flattened_mut().zeroize();
        self.0.clear();
    }
}

impl<const K: usize> Drop for Queue<K> {
    fn drop(&mut self) {
        self.clear();
    }
}
