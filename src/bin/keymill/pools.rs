//! The pools behind `keymill serve`.

use std::io::ErrorKind;
use std::sync::Arc;

use keymill::door::StatusDoor;
use keymill::limits::PAGE_BYTES;
use keymill::pool::{PoolOptions, Pools};
use keymill::sys::features::Backend;
use keymill::sys::secret_memory::{Protection, allocate};

use crate::args::{Arguments, Serve};
use crate::failure::{Code, Failure};
use crate::home;
use crate::output::say;
use crate::top;

/// Starts a pool of every spec, and tells of those that are filled at once.
pub fn start(wanted: &Serve, backend: Backend) -> Result<Arc<Pools>, Failure> {
    let at_least = wanted.require_secret_memory.unwrap_or(Protection::Undumped);
    tell_protection(at_least)?;
    let kept: Vec<_> = wanted.pool.iter().map(|pool| (pool.spec, pool.pairs)).collect();
    let options = PoolOptions { at_least, ..PoolOptions::of_every_spec(&kept, backend) };
    let pools = Pools::start(&options).map_err(|error| {
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
    Ok(Arc::new(pools))
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
