//! `Engine`: whatever makes key pairs of one spec, chosen once per worker.

use core::fmt;

use crate::crypto::drbg::Drbg;
#[cfg(target_arch = "x86_64")]
use crate::crypto::ec::EcEngine;
use crate::crypto::key_pair::KeyPairBatch;
use crate::crypto::portable::PortableEngine;
use crate::crypto::rsa::RsaEngine;
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;

/// Makes key pairs of one spec in batches, on one thread.
pub trait Engine: Send {
    /// The instructions it runs on.
    fn backend(&self) -> Backend;

    /// Adds `rows` fresh key pairs to `batch`.
    ///
    /// # Errors
    ///
    /// [`GenerateError`] if a finished pair failed its consistency check; `batch` must then be
    /// cleared.
    ///
    /// # Panics
    ///
    /// If `batch` is of another spec or has no room for `rows` more.
    fn generate(
        &mut self,
        drbg: &mut Drbg,
        batch: &mut KeyPairBatch,
        rows: usize,
    ) -> Result<(), GenerateError>;
}

/// A finished key pair failed its consistency check: the machine computes wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerateError {
    /// What was being made.
    pub spec: KeyPairSpec,
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} key pair failed its consistency check", self.spec)
    }
}

impl core::error::Error for GenerateError {}

/// The engine for `spec` on `backend`, the portable one where the backend has none of its own.
#[must_use]
pub fn engine(spec: KeyPairSpec, backend: Backend) -> Box<dyn Engine> {
    if spec.rsa_bits().is_some() {
        return Box::new(RsaEngine::new(spec, backend));
    }
    #[cfg(target_arch = "x86_64")]
    if let Backend::Ifma(token) = backend
        && let Some(engine) = EcEngine::new(spec, token)
    {
        return Box::new(engine);
    }
    Box::new(PortableEngine::new(spec))
}
