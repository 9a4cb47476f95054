//! `Stock`: the pairs of one spec, finished ones in front and, for RSA, primes behind.
//!
//! A stock that nobody has asked for is closed: it has no memory and needs nothing. The first
//! taker asks for it, and a producer opens it.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use event_listener::{Event, IntoNotification};

use super::maker::MakeError;
use super::shelf::Shelf;
use super::status::PoolStatus;
use crate::crypto::KeyPairBatch;
use crate::crypto::prime::expected_tests;
use crate::crypto::prime::search::Tally;
use crate::crypto::rsa::prime_pair_bytes;
use crate::limits::{
    POOL_ON_DEMAND_RSA, POOL_PAIRS_FAST, POOL_PAIRS_LATTICE, POOL_PRIMES_RSA, POOL_READY_RSA,
    pool_ahead,
};
use crate::spec::KeyPairSpec;
use crate::sys::secret_memory::Protection;

/// Keys derived at a time, and room that each producer may need for primes it has just found.
pub(super) const DERIVED_ROWS: usize = 8;

/// Bytes of a ready cell in front of the two halves: the length of the private one, and its origin.
const LENGTH_BYTES: usize = 2;

/// How much a pool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Refilling begins below so many pairs, primes counted.
    pub low: usize,
    /// Finished pairs.
    pub ready: usize,
    /// Pairs of primes behind them; 0 where a spec has no use for them.
    pub depth: usize,
}

impl Marks {
    /// Marks that suit `spec`: a few megabytes.
    #[must_use]
    pub const fn of(spec: KeyPairSpec) -> Self {
        if spec.rsa_bits().is_some() {
            return Self::of_pairs(spec, POOL_READY_RSA + POOL_PRIMES_RSA);
        }
        let is_lattice = spec.public_key_bytes() > 512;
        Self::of_pairs(spec, if is_lattice { POOL_PAIRS_LATTICE } else { POOL_PAIRS_FAST })
    }

    /// Marks of a pool that is filled on demand: what an endpoint can make in some seconds.
    #[must_use]
    pub const fn on_demand(spec: KeyPairSpec) -> Self {
        if spec.rsa_bits().is_some() {
            return Self::of_pairs(spec, POOL_ON_DEMAND_RSA);
        }
        Self::of(spec)
    }

    /// Marks of a pool of `pairs` pairs. Of RSA as many are finished as a burst may want, and the
    /// rest are primes, at a fifth of the memory.
    ///
    /// # Panics
    ///
    /// If `pairs` is 0.
    #[must_use]
    pub const fn of_pairs(spec: KeyPairSpec, pairs: usize) -> Self {
        assert!(pairs > 0, "a pool holds something");
        if spec.rsa_bits().is_none() {
            return Self { low: pairs.div_ceil(2), ready: pairs, depth: 0 };
        }
        let ready = if pairs < POOL_READY_RSA { pairs } else { POOL_READY_RSA };
        Self { low: pairs - pairs / 8, ready, depth: pairs - ready }
    }

    /// The same, with no pair that is still to be finished: a burst finds all of them ready.
    #[must_use]
    pub const fn finished(self) -> Self {
        Self { ready: self.high(), depth: 0, ..self }
    }

    /// Pairs of a full pool.
    #[must_use]
    pub const fn high(self) -> usize {
        self.ready + self.depth
    }
}

/// The pool of one spec.
#[derive(Debug)]
pub(super) struct Stock {
    spec: KeyPairSpec,
    marks: Marks,
    producers: usize,
    at_least: Protection,
    shelves: OnceLock<Shelves>,
    opening: Mutex<()>,
    arrivals: Event,
    /// Whether a feed fills the pool, and not the producers.
    is_fed: AtomicBool,
    hunger: Event,
    is_wanted: AtomicBool,
    is_refilling: AtomicBool,
    was_warm: AtomicBool,
    failure: OnceLock<MakeError>,
    made: AtomicU64,
    taken: AtomicU64,
    fed_taken: AtomicU64,
    tested: AtomicU64,
    primes: AtomicU64,
}

