//! The server: one thread a core, each with its own listener, event loop and connections.
//!
//! The kernel spreads connections over the listeners (`SO_REUSEPORT`), so that threads share nothing
//! but the [`Endpoint`]. A connection is answered on the thread that accepted it. Stopping closes the
//! listeners, lets open requests be answered, and then ends.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, LocalOptions};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::audit::TlsDetails;
use super::call::{self, Peer};
use super::endpoint::{Endpoint, Worker};
use super::guesses;
use super::http::{BodyError, HttpAnswer, json_answer, read_body};
use super::patience::{LOOK_EVERY, Patience, Watch};
use super::tls::{TlsIdentity, tls_details};
use crate::limits::{
    ANSWER_SECONDS_MAX, CONNECTIONS_DEFAULT, HANDSHAKE_SECONDS_MAX, REQUEST_HEAD_BYTES_MAX,
    REQUEST_HEADERS_MAX, STOP_SECONDS_MAX,
};
use crate::sys::affinity::{allowed_cores, pin_to};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Threads that write changes to the keystore; they wait for each other.
const BLOCKING_THREADS: usize = 2;

/// How a server is started.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Number of threads; one for each core this process may use otherwise.
    pub threads: Option<usize>,
    /// Most open connections.
    pub connections_max: usize,
    /// What the endpoint shows of itself; without it nothing is encrypted.
    pub tls: Option<TlsIdentity>,
}

impl ServerOptions {
    /// The defaults on `listen`.
    #[must_use]
    pub const fn new(listen: SocketAddr) -> Self {
        Self { listen, threads: None, connections_max: CONNECTIONS_DEFAULT, tls: None }
    }
}

/// A running server. Dropping it without [`stop`](Self::stop) stops it too, and does not wait.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// Why a server cannot be started.
#[derive(Debug)]
pub enum ServeError {
    /// The address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// A thread or its event loop cannot be started.
    Thread(io::Error),
    /// The operating system gave no random bytes.
    Entropy,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::Entropy => f.write_str("the operating system gave no random bytes"),
        }
    }
}

impl core::error::Error for ServeError {}

impl Server {
    /// Listens, and answers from `endpoint` until it is stopped.
    pub fn start(endpoint: &Arc<Endpoint>, options: &ServerOptions) -> Result<Self, ServeError> {
        let cores = allowed_cores();
        let count = options.threads.unwrap_or(cores.len()).max(1);
        let (stop, stopped) = watch::channel(false);
        let connections = Arc::new(Connections::new(options.connections_max));
        let mut server = Self { address: options.listen, stop, threads: Vec::new() };
        for number in 0..count {
            // The first may take any free port; the others share it.
            let listener = listen(server.address)
                .and_then(|listener| Ok((listener.local_addr()?, listener)))
                .map_err(|error| ServeError::Listen(server.address, error));
            let (address, listener) = listener?;
            server.address = address;
            let worker = Loop {
                endpoint: Arc::clone(endpoint),
                connections: Arc::clone(&connections),
                stopped: stopped.clone(),
                tls: options.tls.as_ref().map(TlsIdentity::acceptor),
                core: (count <= cores.len()).then(|| cores[number]),
            };
            let thread = thread::Builder::new()
                .name(format!("keymill-serve-{number}"))
                .spawn(move || worker.run(listener))
                .map_err(ServeError::Thread)?;
            server.threads.push(thread);
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets open requests be answered for a while, and ends.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            // A thread that panicked has no request left to answer.
            let _ = thread.join();
        }
    }
}

/// A listener that shares its port with those of the other threads.
fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How many connections are open on all threads.
#[derive(Debug)]
struct Connections {
    open: AtomicUsize,
    max: usize,
}

impl Connections {
    const fn new(max: usize) -> Self {
        Self { open: AtomicUsize::new(0), max }
    }

    /// One more, if there may be one more.
    fn enter(self: &Arc<Self>) -> Option<Entered> {
        let entered = Entered(Arc::clone(self));
        (self.open.fetch_add(1, Ordering::Relaxed) < self.max).then_some(entered)
    }
}

