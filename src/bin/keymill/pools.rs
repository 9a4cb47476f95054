//! The pools behind `keymill serve`.

use std::io::ErrorKind;
use std::path::Display;
use std::sync::Arc;

use keymill::door::StatusDoor;
use keymill::keystore::Keystore;
use keymill::limits::PAGE_BYTES;
use keymill::pipeline::Error;
use keymill::pipeline::feeder::Feeders;
use keymill::pipeline::reserve::{Reserve, Reserves};
use keymill::pool::{Feed, PoolOptions, Pools};
use keymill::spec::KeyPairSpec;
use keymill::sys::features::Backend;
use keymill::sys::secret_memory::{Protection, allocate};

use crate::args::{Arguments, Serve};
use crate::failure::{Code, Failure};
use crate::home;
use crate::output::{grouped, say};
use crate::pool;
use crate::top;

/// The sealed pools that `serve` was told to draw from.
pub fn open_reserves(keystore: &Keystore, wanted: &Serve) -> Result<Reserves, Failure> {
    let Some(folder) = &wanted.draw_from else { return Ok(Reserves::default()) };
    let reserves = Reserves::open(keystore, folder, KeyPairSpec::ALL)?;
    if reserves.iter().next().is_none() {
        return Err(pool::none_in(folder));
    }
    Ok(reserves)
}

/// Starts a pool of every spec, and tells of those that are filled at once. Those of `reserves` are
/// to be fed.
pub fn start(
    wanted: &Serve,
    reserves: &Reserves,
    backend: Backend,
) -> Result<(Arc<Pools>, Vec<Feed>), Failure> {
    let at_least = wanted.require_secret_memory.unwrap_or(Protection::Undumped);
    tell_protection(at_least)?;
    let kept: Vec<_> = wanted.pool.iter().map(|pool| (pool.spec, pool.pairs)).collect();
    let every_spec = PoolOptions::of_every_spec(&kept, backend);
    let mut options = PoolOptions { at_least, make_way: !wanted.eager, ..every_spec };
    if wanted.finished {
        options.pools.iter_mut().for_each(|(_, marks)| *marks = marks.finished());
    }
    let fed: Vec<_> = reserves.iter().map(|reserve| reserve.pool().spec()).collect();
    let (pools, feeds) = Pools::start_fed(&options, &fed).map_err(|error| {
        let code = match error.kind() {
            ErrorKind::InvalidInput => Code::Usage,
            ErrorKind::PermissionDenied => Code::NoPermission,
            _ => Code::TryAgain,
        };
        Failure::new(code, format!("--pool: {error}"))
    })?;
    for pool in pools.status() {
        if let Some(protection) = pool.protection {
            let (spec, pairs) = (pool.spec, pool.marks.high());
            say(format!("filling a pool of {pairs} {spec} key pairs in {protection} memory"));
        }
    }
    Ok((Arc::new(pools), feeds))
}

/// Starts to draw from sealed pools.
pub fn feed(
    pools: &Arc<Pools>,
    feeds: Vec<Feed>,
    reserves: Reserves,
    backend: Backend,
) -> Result<Feeders, Failure> {
    for reserve in reserves.iter() {
        let pairs = grouped(reserve.unclaimed());
        say(format!("{}: {pairs} pairs to hand out", path(reserve)));
    }
    let tell = |reserve: &Reserve, end: Result<(), Error>| match end {
        Ok(()) => say(format!("{}: no more pairs; they are made now", path(reserve))),
        Err(error) => say(format!("warning: {error}; pairs of this kind are made now")),
    };
    Feeders::start(pools, feeds, reserves, backend, tell).map_err(|error| {
        Failure::new(Code::TryAgain, format!("cannot draw from a sealed pool: {error}"))
    })
}

/// Ends the drawing, and says what was lost by that.
pub fn settle(feeders: Feeders) {
    for reserve in feeders.stop() {
        pool::settle(&reserve);
        let outcome = reserve.outcome();
        let (taken, lost) = (grouped(outcome.taken), grouped(outcome.unaccounted()));
        say(format!("{}: {taken} pairs taken, {lost} lost at the end", path(&reserve)));
    }
}

fn path(reserve: &Reserve) -> Display<'_> {
    reserve.pool().path().display()
}

/// Says what memory key pairs wait in, and refuses less than `at_least`: now, and not when the first
/// pool that a call asks for cannot be made.
fn tell_protection(at_least: Protection) -> Result<(), Failure> {
    let (_, found) = allocate(1, PAGE_BYTES, at_least).map_err(|error| {
        Failure::new(Code::NoPermission, format!("--require-secret-memory: {error}"))
            .hint("raise the limit of locked memory (ulimit -l), or boot with secretmem.enable=1")
    })?;
    say(format!("key pairs wait in {found} memory"));
    Ok(())
}

/// Tells `keymill top` how the pools are; a server whose status cannot be told serves all the same.
pub fn tell_status(
    arguments: &Arguments,
    pools: &Arc<Pools>,
) -> Result<Option<StatusDoor>, Failure> {
    let path = home::path(arguments)?.join(top::SOCKET);
    match StatusDoor::open(&path, Arc::clone(pools)) {
        Ok(door) => Ok(Some(door)),
        Err(error) => {
            say(format!("warning: no status at {}: {error}", path.display()));
            Ok(None)
        }
    }
}
