//! Stage 3 from a sealed pool: pairs made ahead, drawn at most once.
//!
//! The pool's file holds the records, the keystore's ledger how far they are claimed; this is
//! where the two meet. A [`Reserve`] claims a block of records at a time, durably, before it reads
//! them, and hands them out to the [`Drawer`]s of the workers, which open and finish them.

use core::fmt;
use core::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::crypto::KeyPairBatch;
use crate::crypto::drbg::Drbg;
use crate::keystore::{
    Claim, ClosedKeystore, Error as KeystoreError, Keystore, PoolLedger, ServedKeystore,
};
use crate::limits::{POOL_CLAIM_WAIT, pool_claim, slot_rows};
use crate::pipeline::error::Error;
use crate::pipeline::take::TakeError;
use crate::pool::sealed::{
    Appender, Error as PoolError, Finisher, NewPool, RecordKey, SealedPool, record_bytes,
    text_bytes,
};
use crate::secret::Secret;
use crate::spec::{KeyPairSpec, PoolId};
use crate::sys::features::Backend;

/// The pool of `spec` in `folder`, ready to be filled; a new one if there is none. Also says how
/// many records of it were claimed.
///
/// While this looks, the keystore is open, so that nobody claims anything.
///
/// # Errors
///
/// Among others if another process fills the pool.
pub fn appender(
    keystore: &mut Keystore,
    folder: &Path,
    spec: KeyPairSpec,
) -> Result<(Appender, u64), ReserveError> {
    let pool = match SealedPool::open_in(folder, spec) {
        Err(error) if error.is_missing() => {
            let new = NewPool::create_in(folder, spec)?;
            // Known before it has a name: a file with a name is never a stranger to the keystore.
            keystore.add_pool(new.id(), spec)?;
            new.publish()?;
            SealedPool::open_in(folder, spec)?
        }
        found => found?,
    };
    let claimed = ledger(keystore, &pool)?.claimed();
    let key = keystore.pool_key(pool.id())?;
    Ok((Appender::new(pool, &key, claimed)?, claimed))
}

/// What the keystore knows of a pool.
pub fn ledger<'k>(
    keystore: &'k Keystore,
    pool: &SealedPool,
) -> Result<&'k PoolLedger, ReserveError> {
    keystore.pool(pool.id()).map_err(|error| match error {
        KeystoreError::PoolUnknown(id) => {
            ReserveError::Strange { path: pool.path().to_owned(), id }
        }
        error => error.into(),
    })
}

/// The reserves of a job, one a spec at most.
#[derive(Debug, Default)]
pub struct Reserves(Vec<Reserve>);

impl Reserves {
    /// Opens the pools of `specs` in `folder`, as far as there are any.
    pub fn open(
        keystore: &Keystore,
        folder: &Path,
        specs: impl IntoIterator<Item = KeyPairSpec>,
    ) -> Result<Self, ReserveError> {
        let mut reserves = Vec::new();
        for spec in specs {
            match Reserve::open(keystore, folder, spec) {
                Err(ReserveError::Pool(error)) if error.is_missing() => {}
                reserve => reserves.push(reserve?),
            }
        }
        Ok(Self(reserves))
    }

    /// As they are, with every claim made through `keystore`, which this process serves.
    #[must_use]
    pub fn through(self, keystore: &Arc<ServedKeystore>) -> Self {
        let through = |reserve| Reserve { ledger: Ledger::Served(Arc::clone(keystore)), ..reserve };
        Self(self.0.into_iter().map(through).collect())
    }

    /// The reserve of `spec`.
    #[must_use]
    pub fn of(&self, spec: KeyPairSpec) -> Option<&Reserve> {
        self.iter().find(|reserve| reserve.pool.spec() == spec)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Reserve> {
        self.0.iter()
    }

    /// Takes the reserve of `spec` out.
    pub fn remove(&mut self, spec: KeyPairSpec) -> Option<Reserve> {
        let place = self.0.iter().position(|reserve| reserve.pool.spec() == spec)?;
        Some(self.0.swap_remove(place))
    }
}

/// Where claims are written down.
#[derive(Debug)]
enum Ledger {
    /// In a keystore that is opened for each claim.
    Closed(ClosedKeystore),
    /// In one that this process may have open itself.
    Served(Arc<ServedKeystore>),
}

impl Ledger {
    fn claim(&self, id: PoolId, claim: Claim) -> Result<Range<u64>, KeystoreError> {
        match self {
            Self::Closed(keystore) => keystore.open(POOL_CLAIM_WAIT)?.claim(id, claim),
            Self::Served(keystore) => {
                let begun = Instant::now();
                loop {
                    match keystore.claim(id, claim) {
                        Err(KeystoreError::Busy(_)) if begun.elapsed() < POOL_CLAIM_WAIT => {}
                        claimed => return claimed,
                    }
                }
            }
        }
    }
}

/// A sealed pool to draw from, shared by all workers of a process.
#[derive(Debug)]
pub struct Reserve {
    ledger: Ledger,
    pool: SealedPool,
    key: RecordKey,
    unclaimed: u64,
    hand: Mutex<Hand>,
}

/// The block of records that is claimed, and what became of those before.
#[derive(Debug, Default)]
struct Hand {
    /// The records, sealed.
    block: Vec<u8>,
    /// Those of them that are left.
    left: Range<u64>,
    /// Number of the first in `block`.
    first: u64,
    /// Records that will be wanted: none beyond are claimed.
    wanted: u64,
    /// The pool had no more when it was last asked.
    is_dry: bool,
    /// Not reported yet.
    taken: u64,
    damaged: u64,
    /// Of the whole life of the reserve.
    outcome: Outcome,
}

/// What became of the records that a process drew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records claimed.
    pub claimed: u64,
    /// Pairs taken.
    pub taken: u64,
    /// Records that did not open, and were left out.
    pub damaged: u64,
    /// The first of these.
    pub first_damaged: Option<u64>,
}