/// The memory of an open pool.
#[derive(Debug)]
struct Shelves {
    ready: Shelf,
    depth: Option<Shelf>,
    protection: Protection,
}

impl Shelves {
    fn new(
        spec: KeyPairSpec,
        marks: Marks,
        producers: usize,
        at_least: Protection,
    ) -> io::Result<Self> {
        let pair_bytes = LENGTH_BYTES + spec.public_key_bytes() + spec.private_key_bytes_max();
        let (ready, protection) = Shelf::new(marks.ready, pair_bytes, producers, at_least)?;
        let Some(bytes) = prime_pair_bytes(spec) else {
            return Ok(Self { ready, depth: None, protection });
        };
        // What every producer may find while another finds the last.
        let cells = marks.depth + DERIVED_ROWS * producers;
        let (depth, its_protection) = Shelf::new(cells, bytes, producers, at_least)?;
        Ok(Self { ready, depth: Some(depth), protection: protection.min(its_protection) })
    }
}

impl Stock {
    /// A closed pool that `producers` threads will fill, after its feed if it has one.
    pub(super) fn new(
        spec: KeyPairSpec,
        marks: Marks,
        producers: usize,
        at_least: Protection,
        is_fed: bool,
    ) -> Self {
        Self {
            spec,
            marks,
            producers,
            at_least,
            shelves: OnceLock::new(),
            opening: Mutex::new(()),
            arrivals: Event::new(),
            is_fed: AtomicBool::new(is_fed),
            hunger: Event::new(),
            is_wanted: AtomicBool::new(false),
            is_refilling: AtomicBool::new(true),
            was_warm: AtomicBool::new(false),
            failure: OnceLock::new(),
            made: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            fed_taken: AtomicU64::new(0),
            tested: AtomicU64::new(0),
            primes: AtomicU64::new(0),
        }
    }

    /// Lets producers open and fill the pool; returns whether it was unwanted.
    pub(super) fn want(&self) -> bool {
        !self.is_wanted.load(Ordering::Relaxed) && !self.is_wanted.swap(true, Ordering::SeqCst)
    }

    /// Gives the pool its memory, unless it has it.
    pub(super) fn open(&self) -> io::Result<()> {
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shelves.get().is_none() {
            let shelves = Shelves::new(self.spec, self.marks, self.producers, self.at_least)?;
            let _it_was_not_set = self.shelves.set(shelves);
        }
        Ok(())
    }

    /// Whether the pool has its memory.
    pub(super) fn is_open(&self) -> bool {
        self.shelves.get().is_some()
    }

    pub(super) const fn spec(&self) -> KeyPairSpec {
        self.spec
    }

    /// The ring of finished pairs.
    ///
    /// # Panics
    ///
    /// If the pool is closed; a producer opens it first.
    pub(super) fn ready(&self) -> &Shelf {
        &self.shelves.get().expect("the pool is open").ready
    }

    /// The ring of primes.
    ///
    /// # Panics
    ///
    /// If the pool is closed, or not of RSA.
    pub(super) fn depth(&self) -> &Shelf {
        let depth = self.shelves.get().and_then(|shelves| shelves.depth.as_ref());
        depth.expect("an open pool of RSA keeps primes")
    }

    /// Told whenever pairs become ready, or never will.
    pub(super) const fn arrivals(&self) -> &Event {
        &self.arrivals
    }

    /// Why there will be no more pairs, if so.
    pub(super) fn failure(&self) -> Option<MakeError> {
        self.failure.get().copied()
    }

    /// Ends the making of pairs; those that are ready can still be taken.
    pub(super) fn fail(&self, reason: MakeError) {
        let _the_first_reason_stays = self.failure.set(reason);
        self.arrivals.notify(usize::MAX);
    }

    /// Puts every pair of `batch` into the ready ring, as far as `room` is claimed, and empties
    /// the batch; returns how many it put. Each pair wakes one of those who wait, in the order of
    /// their coming.
    pub(super) fn put(&self, batch: &mut KeyPairBatch, room: &mut super::shelf::Held<'_>) -> usize {
        self.put_from(Origin::Producer, batch, room)
    }

