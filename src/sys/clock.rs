//! The clocks that stages and threads are timed by.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine was started, without a system call where the kernel maps its
/// clock into the process.
#[must_use]
pub fn nanoseconds() -> u64 {
    read(ClockId::Monotonic)
}

/// Seconds since 1970 as of the kernel's last tick, some milliseconds ago: for those who need no more
/// and ask for every call, since the machine's counter is not read for it.
#[must_use]
pub fn wall_second() -> i64 {
    clock_gettime(ClockId::RealtimeCoarse).tv_sec
}

/// Nanoseconds of a processor that the calling thread has used. One system call.
#[must_use]
pub fn thread_nanoseconds() -> u64 {
    read(ClockId::ThreadCPUTime)
}

/// Nanoseconds of processors that all threads of this process have used.
#[must_use]
pub fn process_nanoseconds() -> u64 {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let second = now.tv_sec.cast_unsigned().wrapping_mul(1_000_000_000);
    second.wrapping_add(now.tv_nsec.cast_unsigned())
}
