//! The second door: an endpoint that speaks the protocol of AWS KMS (AWS JSON 1.1 over HTTP/1.1).
//!
//! The way of a call, in the order of the files:
//!
//! ```text
//! tls       handshake, if the endpoint has a certificate
//! server    accept, one connection, stop            one thread a core, each with its own listener
//! patience  slow clients are cut
//! http      head and body within their limits
//! target    X-Amz-Target -> Operation
//! wire      JSON -> members                         SerializationException
//! sigv4     signature -> Caller                     the authentication errors
//! audit     a place in the log, or no call          KMSInternalException
//! weather   faults and throttling, on demand        any exception
//! members   members -> values                       ValidationException
//! ops/*     authorize -> work -> Answer             one file an operation
//! audit     what happened
//! error     what went wrong -> name, status, text
//! body      the text of an answer, in memory used again
//! http      headers and body in one write
//! ```
//!
//! `call` walks it. Answers come from a [`Snapshot`](crate::keystore::Snapshot) of the keystore:
//! no call that only uses a key takes a lock or touches the file. What changes the keystore runs
//! beside the event loop and is on the disk before it is answered. What AWS does not document stands
//! in `guesses`, and nowhere else. Beside it, `admin` tells the operator how it goes.

mod admin;
mod audit;
mod body;
mod call;
mod endpoint;
mod error;
mod guesses;
mod hex;
mod http;
mod members;
mod ops;
mod page;
mod patience;
mod server;
mod sigv4;
mod tally;
mod target;
mod tls;
mod weather;
mod wire;

pub use admin::{Admin, AdminAddress};
pub use audit::{
    Audit, AuditError, AuditOptions, Break as AuditBreak, Fault as AuditFault, Head as AuditHead,
    Report as AuditReport, Verification as AuditVerification, verify as verify_audit,
};
pub use endpoint::{Authentication, Endpoint};
pub use server::{ServeError, Server, ServerOptions};
pub use sigv4::{Signer, UnfitCredential};
pub use tally::{OperationTally, Tally, latency_histogram, nanoseconds, percentiles};
pub use tls::{TlsError, TlsIdentity, TlsTrust};
pub use weather::{Chance, Fault, Forecast, ForecastError, Latency, Quotas};