impl Outcome {
    /// Records claimed of which nothing came; they are lost once the process ends.
    #[must_use]
    pub const fn unaccounted(&self) -> u64 {
        self.claimed.saturating_sub(self.taken).saturating_sub(self.damaged)
    }
}

impl Reserve {
    /// Opens the pool of `spec` in `folder`; `keystore` may be closed afterwards.
    pub fn open(
        keystore: &Keystore,
        folder: &Path,
        spec: KeyPairSpec,
    ) -> Result<Self, ReserveError> {
        let pool = SealedPool::open_in(folder, spec)?;
        let claimed = ledger(keystore, &pool)?.claimed();
        let records = pool.records()?;
        if records < claimed {
            let path = pool.path().to_owned();
            return Err(ReserveError::Short { path, records, claimed });
        }
        let key = RecordKey::new(&keystore.pool_key(pool.id())?, pool.id(), spec);
        let ledger = Ledger::Closed(keystore.closed());
        Ok(Self { ledger, pool, key, unclaimed: records - claimed, hand: Mutex::default() })
    }

    /// The pool.
    #[must_use]
    pub const fn pool(&self) -> &SealedPool {
        &self.pool
    }

    /// Pairs that nobody had claimed when it was opened.
    #[must_use]
    pub const fn unclaimed(&self) -> u64 {
        self.unclaimed
    }

    /// Says that `rows` more pairs will be wanted; no record is claimed for nobody.
    pub fn expect(&self, rows: u64) {
        self.lock().wanted += rows;
    }

    /// What was drawn so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.lock().outcome
    }

    /// Reports to the keystore what became of the last block; due at the end of a job. Without
    /// it the block counts as unaccounted for.
    pub fn settle(&self) -> Result<(), ReserveError> {
        let mut hand = self.lock();
        let Hand { taken, damaged, .. } = *hand;
        if taken + damaged > 0 {
            self.ledger.claim(self.pool.id(), Claim { taken, damaged, ..Claim::default() })?;
            (hand.taken, hand.damaged) = (0, 0);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends up to `count` records to `records`; returns the number of the first, and how many.
    fn hand_out(
        &self,
        count: usize,
        records: &mut Vec<u8>,
    ) -> Result<Option<(u64, usize)>, ReserveError> {
        let mut hand = self.lock();
        if hand.left.is_empty() && !self.claim(&mut hand)? {
            return Ok(None);
        }
        let count = (hand.left.end - hand.left.start).min(count as u64);
        let bytes = record_bytes(self.pool.spec());
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX) * bytes;
        let (number, start) = (hand.left.start, place(hand.left.start - hand.first));
        records.extend_from_slice(&hand.block[start..start + place(count)]);
        hand.left.start += count;
        hand.wanted = hand.wanted.saturating_sub(count);
        Ok(Some((number, usize::try_from(count).unwrap_or(usize::MAX))))
    }

    /// Claims the next block and reads it; false if there is none. Nothing of it is read before
    /// the claim is on the disk.
    fn claim(&self, hand: &mut Hand) -> Result<bool, ReserveError> {
        if hand.is_dry || hand.wanted == 0 {
            return Ok(false);
        }
        let claim = Claim {
            wanted: hand.wanted.min(pool_claim(self.pool.spec())),
            available: self.pool.records()?,
            taken: hand.taken,
            damaged: hand.damaged,
        };
        hand.left = self.ledger.claim(self.pool.id(), claim)?;
        (hand.taken, hand.damaged) = (0, 0);
        hand.outcome.claimed += hand.left.end - hand.left.start;
        hand.first = hand.left.start;
        hand.is_dry = hand.left.is_empty();
        if hand.is_dry {
            return Ok(false);
        }
        let numbers = hand.left.clone();
        hand.block = self.pool.read(numbers.clone()).inspect_err(|_| hand.left = 0..0)?;
        self.pool.erase(numbers);
        Ok(true)
    }

    /// Takes note of what became of records that were handed out.
    fn note(&self, outcome: Outcome) {
        let Outcome { taken, damaged, first_damaged, .. } = outcome;
        let mut hand = self.lock();
        hand.taken += taken;
        hand.damaged += damaged;
        hand.outcome.taken += taken;
        hand.outcome.damaged += damaged;
        hand.outcome.first_damaged = hand.outcome.first_damaged.or(first_damaged);
    }
}

