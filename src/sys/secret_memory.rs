//! Memory for secrets at rest in a process: never swapped, never dumped, zeroed when given back.
//!
//! The best there is comes first: pages of [memfd_secret(2)] leave the kernel's own map of the
//! memory, so that neither a debugger nor `/proc/PID/mem`, root's included, can read them. Where
//! the kernel refuses, ordinary pages are locked against swapping. Both are left out of core
//! dumps and of children.
//!
//! A region is cut into [`SecretCell`]s, each an exclusive piece that may travel between threads
//! by move; the region is unmapped when its last cell is gone.
//!
//! [memfd_secret(2)]: https://man7.org/linux/man-pages/man2/memfd_secret.2.html

#![expect(unsafe_code, reason = "mapping special pages and cutting them into exclusive pieces")]

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::str::FromStr;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap, mmap_anonymous, munmap};
use zeroize::Zeroize;

use crate::limits::PAGE_BYTES;

/// Miri checks the cells; it knows ordinary mappings, but no locks, advice or secret files.
const IS_MIRI: bool = cfg!(miri);

/// How well memory keeps its secrets, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Left out of core dumps; may be swapped: the limit of locked memory is too low.
    Undumped,
    /// Also locked: never swapped.
    Locked,
    /// Also out of reach of debuggers and of most of the kernel.
    Secret,
}

impl Protection {
    /// `undumped`, `locked` or `secret`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undumped => "undumped",
            Self::Locked => "locked",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protection {
    type Err = UnknownProtection;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Undumped, Self::Locked, Self::Secret];
        all.into_iter().find(|protection| protection.name() == text).ok_or(UnknownProtection)
    }
}

/// The text names no protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownProtection;

impl fmt::Display for UnknownProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory can be secret, locked or undumped")
    }
}

impl core::error::Error for UnknownProtection {}

/// A mapping of pages for secrets.
#[derive(Debug)]
struct Region {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a region is only an address range; what may be read or written in it is a cell's
// business, and cells do not overlap.
unsafe impl Send for Region {}
// SAFETY: as above; a shared region offers no access at all.
unsafe impl Sync for Region {}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the range is a whole mapping made here, and no cell is left that points into it.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "a mapping can be unmapped");
    }
}

impl Region {
    /// Maps at least `bytes` zeroed bytes, as well protected as the kernel grants.
    fn map(bytes: usize) -> io::Result<(Self, Protection)> {
        let bytes = bytes.max(1).checked_next_multiple_of(PAGE_BYTES);
        let bytes = bytes.filter(|&bytes| isize::try_from(bytes).is_ok());
        let bytes = bytes.ok_or(io::ErrorKind::OutOfMemory)?;
        if IS_MIRI {
            return Ok((Self::map_ordinary(bytes)?, Protection::Undumped));
        }
        if let Ok(secret) = Self::map_secret(bytes) {
            return Ok((secret, Protection::Secret));
        }
        let region = Self::map_ordinary(bytes)?;
        // SAFETY: the range is the mapping just made.
        let locked = unsafe { mlock(region.start.as_ptr().cast(), bytes) };
        Ok((region, if locked.is_ok() { Protection::Locked } else { Protection::Undumped }))
    }

    fn map_secret(bytes: usize) -> io::Result<Self> {
        // SAFETY: the call takes flags and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
        let fd =
            i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel just made this descriptor for us.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        rustix::fs::ftruncate(&file, bytes as u64)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; nobody else has the file.
        let start =
            unsafe { mmap(core::ptr::null_mut(), bytes, protection, MapFlags::SHARED, &file, 0)? };
        let region = Self::of(start, bytes)?;
        region.advise(Advice::LinuxDontFork)?;
        Ok(region)
    }

    fn map_ordinary(bytes: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start =
            unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, protection, MapFlags::PRIVATE)? };
        let region = Self::of(start, bytes)?;
        region.advise(Advice::LinuxDontDump)?;
        region.advise(Advice::LinuxWipeOnFork)?;
        Ok(region)
    }

    fn of(start: *mut core::ffi::c_void, bytes: usize) -> io::Result<Self> {
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }

    fn advise(&self, advice: Advice) -> io::Result<()> {
        if IS_MIRI {
            return Ok(());
        }
        // SAFETY: the range is a mapping of ours, and no advice given here takes its content away
        // from this process.
        unsafe { madvise(self.start.as_ptr().cast(), self.bytes, advice)? };
        Ok(())
    }
}

