//! Who goes first when there are more threads than cores.
//!
//! On Linux a thread that wakes does not take a core at once from one that is in the middle of
//! its slice, some 3 ms, be that one ever so nice. It does from a thread of the class
//! `SCHED_IDLE`, and, since Linux 6.12, from one whose slice is longer than its own (sched(7),
//! `sched_setattr(2)`).

#![expect(unsafe_code, reason = "scheduling classes and slices, which no safe crate here offers")]

use rustix::process::{getpriority_process, setpriority_process};

/// The lowest priority there is on the nice scale.
const NICE_MAX: i32 = 19;

/// Slice of a thread that has little to do, but soon: the shortest there is.
const SHORT_SLICE_NANOSECONDS: u64 = 100_000;

/// Lets other threads go before the calling thread, at once if they wake; returns whether the
/// kernel agreed.
///
/// On Linux both belong to the thread. They cannot be taken back without privilege.
#[must_use]
pub fn yield_to_others() -> bool {
    let is_nice = setpriority_process(None, NICE_MAX).is_ok();
    let idle = Attributes { policy: libc::SCHED_IDLE.cast_unsigned(), ..Attributes::of(NICE_MAX) };
    idle.set() && is_nice
}

/// Lets the calling thread take a core soon when it wakes, since it needs it for microseconds;
/// returns whether the kernel agreed. Older kernels agree and do nothing.
#[must_use]
pub fn be_prompt() -> bool {
    let nice = getpriority_process(None).unwrap_or(0);
    Attributes { runtime: SHORT_SLICE_NANOSECONDS, ..Attributes::of(nice) }.set()
}

/// The first version of `struct sched_attr`.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    bytes: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

impl Attributes {
    /// Of an ordinary thread.
    fn of(nice: i32) -> Self {
        Self { bytes: 48, nice, ..Self::default() }
    }

    /// Gives them to the calling thread.
    fn set(&self) -> bool {
        const { assert!(size_of::<Self>() == 48) };
        // SAFETY: the kernel reads as many bytes as the struct says that it has, and writes at most
        // its size, which is right, if it knows no such struct; nothing else is touched.
        let status = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *self, 0) };
        status == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scheduling class of the calling thread, from the kernel's description of it.
    fn class() -> String {
        let text = std::fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("policy")).unwrap_or("policy : ?");
        line.rsplit(' ').next().unwrap().to_owned()
    }

    #[test]
    fn only_the_calling_thread_yields() {
        let before = getpriority_process(None).unwrap();
        let there = std::thread::spawn(|| {
            assert!(yield_to_others());
            (getpriority_process(None).unwrap(), class())
        });
        let (nice, class_there) = there.join().unwrap();
        assert_eq!(nice, NICE_MAX);
        // Not every kernel tells: 5 is SCHED_IDLE.
        assert!(["5", "?"].contains(&&*class_there), "{class_there}");
        assert_eq!(getpriority_process(None).unwrap(), before);
    }

    #[test]
    fn a_prompt_thread_keeps_its_nice_value() {
        let there = std::thread::spawn(|| {
            setpriority_process(None, 7).unwrap();
            assert!(be_prompt());
            getpriority_process(None).unwrap()
        });
        assert_eq!(there.join().unwrap(), 7);
    }
}
