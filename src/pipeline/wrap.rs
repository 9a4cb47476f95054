//! Stage 4: every private key sealed under the permit's key and its row's context.

use crate::crypto::KeyPairBatch;
use crate::crypto::drbg::Drbg;
use crate::crypto::seal::{WrappedBatch, seal_batch};
use crate::pipeline::authorize::Permit;
use crate::pipeline::manifest::Rows;
use crate::pipeline::template::BoundTemplate;

/// Wraps pair `i` of `batch` under the context of row `i`.
///
/// # Panics
///
/// If there are fewer rows than pairs.
#[must_use]
pub fn wrap(
    permit: &Permit,
    context: &BoundTemplate,
    rows: &Rows,
    drbg: &mut Drbg,
    batch: KeyPairBatch,
) -> WrappedBatch {
    assert_eq!(rows.len(), batch.len(), "a row for every pair");
    seal_batch(permit.key(), drbg, batch, |row, out| context.encode(&rows.row(row), out))
}