    fn put_from(
        &self,
        origin: Origin,
        batch: &mut KeyPairBatch,
        room: &mut super::shelf::Held<'_>,
    ) -> usize {
        let put = batch.len().min(room.len());
        // Counted first: nobody sees more pairs taken than made.
        self.made.fetch_add(put as u64, Ordering::SeqCst);
        for row in 0..put {
            let (public, private) = (batch.public_key(row), batch.private_key(row));
            room.put(|cell| encode(origin, public, private, cell));
        }
        batch.clear();
        self.arrivals.notify(put.additional());
        put
    }

    /// Puts every pair of `batch`, which a feed has brought.
    pub(super) fn put_fed(&self, batch: &mut KeyPairBatch) {
        let mut room = self.ready().claim(batch.len());
        assert_eq!(room.len(), batch.len(), "a feed brings what there is room for");
        self.put_from(Origin::Feed, batch, &mut room);
        if self.level() >= self.marks.low.min(self.fed_max() / 2) {
            self.was_warm.store(true, Ordering::Relaxed);
        }
    }

    /// Told whenever a feed may be wanted, or is to end.
    pub(super) const fn hunger(&self) -> &Event {
        &self.hunger
    }

    /// Wakes the feed, if it sleeps.
    pub(super) fn tell_feed(&self) {
        self.hunger.notify(usize::MAX);
    }

    /// Whether a feed fills the pool.
    pub(super) fn is_fed(&self) -> bool {
        self.is_fed.load(Ordering::SeqCst)
    }

    /// Leaves the pool to the producers.
    pub(super) fn end_feed(&self) {
        self.is_fed.store(false, Ordering::SeqCst);
    }

    /// How many pairs a feed should bring now, if any: as many as there may be, once half of them
    /// are gone. A cell in a taker's hands is not gone yet.
    pub(super) fn room_for_feed(&self) -> Option<usize> {
        if !self.is_wanted.load(Ordering::SeqCst) {
            return None;
        }
        let Some(shelves) = self.shelves.get() else { return Some(self.fed_max()) };
        let held = shelves.ready.capacity() - shelves.ready.room();
        (held <= self.fed_max() / 2).then(|| self.fed_max() - held)
    }

    /// Most pairs that a feed keeps in the pool.
    fn fed_max(&self) -> usize {
        self.marks.ready.min(usize::try_from(pool_ahead(self.spec)).unwrap_or(usize::MAX))
    }

    /// Pairs handed out so far that a feed had brought.
    pub(super) fn fed_taken(&self) -> u64 {
        self.fed_taken.load(Ordering::SeqCst)
    }

    /// Counts what a search for primes has done.
    pub(super) fn count_search(&self, tally: Tally) {
        self.tested.fetch_add(tally.tested, Ordering::Relaxed);
        self.primes.fetch_add(tally.primes, Ordering::Relaxed);
    }

    /// Moves up to `rows` pairs to the end of `batch`; returns how many there were.
    pub(super) fn take(&self, batch: &mut KeyPairBatch, rows: usize) -> usize {
        assert!(rows <= batch.capacity() - batch.len(), "the batch has room");
        let Some(shelves) = self.shelves.get() else { return 0 };
        let (mut taken, mut fed) = (0, 0);
        while taken < rows
            && let Some(origin) = shelves.ready.take(|cell| decode(cell, batch))
        {
            taken += 1;
            fed += u64::from(origin == Origin::Feed);
        }
        self.taken.fetch_add(taken as u64, Ordering::Relaxed);
        if fed > 0 {
            self.fed_taken.fetch_add(fed, Ordering::SeqCst);
        }
        taken
    }

    /// Whether there is nothing at all, so that whoever comes must wait.
    pub(super) fn is_empty(&self) -> bool {
        self.level() == 0
    }

    /// Whether the pool was once filled up to its low mark.
    pub(super) fn was_warm(&self) -> bool {
        self.was_warm.load(Ordering::Relaxed)
    }

