//! CPU time of this thread, the clock of every instrument.
//!
//! It leaves out what other processes of the machine take. It does not leave out what the host
//! takes from a virtual core, nor what a neighbour takes from shared caches: `tools/README.md`
//! says what is done about those.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time this thread has used.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |value: i64| u64::try_from(value).expect("a clock that counts from zero");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}
