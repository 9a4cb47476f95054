//! The endpoint: what all threads share, and what each has for itself.

use core::cell::{Cell, RefCell};
use core::fmt;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::audit::{Audit, Scribe};
use super::body::AnswerBody;
use super::sigv4::Verifier;
use super::tally::{self, Tally};
use super::weather::{Fate, Forecast, Weather};
use crate::crypto::KeyPairBatch;
use crate::crypto::drbg::{Drbg, EntropyError};
use crate::crypto::seal::{Sealer, WrappedBatch};
use crate::keystore::{ServedKeystore, ServedPrincipal};
use crate::limits::UNSIGNED_CALLERS_MAX;
use crate::pipeline::authorize::Caller;
use crate::pipeline::source::KeyPairSource;
use crate::spec::key_id::Scope;
use crate::spec::{KeyPairSpec, Operation, Region};
use crate::sys::features::Backend;

/// How long calls draw from the same entropy.
const FRESH: Duration = Duration::from_millis(1);

/// Whether calls must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Every call is signed by a principal of the keystore.
    SigV4,
    /// Any signature or none; every caller is the root user of the keystore's account.
    None,
}

/// What all threads share; read only, but for what locks itself.
pub struct Endpoint {
    pub(super) keystore: Arc<ServedKeystore>,
    pub(super) source: Arc<dyn KeyPairSource>,
    pub(super) authentication: Authentication,
    /// Whom unsigned calls are taken to come from.
    pub(super) root: Arc<ServedPrincipal>,
    pub(super) weather: ArcSwap<Weather>,
    pub(super) audit: Option<Arc<Audit>>,
    backend: Backend,
    /// What each thread counts.
    tallies: Mutex<Vec<Arc<Mutex<Tally>>>>,
}

impl Endpoint {
    /// An endpoint that answers from `keystore`, with key pairs from `source`.
    #[must_use]
    pub fn new(
        keystore: Arc<ServedKeystore>,
        source: Arc<dyn KeyPairSource>,
        authentication: Authentication,
    ) -> Self {
        let root = Arc::new(ServedPrincipal::root(keystore.scope()));
        let weather = ArcSwap::from_pointee(Weather::new(Forecast::default()));
        let tallies = Mutex::default();
        let (audit, backend) = (None, Backend::Portable);
        Self { keystore, source, authentication, root, weather, audit, backend, tallies }
    }

    /// Writes every call to `audit`.
    #[must_use]
    pub fn with_audit(self, audit: Option<Arc<Audit>>) -> Self {
        Self { audit, ..self }
    }

    /// Seals as `backend` does; without it, as [`Backend::Portable`].
    #[must_use]
    pub fn with_backend(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// What all threads counted since the start.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        for tally in self.tallies.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            sum.add(&tally.lock().unwrap_or_else(PoisonError::into_inner));
        }
        sum
    }

    /// A tally for one more thread.
    fn new_tally(&self) -> Arc<Mutex<Tally>> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = Arc::<Mutex<Tally>>::default();
        tallies.push(Arc::clone(&tally));
        tally
    }

    /// What is to come, from now on: the fates of requests are drawn from the seed's beginning, and
    /// all quotas are full.
    pub fn forecast(&self, forecast: Forecast) {
        self.weather.store(Arc::new(Weather::new(forecast)));
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("keystore", &self.keystore)
            .field("authentication", &self.authentication)
            .finish_non_exhaustive()
    }
}

/// What each thread has for itself. Nothing of it is borrowed across an await.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) verifier: RefCell<Verifier>,
    /// The callers of unsigned calls, by Region.
    unsigned: RefCell<HashMap<Region, Rc<Caller>>>,
    drbg: RefCell<Drbg>,
    /// Seals as long as that entropy serves.
    sealer: RefCell<Sealer>,
    /// When the entropy was fresh.
    reseeded: Cell<Instant>,
    /// The memory of the pair that was sealed last, for the next.
    spare: RefCell<Option<KeyPairBatch>>,
    pub(super) scribe: RefCell<Scribe>,
    tally: Arc<Mutex<Tally>>,
}

impl Worker {
    /// A thread's own part.
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Result<Self, EntropyError> {
        let (drbg, reseeded) = (RefCell::new(Drbg::from_system()?), Cell::new(Instant::now()));
        let (verifier, unsigned, spare, scribe) = Default::default();
        let sealer = RefCell::new(Sealer::new(endpoint.backend));
        let tally = endpoint.new_tally();
        Ok(Self { endpoint, verifier, unsigned, drbg, sealer, reseeded, spare, scribe, tally })
    }

    /// Counts a call that began at `arrived`.
    pub(super) fn count(
        &self,
        operation: Option<Operation>,
        outcome: &Result<AnswerBody, super::error::Error>,
        arrived: Instant,
        fate: Fate,
    ) {
        let end = outcome.as_ref().map_or_else(|error| error.name, |_| tally::OK);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.count(operation, end, arrived.elapsed(), fate);
    }

    /// Runs `draw` on the thread's generator, whose entropy is no older than [`FRESH`].
    ///
    /// The calls of that time are a batch: a copy of the process repeats the nonces and IVs of one at
    /// most.
    pub(super) fn with_drbg<T>(
        &self,
        draw: impl FnOnce(&mut Drbg) -> T,
    ) -> Result<T, super::error::Error> {
        self.with_sealer(|_, drbg| draw(drbg))
    }

    /// As [`with_drbg`](Self::with_drbg), with what seals the blobs of the batch.
    pub(super) fn with_sealer<T>(
        &self,
        seal: impl FnOnce(&mut Sealer, &mut Drbg) -> T,
    ) -> Result<T, super::error::Error> {
        let (mut sealer, mut drbg) = (self.sealer.borrow_mut(), self.drbg.borrow_mut());
        let now = Instant::now();
        if now.duration_since(self.reseeded.get()) >= FRESH {
            sealer.end_batch();
            drbg.reseed().map_err(|_| super::error::Error::internal())?;
            self.reseeded.set(now);
        }
        Ok(seal(&mut sealer, &mut drbg))
    }

    /// An empty batch for one pair of `spec`.
    pub(super) fn spare_batch(&self, spec: KeyPairSpec) -> KeyPairBatch {
        let spare = self.spare.take().filter(|spare| spare.spec() == spec);
        spare.unwrap_or_else(|| KeyPairBatch::with_capacity(spec, 1))
    }

    /// Keeps the memory of a pair whose answer is written.
    pub(super) fn keep_spare(&self, wrapped: WrappedBatch) {
        self.spare.replace(Some(wrapped.recycle()));
    }

    /// An id for one request: unique, not secret.
    pub(super) fn request_id(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        self.drbg.borrow_mut().fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The caller of an unsigned call to a Region.
    pub(super) fn root_in(&self, region: Option<Region>) -> Rc<Caller> {
        let own = self.endpoint.keystore.scope();
        let region = region.unwrap_or_else(|| own.region.clone());
        let mut unsigned = self.unsigned.borrow_mut();
        if unsigned.len() >= UNSIGNED_CALLERS_MAX && !unsigned.contains_key(&region) {
            unsigned.clear();
        }
        let caller = unsigned.entry(region).or_insert_with_key(|region| {
            let (partition, account) = (region.partition(), own.account);
            let scope = Scope { partition, region: region.clone(), account };
            Rc::new(Caller::new(Arc::clone(&self.endpoint.root), scope))
        });
        Rc::clone(caller)
    }
}