/// What one worker draws pairs with.
#[derive(Debug)]
pub struct Drawer<'r> {
    reserve: &'r Reserve,
    finisher: Finisher,
    /// Records as they were handed out.
    records: Vec<u8>,
    /// What was in them.
    texts: Secret<Vec<u8>>,
    /// What became of the records since the last [`commit`](Self::commit).
    outcome: Outcome,
}

impl<'r> Drawer<'r> {
    /// A drawer on `reserve`, with everything allocated that a slot needs.
    #[must_use]
    pub fn new(reserve: &'r Reserve, backend: Backend) -> Self {
        let spec = reserve.pool.spec();
        let rows = slot_rows(spec);
        Self {
            reserve,
            finisher: Finisher::new(spec, backend),
            records: Vec::with_capacity(rows * record_bytes(spec)),
            texts: Secret::new(Vec::with_capacity(rows * text_bytes(spec))),
            outcome: Outcome::default(),
        }
    }

    /// Adds up to `rows` pairs to `batch`, fewer only if the pool has no more; says how many.
    pub fn draw(
        &mut self,
        drbg: &mut Drbg,
        batch: &mut KeyPairBatch,
        rows: usize,
    ) -> Result<usize, Error> {
        let mut drawn = 0;
        while drawn < rows {
            self.records.clear();
            let wanted = (rows - drawn).min(slot_rows(batch.spec()));
            let Some((first, count)) = self.reserve.hand_out(wanted, &mut self.records)? else {
                break;
            };
            let opened = self.open(first);
            let finished = self.finisher.finish(drbg, self.texts.expose(), batch);
            zeroize::Zeroize::zeroize(self.texts.expose_mut());
            finished.map_err(TakeError::from)?;
            // For those that did not open others are wanted.
            self.reserve.expect((count - opened) as u64);
            drawn += opened;
        }
        Ok(drawn)
    }

    /// Reports the pairs drawn so far as taken: they have left the process. Those that never do
    /// stay unaccounted for.
    pub fn commit(&mut self) {
        self.commit_some(self.outcome.taken);
    }

    /// As [`commit`](Self::commit), for `taken` of the pairs alone: the others are at hand still.
    pub fn commit_some(&mut self, taken: u64) {
        let taken = taken.min(self.outcome.taken);
        let left = Outcome { taken: self.outcome.taken - taken, ..Outcome::default() };
        self.reserve.note(Outcome { taken, ..core::mem::replace(&mut self.outcome, left) });
    }

    /// Opens the records at hand, of which the first has number `first`, into the texts; says how
    /// many did open.
    fn open(&mut self, first: u64) -> usize {
        let spec = self.reserve.pool.spec();
        let texts = self.texts.expose_mut();
        for (number, record) in (first..).zip(self.records.chunks_exact(record_bytes(spec))) {
            let end = texts.len();
            texts.resize(end + text_bytes(spec), 0);
            if self.reserve.key.open(number, record, &mut texts[end..]) {
                self.outcome.taken += 1;
            } else {
                texts.truncate(end);
                self.outcome.damaged += 1;
                self.outcome.first_damaged.get_or_insert(number);
            }
        }
        texts.len() / text_bytes(spec)
    }
}

/// Why a pool cannot be drawn from, or filled.
#[derive(Debug)]
pub enum ReserveError {
    /// The pool's file.
    Pool(PoolError),
    /// The keystore with its ledger.
    Keystore(KeystoreError),
    /// The pool was made with another keystore, or with a later state of this one.
    Strange {
        /// The file.
        path: PathBuf,
        /// Which pool it is.
        id: PoolId,
    },
    /// The file ends below what was claimed.
    Short {
        /// The file.
        path: PathBuf,
        /// Records it has.
        records: u64,
        /// Records that were claimed.
        claimed: u64,
    },
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(error) => error.fmt(f),
            Self::Keystore(error) => error.fmt(f),
            Self::Strange { path, id } => write!(
                f,
                "{}: the keystore knows no pool {id}; another keystore made it, or a later state \
                 of this one",
                path.display()
            ),
            Self::Short { path, records, claimed } => write!(
                f,
                "{}: {records} records, but {claimed} were handed out: an older copy, or cut off",
                path.display()
            ),
        }
    }
}

impl core::error::Error for ReserveError {}

impl From<PoolError> for ReserveError {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl From<KeystoreError> for ReserveError {
    fn from(error: KeystoreError) -> Self {
        Self::Keystore(error)
    }
}
