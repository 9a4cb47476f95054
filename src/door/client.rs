//! `Client`: the other side of a ring, for programs in Rust. `tools/ring_client.py` is one in
//! Python.

use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::message::{Answer, Refusal, Request, decode_answer};
use super::ring::{ANSWER_BYTES, REQUEST_BYTES, Ring, SLOTS};
use super::server::has_left;
use super::signal::{Signal, announce, spin_for, spin_time, watch};

/// How often a sleeping client looks whether the server is still there.
const PULSE: Duration = Duration::from_millis(100);

/// A client with a ring of its own.
#[derive(Debug)]
pub struct Client {
    ring: Ring,
    /// Its end tells each side that the other has gone.
    socket: UnixStream,
    sent: u32,
    received: u32,
    /// Whether the request sent last found the server asleep.
    is_waking: bool,
    request: Vec<u8>,
    answer: Box<[u8; ANSWER_BYTES]>,
}

impl Client {
    /// Asks the server at `path` for a ring.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixStream::connect(path)?;
        let file = receive_file(&socket)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            ring: Ring::attach(&file)?,
            socket,
            sent: 0,
            received: 0,
            is_waking: false,
            request: Vec::with_capacity(REQUEST_BYTES),
            answer: Box::new([0; ANSWER_BYTES]),
        })
    }

    /// Asks for one key pair and waits for the answer.
    pub fn call(&mut self, request: &Request<'_>) -> Result<Answer, CallError> {
        self.send(request)?;
        self.receive()
    }

    /// Sends a request; its answer comes after those to earlier ones.
    ///
    /// # Errors
    ///
    /// [`CallError::Full`] if sixteen are on their way, [`CallError::TooLong`].
    pub fn send(&mut self, request: &Request<'_>) -> Result<(), CallError> {
        if self.on_their_way() == SLOTS {
            return Err(CallError::Full);
        }
        if !request.encode(self.sent, &mut self.request) {
            return Err(CallError::TooLong);
        }
        self.ring.write_request(self.sent, &self.request);
        self.sent = self.sent.wrapping_add(1);
        self.is_waking = announce(&self.ring.sent(), self.sent);
        Ok(())
    }

    /// Waits for the answer to the earliest request that has none.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`], [`CallError::NothingSent`], [`CallError::Gone`].
    pub fn receive(&mut self) -> Result<Answer, CallError> {
        if self.on_their_way() == 0 {
            return Err(CallError::NothingSent);
        }
        let number = self.received;
        let answered = self.ring.answered();
        // A server that had to be woken needs a core, perhaps this one.
        let mut spin = spin_for(if self.is_waking { Duration::ZERO } else { spin_time() });
        while watch(&answered, number, &mut spin, PULSE) == number {
            let has_left =
                self.ring.server_left().load(Ordering::Acquire) != 0 || has_left(&self.socket);
            // What was answered last may have come between the two looks.
            if has_left && answered.count() == number {
                return Err(CallError::Gone);
            }
        }
        self.ring.read_answer(number, &mut self.answer);
        self.received = number.wrapping_add(1);
        let answer = decode_answer(&self.answer, number).ok_or(CallError::Gone)?;
        answer.map_err(CallError::Refused)
    }

    /// How many requests have no answer yet.
    #[must_use]
    pub const fn on_their_way(&self) -> u32 {
        self.sent.wrapping_sub(self.received)
    }

    #[cfg(test)]
    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }
}

fn receive_file(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let file = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    let refused = "the server gave no ring: it has too many clients, or is stopping";
    file.ok_or_else(|| io::Error::new(io::ErrorKind::ConnectionRefused, refused))
}

/// Why a call gave no key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The server said no.
    Refused(Refusal),
    /// Key id and context are longer than any that are allowed.
    TooLong,
    /// As many requests are on their way as the ring holds.
    Full,
    /// Nothing was asked that has no answer.
    NothingSent,
    /// The server has gone, or speaks no sense.
    Gone,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::TooLong => f.write_str("the request is longer than any that is allowed"),
            Self::Full => write!(f, "{SLOTS} requests are on their way, and no more fit the ring"),
            Self::NothingSent => f.write_str("no request is on its way"),
            Self::Gone => f.write_str("the server has gone; connect again"),
        }
    }
}

impl core::error::Error for CallError {}
