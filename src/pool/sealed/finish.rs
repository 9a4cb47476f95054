//! From the text of a record to a key pair.

use core::fmt;

use super::record::text_bytes;
use crate::crypto::arith::LANES;
use crate::crypto::drbg::Drbg;
use crate::crypto::rsa::RsaEngine;
use crate::crypto::{GenerateError, KeyPairBatch};
use crate::spec::KeyPairSpec;
use crate::sys::features::Backend;

/// Finishes pairs of one spec; each thread has its own.
pub struct Finisher {
    spec: KeyPairSpec,
    /// What computes the keys of primes.
    rsa: Option<RsaEngine>,
}

impl Finisher {
    /// A finisher of `spec`.
    #[must_use]
    pub fn new(spec: KeyPairSpec, backend: Backend) -> Self {
        let rsa = spec.rsa_bits().map(|_| RsaEngine::new(spec, backend));
        Self { spec, rsa }
    }

    /// Adds the pairs of `texts`, one after the other, to `batch`.
    ///
    /// # Errors
    ///
    /// A pair fails its check; `batch` must then be cleared.
    ///
    /// # Panics
    ///
    /// If `batch` has no room for them.
    pub fn finish(
        &mut self,
        drbg: &mut Drbg,
        texts: &[u8],
        batch: &mut KeyPairBatch,
    ) -> Result<(), GenerateError> {
        let bytes = text_bytes(self.spec);
        if let Some(engine) = &mut self.rsa {
            for eight in texts.chunks(LANES * bytes) {
                engine.derive(drbg, eight.chunks_exact(bytes), batch)?;
            }
            return Ok(());
        }
        for text in texts.chunks_exact(bytes) {
            batch.push_with(|public, private| {
                let (first, second) = text.split_at(public.len());
                public.copy_from_slice(first);
                private.copy_from_slice(second);
                second.len()
            });
        }
        Ok(())
    }
}

impl fmt::Debug for Finisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finisher({})", self.spec)
    }
}
