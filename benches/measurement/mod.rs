//! CPU time of the thread as criterion's clock, on one core: a neighbour's work is not counted.

use std::time::Duration;

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use keymill::sys::affinity;

use self::clock::thread_time;

#[path = "../../tools/measure/clock.rs"]
mod clock;

/// CPU time of the measuring thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadTime;

static WALL_TIME: WallTime = WallTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_time()
    }

    fn end(&self, start: Duration) -> Duration {
        thread_time().saturating_sub(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WALL_TIME.formatter()
    }
}

/// Criterion over [`ThreadTime`], with this thread on the last core it may use.
pub(crate) fn criterion() -> Criterion<ThreadTime> {
    if let Some(&core) = affinity::allowed_cores().last() {
        // A kernel that refuses leaves the thread where it is: less steady, not wrong.
        let _ = affinity::pin_to(core);
    }
    Criterion::default().with_measurement(ThreadTime)
}
