//! Pure computation: key pairs in, blobs out. Knows no thread, file, clock or socket.
//!
//! What enters is a [`Drbg`](drbg::Drbg) and a number of rows; an [`Engine`] fills a
//! [`KeyPairBatch`] with encoded key pairs, and [`seal`] turns it into a batch of ciphertext
//! blobs in place.

pub mod arith;
pub mod asymmetric;
pub mod check;
pub mod der;
pub mod drbg;
#[cfg(target_arch = "x86_64")]
pub mod ec;
pub mod engine;
pub mod kdf;
pub mod key_pair;
pub mod key_transport;
pub mod laps;
pub mod mac;
pub mod portable;
pub mod prime;
pub mod rsa;
pub mod seal;

pub use engine::{Engine, GenerateError, engine};
pub use key_pair::KeyPairBatch;

#[cfg(test)]
mod tests;
