//! `Ring`: the layout of the shared memory, for both sides.

use core::sync::atomic::{AtomicU32, Ordering};
use std::io;
use std::os::fd::OwnedFd;

use super::signal::SharedSignal;
use crate::sys::shared_memory::SharedMemory;

/// Requests that can be on their way.
pub(super) const SLOTS: u32 = 16;

/// Bytes of a request slot: the longest key id and context, and a head.
pub(super) const REQUEST_BYTES: usize = 12_800;

/// Bytes of an answer slot.
pub(super) const ANSWER_BYTES: usize = 4096;

/// The first four words.
const MAGIC: &[u8; 16] = b"KEYMILL RING 01\0";

// Words of the first page; those that different sides write lie in different cache lines.
const SHAPE: usize = 4;
const SENT: usize = 16;
const SERVER_AWAITS: usize = 32;
const ANSWERED: usize = 48;
const CLIENT_AWAITS: usize = 64;
const SERVER_LEFT: usize = 80;

/// A ring, as either side sees it.
#[derive(Debug)]
pub(super) struct Ring {
    memory: SharedMemory,
}

impl Ring {
    /// A new ring, and the file that gives it to a client.
    pub(super) fn create() -> io::Result<(Self, OwnedFd)> {
        let (memory, file) = SharedMemory::create("keymill-ring", body_bytes())?;
        for (number, word) in head().into_iter().enumerate() {
            memory.word(number).store(word, Ordering::Relaxed);
        }
        Ok((Self { memory }, file))
    }

    /// The ring that a server gave.
    pub(super) fn attach(file: &OwnedFd) -> io::Result<Self> {
        let memory = SharedMemory::attach(file)?;
        let is_known = head()
            .into_iter()
            .enumerate()
            .all(|(number, word)| memory.word(number).load(Ordering::Relaxed) == word);
        if !is_known || memory.len() < body_bytes() {
            let other = "the server's ring has another layout; client and server must be of one \
                         version";
            return Err(io::Error::new(io::ErrorKind::InvalidData, other));
        }
        Ok(Self { memory })
    }

    /// How many requests were sent.
    pub(super) fn sent(&self) -> SharedSignal<'_> {
        self.signal(SENT, SERVER_AWAITS)
    }

    /// How many requests were answered.
    pub(super) fn answered(&self) -> SharedSignal<'_> {
        self.signal(ANSWERED, CLIENT_AWAITS)
    }

    fn signal(&self, count: usize, awaited: usize) -> SharedSignal<'_> {
        SharedSignal { count: self.memory.word(count), awaited: self.memory.word(awaited) }
    }

    /// Whether the server has left.
    pub(super) fn server_left(&self) -> &AtomicU32 {
        self.memory.word(SERVER_LEFT)
    }

    pub(super) fn read_request(&self, number: u32, bytes: &mut [u8; REQUEST_BYTES]) {
        self.memory.read(request_place(number), bytes);
    }

    pub(super) fn write_request(&self, number: u32, bytes: &[u8]) {
        assert!(bytes.len() <= REQUEST_BYTES, "a request fits its slot");
        self.memory.write(request_place(number), bytes);
    }

    pub(super) fn read_answer(&self, number: u32, bytes: &mut [u8; ANSWER_BYTES]) {
        self.memory.read(answer_place(number), bytes);
    }

    pub(super) fn write_answer(&self, number: u32, bytes: &[u8]) {
        assert!(bytes.len() <= ANSWER_BYTES, "an answer fits its slot");
        self.memory.write(answer_place(number), bytes);
    }

    /// All of the memory, for tests that write what they should not.
    #[cfg(test)]
    pub(super) fn memory(&self) -> &SharedMemory {
        &self.memory
    }
}

/// The words that the server writes first.
fn head() -> [u32; SHAPE + 3] {
    let mut head = [0; SHAPE + 3];
    for (word, bytes) in head.iter_mut().zip(MAGIC.as_chunks().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    let shape = [SLOTS as usize, REQUEST_BYTES, ANSWER_BYTES];
    head[SHAPE..].copy_from_slice(&shape.map(|number| u32::try_from(number).unwrap_or(0)));
    head
}

const fn body_bytes() -> usize {
    SLOTS as usize * (REQUEST_BYTES + ANSWER_BYTES)
}

const fn request_place(number: u32) -> usize {
    (number % SLOTS) as usize * REQUEST_BYTES
}

const fn answer_place(number: u32) -> usize {
    SLOTS as usize * REQUEST_BYTES + (number % SLOTS) as usize * ANSWER_BYTES
}

const _: () = {
    assert!(SLOTS.is_power_of_two(), "counts go round");
    assert!(REQUEST_BYTES.is_multiple_of(8) && ANSWER_BYTES.is_multiple_of(8));
};
