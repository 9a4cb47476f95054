//! Ready key pairs, one pool for each spec, each pair handed out at most once.
//!
//! ```text
//! producers (one a core)                                      takers
//! seek primes -> depth ring -> derive -+
//!                                      +-> ready ring -> take -> KeyPairBatch
//! generate ----------------------------+
//! ```
//!
//! What enters is a list of specs with their marks; what leaves are encoded pairs, copied into the
//! taker's batch and zeroed here. The room knows no wrapping key and no request.
//!
//! - **Rings.** A pair lies in a cell of secret memory, and cells travel by move through two
//!   queues of each ring: `empty`, `full`. A cell is in one queue or in one pair of hands, so that
//!   a pair cannot be had twice, whoever dies when.
//! - **Depth.** A pool of RSA keeps most of its stock as pairs of primes, a fifth of the size of a
//!   key, and a ready ring of finished keys in front: a taker never waits for key parts.
//! - **Need.** A producer does one short unit of work for the pool that needs it most, then looks
//!   again. First come ready rings below a quarter, the emptiest first, then whatever is below
//!   its marks, by fill.
//! - **On demand.** A pool that nobody has taken from yet has no memory and takes no work.
//! - **Fed.** A pool may get its pairs from elsewhere first, a sealed pool on the disk, through a
//!   [`Feed`]; its producers begin when that has ended.
//! - **Takers come first.** A taker takes no lock that a producer holds; what it takes is ready.
//!   Producers are of the scheduler's idle class unless told otherwise, so that a taker that wakes gets
//!   its core at once.
//!
//! Pools that outlive the process lie sealed on the disk: see [`sealed`].

mod feed;
mod maker;
mod producer;
pub mod sealed;
mod shelf;
mod status;
mod stock;
mod take;
#[cfg(test)]
mod tests;

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_utils::sync::WaitGroup;
use event_listener::{Event, Listener};
use rayon::ThreadPool;

use crate::crypto::KeyPairBatch;
use crate::limits::POOL_WAIT_MAX;
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;
use crate::sys::priority::yield_to_others;
use crate::sys::secret_memory::Protection;
use crate::sys::team;

pub use feed::Feed;
pub use maker::MakeError;
pub use status::{PoolStatus, ProducerStatus};
pub use stock::Marks;
pub use take::{EmptyPool, TakeError};

use maker::{Maker, maker};
use producer::Diary;
use stock::Stock;

/// What pools there are to be, and who fills them.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// The specs, each with its marks.
    pub pools: Vec<(KeyPairSpec, Marks)>,
    /// Specs whose pools get memory and pairs only once somebody has asked for one.
    pub on_demand: Vec<(KeyPairSpec, Marks)>,
    /// Instructions the producers' engines run on.
    pub backend: Backend,
    /// Number of producers; one for each core of this process if not said.
    pub producers: Option<usize>,
    /// Whether producers make way for every other thread of this machine, so that takers never wait
    /// for a core; beside lasting other work they then hardly come to anything.
    pub make_way: bool,
    /// Refuse to start with secret memory weaker than this.
    pub at_least: Protection,
}

impl PoolOptions {
    /// Pools of `specs` with the marks that suit each, a producer on every core.
    #[must_use]
    pub fn new(specs: &[KeyPairSpec], backend: Backend) -> Self {
        let pools = specs.iter().map(|&spec| (spec, Marks::of(spec))).collect();
        Self {
            pools,
            on_demand: Vec::new(),
            backend,
            producers: None,
            make_way: true,
            at_least: Protection::Undumped,
        }
    }

    /// A pool of every spec: those of `kept` hold so many pairs from the start on, the others
    /// are filled once they are asked for.
    #[must_use]
    pub fn of_every_spec(kept: &[(KeyPairSpec, usize)], backend: Backend) -> Self {
        let others = KeyPairSpec::ALL.into_iter();
        let others = others.filter(|spec| kept.iter().all(|(other, _)| other != spec));
        let marks = |&(spec, pairs)| (spec, Marks::of_pairs(spec, pairs));
        Self {
            pools: kept.iter().map(marks).collect(),
            on_demand: others.map(|spec| (spec, Marks::on_demand(spec))).collect(),
            ..Self::new(&[], backend)
        }
    }
}

