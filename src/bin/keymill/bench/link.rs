//! One connection: a request out, an answer in.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use keymill::kms::TlsTrust;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::target::Target;

/// What became of a request.
#[derive(Debug)]
pub enum End {
    /// A key pair came back, as the body says.
    Pair(Bytes),
    /// The endpoint refused, by this exception.
    Exception(String),
    /// There is no answer that says what was done.
    Lost(Loss),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The connection could not be opened again.
    NoConnection,
    /// It was closed before the answer was whole.
    Closed,
    /// The answer did not come in time.
    TimedOut,
    /// It is none of this protocol, or not to what was asked.
    Malformed,
}

impl Loss {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no connection",
            Self::Closed => "connection closed",
            Self::TimedOut => "timed out",
            Self::Malformed => "malformed answer",
        }
    }
}

/// A key pair as it is answered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Pair<'a> {
    pub public_key: &'a str,
    pub private_key_ciphertext_blob: &'a str,
    pub key_pair_spec: &'a str,
}

/// A refusal as it is answered.
#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(rename = "__type")]
    name: &'a str,
}

/// A connection, opened again when it was closed.
pub struct Link {
    target: Rc<Target>,
    trust: Option<TlsTrust>,
    patience: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Link {
    /// Opens a connection.
    pub async fn open(
        target: Rc<Target>,
        trust: Option<TlsTrust>,
        patience: Duration,
    ) -> io::Result<Self> {
        let mut link = Self { target, trust, patience, sender: None };
        link.sender = Some(link.connect().await?);
        Ok(link)
    }

    /// Sends `request` for a pair of `spec`, and waits for what comes back.
    pub async fn ask(&mut self, request: Request<Full<Bytes>>, spec: &str) -> End {
        let patience = self.patience;
        let end = timeout(patience, self.try_ask(request, spec)).await;
        let end = end.unwrap_or(Err(Loss::TimedOut));
        end.unwrap_or_else(|loss| {
            // What still comes on this connection would answer another request.
            self.sender = None;
            End::Lost(loss)
        })
    }

    async fn try_ask(&mut self, request: Request<Full<Bytes>>, spec: &str) -> Result<End, Loss> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await.map_err(|_| Loss::NoConnection)?,
        };
        sender.ready().await.map_err(|_| Loss::Closed)?;
        let answer = sender.send_request(request).await.map_err(|_| Loss::Closed)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|_| Loss::Closed)?.to_bytes();
        self.sender = Some(sender);
        understand(status, body, spec)
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let (name, port) = &self.target.address;
        let stream = TcpStream::connect((name.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        match &self.trust {
            None => speak_http(stream).await,
            Some(trust) => speak_http(trust.shake_hands(name, stream).await?).await,
        }
    }
}

async fn speak_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> io::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Its errors come to light where an answer is waited for.
    spawn_local(async move { connection.await.unwrap_or_default() });
    Ok(sender)
}

fn understand(status: StatusCode, body: Bytes, spec: &str) -> Result<End, Loss> {
    if status == StatusCode::OK {
        let pair: Pair<'_> = serde_json::from_slice(&body).map_err(|_| Loss::Malformed)?;
        let is_whole = pair.key_pair_spec == spec
            && !pair.public_key.is_empty()
            && !pair.private_key_ciphertext_blob.is_empty();
        return if is_whole { Ok(End::Pair(body)) } else { Err(Loss::Malformed) };
    }
    let refusal: Refusal<'_> = serde_json::from_slice(&body).map_err(|_| Loss::Malformed)?;
    Ok(End::Exception(refusal.name.to_owned()))
}
