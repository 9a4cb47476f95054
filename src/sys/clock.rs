//! The clock that stages are timed by.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine was started, without a system call where the kernel maps its
/// clock into the process.
#[must_use]
pub fn nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let second = now.tv_sec.cast_unsigned().wrapping_mul(1_000_000_000);
    second.wrapping_add(now.tv_nsec.cast_unsigned())
}
