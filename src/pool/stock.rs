//! `Stock`: the pairs of one spec, finished ones in front and, for RSA, primes behind.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::io;
use std::sync::OnceLock;

use event_listener::Event;

use super::maker::MakeError;
use super::shelf::Shelf;
use super::status::PoolStatus;
use crate::crypto::KeyPairBatch;
use crate::crypto::rsa::prime_pair_bytes;
use crate::limits::{POOL_PAIRS_FAST, POOL_PAIRS_LATTICE, POOL_PRIMES_RSA, POOL_READY_RSA};
use crate::spec::KeyPairSpec;
use crate::sys::secret_memory::Protection;

/// Keys derived at a time, and room that each producer may need for primes it has just found.
pub(super) const DERIVED_ROWS: usize = 8;

/// Bytes of a ready cell in front of the two halves: the length of the private one.
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
            let depth = POOL_PRIMES_RSA;
            return Self { low: POOL_READY_RSA + depth - depth / 8, ready: POOL_READY_RSA, depth };
        }
        let is_lattice = spec.public_key_bytes() > 512;
        let ready = if is_lattice { POOL_PAIRS_LATTICE } else { POOL_PAIRS_FAST };
        Self { low: ready / 2, ready, depth: 0 }
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
    ready: Shelf,
    depth: Option<Shelf>,
    protection: Protection,
    arrivals: Event,
    is_refilling: AtomicBool,
    failure: OnceLock<MakeError>,
    made: AtomicU64,
    taken: AtomicU64,
}

impl Stock {
    /// An empty pool that `producers` threads will fill.
    pub(super) fn new(
        spec: KeyPairSpec,
        marks: Marks,
        producers: usize,
        at_least: Protection,
    ) -> io::Result<Self> {
        let pair_bytes = LENGTH_BYTES + spec.public_key_bytes() + spec.private_key_bytes_max();
        let (ready, mut protection) = Shelf::new(marks.ready, pair_bytes, at_least)?;
        let mut depth = None;
        if let Some(bytes) = prime_pair_bytes(spec) {
            // With room for what every producer may find while another finds the last.
            let cells = marks.depth + DERIVED_ROWS * producers;
            let (shelf, its_protection) = Shelf::new(cells, bytes, at_least)?;
            protection = protection.min(its_protection);
            depth = Some(shelf);
        }
        Ok(Self {
            spec,
            marks,
            ready,
            depth,
            protection,
            arrivals: Event::new(),
            is_refilling: AtomicBool::new(true),
            failure: OnceLock::new(),
            made: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        })
    }

    pub(super) const fn spec(&self) -> KeyPairSpec {
        self.spec
    }

    pub(super) const fn ready(&self) -> &Shelf {
        &self.ready
    }

    pub(super) const fn depth(&self) -> Option<&Shelf> {
        self.depth.as_ref()
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
    /// the batch.
    pub(super) fn put(&self, batch: &mut KeyPairBatch, room: &mut super::shelf::Held<'_>) {
        let mut put = 0;
        for row in 0..batch.len() {
            let (public, private) = (batch.public_key(row), batch.private_key(row));
            put += u64::from(room.put(|cell| encode(public, private, cell)));
        }
        batch.clear();
        self.made.fetch_add(put, Ordering::Relaxed);
        self.arrivals.notify(usize::MAX);
    }

    /// Moves up to `rows` pairs to the end of `batch`; returns how many there were.
    pub(super) fn take(&self, batch: &mut KeyPairBatch, rows: usize) -> usize {
        assert!(rows <= batch.capacity() - batch.len(), "the batch has room");
        let mut taken = 0;
        while taken < rows && self.ready.take(|cell| decode(cell, batch)).is_some() {
            taken += 1;
        }
        self.taken.fetch_add(taken as u64, Ordering::Relaxed);
        taken
    }

    /// Whether fewer pairs are ready than a quarter of what the ring can hold.
    pub(super) fn is_low(&self) -> bool {
        self.ready.len() < self.ready.capacity().div_ceil(4)
    }

    /// Whether primes wait that the ready ring has room for.
    pub(super) fn can_derive(&self) -> bool {
        let Some(depth) = &self.depth else { return false };
        match depth.len() {
            0 => false,
            1..DERIVED_ROWS => self.is_low(),
            DERIVED_ROWS.. => self.ready.room() >= DERIVED_ROWS || self.is_low(),
        }
    }

    /// How urgently pairs should be made, the least first; `None` if not at all.
    pub(super) fn need(&self) -> Option<usize> {
        if self.failure.get().is_some() {
            return None;
        }
        let level = self.level();
        if level >= self.marks.high() {
            self.is_refilling.store(false, Ordering::Relaxed);
        } else if level < self.marks.low {
            self.is_refilling.store(true, Ordering::Relaxed);
        }
        let is_wanted = self.is_refilling.load(Ordering::Relaxed) || self.can_derive();
        let per_mille = |part: usize, whole: usize| part * 1000 / whole.max(1);
        is_wanted.then(|| {
            if self.is_low() {
                per_mille(self.ready.len(), self.ready.capacity())
            } else {
                1000 + per_mille(level, self.marks.high())
            }
        })
    }

    /// Pairs there are, primes counted.
    fn level(&self) -> usize {
        self.ready.len() + self.depth.as_ref().map_or(0, Shelf::len)
    }

    pub(super) fn status(&self) -> PoolStatus {
        PoolStatus {
            spec: self.spec,
            marks: self.marks,
            ready: self.ready.len(),
            depth: self.depth.as_ref().map_or(0, Shelf::len),
            made: self.made.load(Ordering::Relaxed),
            taken: self.taken.load(Ordering::Relaxed),
            protection: self.protection,
            failure: self.failure(),
        }
    }
}

/// Writes a pair into a ready cell: length of the private half, public half, private half.
fn encode(public: &[u8], private: &[u8], cell: &mut [u8]) {
    let length = u16::try_from(private.len()).unwrap_or(u16::MAX);
    let (head, halves) = cell.split_at_mut(LENGTH_BYTES);
    head.copy_from_slice(&length.to_le_bytes());
    halves[..public.len()].copy_from_slice(public);
    halves[public.len()..][..private.len()].copy_from_slice(private);
}

/// Appends the pair in `cell` to `batch`.
fn decode(cell: &[u8], batch: &mut KeyPairBatch) {
    let (head, halves) = cell.split_at(LENGTH_BYTES);
    let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
    batch.push_with(|public, private| {
        public.copy_from_slice(&halves[..public.len()]);
        private[..length].copy_from_slice(&halves[public.len()..][..length]);
        length
    });
}
