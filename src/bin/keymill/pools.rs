//! The pools behind `keymill serve`.

use std::io::ErrorKind;
use std::sync::Arc;

use keymill::door::StatusDoor;
use keymill::pool::{PoolOptions, Pools};
use keymill::sys::features::Backend;

use crate::args::{Arguments, Serve};
use crate::failure::{Code, Failure};
use crate::home;
use crate::output::say;
use crate::top;

/// Starts a pool of every spec, and tells of those that are filled at once.
pub fn start(wanted: &Serve, backend: Backend) -> Result<Arc<Pools>, Failure> {
    let kept: Vec<_> = wanted.pool.iter().map(|pool| (pool.spec, pool.pairs)).collect();
    let pools = Pools::start(&PoolOptions::of_every_spec(&kept, backend)).map_err(|error| {
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
