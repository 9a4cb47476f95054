//! The second door: an endpoint that speaks the protocol of AWS KMS (AWS JSON 1.1 over HTTP/1.1).
//!
//! The way of a call, in the order of the files:
//!
//! ```text
//! server    accept, one connection, stop            one thread a core, each with its own listener
//! http      head and body within their limits
//! target    X-Amz-Target -> Operation
//! wire      JSON -> members                         SerializationException
//! sigv4     signature -> Caller                     the authentication errors
//! weather   faults and throttling, on demand        any exception
//! members   members -> values                       ValidationException
//! ops/*     authorize -> work -> Answer             one file an operation
//! error     what went wrong -> name, status, text
//! http      headers and body in one write
//! ```
//!
//! `call` walks it. Answers come from a [`Snapshot`](crate::keystore::Snapshot) of the keystore:
//! no call that only uses a key takes a lock or touches the file. What changes the keystore runs
//! beside the event loop and is on the disk before it is answered. What AWS does not document stands
//! in `guesses`, and nowhere else.

mod call;
mod endpoint;
mod error;
mod guesses;
mod http;
mod members;
mod ops;
mod page;
mod server;
mod sigv4;
mod target;
mod weather;
mod wire;

pub use endpoint::{Authentication, Endpoint};
pub use server::{ServeError, Server, ServerOptions};
pub use weather::{Chance, Fault, Forecast, ForecastError, Latency, Quotas};
