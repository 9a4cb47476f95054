//! `Rival`: request and response of iceoryx2, through shared memory as the ring's.
//!
//! Its queues wake nobody; how a side learns that something has come is left to the user, and both
//! usual ways are here, the same on both sides:
//!
//! - `notified`: a side that has sent rings the other's event, and one that finds nothing sleeps on
//!   its own. To ring is to send a datagram through a Unix socket, unless one still lies there
//!   unread: one at a time, every message costs both sides a system call, whether or not anybody
//!   sleeps. The ring calls the kernel for sleepers only.
//! - `polled`: a side looks again and again, and between two looks yields its core, since two that
//!   only spin wait out whole time slices where others want the cores. Nobody has to be woken, but
//!   the server occupies a core all the time, and takes it from producers and from whoever else is
//!   measured meanwhile. The ring's server looks for 50 microseconds and then sleeps in a futex.
//!
//! Request and answer are written where the other side reads them, which spares iceoryx2 the copies
//! that socket and ring make. The ring's distrust of its client costs it one; here both trust.
//!
//! The domain is that of one process: its files lie in the folder of the example, and what it calls
//! into `/dev/shm` begins with a prefix that holds the process id.

use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client::Client;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::{Config, FileName, SemanticString, SignalHandlingMode, ipc::Service};
use iceoryx2::service::port_factory::request_response::PortFactory;
use keymill::spec::KeyPairSpec;

use crate::work::{ANSWER, REQUEST, Work, request};

/// How a side learns that the other has sent.
#[derive(Clone, Copy)]
pub enum Manner {
    Notified,
    Polled,
}

impl Manner {
    pub const ALL: [Self; 2] = [Self::Notified, Self::Polled];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Notified => "iceoryx2, notified",
            Self::Polled => "iceoryx2, polled",
        }
    }
}

/// A request whose answer is still to come.
type Pending = PendingResponse<Service, [u8; REQUEST], (), [u8; ANSWER], ()>;

/// A client, and the thread that serves it.
pub struct Rival {
    pending: VecDeque<Pending>,
    client: Client<Service, [u8; REQUEST], (), [u8; ANSWER], ()>,
    bell: Bell,
    is_over: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl Rival {
    /// Starts a server that leaves its files in `folder`, and waits until it is there.
    pub fn start(manner: Manner, folder: &Path, work: Work) -> Self {
        let config = domain(folder);
        let is_over = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = mpsc::channel();
        let (theirs, over) = (config.clone(), Arc::clone(&is_over));
        let server = thread::spawn(move || serve(manner, &theirs, work, &ready, &over));
        is_ready.recv().unwrap();
        let node = node(&config);
        let client = service(&node).client_builder().create().unwrap();
        let bell = Bell::hang(manner, &node, [ANSWERS, REQUESTS]);
        Self { pending: VecDeque::new(), client, bell, is_over, server }
    }

    pub fn call(&mut self, spec: KeyPairSpec) {
        self.send(spec);
        self.receive();
    }

    /// Sends one request, after the earliest answer has come if there is no room for more.
    pub fn pipelined(&mut self, spec: KeyPairSpec) {
        if self.pending.len() == PENDING_MAX {
            self.receive();
        }
        self.send(spec);
    }

    /// Waits for every answer that is still to come.
    pub fn settle(&mut self) {
        while !self.pending.is_empty() {
            self.receive();
        }
    }

    fn send(&mut self, spec: KeyPairSpec) {
        let sent = self.client.loan_uninit().unwrap().write_payload(request(spec)).send();
        self.pending.push_back(sent.unwrap());
        self.bell.ring();
    }

    fn receive(&mut self) {
        let pending = self.pending.pop_front().unwrap();
        loop {
            if let Some(answer) = pending.receive().unwrap() {
                assert_eq!(answer.payload()[0], SEQUENCE);
                return;
            }
            self.bell.wait();
        }
    }

    /// Ends the server and leaves nothing in memory.
    pub fn end(self) {
        self.is_over.store(true, Ordering::Release);
        self.bell.ring();
        self.server.join().unwrap();
        drop((self.pending, self.client, self.bell));
        remove_what_stays();
    }
}

/// As many as the ring has slots.
const PENDING_MAX: usize = 16;

/// What a public key begins with, in DER.
const SEQUENCE: u8 = 0x30;

/// Answers until it is over.
fn serve(
    manner: Manner,
    config: &Config,
    mut work: Work,
    ready: &mpsc::Sender<()>,
    is_over: &AtomicBool,
) {
    let node = node(config);
    let server = service(&node).server_builder().create().unwrap();
    let bell = Bell::hang(manner, &node, [REQUESTS, ANSWERS]);
    ready.send(()).unwrap();
    while !is_over.load(Ordering::Acquire) {
        while let Some(asked) = server.receive().unwrap() {
            let mut answer = asked.loan_uninit().unwrap().write_payload([0; ANSWER]);
            work.answer(asked.payload(), answer.payload_mut());
            answer.send().unwrap();
            bell.ring();
        }
        bell.wait();
    }
}

/// Names of the events by which a side hears of requests, and of answers.
const REQUESTS: &str = "keymill/requests";
const ANSWERS: &str = "keymill/answers";

/// How a side waits for the other, and wakes it.
enum Bell {
    Notified { own: Box<Listener<Service>>, others: Box<Notifier<Service>> },
    Polled,
}

impl Bell {
    /// A bell that hears the first event and rings the second.
    fn hang(manner: Manner, node: &Node<Service>, events: [&str; 2]) -> Self {
        let Manner::Notified = manner else { return Self::Polled };
        let [own, others] = events.map(|name| {
            node.service_builder(&name.try_into().unwrap()).event().open_or_create().unwrap()
        });
        Self::Notified {
            own: Box::new(own.listener_builder().create().unwrap()),
            others: Box::new(others.notifier_builder().create().unwrap()),
        }
    }

