//! Teams of threads, each pinned to a core of its own as far as there are enough.

use std::io;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::sys::affinity::pin_to;
use crate::sys::topology::Topology;

/// Starts `threads` threads called `name-0`, `name-1` and so on, or one for each core that this
/// process may use. A thread that may not be pinned works all the same, only less evenly.
///
/// # Errors
///
/// If the system does not give a thread.
pub fn start(name: &'static str, threads: Option<usize>) -> io::Result<ThreadPool> {
    let cores = Topology::of_this_process().placement();
    let threads = threads.unwrap_or(cores.len()).max(1);
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |worker| format!("{name}-{worker}"))
        .start_handler(move |worker| {
            if let Some(core) = cores.get(worker % cores.len().max(1)) {
                let _works_unpinned_too = pin_to(*core);
            }
        })
        .build()
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::affinity::allowed_cores;

    #[test]
    fn each_thread_has_one_core() {
        let all = allowed_cores();
        let team = start("test", None).unwrap();
        assert_eq!(team.current_num_threads(), all.len());
        let mut own: Vec<_> = team.broadcast(|_| allowed_cores());
        own.sort();
        assert_eq!(own, all.iter().map(|&core| vec![core]).collect::<Vec<_>>());
    }

    #[test]
    fn more_threads_than_cores_share_them() {
        let threads = 2 * allowed_cores().len() + 1;
        let team = start("test", Some(threads)).unwrap();
        assert!(team.broadcast(|_| allowed_cores().len()).into_iter().all(|cores| cores == 1));
    }
}