/// An open connection, as it is counted.
#[derive(Debug)]
struct Entered(Arc<Connections>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One thread's event loop.
struct Loop {
    endpoint: Arc<Endpoint>,
    connections: Arc<Connections>,
    stopped: watch::Receiver<bool>,
    tls: Option<TlsAcceptor>,
    core: Option<usize>,
}

impl Loop {
    fn run(self, listener: std::net::TcpListener) {
        if let Some(core) = self.core {
            // A thread that may not be pinned works all the same, only less evenly.
            let _ = pin_to(core);
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build_local(LocalOptions::default());
        let (Ok(runtime), Ok(worker)) = (runtime, Worker::new(Arc::clone(&self.endpoint))) else {
            return;
        };
        let worker = Rc::new(worker);
        let patience = Duration::from_secs(STOP_SECONDS_MAX);
        runtime.block_on(async {
            let mut open = JoinSet::new();
            self.accept(listener, &worker, &mut open).await;
            // Connections that take longer are cut.
            let _ = timeout(patience, async { while open.join_next().await.is_some() {} }).await;
        });
        runtime.shutdown_timeout(patience);
    }

    /// Takes connections until the server is stopped.
    async fn accept(
        &self,
        listener: std::net::TcpListener,
        worker: &Rc<Worker>,
        open: &mut JoinSet<()>,
    ) {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        let mut stopped = self.stopped.clone();
        let mut watch = Watch::default();
        let mut looks = interval(LOOK_EVERY);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                now = looks.tick() => {
                    watch.look(now.into_std());
                    // What has ended is let go of.
                    while open.try_join_next().is_some() {}
                    continue;
                }
                _ = stopped.changed() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(entered) = self.connections.enter() else { continue };
                    let patience = Rc::<Patience>::default();
                    let (worker, seen) = (Rc::clone(worker), Rc::clone(&patience));
                    let task = self.take(stream, peer.ip(), Client { worker, patience: seen });
                    let task = open.spawn_local(async move {
                        task.await;
                        drop(entered);
                    });
                    watch.add(patience, task);
                }
                // Out of descriptors, or a connection gone already: others can wait a moment.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Answers one connection until it ends.
    fn take(
        &self,
        stream: TcpStream,
        address: IpAddr,
        client: Client,
    ) -> impl Future<Output = ()> + use<> {
        let (stopped, tls) = (self.stopped.clone(), self.tls.clone());
        async move {
            // A socket that takes no options is answered all the same.
            let _ = stream.set_nodelay(true);
            let _ = set_patience(&stream);
            // An error is the client's: it went away, or does not speak TLS or HTTP.
            let _ = match tls {
                None => connection(stream, Peer { address, tls: None }, client, stopped).await,
                Some(tls) => match shake_hands(&tls, stream).await {
                    Some((stream, tls)) => {
                        let peer = Peer { address, tls: Some(tls) };
                        connection(stream, peer, client, stopped).await
                    }
                    None => Ok(()),
                },
            };
        }
    }
}

/// A connection's TLS stream, if the client is quick and speaks TLS, and what was agreed on.
async fn shake_hands(
    tls: &TlsAcceptor,
    stream: TcpStream,
) -> Option<(TlsStream<TcpStream>, TlsDetails)> {
    let patience = Duration::from_secs(HANDSHAKE_SECONDS_MAX);
    let stream = timeout(patience, tls.accept(stream)).await.ok()?.ok()?;
    let details = tls_details(stream.get_ref().1);
    Some((stream, details))
}

/// What the requests of one connection share.
struct Client {
    /// The thread that answers.
    worker: Rc<Worker>,
    patience: Rc<Patience>,
}

/// One connection, request after request.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: Peer,
    client: Client,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let client = Rc::new(client);
    let service = service_fn(|request| serve(Rc::clone(&client), peer, request));
    let connection = http1::Builder::new()
        // A slow head is a matter of `Patience`.
        .header_read_timeout(None)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .max_headers(REQUEST_HEADERS_MAX)
        // Head and body are one piece: to copy a kilobyte costs less than to name two.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        done = connection.as_mut() => return done,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Lets the kernel end a connection whose client is gone, or takes nothing in.
fn set_patience(stream: &TcpStream) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
    socket.set_tcp_user_timeout(Some(patience))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(patience))
}

/// One request.
async fn serve(
    client: Rc<Client>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<HttpAnswer, Gone> {
    let Client { worker, patience } = &*client;
    let (head, body) = request.into_parts();
    patience.wait_for_body();
    let body = read_body(body).await;
    patience.wait_for_answer();
    let answer = match body {
        Ok(body) => {
            let answer = call::answer(worker, peer, head, &body).await.ok_or(Gone::Dropped);
            // What all connections asked by now is answered before any answer is written. The writes
            // then follow each other so closely that a client with several connections is woken once
            // for all of them; waking a thread on another core costs as much as an answer does.
            yield_now().await;
            answer
        }
        Err(BodyError::TooLarge) => {
            let refusal = Err(guesses::body_too_large());
            let mut answer = json_answer(head.headers, worker.request_id(), refusal);
            *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            Ok(answer)
        }
        Err(BodyError::Incomplete) => Err(Gone::Incomplete),
    };
    patience.wait_for_head();
    answer
}

/// The client is to be answered no more.
#[derive(Debug)]
enum Gone {
    Incomplete,
    Dropped,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete => "the request did not arrive whole",
            Self::Dropped => "the answer is lost on demand",
        })
    }
}

impl core::error::Error for Gone {}
