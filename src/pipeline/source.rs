//! Stage 3 for the endpoints: where a call gets its one key pair from.
//!
//! A call must not wait for a key that is being made on the thread that answers all others, so a
//! source is asked in two steps: for the pair that is ready, and, if there is none, for a future
//! that tells when it is worth asking again.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;

use crate::crypto::KeyPairBatch;
use crate::limits::POOL_WAIT;
use crate::pipeline::take::TakeError;
use crate::pool::{self, EmptyPool, PoolStatus, Pools};
use crate::spec::KeyPairSpec;

/// Resolves when a pair may have come.
pub type Arrival = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Hands out key pairs one at a time, each of them once.
pub trait KeyPairSource: Send + Sync {
    /// Adds a fresh pair to `batch`; does not if there is none yet and the caller should wait. Neither
    /// blocks nor computes.
    fn try_add(&self, batch: &mut KeyPairBatch) -> Result<bool, TakeError>;

    /// As [`try_add`](Self::try_add), with a batch of its own for one pair of `spec`.
    fn try_take(&self, spec: KeyPairSpec) -> Result<Option<KeyPairBatch>, TakeError> {
        let mut batch = KeyPairBatch::with_capacity(spec, 1);
        Ok(self.try_add(&mut batch)?.then_some(batch))
    }

    /// A batch of one fresh pair of `spec`; waits for it, if that is what the source wants.
    fn take(&self, spec: KeyPairSpec) -> Result<KeyPairBatch, TakeError>;

    /// What to wait for. Asked for before a [`try_take`](Self::try_take), it misses no pair that
    /// comes after.
    fn arrival(&self, spec: KeyPairSpec) -> Arrival;

    /// How long a caller should wait at most.
    fn patience(&self) -> Duration;

    /// The pools behind it, as they are at the moment.
    fn status(&self) -> Vec<PoolStatus>;

    /// Whether what was to be kept ready from the start on has been made once.
    fn is_warm(&self) -> bool;
}

/// Waits for a pair as long as it takes.
pub async fn next_pair(
    source: &dyn KeyPairSource,
    spec: KeyPairSpec,
) -> Result<KeyPairBatch, TakeError> {
    loop {
        let arrival = source.arrival(spec);
        if let Some(pair) = source.try_take(spec)? {
            return Ok(pair);
        }
        arrival.await;
    }
}

/// Pools as a source, with a policy for when one is empty.
#[derive(Debug)]
pub struct PooledSource {
    pools: Arc<Pools>,
    policy: EmptyPool,
}

impl PooledSource {
    /// Takes from `pools`.
    #[must_use]
    pub const fn new(pools: Arc<Pools>, policy: EmptyPool) -> Self {
        Self { pools, policy }
    }
}

impl KeyPairSource for PooledSource {
    fn try_add(&self, batch: &mut KeyPairBatch) -> Result<bool, TakeError> {
        match (self.pools.take(batch, 1, EmptyPool::Throttle), self.policy) {
            (Ok(_), _) => Ok(true),
            (Err(pool::TakeError::Throttled { .. }), EmptyPool::Wait(_)) => Ok(false),
            (Err(pool::TakeError::Throttled { spec }), EmptyPool::Error) => {
                Err(pool::TakeError::Empty { spec }.into())
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    fn take(&self, spec: KeyPairSpec) -> Result<KeyPairBatch, TakeError> {
        let mut batch = KeyPairBatch::with_capacity(spec, 1);
        self.pools.take(&mut batch, 1, self.policy)?;
        Ok(batch)
    }

    fn arrival(&self, spec: KeyPairSpec) -> Arrival {
        match self.pools.arrival(spec) {
            Some(arrival) => Box::pin(arrival),
            None => Box::pin(core::future::ready(())),
        }
    }

    fn patience(&self) -> Duration {
        match self.policy {
            EmptyPool::Wait(patience) => patience,
            EmptyPool::Throttle | EmptyPool::Error => POOL_WAIT,
        }
    }

    fn status(&self) -> Vec<PoolStatus> {
        self.pools.status()
    }

    fn is_warm(&self) -> bool {
        self.pools.is_warm()
    }
}

#[cfg(test)]
mod tests {
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};
    use std::collections::HashSet;
    use std::task::Wake;
    use std::thread::{self, Thread};

    use super::*;
    use crate::pool::{Marks, PoolOptions};
    use crate::sys::features::BackendChoice;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let waker: Waker = Arc::new(Unpark(thread::current())).into();
        let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::park(),
            }
        }
    }

    fn on_demand(specs: &[KeyPairSpec], policy: EmptyPool) -> PooledSource {
        let mut options = PoolOptions::new(&[], BackendChoice::Auto.select().unwrap());
        options.on_demand = specs.iter().map(|&spec| (spec, Marks::of_pairs(spec, 20))).collect();
        (options.producers, options.make_way) = (Some(2), false);
        PooledSource::new(Arc::new(Pools::start(&options).unwrap()), policy)
    }

    #[test]
    fn a_pool_on_demand_is_made_by_its_first_taker_and_gives_each_pair_once() {
        let spec = KeyPairSpec::EccNistEdwards25519;
        let source = on_demand(&[spec, KeyPairSpec::Rsa4096], EmptyPool::Wait(POOL_WAIT));
        assert!(source.status().iter().all(|pool| !pool.is_wanted && pool.protection.is_none()));
        let keys: Vec<Vec<u8>> = thread::scope(|scope| {
            let takers: [_; 4] = core::array::from_fn(|_| {
                let one = || block_on(next_pair(&source, spec)).unwrap().public_key(0).to_vec();
                scope.spawn(move || (0..2500).map(|_| one()).collect::<Vec<_>>())
            });
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
        });
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 10_000);
        let status = source.status();
        assert!(status[0].is_wanted && status[0].protection.is_some());
        assert_eq!((status[1].is_wanted, status[1].made), (false, 0));
        assert!(source.is_warm(), "pools on demand are not waited for");
    }

    #[test]
    fn an_empty_pool_answers_by_policy_and_is_filled_all_the_same() {
        let spec = KeyPairSpec::Rsa2048;
        for (policy, told) in [
            (EmptyPool::Throttle, pool::TakeError::Throttled { spec }),
            (EmptyPool::Error, pool::TakeError::Empty { spec }),
        ] {
            let source = on_demand(&[spec], policy);
            let arrival = source.arrival(spec);
            assert_eq!(source.try_take(spec).unwrap_err(), told.into());
            block_on(arrival);
            assert_eq!(source.try_take(spec).unwrap().unwrap().spec(), spec);
        }
    }

    #[test]
    fn every_spec_comes_out() {
        let specs: Vec<_> = KeyPairSpec::ALL.into();
        let source = on_demand(&specs, EmptyPool::Wait(POOL_WAIT));
        for spec in specs {
            let pair = block_on(next_pair(&source, spec)).unwrap();
            assert_eq!((pair.spec(), pair.len()), (spec, 1));
        }
    }
}
