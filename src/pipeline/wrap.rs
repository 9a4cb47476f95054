//! Stage 4: every private key sealed under the permit's key and its row's context.

use crate::crypto::KeyPairBatch;
use crate::crypto::drbg::Drbg;
use crate::crypto::laps::Stage;
use crate::crypto::seal::{Contexts, WrappedBatch, seal_batch};
use crate::pipeline::authorize::Permit;
use crate::pipeline::manifest::Rows;
use crate::pipeline::template::BoundTemplate;
use crate::sys::features::Backend;

/// Wraps pair `i` of `batch` under the context of row `i`.
///
/// # Panics
///
/// If there are fewer rows than pairs.
#[must_use]
pub fn wrap(
    permit: &Permit,
    context: &BoundTemplate,
    backend: Backend,
    rows: &Rows,
    drbg: &mut Drbg,
    batch: KeyPairBatch,
) -> WrappedBatch {
    assert_eq!(rows.len(), batch.len(), "a row for every pair");
    let rest = |row, out: &mut _| context.encode_rest(&rows.row(row), out);
    let contexts = Contexts { head: context.head(), rest };
    let mut wrapped = seal_batch(permit.key(), backend, drbg, batch, contexts);
    wrapped.lap(Stage::Seal);
    wrapped
}
