//! One worker: walks the corridor slot by slot with buffers of its own.

use crate::crypto::KeyPairBatch;
use crate::crypto::seal::WrappedBatch;
use crate::limits::slot_rows;
use crate::pipeline::authorize::Permit;
use crate::pipeline::error::Error;
use crate::pipeline::manifest::Rows;
use crate::pipeline::manifest::check::Group;
use crate::pipeline::request::Request;
use crate::pipeline::take::Supply;
use crate::pipeline::wrap::wrap;
use crate::sys::features::Backend;

/// A worker on one group of rows.
#[derive(Debug)]
pub struct Worker<'j> {
    request: &'j Request,
    permit: &'j Permit,
    group: &'j Group,
    supply: Supply,
    rows: Rows,
    /// Absent only while its contents are in a [`WrappedBatch`].
    batch: Option<KeyPairBatch>,
}

impl<'j> Worker<'j> {
    /// A worker with everything allocated that a slot needs.
    pub fn new(
        request: &'j Request,
        permit: &'j Permit,
        group: &'j Group,
        backend: Backend,
    ) -> Result<Self, Error> {
        let supply = Supply::new(group.spec, backend)?;
        Ok(Self { request, permit, group, supply, rows: Rows::default(), batch: None })
    }

    /// The instructions its engine runs on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.supply.backend()
    }

    /// Makes the wrapped pairs of slot `slot` and hands them, with their rows, to `put`.
    pub fn make<E: Into<Error>>(
        &mut self,
        slot: usize,
        put: impl FnOnce(&Rows, &WrappedBatch) -> Result<(), E>,
    ) -> Result<(), Error> {
        self.request.read_slot(self.group, slot, &mut self.rows)?;
        let spec = self.group.spec;
        let empty = self.batch.take();
        let empty = empty.unwrap_or_else(|| KeyPairBatch::with_capacity(spec, slot_rows(spec)));
        let batch = self.supply.take(empty, self.rows.len())?;
        let context = self.request.context();
        let wrapped = wrap(self.permit, context, &self.rows, self.supply.drbg(), batch);
        let done = put(&self.rows, &wrapped);
        self.batch = Some(wrapped.recycle());
        done.map_err(Into::into)
    }
}
