//! Timing a piece of work, and the best of many windows of it.

use std::time::Duration;

use crate::clock::thread_time;

/// Runs `work` and returns its CPU time with what it returned.
pub fn timed<R>(work: impl FnOnce() -> R) -> (Duration, R) {
    let start = thread_time();
    let result = work();
    (thread_time().saturating_sub(start), result)
}

/// Nanoseconds of the quickest of `windows` runs of `work`.
///
/// For work of 50 to 500 us that takes the same path every time: such a window is either
/// undisturbed or too long, so the least is what the core needs.
pub fn quickest_ns(windows: usize, mut work: impl FnMut()) -> f64 {
    let best = (0..windows).map(|_| timed(&mut work).0).min();
    best.expect("at least one window").as_nanos() as f64
}

/// Cycles per nanosecond of this core, by a chain of dependent multiplications.
///
/// A 64-bit multiplication takes three cycles on every x86-64 core since 2008. Additions will not
/// do: some cores fold chains of them.
pub fn core_ghz() -> f64 {
    const MULTIPLICATIONS: u32 = 100_000;
    const LATENCY_CYCLES: f64 = 3.0;
    let best = quickest_ns(100, || {
        let mut x = std::hint::black_box(3_u64);
        for _ in 0..MULTIPLICATIONS {
            x = x.wrapping_mul(x);
        }
        std::hint::black_box(x);
    });
    f64::from(MULTIPLICATIONS) * LATENCY_CYCLES / best
}
