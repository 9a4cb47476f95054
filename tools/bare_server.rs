//! A server that does nothing: it reads a request as the endpoint does and answers the same bytes to
//! all. What it reaches on a core is what hyper, tokio and the kernel leave to any endpoint.
//!
//!     bare_server LENGTH_OF_ANSWER
//!
//! It listens on a free loopback port, prints it, and serves on one thread until it is killed.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::task::LocalSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let length = std::env::args().nth(1).ok_or("give the length of an answer, in bytes")?;
    let answer = Bytes::from(vec![b'a'; length.parse()?]);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(LocalSet::new().block_on(&runtime, listen(answer))?)
}

async fn listen(answer: Bytes) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| answer_to(request, answer.clone()));
            // An error is the client's: it went away.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer_to(
    request: Request<Incoming>,
    answer: Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // What was read is of no interest, only that it was.
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(answer));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    Ok(response)
}
