//! Stage 3: fresh key pairs for the permit's rows.

use core::fmt;

use crate::crypto::drbg::{Drbg, EntropyError};
use crate::crypto::laps::Stage;
use crate::crypto::{Engine, GenerateError, KeyPairBatch, engine};
use crate::pool;
use crate::spec::KeyPairSpec;
use crate::sys::entropy::Mailbox;
use crate::sys::features::Backend;

/// One worker's source of key pairs: an engine of its own and a generator of its own.
pub struct Supply {
    engine: Box<dyn Engine>,
    drbg: Drbg,
}

impl Supply {
    /// A source of `spec`, its generator seeded from the operating system.
    pub fn new(spec: KeyPairSpec, backend: Backend) -> Result<Self, TakeError> {
        Ok(Self { engine: engine(spec, backend), drbg: Drbg::from_system()? })
    }

    /// The instructions the engine runs on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.engine.backend()
    }

    /// The worker's generator.
    pub const fn drbg(&mut self) -> &mut Drbg {
        &mut self.drbg
    }

    /// Adds `rows` fresh pairs to `batch`.
    ///
    /// The generator is reseeded first, from `seeds` or else from the system: a copy of the
    /// process can repeat no batch but the one in the making and those whose seeds were drawn
    /// already, [`SEEDS_AHEAD`](crate::sys::entropy::SEEDS_AHEAD) at most.
    pub fn take(
        &mut self,
        mut batch: KeyPairBatch,
        rows: usize,
        seeds: Option<&Mailbox>,
    ) -> Result<KeyPairBatch, TakeError> {
        match seeds {
            Some(mailbox) => mailbox.take(|seed| self.drbg.mix(seed))?,
            None => self.drbg.reseed()?,
        }
        batch.lap(Stage::Rows);
        self.engine.generate(&mut self.drbg, &mut batch, rows)?;
        // What the engine did not count to a stage of its own.
        batch.lap(Stage::Key);
        Ok(batch)
    }
}

impl fmt::Debug for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Supply({})", self.backend())
    }
}

/// Why no key pair could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// A pair failed its check.
    Generate(GenerateError),
    /// No randomness.
    Entropy(EntropyError),
    /// A pool gave none.
    Pool(pool::TakeError),
}

impl TakeError {
    /// The AWS exception for it.
    #[must_use]
    pub const fn aws_name(&self) -> &'static str {
        match self {
            Self::Pool(pool::TakeError::Throttled { .. }) => "ThrottlingException",
            Self::Pool(pool::TakeError::NothingCame { .. }) => "DependencyTimeoutException",
            _ => "KMSInternalException",
        }
    }
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generate(error) => error.fmt(f),
            Self::Entropy(error) => error.fmt(f),
            Self::Pool(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TakeError {}

impl From<GenerateError> for TakeError {
    fn from(error: GenerateError) -> Self {
        Self::Generate(error)
    }
}

impl From<EntropyError> for TakeError {
    fn from(error: EntropyError) -> Self {
        Self::Entropy(error)
    }
}

impl From<pool::TakeError> for TakeError {
    fn from(error: pool::TakeError) -> Self {
        Self::Pool(error)
    }
}
