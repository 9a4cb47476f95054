//! One worker: walks the corridor slot by slot with buffers of its own.

use crate::crypto::KeyPairBatch;
use crate::crypto::laps::{Laps, Stage};
use crate::crypto::seal::WrappedBatch;
use crate::limits::slot_rows;
use crate::pipeline::authorize::Permit;
use crate::pipeline::error::Error;
use crate::pipeline::manifest::Rows;
use crate::pipeline::manifest::check::Group;
use crate::pipeline::request::Request;
use crate::pipeline::reserve::{Drawer, Reserve};
use crate::pipeline::take::Supply;
use crate::pipeline::wrap::wrap;
use crate::spec::KeyPairSpec;
use crate::sys::clock::nanoseconds;
use crate::sys::entropy::Mailbox;
use crate::sys::features::Backend;

/// A worker on one group of rows.
#[derive(Debug)]
pub struct Worker<'j> {
    request: &'j Request,
    permit: &'j Permit,
    group: &'j Group,
    backend: Backend,
    supply: Supply,
    /// What takes pairs made earlier, if there are any.
    drawer: Option<Drawer<'j>>,
    /// Where the seeds come from, if not from the system.
    seeds: Option<&'j Mailbox>,
    rows: Rows,
    /// Absent while its contents are in a [`WrappedBatch`], or lost to an error.
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
        let batch = Some(empty_batch(group.spec));
        let (drawer, seeds, rows) = (None, None, Rows::default());
        Ok(Self { request, permit, group, backend, supply, drawer, seeds, rows, batch })
    }

    /// Draws pairs from `reserve`, if there is one, before it makes any.
    #[must_use]
    pub fn drawing_from(mut self, reserve: Option<&'j Reserve>) -> Self {
        self.drawer = reserve.map(|reserve| Drawer::new(reserve, self.backend));
        self
    }

    /// Takes the seeds of its generator from `mailbox`: no system call is then left in its work.
    #[must_use]
    pub const fn seeded_by(mut self, mailbox: &'j Mailbox) -> Self {
        self.seeds = Some(mailbox);
        self
    }

    /// The instructions its engine runs on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.supply.backend()
    }

    /// How long each stage of its work took so far.
    #[must_use]
    pub fn laps(&self) -> Laps {
        self.batch.as_ref().map(|batch| *batch.laps()).unwrap_or_default()
    }

    /// Makes the wrapped pairs of slot `slot` and hands them, with their rows, to `put`.
    pub fn make<E: Into<Error>>(
        &mut self,
        slot: usize,
        put: impl FnOnce(&Rows, &WrappedBatch) -> Result<(), E>,
    ) -> Result<(), Error> {
        self.request.read_slot(self.group, slot, &mut self.rows)?;
        let mut batch = self.batch.take().unwrap_or_else(|| empty_batch(self.group.spec));
        if let Some(drawer) = &mut self.drawer {
            drawer.draw(self.supply.drbg(), &mut batch, self.rows.len())?;
        }
        let missing = self.rows.len() - batch.len();
        if missing > 0 {
            batch = self.supply.take(batch, missing, self.seeds)?;
        }
        let context = self.request.context();
        let (rows, drbg) = (&self.rows, self.supply.drbg());
        let mut wrapped = wrap(self.permit, context, self.backend, rows, drbg, batch);
        let done = put(rows, &wrapped);
        if let (Ok(()), Some(drawer)) = (&done, &mut self.drawer) {
            drawer.commit();
        }
        wrapped.lap(Stage::Slot);
        self.batch = Some(wrapped.recycle());
        done.map_err(Into::into)
    }
}

/// All the memory that the keys of a slot need.
fn empty_batch(spec: KeyPairSpec) -> KeyPairBatch {
    let mut batch = KeyPairBatch::with_capacity(spec, slot_rows(spec));
    batch.time_by(Laps::by(nanoseconds));
    batch
}
