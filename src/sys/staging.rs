//! Memory that is there before it is used: no store to it faults, and none of it is ever taken
//! away again.

use std::io;

use memmap2::{Advice, MmapMut};

use crate::limits::PAGE_BYTES;

/// Zeroed pages, present and writable, in huge pages where the system has them to give.
#[derive(Debug)]
pub struct StagingMemory(MmapMut);

impl StagingMemory {
    /// Takes `bytes` bytes from the system.
    ///
    /// # Errors
    ///
    /// What the system says if it has none.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let mut memory = MmapMut::map_anon(bytes.max(PAGE_BYTES))?;
        let _only_faster = memory.advise(Advice::HugePage);
        if memory.advise(Advice::PopulateWrite).is_err() {
            // Before Linux 5.14: a store into each page does the same.
            memory.chunks_mut(PAGE_BYTES).for_each(|page| page[0] = 0);
        }
        Ok(Self(memory))
    }

    /// The same, locked as far as this process may lock.
    #[must_use]
    pub fn locked(self) -> Self {
        let _only_surer = self.0.lock();
        self
    }

    /// All of it; begins on a page.
    #[must_use]
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::counters::Counters;

    #[test]
    fn stores_do_not_fault() {
        let pages = 4 << 10;
        let mut memory = StagingMemory::new(pages * PAGE_BYTES).unwrap();
        let before = Counters::of_this_thread();
        memory.bytes().chunks_mut(PAGE_BYTES).for_each(|page| page[7] = 1);
        let since = Counters::of_this_thread() - before;
        assert!(since.faults < 16, "{since}, of {pages} pages");
    }
}