/// What producers and takers share.
#[derive(Debug)]
struct Shared {
    stocks: Vec<Stock>,
    /// One of each producer.
    diaries: Vec<Diary>,
    /// How many of them, the first, are kept from the start on.
    kept: usize,
    /// A pool may need something.
    need: Event,
    is_stopping: AtomicBool,
    /// Cleared when the feeds are to end.
    is_feeding: AtomicBool,
}

/// Pools with the producers that fill them; dropped, it stops them and zeroes every pair.
pub struct Pools {
    shared: Arc<Shared>,
    /// Gone when the producers are to be waited for.
    producers: Option<WaitGroup>,
    team: ThreadPool,
}

impl Pools {
    /// Allocates the pools and starts the producers.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::PermissionDenied`] if secret memory is weaker than required,
    /// [`io::ErrorKind::InvalidInput`] if a spec is named twice or a mark is zero, or what the
    /// system says.
    pub fn start(options: &PoolOptions) -> io::Result<Self> {
        Ok(Self::start_fed(options, &[])?.0)
    }

    /// As [`start`](Self::start), and those of `fed` that there are pools of are filled through the
    /// [`Feed`]s first, which are returned in the order of the pools.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_fed(options: &PoolOptions, fed: &[KeyPairSpec]) -> io::Result<(Self, Vec<Feed>)> {
        let backend = options.backend;
        Self::start_with(options, fed, move |spec| maker(spec, backend))
    }

    /// As [`start_fed`](Self::start_fed), with pairs from makers of the caller's choice.
    fn start_with(
        options: &PoolOptions,
        fed: &[KeyPairSpec],
        make: impl Fn(KeyPairSpec) -> Result<Box<dyn Maker>, MakeError> + Send + Sync + 'static,
    ) -> io::Result<(Self, Vec<Feed>)> {
        let team = team::start("keymill-pool", options.producers)?;
        let all = options.pools.iter().chain(&options.on_demand);
        let mut stocks: Vec<Stock> = Vec::new();
        for &(spec, marks) in all {
            if stocks.iter().any(|stock| stock.spec() == spec) {
                let twice = format!("two pools of {spec}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, twice));
            }
            let producers = team.current_num_threads();
            let is_fed = fed.contains(&spec);
            stocks.push(Stock::new(spec, marks, producers, options.at_least, is_fed));
        }
        for stock in &stocks[..options.pools.len()] {
            stock.open()?;
            stock.want();
        }
        let shared = Shared {
            stocks,
            diaries: (0..team.current_num_threads()).map(|_| Diary::default()).collect(),
            kept: options.pools.len(),
            need: Event::new(),
            is_stopping: AtomicBool::new(false),
            is_feeding: AtomicBool::new(true),
        };
        let (shared, make) = (Arc::new(shared), Arc::new(make));
        let is_fed = |number: &usize| shared.stocks[*number].is_fed();
        let fed = (0..shared.stocks.len()).filter(is_fed);
        let feeds = fed.map(|number| Feed::of(&shared, number)).collect();
        let (producers, make_way) = (WaitGroup::new(), options.make_way);
        let (theirs, here) = (shared.clone(), producers.clone());
        team.spawn_broadcast(move |context| {
            let _is_waited_for = here.clone();
            if make_way {
                // Works all the same if refused, only less politely.
                let _is_granted = yield_to_others();
            }
            producer::run(&theirs, &theirs.diaries[context.index()], &*make);
        });
        Ok((Self { shared, producers: Some(producers), team }, feeds))
    }

    /// Adds at least one and at most `rows` ready pairs to `batch`, and says how many. Each is
    /// handed out to nobody else, and zeroed in the pool.
    ///
    /// # Errors
    ///
    /// [`TakeError`]: no pool of this spec, nothing there and `policy` says not to wait, or
    /// nothing came.
    ///
    /// # Panics
    ///
    /// If `batch` has no room for `rows` more.
    pub fn take(
        &self,
        batch: &mut KeyPairBatch,
        rows: usize,
        policy: EmptyPool,
    ) -> Result<usize, TakeError> {
        let spec = batch.spec();
        let stock = self.shared.stock(spec).ok_or(TakeError::NoPool { spec })?;
        let mut deadline = None;
        loop {
            // Listening before looking: what comes in between is not missed.
            let listener = deadline.map(|_| stock.arrivals().listen());
            let taken = stock.take(batch, rows);
            self.shared.tell_need(stock);
            if taken > 0 || rows == 0 {
                return Ok(taken);
            }
            if let Some(reason) = stock.failure() {
                return Err(TakeError::Failed { spec, reason });
            }
            if self.shared.is_stopping() {
                return Err(TakeError::Stopped);
            }
            match (policy, listener, deadline) {
                (EmptyPool::Throttle, ..) => return Err(TakeError::Throttled { spec }),
                (EmptyPool::Error, ..) => return Err(TakeError::Empty { spec }),
                (EmptyPool::Wait(_), Some(listener), Some(deadline)) => {
                    if listener.wait_deadline(deadline).is_none() {
                        return Err(TakeError::NothingCame { spec });
                    }
                }
                (EmptyPool::Wait(time), ..) => {
                    deadline = Some(Instant::now() + time.min(POOL_WAIT_MAX));
                }
            }
        }
    }

    /// Ends every feed; its [`wait_for_room`](Feed::wait_for_room) returns `None` from then on.
    pub fn end_feeds(&self) {
        self.shared.is_feeding.store(false, Ordering::SeqCst);
        self.shared.stocks.iter().for_each(Stock::tell_feed);
    }

    /// Resolves when pairs of `spec` may have arrived; for doors that must not block a thread.
    /// To be called before a [`take`](Self::take) that may come back empty-handed.
    #[must_use]
    pub fn arrival(&self, spec: KeyPairSpec) -> Option<impl Future<Output = ()> + use<>> {
        Some(self.shared.stock(spec)?.arrivals().listen())
    }

    /// Whether every pool was filled up to its low mark once, those on demand left aside. Stays so,
    /// however fast pairs are taken.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.shared.stocks[..self.shared.kept].iter().all(Stock::was_warm)
    }

    /// Every pool as it is at the moment.
    #[must_use]
    pub fn status(&self) -> Vec<PoolStatus> {
        self.shared.stocks.iter().map(Stock::status).collect()
    }

    /// Every producer as it is at the moment.
    #[must_use]
    pub fn producer_status(&self) -> Vec<ProducerStatus> {
        self.shared.diaries.iter().map(Diary::status).collect()
    }

    /// Number of producers.
    #[must_use]
    pub fn producers(&self) -> usize {
        self.team.current_num_threads()
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.need.notify(usize::MAX);
        for stock in &self.shared.stocks {
            stock.arrivals().notify(usize::MAX);
            stock.tell_feed();
        }
        // A producer ends with its unit of work, within milliseconds.
        if let Some(producers) = self.producers.take() {
            producers.wait();
        }
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Shared {
    fn stock(&self, spec: KeyPairSpec) -> Option<&Stock> {
        self.stocks.iter().find(|stock| stock.spec() == spec)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// The pool with the greatest need, if any has one.
    fn neediest(&self) -> Option<usize> {
        let needs = self.stocks.iter().enumerate();
        let needs = needs.filter_map(|(number, stock)| Some((stock.need()?, number)));
        needs.min().map(|(_, number)| number)
    }

    /// Wakes whoever fills `stock` and sleeps, if it has come to need that; a take may be the first.
    fn tell_need(&self, stock: &Stock) {
        let is_first = stock.want();
        if stock.is_fed() {
            if stock.room_for_feed().is_some() {
                stock.tell_feed();
            }
        } else if is_first || stock.need().is_some() {
            self.need.notify(usize::MAX);
        }
    }
}
