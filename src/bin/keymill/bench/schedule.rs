//! When requests are due, and who sends the next one.
//!
//! The loop is open: a request is due at its moment whether or not those before it were answered. It
//! waits for a connection that is free, and the wait counts as latency, because whoever wanted the key
//! pair has waited (Tene, "How NOT to Measure Latency": no coordinated omission).

use core::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Semaphore;

/// Between looks at the clock, at least and at most.
const PERIOD: (f64, f64) = (10e-6, 0.1);

/// Requests that become due at a fixed rate.
#[derive(Debug)]
pub struct Schedule {
    /// Requests a second.
    pub rate: f64,
    /// Number of requests.
    pub count: u64,
    start: Instant,
    /// When the last request may be sent; what is left then is given up.
    end: Instant,
    /// One permit for each request that is due and not yet taken.
    due: Semaphore,
    next: Cell<u64>,
    is_over: Cell<bool>,
}

/// One request that is due.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    /// Its number, from 0.
    pub number: u64,
    /// When it was due.
    pub due: Instant,
}

impl Schedule {
    /// Begins now, and goes on for `duration`; what could not be sent may be for `patience` more.
    pub fn start(rate: f64, duration: Duration, patience: Duration) -> Self {
        let start = Instant::now();
        Self {
            rate,
            // Number n is due after n / rate.
            count: whole((rate * duration.as_secs_f64()).ceil()),
            start,
            end: start + duration + patience,
            due: Semaphore::new(0),
            next: Cell::new(0),
            is_over: Cell::new(false),
        }
    }

    /// When it began.
    pub const fn begun(&self) -> Instant {
        self.start
    }

    /// Waits for the next request that is due; none if there will be no more.
    pub async fn take(&self) -> Option<Ticket> {
        self.due.acquire().await.ok()?.forget();
        let number = self.next.get();
        if number >= self.count || self.is_over.get() || Instant::now() > self.end {
            return None;
        }
        self.next.set(number + 1);
        let due = self.start + Duration::from_secs_f64(number as f64 / self.rate);
        Some(Ticket { number, due })
    }

    /// Lets requests become due, for `takers` to take them.
    pub async fn pace(&self, takers: usize) -> io::Result<()> {
        let ticker = Ticker::start((1.0 / self.rate).clamp(PERIOD.0, PERIOD.1))?;
        let mut released = 0;
        while released < self.count && !self.is_over.get() {
            let due = self.due_after(self.start.elapsed());
            self.due.add_permits(usize::try_from(due - released).unwrap_or(Semaphore::MAX_PERMITS));
            released = due;
            ticker.tick().await?;
        }
        // Everybody is told once that there are no more.
        self.due.add_permits(takers);
        Ok(())
    }

    /// Lets no more requests be taken.
    pub fn cut_short(&self) {
        self.is_over.set(true);
    }

    /// How many are due so long after the start.
    fn due_after(&self, elapsed: Duration) -> u64 {
        whole((self.rate * elapsed.as_secs_f64()).floor() + 1.0).min(self.count)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a day at the greatest rate is below 2^37"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A timer of the kernel that rings at a fixed rate; the runtime's own counts milliseconds. To the
/// event loop it is one more thing to read from, like a pipe.
#[derive(Debug)]
struct Ticker(Receiver);

impl Ticker {
    fn start(period: f64) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let period =
            Timespec::try_from(Duration::from_secs_f64(period)).map_err(io::Error::other)?;
        let wanted = Itimerspec { it_interval: period, it_value: period };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &wanted)?;
        Receiver::from_owned_fd_unchecked(timer).map(Self)
    }

    /// Waits until it has rung since the last time.
    async fn tick(&self) -> io::Result<()> {
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut [0; 8]) {
                // It was read before it rang again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_become_due_as_the_rate_says() {
        let schedule = |rate, ms| Schedule::start(rate, Duration::from_millis(ms), Duration::ZERO);
        assert_eq!(schedule(20_000.0, 30_000).count, 600_000);
        assert_eq!(schedule(0.5, 3000).count, 2);
        assert_eq!(schedule(0.5, 1).count, 1);
        let schedule = schedule(10.0, 1000);
        let due = |ms| schedule.due_after(Duration::from_millis(ms));
        assert_eq!([due(0), due(99), due(101), due(999), due(5000)], [1, 1, 2, 10, 10]);
    }
}
