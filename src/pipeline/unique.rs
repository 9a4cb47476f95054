//! Finding two rows with one value among very many.

use core::hash::BuildHasher;
use std::hash::RandomState;

/// The values met so far, as 128-bit keyed hashes: 24 bytes a row whatever their length.
///
/// The keys are random, so that no manifest can be written to collide; among a billion honest
/// rows two hashes are alike with a probability below 2^-68.
#[derive(Debug, Default)]
pub struct Seen {
    keys: [RandomState; 2],
    hashes: Vec<([u64; 2], u64)>,
}

impl Seen {
    /// Adds the next row's value.
    pub fn add(&mut self, value: &[u8]) {
        let hash = [self.keys[0].hash_one(value), self.keys[1].hash_one(value)];
        self.hashes.push((hash, self.hashes.len() as u64));
    }

    /// How many values were added.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// Whether none was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The rows of the duplicate that shows first, from 0: the earlier and the later one.
    #[must_use]
    pub fn first_duplicate(mut self) -> Option<(u64, u64)> {
        self.hashes.sort_unstable();
        let pairs = self.hashes.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        pairs.map(|pair| (pair[0].1, pair[1].1)).min_by_key(|(_, second)| *second)
    }
}