    /// Whether primes wait that the ready ring has room for.
    pub(super) fn can_derive(&self) -> bool {
        let Some(Shelves { ready, depth: Some(depth), .. }) = self.shelves.get() else {
            return false;
        };
        match depth.len() {
            0 => false,
            1..DERIVED_ROWS => is_low(ready),
            DERIVED_ROWS.. => ready.room() >= DERIVED_ROWS || is_low(ready),
        }
    }

    /// How urgently producers should make pairs, the least first; `None` if not at all.
    pub(super) fn need(&self) -> Option<usize> {
        let is_wanted = self.is_wanted.load(Ordering::SeqCst);
        if !is_wanted || self.is_fed() || self.failure.get().is_some() {
            return None;
        }
        let Some(shelves) = self.shelves.get() else { return Some(0) };
        let level = self.level();
        if level >= self.marks.low {
            self.was_warm.store(true, Ordering::Relaxed);
        }
        if level >= self.marks.high() {
            self.is_refilling.store(false, Ordering::Relaxed);
        } else if level < self.marks.low {
            self.is_refilling.store(true, Ordering::Relaxed);
        }
        let is_wanted = self.is_refilling.load(Ordering::Relaxed) || self.can_derive();
        let per_mille = |part: usize, whole: usize| part * 1000 / whole.max(1);
        is_wanted.then(|| {
            if is_low(&shelves.ready) {
                per_mille(shelves.ready.len(), shelves.ready.capacity())
            } else {
                1000 + per_mille(level, self.marks.high())
            }
        })
    }

    /// Pairs there are, primes counted.
    fn level(&self) -> usize {
        let level =
            |shelves: &Shelves| shelves.ready.len() + shelves.depth.as_ref().map_or(0, Shelf::len);
        self.shelves.get().map_or(0, level)
    }

    pub(super) fn status(&self) -> PoolStatus {
        let shelves = self.shelves.get();
        let depth = shelves.and_then(|shelves| shelves.depth.as_ref());
        PoolStatus {
            spec: self.spec,
            marks: self.marks,
            is_wanted: self.is_wanted.load(Ordering::Relaxed),
            was_warm: self.was_warm(),
            ready: shelves.map_or(0, |shelves| shelves.ready.len()),
            depth: depth.map_or(0, Shelf::len),
            made: self.made.load(Ordering::Relaxed),
            taken: self.taken.load(Ordering::Relaxed),
            tested: self.tested.load(Ordering::Relaxed),
            primes: self.primes.load(Ordering::Relaxed),
            expected_tests: self.spec.rsa_bits().map(|bits| expected_tests(bits / 2)),
            protection: shelves.map(|shelves| shelves.protection),
            failure: self.failure(),
        }
    }
}

/// Whether fewer pairs are ready than a quarter of what the ring can hold.
fn is_low(ready: &Shelf) -> bool {
    ready.len() < ready.capacity().div_ceil(4)
}

/// Who brought a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Producer,
    Feed,
}

/// What marks the length of a pair that a feed brought; no private key is so long.
const FED: u16 = 1 << 15;

/// Writes a pair into a ready cell: length and origin, public half, private half.
fn encode(origin: Origin, public: &[u8], private: &[u8], cell: &mut [u8]) {
    let length = u16::try_from(private.len()).unwrap_or(u16::MAX);
    let length = if origin == Origin::Feed { length | FED } else { length };
    let (head, halves) = cell.split_at_mut(LENGTH_BYTES);
    head.copy_from_slice(&length.to_le_bytes());
    halves[..public.len()].copy_from_slice(public);
    halves[public.len()..][..private.len()].copy_from_slice(private);
}

/// Appends the pair in `cell` to `batch`.
fn decode(cell: &[u8], batch: &mut KeyPairBatch) -> Origin {
    let (head, halves) = cell.split_at(LENGTH_BYTES);
    let head = u16::from_le_bytes([head[0], head[1]]);
    let length = usize::from(head & !FED);
    batch.push_with(|public, private| {
        public.copy_from_slice(&halves[..public.len()]);
        private[..length].copy_from_slice(&halves[public.len()..][..length]);
        length
    });
    if head & FED == 0 { Origin::Producer } else { Origin::Feed }
}
