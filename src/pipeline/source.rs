//! Stage 3 for the endpoint: where a call gets its one key pair from.
//!
//! A call must not wait for a key that is being made on the thread that answers all others, so a
//! source is asked in the manner of a future: the pair at once if one is ready, else a wake-up when
//! it is worth asking again.

use core::task::{Context, Poll};

use crate::crypto::KeyPairBatch;
use crate::pipeline::take::TakeError;
use crate::spec::KeyPairSpec;

/// Hands out key pairs one at a time, each of them once.
pub trait KeyPairSource: Send + Sync {
    /// A batch of one fresh pair of `spec`; or [`Poll::Pending`], and the task is woken when a pair
    /// may be ready. Neither blocks nor computes.
    fn poll_take(
        &self,
        spec: KeyPairSpec,
        context: &mut Context<'_>,
    ) -> Poll<Result<KeyPairBatch, TakeError>>;
}
