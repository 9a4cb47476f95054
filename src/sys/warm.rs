//! What a thread must have at hand to do its work again without asking the kernel.
//!
//! Doing the work once maps most of it. Left are pages that it reaches at another time only: of the
//! heap, which changes from batch to batch, of the stack, and of code for what seldom happens.

#![expect(unsafe_code, reason = "mallopt and madvise have no safe wrappers")]

use core::hint::black_box;
use core::ops::Range;
use core::ptr::with_exposed_provenance_mut;
use std::collections::HashSet;

use rustix::mm::{Advice, madvise};

use crate::limits::PAGE_BYTES;

/// Bytes that the heap of a new thread has beyond what was asked for: address space, which takes
/// memory only where it is written. What a worker ever needs fits, since a heap that must grow
/// later grows by no more than it lacks, with a system call for each step.
const SLACK_BYTES: i32 = 32 << 20;

/// Largest allocation that is taken from a heap, and how much a heap may have free at its end.
const HEAP_BYTES: i32 = 32 << 20;

/// Heap that is made present beyond what a first pass over the work took. What passes differ by
/// are small buffers; it is below a hundredth of this.
const HEAP_PRESENT_BYTES: usize = 4 << 20;

/// Longest heap of one thread, as glibc lays them out; another mapping may join it from below.
const HEAP_SPAN_BYTES: usize = 64 << 20;

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
    let block = black_box(vec![1_u8; HEAP_PRESENT_BYTES]);
    fill_holes(block.as_ptr().expose_provenance());
    drop(block);
    touch_stack();
}

/// Makes everything present that lies in the heap below `end`: pages of buffers that were never
/// filled, or never to their end, and given back.
fn fill_holes(end: usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let heap = maps.lines().filter_map(Mapped::parse).find(|map| map.range.contains(&end));
    if let Some(heap) = heap {
        let start = heap.range.start.max(end.saturating_sub(HEAP_SPAN_BYTES));
        populate(start..end / PAGE_BYTES * PAGE_BYTES, Advice::LinuxPopulateWrite);
    }
}

/// Makes the pages of `range` present. Only a hint: kernels before Linux 5.14 refuse.
fn populate(range: Range<usize>, advice: Advice) {
    let start = with_exposed_provenance_mut(range.start);
    // SAFETY: the advices that are given here make pages present and change nothing in them; where
    // there is no mapping any more, the call fails.
    let _hint = unsafe { madvise(start, range.len(), advice) };
}

#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "its size is the purpose")]
fn touch_stack() {
    black_box(&[1_u8; STACK_PRESENT_BYTES]);
}

/// Makes the program's code and constants present, those of its libraries too.
pub fn map_code() {
    // Without a description of the address space nothing is made present.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let files: Vec<Mapped<'_>> =
        maps.lines().filter_map(Mapped::parse).filter(|map| map.name.starts_with('/')).collect();
    let programs: HashSet<&str> =
        files.iter().filter(|map| map.access.contains('x')).map(|map| map.name).collect();
    for map in files.into_iter().filter(|map| programs.contains(map.name)) {
        match map.access.as_bytes() {
            [b'r', b'w', ..] => populate(map.range, Advice::LinuxPopulateWrite),
            [b'r', ..] => populate(map.range, Advice::LinuxPopulateRead),
            _ => {}
        }
    }
}

/// A line of `/proc/self/maps` (proc(5)).
struct Mapped<'m> {
    range: Range<usize>,
    access: &'m str,
    /// The file, if it is one.
    name: &'m str,
}

impl<'m> Mapped<'m> {
    fn parse(line: &'m str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let number = |digits| usize::from_str_radix(digits, 16).ok();
        let range = number(start)?..number(end)?;
        let access = fields.next()?;
        Some(Self { range, access, name: fields.nth(3).unwrap_or_default().trim_start() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::counters::Counters;

    #[test]
    fn lines_of_the_address_space_are_read() {
        let line = "55d0c8a00000-55d0c8a02000 r-xp 00001000 fe:00 1234        /usr/bin/a program";
        let map = Mapped::parse(line).unwrap();
        assert_eq!(map.range, 0x55d0_c8a0_0000..0x55d0_c8a0_2000);
        assert_eq!((map.access, map.name), ("r-xp", "/usr/bin/a program"));
        let heap = Mapped::parse("7ffc-7ffd rw-p 00000000 00:00 0 ").unwrap();
        assert_eq!((heap.range, heap.access, heap.name), (0x7ffc..0x7ffd, "rw-p", ""));
        for other in ["", "x-y r--p 0 fe:00 1 /a", "7ffc r--p"] {
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
