//! What the kernel counted against one thread.

#![expect(unsafe_code, reason = "getrusage for one thread, which no safe crate here offers")]

use core::fmt;
use core::iter::Sum;
use core::mem::MaybeUninit;
use core::ops::{Add, Sub};

/// Page faults and context switches, of a thread or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pages that had to be mapped first, whether read from a disk or not.
    pub faults: u64,
    /// Times a thread gave up its core: it waited for something.
    pub voluntary_switches: u64,
    /// Times the core was taken from it.
    pub preemptions: u64,
}

impl Counters {
    /// Everything since the calling thread began. One system call.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is to writable memory of the right size and alignment.
        let status = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
        debug_assert_eq!(status, 0, "it fails only for a bad pointer or an unknown target");
        // SAFETY: it was zeroed, and zero is a value of every field.
        let usage = unsafe { usage.assume_init() };
        let count = |number| u64::try_from(number).unwrap_or(0);
        Self {
            faults: count(usage.ru_minflt) + count(usage.ru_majflt),
            voluntary_switches: count(usage.ru_nvcsw),
            preemptions: count(usage.ru_nivcsw),
        }
    }
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            faults: self.faults + other.faults,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            preemptions: self.preemptions + other.preemptions,
        }
    }
}

impl Sub for Counters {
    type Output = Self;

    /// What came since `earlier`, of the same thread.
    fn sub(self, earlier: Self) -> Self {
        Self {
            faults: self.faults.saturating_sub(earlier.faults),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            preemptions: self.preemptions.saturating_sub(earlier.preemptions),
        }
    }
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { faults, voluntary_switches, preemptions } = self;
        write!(
            f,
            "{faults} faults, {voluntary_switches} voluntary switches, {preemptions} preemptions"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_pages_and_sleep_are_counted() {
        let before = Counters::of_this_thread();
        let mut fresh = memmap2::MmapMut::map_anon(64 * 4096).unwrap();
        fresh.chunks_mut(4096).for_each(|page| page[0] = 1);
        std::thread::sleep(std::time::Duration::from_millis(1));
        let since = Counters::of_this_thread() - before;
        assert!(since.faults >= 1, "{since}");
        assert!(since.voluntary_switches >= 1, "{since}");
    }

    #[test]
    fn another_thread_is_not_counted() {
        std::thread::spawn(|| {
            let own = Counters::of_this_thread();
            assert!(own.voluntary_switches < 100, "a new thread begins near zero: {own}");
        })
        .join()
        .unwrap();
    }
}
