//! Stage 3 for the endpoints, from sealed pools: each pool in memory is filled from its reserve
//! first, by a thread of its own, and by the producers when the reserve is empty.
//!
//! A taker takes what is ready and knows nothing of this. The thread claims what the pool has room
//! for, durably, before it reads it; so that of a server that ends, however it ends, at most
//! [`pool_ahead`](crate::limits::pool_ahead) pairs of each spec are lost. A pair counts as taken once
//! a call has it. While a pool is not asked for, nothing of its reserve is claimed.
//!
//! The thread has the usual priority, unlike a producer: others wait for the keystore while it
//! claims.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::crypto::KeyPairBatch;
use crate::crypto::arith::LANES;
use crate::crypto::drbg::Drbg;
use crate::limits::pool_claim;
use crate::pipeline::error::Error;
use crate::pipeline::reserve::{Drawer, Reserve, Reserves};
use crate::pipeline::take::TakeError;
use crate::pool::{Feed, Pools};
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;

/// Told when a reserve is empty, or why no more is drawn from it.
pub type Tell = fn(&Reserve, Result<(), Error>);

/// The threads that feed some pools; they end when this does.
#[derive(Debug)]
pub struct Feeders {
    pools: Arc<Pools>,
    threads: Vec<JoinHandle<()>>,
    reserves: Vec<Arc<Reserve>>,
}

impl Feeders {
    /// Starts a thread for each of `feeds`, which are of `pools`. A feed without a reserve ends.
    pub fn start(
        pools: &Arc<Pools>,
        feeds: Vec<Feed>,
        mut reserves: Reserves,
        backend: Backend,
        tell: Tell,
    ) -> io::Result<Self> {
        let mut feeders =
            Self { pools: Arc::clone(pools), threads: Vec::new(), reserves: Vec::new() };
        for feed in feeds {
            let Some(reserve) = reserves.remove(feed.spec()) else { continue };
            let reserve = Arc::new(reserve);
            feeders.reserves.push(Arc::clone(&reserve));
            let life = move || run(feed, &reserve, backend, tell);
            let thread = thread::Builder::new().name("keymill-feeder".to_owned()).spawn(life)?;
            feeders.threads.push(thread);
        }
        Ok(feeders)
    }

    /// Ends the feeding, and returns the reserves, which are to be [settled](Reserve::settle). To be
    /// called when nobody takes any more: what is taken later is not counted.
    #[must_use]
    pub fn stop(mut self) -> Vec<Arc<Reserve>> {
        self.end();
        core::mem::take(&mut self.reserves)
    }

    fn end(&mut self) {
        self.pools.end_feeds();
        for thread in self.threads.drain(..) {
            // A feeder that panicked has nothing left to report.
            let _ = thread.join();
        }
    }
}

impl Drop for Feeders {
    fn drop(&mut self) {
        self.end();
    }
}

/// One thread's life.
fn run(mut feed: Feed, reserve: &Reserve, backend: Backend, tell: Tell) {
    let mut hand = match Hand::new(feed.spec(), reserve, backend) {
        Ok(hand) => hand,
        Err(error) => return tell(reserve, Err(error)),
    };
    let end = hand.serve(&mut feed);
    feed.end();
    if let Some(end) = end.transpose() {
        tell(reserve, end);
    }
    feed.wait_for_takers();
    hand.report(&feed);
    // Who stops the feeders tries again, and tells why it fails.
    let _due_again = reserve.settle();
}

/// What a feeder draws with.
struct Hand<'r> {
    reserve: &'r Reserve,
    drawer: Drawer<'r>,
    drbg: Drbg,
    batch: KeyPairBatch,
    /// Pairs reported as taken.
    reported: u64,
}

impl<'r> Hand<'r> {
    fn new(spec: KeyPairSpec, reserve: &'r Reserve, backend: Backend) -> Result<Self, Error> {
        Ok(Self {
            reserve,
            drawer: Drawer::new(reserve, backend),
            drbg: Drbg::from_system().map_err(TakeError::from)?,
            batch: KeyPairBatch::with_capacity(spec, batch_rows(spec)),
            reported: 0,
        })
    }

    /// Fills the pool whenever it has room, until the reserve has no more; `None` if it was told to
    /// end before.
    fn serve(&mut self, feed: &mut Feed) -> Result<Option<()>, Error> {
        while let Some(room) = feed.wait_for_room() {
            self.report(feed);
            self.reserve.expect(room as u64);
            let mut fed = 0;
            while fed < room {
                let drawn = self.draw(room - fed)?;
                if drawn == 0 {
                    return Ok(Some(()));
                }
                feed.put(&mut self.batch);
                fed += drawn;
            }
        }
        Ok(None)
    }

    /// Draws up to `rows` pairs into the batch, fewer only if it has no room or there are no more.
    fn draw(&mut self, rows: usize) -> Result<usize, Error> {
        self.drbg.reseed().map_err(TakeError::from)?;
        let rows = rows.min(self.batch.capacity());
        self.drawer.draw(&mut self.drbg, &mut self.batch, rows)
    }

    /// Notes what has been handed out since the last time.
    fn report(&mut self, feed: &Feed) {
        let taken = feed.taken();
        self.drawer.commit_some(taken - self.reported);
        self.reported = taken;
    }
}

/// Pairs that are finished before they are put into the pool: of RSA as many as are computed at
/// once, so that the first of them come soon.
fn batch_rows(spec: KeyPairSpec) -> usize {
    let claim = usize::try_from(pool_claim(spec)).unwrap_or(usize::MAX);
    if spec.rsa_bits().is_some() { LANES } else { claim }
}
