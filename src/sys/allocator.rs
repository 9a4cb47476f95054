//! What the C library's allocator is asked to keep at hand.
#![expect(unsafe_code, reason = "mallopt has no safe wrapper")]

/// Bytes that the heap of a new thread has beyond what was asked for: address space, which takes
/// memory only where it is written. What a worker ever needs fits, since a heap that must grow
/// later grows by no more than it lacks, with a system call for each step.
const SLACK_BYTES: i32 = 32 << 20;

/// Largest allocation that is taken from a heap, and how much a heap may have free at its end.
const HEAP_BYTES: i32 = 32 << 20;

/// Lets heaps begin large and never shrink, so that a thread which has done its work once
/// can do it again without a system call. Where the C library is another than glibc, nothing
/// changes.
pub fn keep_slack() {
    #[cfg(target_env = "gnu")]
    for (option, bytes) in [
        (libc::M_TOP_PAD, SLACK_BYTES),
        (libc::M_TRIM_THRESHOLD, HEAP_BYTES),
        (libc::M_MMAP_THRESHOLD, HEAP_BYTES),
    ] {
        // SAFETY: mallopt takes two integers, changes only how the allocator behaves, and may be
        // called at any time; that it refuses a value does no harm.
        unsafe {
            libc::mallopt(option, bytes);
        }
    }
}