/// An exclusive piece of secret memory, zeroed when it is dropped.
pub struct SecretCell {
    region: Arc<Region>,
    start: usize,
    bytes: usize,
}

/// Allocates `count` cells of `bytes` zeroed bytes each, and tells how well they are protected.
///
/// # Errors
///
/// [`io::ErrorKind::PermissionDenied`] if the kernel grants less than `at_least`,
/// [`io::ErrorKind::OutOfMemory`], or what the system says.
pub fn allocate(
    count: usize,
    bytes: usize,
    at_least: Protection,
) -> io::Result<(Vec<SecretCell>, Protection)> {
    let total = count.checked_mul(bytes).ok_or(io::ErrorKind::OutOfMemory)?;
    let (region, protection) = Region::map(total)?;
    if protection < at_least {
        let refused = format!("secret memory is only {protection} here, {at_least} is required");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
    }
    let region = Arc::new(region);
    let cell = |number| SecretCell { region: Arc::clone(&region), start: number * bytes, bytes };
    let mut cells: Vec<SecretCell> = (0..count).map(cell).collect();
    // Makes every page present: what comes later neither faults nor runs out of memory.
    for cell in &mut cells {
        cell.fill(0);
    }
    Ok((cells, protection))
}

impl Deref for SecretCell {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `allocate` made the region long enough for every cell, gave each range to one
        // cell only, and a cell cannot be cloned; the region lives as long as the cell.
        unsafe {
            let start = self.region.start.as_ptr().add(self.start);
            core::slice::from_raw_parts(start, self.bytes)
        }
    }
}

impl DerefMut for SecretCell {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`; `&mut self` makes this the only slice of the range.
        unsafe {
            let start = self.region.start.as_ptr().add(self.start);
            core::slice::from_raw_parts_mut(start, self.bytes)
        }
    }
}

impl Drop for SecretCell {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl fmt::Debug for SecretCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCell(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_zero_and_do_not_overlap() {
        let (mut cells, _) = allocate(100, 77, Protection::Undumped).unwrap();
        assert!(cells.iter().all(|cell| cell.len() == 77 && cell.iter().all(|&byte| byte == 0)));
        for (number, cell) in (0_u8..).zip(&mut cells) {
            cell.fill(number);
        }
        for (number, cell) in (0_u8..).zip(&cells) {
            assert!(cell.iter().all(|&byte| byte == number), "cell {number}");
        }
    }

    #[test]
    fn the_last_cell_keeps_the_region() {
        let (mut cells, _) = allocate(3, PAGE_BYTES, Protection::Undumped).unwrap();
        let mut last = cells.swap_remove(1);
        last.fill(7);
        drop(cells);
        let last = std::thread::spawn(move || last).join().unwrap();
        assert!(last.iter().all(|&byte| byte == 7));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri ends where memory does")]
    fn impossible_sizes_are_errors() {
        for (count, bytes) in [(usize::MAX, 2), (1, usize::MAX), (1 << 40, 1 << 20)] {
            assert!(allocate(count, bytes, Protection::Undumped).is_err(), "{count} x {bytes}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no protection")]
    fn the_best_protection_is_found() {
        let switch = std::fs::read_to_string("/sys/module/secretmem/parameters/enable");
        let wanted = match switch {
            Ok(text) if text.trim() == "Y" => Protection::Secret,
            _ => Protection::Undumped,
        };
        let (_, found) = allocate(1, 1, Protection::Undumped).unwrap();
        assert!(found >= wanted, "{found} where the kernel offers {wanted}");
        assert_eq!(allocate(1, 1, Protection::Secret).is_ok(), found == Protection::Secret);
    }

    #[test]
    fn no_cells_are_no_error() {
        assert!(allocate(0, 100, Protection::Undumped).unwrap().0.is_empty());
    }
}
