//! `Door`: lets clients in, gives each a ring, and answers it on a thread of its own.

use core::fmt;
use core::mem::MaybeUninit;
use core::net::{IpAddr, Ipv4Addr};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::cmsg_space;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::message::{Asked, Refusal, encode_pair};
use super::ring::{ANSWER_BYTES, REQUEST_BYTES, Ring, SLOTS};
use super::signal::{Spinning, announce};
use crate::crypto::drbg::Drbg;
use crate::crypto::seal::{Contexts, seal_batch};
use crate::keystore::{ServedKeystore, ServedPrincipal};
use crate::limits::DOOR_RINGS_MAX;
use crate::pipeline::authorize::{AuthorizeError, Caller, KeyUse, Via, access};
use crate::pipeline::source::KeyPairSource;
use crate::pipeline::take::TakeError;
use crate::spec::Operation;
use crate::sys::features::Backend;
use crate::sys::listener::Listener;
use crate::sys::priority::be_prompt;

/// How often a sleeping thread looks whether it is still needed.
const PULSE: Duration = Duration::from_millis(100);

/// How many times a client waits for room before it is sent away.
const ROOM_PULSES: usize = 10;

/// What lies behind the door: keys and key pairs.
pub struct Hall {
    keystore: Arc<ServedKeystore>,
    source: Arc<dyn KeyPairSource>,
}

impl Hall {
    /// Answers from `keystore`, with key pairs from `source`.
    #[must_use]
    pub fn new(keystore: Arc<ServedKeystore>, source: Arc<dyn KeyPairSource>) -> Self {
        Self { keystore, source }
    }
}

impl fmt::Debug for Hall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hall").field("keystore", &self.keystore).finish_non_exhaustive()
    }
}

/// An open door; dropped, it answers what it is at and closes every ring.
#[derive(Debug)]
pub struct Door {
    is_stopping: Arc<AtomicBool>,
    porter: Option<JoinHandle<()>>,
}

impl Door {
    /// Lets clients in at the Unix socket `path`.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made or a thread not started.
    pub fn open(path: &Path, hall: Hall) -> io::Result<Self> {
        let listener = Listener::bind(path)?;
        let is_stopping = Arc::new(AtomicBool::new(false));
        let (stop, hall) = (Arc::clone(&is_stopping), Arc::new(hall));
        let porter = thread::Builder::new()
            .name("keymill-door".to_owned())
            .spawn(move || let_in(&listener, &hall, &stop))?;
        Ok(Self { is_stopping, porter: Some(porter) })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        if let Some(porter) = self.porter.take() {
            // A thread that panicked has nobody left to answer.
            let _ = porter.join();
        }
    }
}

/// Gives every client a ring and a thread, as long as there are not too many.
fn let_in(listener: &Listener, hall: &Arc<Hall>, stop: &Arc<AtomicBool>) {
    let mut rings: Vec<JoinHandle<()>> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        match listener.accept(PULSE) {
            Ok(Some(socket)) if has_room(&mut rings) => {
                let (hall, stop) = (Arc::clone(hall), Arc::clone(stop));
                let thread = thread::Builder::new().name("keymill-ring".to_owned());
                // Without a thread the connection ends here, and the client is told by that.
                rings.extend(thread.spawn(move || attend(&socket, &hall, &stop)));
            }
            Ok(_) => {}
            // Out of descriptors: others can wait a moment.
            Err(_) => thread::sleep(PULSE),
        }
    }
    for ring in rings {
        let _ = ring.join();
    }
}

/// Whether another client may come in: a thread whose client has gone notices within a [`PULSE`] or
/// so, and is waited for.
fn has_room(rings: &mut Vec<JoinHandle<()>>) -> bool {
    for _ in 0..ROOM_PULSES {
        rings.retain(|ring| !ring.is_finished());
        if rings.len() < DOOR_RINGS_MAX {
            return true;
        }
        thread::sleep(PULSE);
    }
    false
}

