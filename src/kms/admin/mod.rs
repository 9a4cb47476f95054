//! The admin address: how the endpoint is doing, and its weather, for the operator alone.
//!
//! ```text
//! GET  /healthz          200 once the pools that were asked for have been full, 503 before
//! GET  /metrics          counters and gauges, in the text form of Prometheus
//! GET  /weather          the forecast in force
//! PUT  /weather          another one
//! POST /_keymill/reset   back to the seed, with every quota full
//! ```
//!
//! It asks for no signature, so that it listens on a loopback address or a Unix socket only. A web
//! page can make a browser send requests to such an address: what has an `Origin`, or a `Host` that
//! is no loopback address, is refused.

mod metrics;

use core::fmt;
use core::str::FromStr;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::http::read_body;
use crate::limits::{ADMIN_CONNECTIONS_MAX, REQUEST_BODY_SECONDS_MAX, REQUEST_HEAD_SECONDS_MAX};
use crate::sys::listener::Listener;

const BODY_PATIENCE: Duration = Duration::from_secs(REQUEST_BODY_SECONDS_MAX);

/// Where the operator asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// A loopback address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket of mode 0600.
    Unix(PathBuf),
}

impl FromStr for AdminAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
            Ok(_) => {
                Err("anybody who reaches it can change the weather; give a loopback address, \
                          like 127.0.0.1:8182, or unix:PATH")
            }
            Err(_) => Err("give a loopback address and port, like 127.0.0.1:8182, or unix:PATH"),
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The admin address of a running endpoint; it is left when this is dropped.
#[derive(Debug)]
pub struct Admin {
    address: AdminAddress,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Answers at `address` until it is dropped.
    pub fn start(endpoint: &Arc<Endpoint>, address: &AdminAddress) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let (address, socket) = {
            let _entered = runtime.enter();
            Socket::open(address)?
        };
        let endpoint = Arc::clone(endpoint);
        let thread = thread::Builder::new().name("keymill-admin".to_owned()).spawn(move || {
            let connections = LocalSet::new();
            connections.block_on(&runtime, socket.accept(endpoint, stopped));
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> &AdminAddress {
        &self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // A thread that panicked has nothing left to end.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What is listened on.
enum Socket {
    Tcp(TcpListener),
    /// The name is taken away with the listener.
    Unix {
        socket: UnixListener,
        _name: Listener,
    },
}

impl Socket {
    fn open(address: &AdminAddress) -> io::Result<(AdminAddress, Self)> {
        match address {
            AdminAddress::Tcp(address) => {
                let socket = std::net::TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                let address = AdminAddress::Tcp(socket.local_addr()?);
                Ok((address, Self::Tcp(TcpListener::from_std(socket)?)))
            }
            AdminAddress::Unix(path) => {
                let name = Listener::bind(path)?;
                let socket = UnixListener::from_std(name.socket()?)?;
                Ok((address.clone(), Self::Unix { socket, _name: name }))
            }
        }
    }

    /// Answers one connection beside the other, until it is told to stop.
    async fn accept(self, endpoint: Arc<Endpoint>, mut stopped: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.next() => accepted,
                _ = stopped.changed() => return,
            };
            let endpoint = Arc::clone(&endpoint);
            match accepted {
                Ok(stream) => drop(tokio::task::spawn_local(async move {
                    connection(stream, endpoint).await;
                    drop(place);
                })),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn next(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(socket) => Box::new(socket.accept().await?.0),
            Self::Unix { socket, .. } => Box::new(socket.accept().await?.0),
        })
    }
}

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

async fn connection(stream: Box<dyn Stream>, endpoint: Arc<Endpoint>) {
    let service = service_fn(|request| answer(Arc::clone(&endpoint), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(REQUEST_HEAD_SECONDS_MAX))
        .serve_connection(TokioIo::new(stream), service);
    // An error is the client's: it went away, or does not speak HTTP.
    let _ = connection.await;
}

type Answer = Response<Full<Bytes>>;

async fn answer(
    endpoint: Arc<Endpoint>,
    request: Request<Incoming>,
) -> Result<Answer, core::convert::Infallible> {
    let (head, body) = request.into_parts();
    if !is_from_here(&head.headers) {
        return Ok(text(StatusCode::FORBIDDEN, "this is not for web pages\n".to_owned()));
    }
    Ok(match (&head.method, head.uri.path()) {
        (&Method::GET, "/healthz") => health(&endpoint),
        (&Method::GET, "/metrics") => {
            let mut answer = text(StatusCode::OK, metrics::text(&endpoint));
            let form = HeaderValue::from_static("text/plain; version=0.0.4");
            answer.headers_mut().insert(CONTENT_TYPE, form);
            answer
        }
        (&Method::GET, "/weather") => weather(&endpoint),
        (&Method::PUT, "/weather") => match timeout(BODY_PATIENCE, read_body(body)).await {
            Ok(Ok(body)) => put_weather(&endpoint, &body),
            Ok(Err(_)) | Err(_) => {
                text(StatusCode::BAD_REQUEST, "the body did not arrive whole\n".to_owned())
            }
        },
        (&Method::POST, "/_keymill/reset") => reset(endpoint).await,
        (_, "/healthz" | "/metrics" | "/weather" | "/_keymill/reset") => text(
            StatusCode::METHOD_NOT_ALLOWED,
            "GET, but PUT /weather too, and POST reset\n".into(),
        ),
        _ => {
            let paths = "GET /healthz, /metrics, /weather; PUT /weather; POST /_keymill/reset\n";
            text(StatusCode::NOT_FOUND, paths.to_owned())
        }
    })
}

/// Whether a request was meant for this address, and not sent by a browser for somebody else's page.
fn is_from_here(headers: &hyper::HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let name = host.parse::<SocketAddr>().map(|address| address.ip());
    let name = name.or_else(|_| host.trim_matches(['[', ']']).parse::<IpAddr>());
    let is_here = match name {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host.split(':').next() == Some("localhost"),
    };
    is_here && !headers.contains_key(ORIGIN)
}

/// Ready once the pools are, and as long as the audit log is written.
fn health(endpoint: &Endpoint) -> Answer {
    let is_warm = endpoint.source.is_warm();
    let is_audited = !endpoint.audit.as_ref().is_some_and(|audit| audit.status().is_failing);
    let pools = endpoint.source.status();
    let pools = pools.iter().filter(|pool| pool.is_wanted).map(|pool| {
        let ready = serde_json::json!({ "ready": pool.ready, "low": pool.marks.low });
        (pool.spec.name().to_owned(), ready)
    });
    let is_ready = is_warm && is_audited;
    let report = serde_json::json!({
        "ready": is_ready,
        "poolsWarm": is_warm,
        "auditWritten": is_audited,
        "pools": pools.collect::<serde_json::Map<_, _>>(),
    });
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &report)
}

fn weather(endpoint: &Endpoint) -> Answer {
    json(StatusCode::OK, endpoint.weather.load().forecast())
}

fn put_weather(endpoint: &Endpoint, body: &[u8]) -> Answer {
    match serde_json::from_slice(body) {
        Ok(forecast) => {
            endpoint.forecast(forecast);
            weather(endpoint)
        }
        Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

/// Puts the keystore back to its seed; where there is none, only the weather begins anew.
async fn reset(endpoint: Arc<Endpoint>) -> Answer {
    let done = tokio::task::spawn_blocking(move || {
        let is_seeded = endpoint.keystore.reset_to_seed()?;
        let forecast = endpoint.weather.load().forecast().clone();
        endpoint.forecast(forecast);
        Ok::<_, crate::keystore::Error>(is_seeded)
    });
    match done.await {
        Ok(Ok(true)) => json(StatusCode::OK, &serde_json::json!({ "reset": true })),
        Ok(Ok(false)) => {
            let message = "there is no seed to go back to; start keymill serve with --seed FILE\n";
            text(StatusCode::CONFLICT, message.to_owned())
        }
        Ok(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the reset was not done\n".to_owned()),
    }
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    let mut json = serde_json::to_string_pretty(value).expect("plain text and numbers");
    json.push('\n');
    let mut answer = text(status, json);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
