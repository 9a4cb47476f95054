//! Fresh seeds for threads that make no system calls.
//!
//! A [`Mailbox`] stands between a worker and a helper. The helper fills it from the operating
//! system; the worker takes one seed at the head of every batch. It holds few, [`SEEDS_AHEAD`], so
//! that no seed is older than as many batches before the one it serves, and more than one, so that
//! a helper who has to wait for a core is not too late.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::thread::yield_now;

use crossbeam_queue::ArrayQueue;
use zeroize::Zeroize;

use crate::secret::Secret;

/// Bytes of one seed.
pub const SEED_BYTES: usize = 32;

/// Most seeds that lie ready for one worker: a copy of the process can repeat as many batches.
pub const SEEDS_AHEAD: usize = 4;

/// A place for the next seeds of one worker.
pub struct Mailbox {
    /// Every envelope is in either queue, or in somebody's hands.
    full: ArrayQueue<Envelope>,
    empty: ArrayQueue<Envelope>,
    is_closed: AtomicBool,
    waits: bool,
}

type Envelope = Box<Secret<[u8; SEED_BYTES]>>;

/// The operating system refused random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gave no random bytes")
    }
}

impl core::error::Error for EntropyError {}

impl Mailbox {
    /// A full mailbox. A worker that finds it empty `waits` for the helper, or else
    /// asks the system itself.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the operating system has none to give.
    pub fn filled(waits: bool) -> Result<Self, EntropyError> {
        let mailbox = Self {
            full: ArrayQueue::new(SEEDS_AHEAD),
            empty: ArrayQueue::new(SEEDS_AHEAD),
            is_closed: AtomicBool::new(false),
            waits,
        };
        for _ in 0..SEEDS_AHEAD {
            let _there_is_room = mailbox.empty.push(Box::new(Secret::new([0; SEED_BYTES])));
        }
        mailbox.refill()?;
        Ok(mailbox)
    }

    /// Puts a seed in for every one that was taken; for the helper.
    ///
    /// # Errors
    ///
    /// [`EntropyError`]; the mailbox is then closed, and who waits for a seed gets the error too.
    pub fn refill(&self) -> Result<(), EntropyError> {
        while let Some(mut envelope) = self.empty.pop() {
            if getrandom::fill(envelope.expose_mut()).is_err() {
                self.close();
                return Err(EntropyError);
            }
            let _there_is_room = self.full.push(envelope);
        }
        Ok(())
    }

    /// Takes the oldest seed and shows it to `read`, without a system call unless the helper is late.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the mailbox is closed.
    pub fn take<R>(&self, read: impl FnOnce(&[u8; SEED_BYTES]) -> R) -> Result<R, EntropyError> {
        let mut envelope = loop {
            match self.full.pop() {
                Some(envelope) => break envelope,
                None if self.is_closed.load(Ordering::Acquire) => return Err(EntropyError),
                None if self.waits => yield_now(),
                None => return own_seed(read),
            }
        };
        let result = read(envelope.expose());
        envelope.expose_mut().zeroize();
        let _there_is_room = self.empty.push(envelope);
        Ok(result)
    }

    /// Tells the worker that no seed will come any more: the helper has ended.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }
}

/// Shows `read` a seed that the calling thread draws.
fn own_seed<R>(read: impl FnOnce(&[u8; SEED_BYTES]) -> R) -> Result<R, EntropyError> {
    let mut seed = Secret::new([0; SEED_BYTES]);
    getrandom::fill(seed.expose_mut()).map_err(|_| EntropyError)?;
    Ok(read(seed.expose()))
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn every_seed_is_fresh_and_taken_once() {
        const BATCHES: usize = 200;
        let mailbox = Mailbox::filled(true).unwrap();
        let taken = AtomicUsize::new(0);
        let seeds: HashSet<[u8; SEED_BYTES]> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while taken.load(Ordering::Relaxed) < BATCHES {
                    mailbox.refill().unwrap();
                    std::thread::yield_now();
                }
            });
            let take = |_| {
                let seed = mailbox.take(|seed| *seed).unwrap();
                taken.fetch_add(1, Ordering::Relaxed);
                seed
            };
            (0..BATCHES).map(take).collect()
        });
        assert_eq!(seeds.len(), BATCHES);
        assert!(!seeds.contains(&[0; SEED_BYTES]));
    }

    #[test]
    fn refilling_twice_keeps_the_seeds() {
        let mailbox = Mailbox::filled(true).unwrap();
        mailbox.refill().unwrap();
        let seeds: HashSet<_> =
            (0..SEEDS_AHEAD).map(|_| mailbox.take(|seed| *seed).unwrap()).collect();
        assert_eq!(seeds.len(), SEEDS_AHEAD);
        mailbox.close();
        assert_eq!(mailbox.take(|_| ()), Err(EntropyError));
    }

    #[test]
    fn a_closed_mailbox_ends_the_wait() {
        let mailbox = Mailbox::filled(true).unwrap();
        (0..SEEDS_AHEAD).for_each(|_| mailbox.take(|_| ()).unwrap());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| mailbox.take(|_| ()));
            std::thread::yield_now();
            mailbox.close();
            assert_eq!(waiting.join().unwrap(), Err(EntropyError));
        });
    }
}
