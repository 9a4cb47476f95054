//! What a thread must have at hand to do its work again without asking the kernel.
//!
//! Doing the work once maps most of it. Left are pages that it reaches at another time only: of the
//! heap, which changes from batch to batch, of the stack, and of code for what seldom happens.

#![expect(unsafe_code, reason = "mallopt and madvise have no safe wrappers")]

use core::hint::black_box;
use core::ptr::with_exposed_provenance_mut;
use std::collections::HashSet;

use rustix::mm::{Advice, madvise};

/// Bytes that the heap of a new thread has beyond what was asked for: address space, which takes
/// memory only where it is written. What a worker ever needs fits, since a heap that must grow
/// later grows by no more than it lacks, with a system call for each step.
const SLACK_BYTES: i32 = 32 << 20;

/// Largest allocation that is taken from a heap, and how much a heap may have free at its end.
const HEAP_BYTES: i32 = 32 << 20;

/// Heap that is made present beyond what a first pass over the work took. What passes differ by
/// are small buffers; it is below a hundredth of this.
const HEAP_PRESENT_BYTES: usize = 4 << 20;

/// Stack that is made present below the caller's: an eighth of what a thread has.
const STACK_PRESENT_BYTES: usize = 256 << 10;

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

/// Makes heap and stack of the calling thread present, beyond what they hold now.
pub fn touch_slack() {
    // Given back at once, but to the thread's own heap, which keeps it.
    drop(black_box(vec![1_u8; HEAP_PRESENT_BYTES]));
    touch_stack();
}

#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "its size is the purpose")]
fn touch_stack() {
    black_box(&[1_u8; STACK_PRESENT_BYTES]);
}

/// Makes the program's code and constants present, those of its libraries too. Only a hint: kernels
/// before Linux 5.14 refuse.
pub fn map_code() {
    // Without a description of the address space nothing is made present.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let maps: Vec<Mapped<'_>> = maps.lines().filter_map(Mapped::parse).collect();
    let programs: HashSet<&str> =
        maps.iter().filter(|map| map.access.contains('x')).map(|map| map.path).collect();
    for map in maps.iter().filter(|map| programs.contains(map.path)) {
        let advice = match map.access.as_bytes() {
            [b'r', b'w', ..] => Advice::LinuxPopulateWrite,
            [b'r', ..] => Advice::LinuxPopulateRead,
            _ => continue,
        };
        // SAFETY: populating makes pages present and changes nothing in them; where there is no
        // mapping any more, it fails.
        let _hint = unsafe { madvise(with_exposed_provenance_mut(map.start), map.bytes, advice) };
    }
}

/// A line of `/proc/self/maps` that tells of a file (proc(5)).
struct Mapped<'m> {
    start: usize,
    bytes: usize,
    access: &'m str,
    path: &'m str,
}

impl<'m> Mapped<'m> {
    fn parse(line: &'m str) -> Option<Self> {
        let (range, rest) = line.split_once(' ')?;
        let (access, rest) = rest.split_once(' ')?;
        let path = rest.get(rest.find('/')?..)?;
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        Some(Self { start, bytes: end - start, access, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::counters::Counters;

    #[test]
    fn lines_that_tell_of_a_file_are_read() {
        let line = "55d0c8a00000-55d0c8a02000 r-xp 00001000 fe:00 1234        /usr/bin/a program";
        let map = Mapped::parse(line).unwrap();
        assert_eq!((map.start, map.bytes), (0x55d0_c8a0_0000, 0x2000));
        assert_eq!((map.access, map.path), ("r-xp", "/usr/bin/a program"));
        for other in ["", "7ffc-7ffd rw-p 0 00:00 0 [stack]", "x-y r--p 0 fe:00 1 /a"] {
            assert!(Mapped::parse(other).is_none(), "{other}");
        }
        map_code();
    }

    #[test]
    fn a_touched_heap_and_stack_cause_no_fault() {
        // A thread of its own, with a heap that nobody used before.
        let use_some = || {
            touch_stack();
            drop(black_box(vec![1_u8; HEAP_PRESENT_BYTES / 2]));
        };
        keep_slack();
        let faults = std::thread::spawn(move || {
            touch_slack();
            let before = Counters::of_this_thread();
            use_some();
            (Counters::of_this_thread() - before).faults
        });
        let faults = faults.join().unwrap();
        assert!(faults < 16, "{faults} faults, of over 500 pages");
    }
}