    fn ring(&self) {
        if let Self::Notified { others, .. } = self {
            others.notify().unwrap();
        }
    }

    fn wait(&self) {
        match self {
            Self::Notified { own, .. } => {
                own.timed_wait(|_| (), PULSE).unwrap();
            }
            Self::Polled => thread::yield_now(),
        }
    }
}

/// How long a side sleeps at most. In iceoryx2 0.10.0 a listener that empties its socket between
/// the two steps of a notifier, the datagram and the note that it was sent, may sleep on and be
/// sent no more; it hears of that when it waits anew.
const PULSE: Duration = Duration::from_millis(100);

/// A side of its own, as another process would be.
fn node(config: &Config) -> Node<Service> {
    let quiet = SignalHandlingMode::Disabled;
    NodeBuilder::new().config(config).signal_handling_mode(quiet).create().unwrap()
}

/// The service, with room for no more than one client and one server.
fn service(node: &Node<Service>) -> PortFactory<Service, [u8; REQUEST], (), [u8; ANSWER], ()> {
    node.service_builder(&"keymill/door".try_into().unwrap())
        .request_response::<[u8; REQUEST], [u8; ANSWER]>()
        .max_clients(1)
        .max_servers(1)
        .max_active_requests_per_client(PENDING_MAX)
        .open_or_create()
        .unwrap()
}

/// The settings that come with iceoryx2, no file of the user's, and names of this process only.
fn domain(folder: &Path) -> Config {
    let mut config = Config::default();
    let root = iceoryx2::prelude::Path::new(folder.as_os_str().as_encoded_bytes()).unwrap();
    config.global.set_root_path(&root);
    config.global.prefix = FileName::new(prefix().as_bytes()).unwrap();
    config
}

fn prefix() -> String {
    format!("keymill_door_{}_", std::process::id())
}

/// Removes the counter of nodes, which iceoryx2 keeps for the next process of a domain.
fn remove_what_stays() {
    for entry in fs::read_dir("/dev/shm").unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().as_encoded_bytes().starts_with(prefix().as_bytes()) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}
