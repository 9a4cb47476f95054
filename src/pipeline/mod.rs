//! The corridor: five stages, files in walking order, data one way only.
//!
//! ```text
//! manifest -> authorize -> take -> wrap -> sink
//! Request     Permit       KeyPair  WrappedKeyPair
//! ```
//!
//! The first two run once a job and speak in rich errors; the last three run slot by slot on
//! the workers, in buffers that are allocated once. The types carry the order: a
//! [`Permit`](authorize::Permit) is made only by [`authorize`](authorize::authorize), and a sink
//! takes only a [`WrappedBatch`](crate::crypto::seal::WrappedBatch).

pub mod authorize;
pub mod drain;
pub mod error;
pub mod feeder;
pub mod job;
pub mod manifest;
pub mod plan;
pub mod request;
pub mod reserve;
pub mod sink;
pub mod source;
pub mod take;
pub mod template;
pub mod unique;
pub mod verify;
pub mod worker;
pub mod wrap;

pub use error::Error;

/// Names of the columns that the output adds to the manifest's.
pub const OWN_COLUMNS: [&str; 3] = ["Index", "PublicKey", "PrivateKeyCiphertextBlob"];
