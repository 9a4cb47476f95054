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

    /// A ring whose sides are threads of this process.
    #[cfg(test)]
    fn alone() -> io::Result<Self> {
        Ok(Self { memory: SharedMemory::alone(body_bytes())? })
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

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::thread;

    use super::super::signal::{Signal, announce, watch};
    use super::*;

    const CALLS: u32 = SLOTS + SLOTS / 2;
    const PATIENCE: Duration = Duration::from_mins(1);

    /// Sleeps at once, but under Miri, which knows the call only with arguments of other types.
    fn wait(signal: &SharedSignal<'_>, seen: u32) -> u32 {
        let may_spin = || {
            thread::yield_now();
            cfg!(miri)
        };
        watch(signal, seen, may_spin, PATIENCE)
    }

    /// Answers every request with its first bytes and its last.
    fn serve(ring: &Ring) {
        let mut request = [0; REQUEST_BYTES];
        let mut answered = 0;
        while answered < CALLS {
            let sent = wait(&ring.sent(), answered);
            while answered < sent {
                ring.read_request(answered, &mut request);
                let mut answer = [0; ANSWER_BYTES];
                answer[..4].copy_from_slice(&request[..4]);
                answer[ANSWER_BYTES - 1] = request[REQUEST_BYTES - 1];
                ring.write_answer(answered, &answer);
                answered += 1;
                announce(&ring.answered(), answered);
            }
        }
    }

    /// Reads the answer to `number` once it is there.
    fn receive(ring: &Ring, number: u32) {
        let mut answered = ring.answered().count();
        while answered <= number {
            answered = wait(&ring.answered(), answered);
        }
        let mut answer = [0; ANSWER_BYTES];
        ring.read_answer(number, &mut answer);
        assert_eq!(answer[..4], number.to_ne_bytes());
        assert_eq!(answer[ANSWER_BYTES - 1], 7);
    }

    #[test]
    fn what_either_side_announces_the_other_reads_whole_and_in_its_slot() {
        let ring = Ring::alone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| serve(&ring));
            let mut request = [7; REQUEST_BYTES];
            for number in 0..CALLS {
                if number >= SLOTS {
                    receive(&ring, number - SLOTS);
                }
                request[..4].copy_from_slice(&number.to_ne_bytes());
                ring.write_request(number, &request);
                announce(&ring.sent(), number + 1);
            }
            for number in CALLS - SLOTS..CALLS {
                receive(&ring, number);
            }
        });
    }
}
