//! `Feed`: a pool that somebody else fills first, and the producers once that has ended.
//!
//! As long as the feed lasts, the producers make nothing for the pool, and all that is in it came
//! through the feed. Afterwards pairs of both origins may lie in it, in any order; each is known by
//! its cell, so that those that were fed are counted when they are handed out.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use event_listener::Listener;

use super::Shared;
use super::maker::MakeError;
use super::stock::Stock;
use crate::crypto::KeyPairBatch;
use crate::limits::POOL_FED_LOOK;
use crate::spec::KeyPairSpec;

/// Fills one pool; dropped, it leaves the pool to the producers.
#[derive(Debug)]
pub struct Feed {
    shared: Arc<Shared>,
    /// Number of the pool.
    number: usize,
    /// Pairs fed so far.
    fed: u64,
}

impl Feed {
    /// The feed of pool `number`, which the producers leave alone from now on.
    pub(super) fn of(shared: &Arc<Shared>, number: usize) -> Self {
        Self { shared: Arc::clone(shared), number, fed: 0 }
    }

    fn stock(&self) -> &Stock {
        &self.shared.stocks[self.number]
    }

    /// What the pool holds.
    #[must_use]
    pub fn spec(&self) -> KeyPairSpec {
        self.stock().spec()
    }

    /// Waits until the pool is wanted and half empty, and says for how many pairs it has room, up to
    /// [`pool_ahead`](crate::limits::pool_ahead) altogether; `None` once the feed is to end.
    #[must_use]
    pub fn wait_for_room(&self) -> Option<usize> {
        let stock = self.stock();
        loop {
            // Listening before looking: what is told in between is not missed.
            let listener = stock.hunger().listen();
            if self.is_ending() {
                return None;
            }
            let Some(room) = stock.room_for_feed() else {
                listener.wait();
                continue;
            };
            if let Err(error) = stock.open() {
                stock.fail(MakeError::Memory(error.kind()));
                return None;
            }
            return Some(room);
        }
    }

    /// Moves every pair of `batch` into the pool, and zeroes it there.
    ///
    /// # Panics
    ///
    /// If there are more than the pool has room for.
    pub fn put(&mut self, batch: &mut KeyPairBatch) {
        self.fed += batch.len() as u64;
        self.stock().put_fed(batch);
    }

    /// How many of the pairs that were fed have been handed out.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.stock().fed_taken()
    }

    /// Leaves the pool to the producers; nothing must be put any more.
    pub fn end(&self) {
        self.stock().end_feed();
        self.shared.need.notify(usize::MAX);
    }

    /// Waits until everything that was fed is handed out, or the feeds are to end.
    pub fn wait_for_takers(&self) {
        loop {
            let listener = self.stock().hunger().listen();
            if self.is_ending() || self.taken() == self.fed {
                return;
            }
            // No taker tells a feed that has ended.
            listener.wait_timeout(POOL_FED_LOOK);
        }
    }

    fn is_ending(&self) -> bool {
        self.shared.is_stopping() || !self.shared.is_feeding.load(Ordering::SeqCst)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::thread;

    use super::*;
    use crate::limits::pool_ahead;
    use crate::pool::{EmptyPool, Marks, PoolOptions, Pools};
    use crate::sys::features::BackendChoice;

    const SPEC: KeyPairSpec = KeyPairSpec::EccNistEdwards25519;
    const PATIENT: EmptyPool = EmptyPool::Wait(Duration::from_mins(1));

    /// A fed pool of `ready` pairs that is filled once somebody takes, and its feed.
    fn fed(ready: usize) -> (Pools, Feed) {
        let backend = BackendChoice::Auto.select().unwrap();
        let mut options = PoolOptions::new(&[], backend);
        options.on_demand = vec![(SPEC, Marks::of_pairs(SPEC, ready))];
        (options.producers, options.make_way) = (Some(2), false);
        let (pools, mut feeds) = Pools::start_fed(&options, &[SPEC]).unwrap();
        (pools, feeds.pop().unwrap())
    }

    /// Pairs whose public halves are all `byte`, which no real key is.
    fn pairs(byte: u8, rows: usize) -> KeyPairBatch {
        let mut batch = KeyPairBatch::with_capacity(SPEC, rows);
        for _ in 0..rows {
            batch.push_with(|public, private| {
                public.fill(byte);
                private.len()
            });
        }
        batch
    }

    fn take(pools: &Pools, policy: EmptyPool) -> Option<u8> {
        let mut batch = KeyPairBatch::with_capacity(SPEC, 1);
        pools.take(&mut batch, 1, policy).ok()?;
        let public = batch.public_key(0);
        Some(if public.iter().all(|byte| *byte == public[0]) { public[0] } else { 0 })
    }

    #[test]
    fn what_is_fed_comes_once_and_is_counted_and_then_producers_go_on() {
        let (pools, mut feed) = fed(6);
        assert_eq!(take(&pools, EmptyPool::Error), None, "producers leave it alone");
        assert_eq!(feed.wait_for_room(), Some(6), "half of the six, were some there");
        for byte in 1..=6 {
            feed.put(&mut pairs(byte, 1));
        }
        let mut seen: Vec<u8> = (0..3).map(|_| take(&pools, EmptyPool::Error).unwrap()).collect();
        assert_eq!((feed.taken(), feed.wait_for_room()), (3, Some(3)));
        feed.put(&mut pairs(7, 1));
        feed.end();
        while seen.len() < 7 {
            // Zero is a pair that was made meanwhile.
            seen.extend(take(&pools, PATIENT).filter(|byte| *byte != 0));
        }
        assert_eq!(take(&pools, PATIENT), Some(0));
        seen.sort_unstable();
        assert_eq!((seen, feed.taken()), ((1..=7).collect(), 7));
        feed.wait_for_takers();
    }

    #[test]
    fn a_feed_keeps_no_more_than_its_bound() {
        let (pools, mut feed) = fed(1 << 16);
        assert_eq!(take(&pools, EmptyPool::Error), None);
        let bound = usize::try_from(pool_ahead(SPEC)).unwrap();
        assert_eq!(feed.wait_for_room(), Some(bound));
        feed.put(&mut pairs(1, bound));
        assert!(pools.status()[0].was_warm, "it is as full as it gets");
    }

    #[test]
    fn a_waiting_feed_is_woken_by_the_first_taker_and_by_the_end() {
        let (pools, feed) = fed(8);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| feed.wait_for_room());
            thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished(), "nobody wants pairs");
            assert_eq!(take(&pools, EmptyPool::Error), None);
            assert_eq!(waiting.join().unwrap(), Some(8));
        });
        let (pools, feed) = fed(8);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| feed.wait_for_room());
            thread::sleep(Duration::from_millis(20));
            pools.end_feeds();
            assert_eq!(waiting.join().unwrap(), None);
        });
    }

    #[test]
    fn a_feed_that_is_dropped_leaves_the_pool_to_the_producers() {
        let (pools, feed) = fed(8);
        drop(feed);
        assert_eq!(take(&pools, PATIENT), Some(0));
    }
}
