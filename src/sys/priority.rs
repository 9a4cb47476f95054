//! Who goes first when there are more threads than cores.

use rustix::process::setpriority_process;

/// The lowest priority there is on the nice scale.
const NICE_MAX: i32 = 19;

/// Lets other threads go before the calling thread; returns whether the kernel agreed.
///
/// On Linux the nice value belongs to the thread. It cannot be taken back without privilege.
#[must_use]
pub fn yield_to_others() -> bool {
    setpriority_process(None, NICE_MAX).is_ok()
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn only_the_calling_thread_yields() {
        let before = getpriority_process(None).unwrap();
        let there = std::thread::spawn(|| {
            assert!(yield_to_others());
            getpriority_process(None).unwrap()
        });
        assert_eq!(there.join().unwrap(), NICE_MAX);
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