/// One client, from its coming to its going.
fn attend(socket: &UnixStream, hall: &Hall, stop: &AtomicBool) {
    let Ok((ring, file)) = Ring::create() else { return };
    let (Ok(()), Ok(drbg)) = (hand_over(socket, &file), Drbg::from_system()) else { return };
    // Answers a little later if refused.
    let _is_granted = be_prompt();
    let scope = hall.keystore.scope().clone();
    let caller = Caller::new(Arc::new(ServedPrincipal::root(&scope)), scope);
    let answer = Vec::with_capacity(ANSWER_BYTES);
    let mut attendant = Attendant { hall, caller, drbg, answer };
    attendant.serve(&ring, || stop.load(Ordering::SeqCst) || has_left(socket));
    ring.server_left().store(1, Ordering::Release);
    // The client wakes and finds that nothing was added.
    crate::sys::shared_memory::wake(ring.answered().count);
}

/// Sends the ring to the client.
fn hand_over(socket: &UnixStream, file: &OwnedFd) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&files));
    sendmsg(socket, &[IoSlice::new(&[1])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Whether the other side of a connection on which nobody speaks has gone, or speaks.
pub(super) fn has_left(mut socket: &UnixStream) -> bool {
    !matches!(socket.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// What a thread has to answer one ring.
struct Attendant<'h> {
    hall: &'h Hall,
    caller: Caller,
    drbg: Drbg,
    answer: Vec<u8>,
}

impl Attendant<'_> {
    /// Answers until `is_over`, or until the client does what none can.
    fn serve(&mut self, ring: &Ring, is_over: impl Fn() -> bool) {
        let mut slot = Box::new([0; REQUEST_BYTES]);
        let mut answered: u32 = 0;
        let mut spinning = Spinning::default();
        loop {
            let sent = spinning.watch(&ring.sent(), answered, PULSE);
            if sent.wrapping_sub(answered) > SLOTS {
                return;
            }
            while answered != sent {
                ring.read_request(answered, &mut slot);
                let asked = Asked::decode(&slot, answered);
                if let Err(refusal) = asked.and_then(|asked| self.make(answered, &asked)) {
                    refusal.encode(answered, &mut self.answer);
                }
                ring.write_answer(answered, &self.answer);
                answered = answered.wrapping_add(1);
                announce(&ring.answered(), answered);
            }
            if is_over() {
                return;
            }
        }
    }

    /// One key pair through the corridor.
    fn make(&mut self, number: u32, asked: &Asked<'_>) -> Result<(), Refusal> {
        let snapshot = self.hall.keystore.snapshot();
        let wanted = KeyUse {
            action: Operation::GenerateDataKeyPairWithoutPlaintext.into(),
            caller: &self.caller,
            via: VIA,
            key_id: asked.key_id,
            spec: Some(asked.spec),
            context: Some(&asked.context),
            grant_tokens: &[],
            members: &[],
            makes: None,
        };
        let access = access(&snapshot, &wanted)?;
        let permit = access.to_wrap()?;
        if asked.dry_run {
            let message = "the request would have succeeded, but it is a dry run";
            return Err(Refusal::new("DryRunOperationException", message));
        }
        let batch = self.hall.source.take(asked.spec)?;
        // Every request is a batch of its own, so that a copy of the process repeats no nonce.
        self.drbg.reseed().map_err(TakeError::from)?;
        let contexts =
            Contexts { head: &[], rest: |_, aad: &mut Vec<u8>| asked.context.encode(aad) };
        let wrapped = seal_batch(permit.key(), Backend::Portable, &mut self.drbg, batch, contexts);
        let (arn, material) = (access.key().arn(), permit.key().material_id());
        let (public_key, blob) = (wrapped.public_key(0), wrapped.blob(0));
        encode_pair(number, arn, &material, public_key, blob, &mut self.answer);
        Ok(())
    }
}

/// A client of the ring is on this machine.
const VIA: Via<'static> =
    Via { address: IpAddr::V4(Ipv4Addr::LOCALHOST), is_encrypted: true, user_agent: None };

impl From<AuthorizeError> for Refusal {
    fn from(error: AuthorizeError) -> Self {
        match error.aws_name() {
            Some(name) => Self::new(name, error),
            None => Self::new("KMSInternalException", "the server cannot use the key"),
        }
    }
}

impl From<TakeError> for Refusal {
    fn from(error: TakeError) -> Self {
        Self::new(error.aws_name(), error)
    }
}
