//! Filling a sealed pool: a team of producers makes texts and appends them.
//!
//! Each producer has an engine and a generator of its own and holds the file only while it writes
//! what it has made. The calling thread brings the records to the disk, once a second.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::ThreadPool;

use super::append::Appender;
use super::error::Error;
use super::record::text_bytes;
use crate::crypto::drbg::Drbg;
use crate::crypto::rsa::{PRIME_PAIRS, RsaEngine, prime_pair_bytes};
use crate::crypto::{Engine, KeyPairBatch, engine};
use crate::limits::{POOL_STEP_ROWS_MAX, POOL_SYNC};
use crate::pool::MakeError;
use crate::secret::Secret;
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;

/// Appends pairs until the number of the next record is `end`. `progress` is told how many of the
/// new records are on the disk; at the end all of them are.
///
/// # Errors
///
/// What was appended before stays.
pub fn fill(
    appender: Appender,
    end: u64,
    team: &ThreadPool,
    backend: Backend,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let (spec, start) = (appender.pool().spec(), appender.next());
    let (path, disk) = (appender.pool().path().to_owned(), appender.syncer()?);
    let line = Line { end, is_ending: AtomicBool::new(false), work: Mutex::new(Ok(appender)) };
    let mut sync = |line: &Line| {
        let next = line.next();
        disk.sync_data().map_err(Error::io("write", &path))?;
        progress(next.unwrap_or(start) - start);
        Ok(())
    };
    let (finished, wait) = channel();
    team.in_place_scope(|scope| {
        let line = &line;
        scope.spawn_broadcast(move |_, _| {
            let _told_however_it_ends = Finished(&finished);
            line.produce(spec, backend);
        });
        for _ in 0..team.current_num_threads() {
            while wait.recv_timeout(POOL_SYNC).is_err() {
                if let Err(error) = sync(line) {
                    line.fail(error);
                }
            }
        }
    });
    let synced = sync(&line);
    line.work.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    synced
}

/// Tells that a producer has ended.
struct Finished<'s>(&'s Sender<()>);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        let _nobody_waits_any_more = self.0.send(());
    }
}

/// What the producers share.
struct Line {
    end: u64,
    is_ending: AtomicBool,
    /// The pool, or why no more is appended.
    work: Mutex<Result<Appender, Error>>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Result<Appender, Error>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<u64> {
        self.lock().as_ref().ok().map(Appender::next)
    }

    fn fail(&self, error: Error) {
        let mut work = self.lock();
        self.is_ending.store(true, Ordering::Relaxed);
        if work.is_ok() {
            *work = Err(error);
        }
    }

    fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// One producer's life.
    fn produce(&self, spec: KeyPairSpec, backend: Backend) {
        if let Err(error) = self.try_produce(spec, backend) {
            self.fail(error.into());
        }
    }

    fn try_produce(&self, spec: KeyPairSpec, backend: Backend) -> Result<(), MakeError> {
        let mut drbg = Drbg::from_system()?;
        let mut source = Source::new(spec, backend);
        let mut texts = Secret::new(Vec::with_capacity(source.rows() * text_bytes(spec)));
        while !self.is_ending() {
            source.step(&mut drbg, texts.expose_mut())?;
            self.append(&mut drbg, texts.expose());
            zeroize::Zeroize::zeroize(texts.expose_mut());
        }
        Ok(())
    }

    /// Appends as many of `texts` as are still wanted.
    fn append(&self, drbg: &mut Drbg, texts: &[u8]) {
        if texts.is_empty() {
            return;
        }
        let mut work = self.lock();
        let Ok(appender) = &mut *work else { return };
        let wanted = usize::try_from(self.end.saturating_sub(appender.next()));
        let bytes = text_bytes(appender.pool().spec()).saturating_mul(wanted.unwrap_or(usize::MAX));
        let appended = appender.append(drbg, &texts[..bytes.min(texts.len())]);
        if appended.is_err() || appender.next() >= self.end {
            self.is_ending.store(true, Ordering::Relaxed);
        }
        if let Err(error) = appended {
            *work = Err(error);
        }
    }
}

/// Where a producer's texts come from.
enum Source {
    /// Pairs of primes, from searches that last many steps.
    Primes(RsaEngine),
    /// Whole pairs.
    Pairs(Box<dyn Engine>, KeyPairBatch),
}

impl Source {
    fn new(spec: KeyPairSpec, backend: Backend) -> Self {
        if prime_pair_bytes(spec).is_some() {
            return Self::Primes(RsaEngine::new(spec, backend));
        }
        let batch = KeyPairBatch::with_capacity(spec, POOL_STEP_ROWS_MAX);
        Self::Pairs(engine(spec, backend), batch)
    }

    /// Most texts of one step.
    const fn rows(&self) -> usize {
        match self {
            Self::Primes(_) => PRIME_PAIRS,
            Self::Pairs(_, batch) => batch.capacity(),
        }
    }

    /// Works for some milliseconds; adds what came of it to `texts`.
    fn step(&mut self, drbg: &mut Drbg, texts: &mut Vec<u8>) -> Result<(), MakeError> {
        match self {
            Self::Primes(engine) => {
                if engine.seek(drbg, PRIME_PAIRS, |primes| texts.extend_from_slice(primes)) {
                    // A new search begins, with nothing in it that an older state drew.
                    engine.forget();
                    drbg.reseed()?;
                }
            }
            Self::Pairs(engine, batch) => {
                drbg.reseed()?;
                engine.generate(drbg, batch, batch.capacity())?;
                for row in 0..batch.len() {
                    texts.extend_from_slice(batch.public_key(row));
                    texts.extend_from_slice(batch.private_key(row));
                }
                batch.clear();
            }
        }
        Ok(())
    }
}
