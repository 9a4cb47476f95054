//! One producer: looks where the need is greatest, does one unit of work, looks again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use event_listener::Listener;

use super::Shared;
use super::maker::{MakeError, Maker};
use crate::spec::KeyPairSpec;
use crate::sys::priority::yield_to_others;

/// Makes a maker; each producer has its own of every spec.
pub(super) type Make = dyn Fn(KeyPairSpec) -> Result<Box<dyn Maker>, MakeError> + Send + Sync;

/// Works until the pools are closed.
pub(super) fn run(shared: &Shared, make: &Make) {
    // Works all the same if refused, only less politely.
    let _is_granted = yield_to_others();
    let mut makers: Vec<Option<Box<dyn Maker>>> = shared.stocks.iter().map(|_| None).collect();
    while !shared.is_stopping() {
        if let Some(number) = shared.neediest() {
            step(shared, number, &mut makers[number], make);
            continue;
        }
        // Listening before looking once more: a need told in between is not missed.
        let listener = shared.need.listen();
        if shared.neediest().is_none() && !shared.is_stopping() {
            listener.wait();
        }
    }
}

/// One unit of work for pool `number`. A maker that fails or panics is not asked again: it may
/// be wrong about more than this one pair.
fn step(shared: &Shared, number: usize, maker: &mut Option<Box<dyn Maker>>, make: &Make) {
    let stock = &shared.stocks[number];
    let work = || {
        if !stock.is_open() {
            stock.open().map_err(|error| MakeError::Memory(error.kind()))?;
        }
        match maker {
            Some(maker) => maker.step(stock),
            None => maker.insert(make(stock.spec())?).step(stock),
        }
    };
    let reason = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return,
        Ok(Err(reason)) => reason,
        Err(_) => MakeError::Panicked,
    };
    *maker = None;
    stock.fail(reason);
}
