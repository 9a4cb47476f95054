//! A thread that gives up its system calls: the proof that a hot path asks nothing of the kernel.
//!
//! The filter ([seccomp(2)]) belongs to the calling thread and lasts until its end. Any system
//! call but the few below ends the whole process with `SIGSYS`, so that a violation can be
//! neither missed nor survived.
//!
//! [seccomp(2)]: https://man7.org/linux/man-pages/man2/seccomp.2.html

use std::io;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// What a confined thread may still ask: to be counted at its end ([`Counters`]), to wait for the
/// next job when its work is done, to end, and to return from a signal.
///
/// A wait is a voluntary switch and is counted as such: the counters, not the filter, show that
/// there was none.
///
/// [`Counters`]: crate::sys::counters::Counters
const ALLOWED: [i64; 7] = [
    libc::SYS_getrusage,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
];

/// A filter, ready to be put on threads.
#[derive(Clone, Debug)]
pub struct Confinement(BpfProgram);

impl Confinement {
    /// Prepares the filter.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] on a CPU for which there are no filters.
    pub fn prepare() -> io::Result<Self> {
        let unsupported = |error| io::Error::new(io::ErrorKind::Unsupported, error);
        let arch =
            TargetArch::try_from(std::env::consts::ARCH).map_err(|e| unsupported(e.to_string()))?;
        let rules = ALLOWED.map(|call| (call, Vec::new())).into();
        let filter =
            SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch);
        let program = filter.and_then(BpfProgram::try_from);
        program.map(Self).map_err(|e| unsupported(e.to_string()))
    }

    /// Confines the calling thread for the rest of its life.
    ///
    /// # Errors
    ///
    /// What the kernel says; the thread is then as free as before.
    pub fn apply(&self) -> io::Result<()> {
        apply_filter(&self.0).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus};

    use super::*;

    /// Runs the test `name` in a process of its own.
    fn child(name: &str) -> ExitStatus {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args([name, "--exact", "--ignored", "--test-threads=1"]);
        test.output().unwrap().status
    }

    fn confined(task: impl FnOnce() + Send + 'static) {
        let filter = Confinement::prepare().unwrap();
        let done = std::sync::Arc::new(std::sync::Barrier::new(2));
        let told = done.clone();
        let _never_joined = std::thread::spawn(move || {
            filter.apply().unwrap();
            task();
            told.wait();
            loop {
                std::thread::park();
            }
        });
        done.wait();
    }

    #[test]
    #[ignore = "a child process, run by the tests below"]
    fn child_that_computes() {
        confined(|| {
            let sum: u64 = core::hint::black_box(0..1_000_000).sum();
            core::hint::black_box(sum);
            core::hint::black_box(crate::sys::counters::Counters::of_this_thread());
        });
    }

    #[test]
    #[ignore = "a child process, run by the tests below"]
    fn child_that_asks() {
        confined(|| {
            let _id = core::hint::black_box(rustix::process::getpid());
        });
    }

    #[test]
    fn computing_is_allowed() {
        let status = child("sys::seccomp::tests::child_that_computes");
        assert!(status.success(), "{status}");
    }

    #[test]
    fn asking_is_fatal() {
        let status = child("sys::seccomp::tests::child_that_asks");
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}");
    }
}
