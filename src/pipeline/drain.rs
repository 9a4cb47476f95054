//! A sealed pool emptied: every pair that is left, wrapped and printed, none made anew.
//!
//! How many pairs will come is not known beforehand, since others may draw from the pool at the
//! same time. So the team opens and finishes a batch each, and the batches are then numbered,
//! wrapped and written one after the other.

use std::io::Write;

use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use crate::crypto::KeyPairBatch;
use crate::crypto::drbg::Drbg;
use crate::limits::{pool_claim, slot_rows};
use crate::pipeline::authorize::Permit;
use crate::pipeline::error::Error;
use crate::pipeline::job::Team;
use crate::pipeline::manifest::Rows;
use crate::pipeline::request::Request;
use crate::pipeline::reserve::{Drawer, Reserve};
use crate::pipeline::sink::json_lines;
use crate::pipeline::take::TakeError;
use crate::pipeline::wrap::wrap;
use crate::sys::features::Backend;

/// One thread's share of a round.
struct Hand<'r> {
    drawer: Drawer<'r>,
    drbg: Drbg,
    /// Absent only while it is wrapped.
    batch: Option<KeyPairBatch>,
}

/// Prints up to as many pairs as `request` asks for; `progress` is told how many. Returns how many
/// there were.
pub fn drain(
    request: &Request,
    permit: &Permit,
    reserve: &Reserve,
    team: &Team,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, Error> {
    reserve.expect(request.rows());
    let hand = |_| Hand::new(reserve, team.backend());
    let mut hands = (0..team.threads()).map(hand).collect::<Result<Vec<_>, Error>>()?;
    let mut lines = Vec::new();
    let mut rows = Rows::default();
    let mut done = 0;
    loop {
        team.install(|| hands.par_iter_mut().try_for_each(Hand::draw))?;
        let before = done;
        for hand in &mut hands {
            let Some(batch) = hand.batch.take() else { continue };
            rows.number(done..done + batch.len() as u64);
            done += batch.len() as u64;
            let wrapped =
                wrap(permit, request.context(), team.backend(), &rows, &mut hand.drbg, batch);
            lines.clear();
            json_lines::write_batch(permit, request.columns(), &rows, &wrapped, &mut lines)?;
            out.write_all(&lines)?;
            hand.drawer.commit();
            hand.batch = Some(wrapped.recycle());
        }
        out.flush()?;
        progress(done);
        if done == before {
            return Ok(done);
        }
    }
}

impl<'r> Hand<'r> {
    fn new(reserve: &'r Reserve, backend: Backend) -> Result<Self, Error> {
        let spec = reserve.pool().spec();
        let drbg = Drbg::from_system().map_err(TakeError::from)?;
        // No more than one claim's worth: what is at hand when the process is killed is lost.
        let claim = usize::try_from(pool_claim(spec)).unwrap_or(usize::MAX);
        let batch = Some(KeyPairBatch::with_capacity(spec, slot_rows(spec).min(claim)));
        Ok(Self { drawer: Drawer::new(reserve, backend), drbg, batch })
    }

    /// Draws a batch, as far as the pool has one.
    fn draw(&mut self) -> Result<(), Error> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        self.drbg.reseed().map_err(TakeError::from)?;
        self.drawer.draw(&mut self.drbg, batch, batch.capacity())?;
        Ok(())
    }
}
