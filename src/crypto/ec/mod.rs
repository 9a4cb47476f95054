//! Elliptic-curve key pairs in bulk: fixed-base multiplication in eight lanes.
//!
//! In: a [`Drbg`] and a number of rows. Out: encoded key pairs in a [`KeyPairBatch`]. The room
//! knows nothing of requests, files or threads. From the floor up: `lanes` and `ifma` (integers),
//! `field` (six primes), `curve` and `table` (parameters and multiples of the generator), `lookup`
//! (its points, picked), `kernel` (a batch of scalar multiplications), `scalar` (private keys), and
//! here the engine that walks a request in batches.
//!
//! # What is checked of every key
//!
//! Three tests run on each batch; `generate` tells their cost, a tenth of the making of a P-256 key:
//!
//! - every point is on the curve (in the lanes, on the very coordinates that are encoded but for
//!   the last conversion): finds a faulty addition, product or carry;
//! - the points of the batch, added together, equal the sum of the scalars times the generator,
//!   which a portable crate computes: finds a point that is on the curve but wrong (a table entry
//!   misread, a digit or a sign lost), in whatever key it is. A fault goes unseen only if the
//!   errors of several keys cancel;
//! - one key of each batch, chosen at random, is computed whole by the portable crate and
//!   compared with its encoding: finds systematic faults of recoding and conversion.
#![doc = include_str!("ec.md")]
#![expect(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "arithmetic must be inlined into the function with the features on, and its loops over digits unrolled; they index several arrays in step"
)]

use self::batch::Batch;
use crate::crypto::drbg::Drbg;
use crate::crypto::engine::{Engine, GenerateError};
use crate::crypto::key_pair::KeyPairBatch;
use crate::crypto::portable::PortableEngine;
use crate::spec::KeyPairSpec;
use crate::sys::features::{Backend, Ifma};

mod batch;
mod curve;
mod field;
mod ifma;
mod kernel;
mod lanes;
mod lookup;
mod oracle;
#[cfg(test)]
mod portable;
mod scalar;
mod table;
#[cfg(test)]
mod tests;

/// The eight-lane engine of one elliptic-curve spec.
///
/// Requests of a few rows are served by the portable crates.
#[expect(missing_debug_implementations, reason = "holds private keys while it runs")]
pub struct EcEngine {
    batch: Box<dyn batch::Generate>,
    few: PortableEngine,
    token: Ifma,
}

/// Up to this many rows the portable crate is faster than a padded batch and its checks, which
/// multiply twice by that crate: the break-even lies between 2.7 and 3.6 rows (Ed25519: 6.5).
const FEW_ROWS: usize = 3;

impl EcEngine {
    /// The engine for `spec`, with all the memory it will ever need; `None` for a spec that is
    /// no elliptic curve.
    ///
    /// The first engine of a spec builds the tables of its curve, in some milliseconds.
    #[must_use]
    pub fn new(spec: KeyPairSpec, token: Ifma) -> Option<Self> {
        let batch: Box<dyn batch::Generate> = match spec {
            KeyPairSpec::EccNistP256 => Box::new(Batch::<_, curve::P256, 5>::new(token)),
            KeyPairSpec::EccNistP384 => Box::new(Batch::<_, curve::P384, 8>::new(token)),
            KeyPairSpec::EccNistP521 => Box::new(Batch::<_, curve::P521, 11>::new(token)),
            KeyPairSpec::EccSecgP256k1 => Box::new(Batch::<_, curve::Secp256k1, 5>::new(token)),
            KeyPairSpec::Sm2 => Box::new(Batch::<_, curve::Sm2, 5>::new(token)),
            KeyPairSpec::EccNistEdwards25519 => {
                Box::new(Batch::<_, curve::Curve25519, 5>::new(token))
            }
            _ => return None,
        };
        Some(Self { batch, few: PortableEngine::new(spec), token })
    }
}

impl Engine for EcEngine {
    fn backend(&self) -> Backend {
        Backend::Ifma(self.token)
    }

    fn generate(
        &mut self,
        drbg: &mut Drbg,
        batch: &mut KeyPairBatch,
        rows: usize,
    ) -> Result<(), GenerateError> {
        if rows <= FEW_ROWS {
            return self.few.generate(drbg, batch, rows);
        }
        self.batch.generate(drbg, batch, rows)
    }
}
