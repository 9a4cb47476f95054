//! Sealed pools: key pairs made ahead, on the disk, each to be taken at most once.
//!
//! A pool is one file for one spec, `RSA_4096.pool`, of records of one size that are only ever
//! appended. All numbers are little-endian.
//!
//! ```text
//!  0  16  "keymill-pool", zeros     header, 64 bytes
//! 16   4  version, 1
//! 20   1  number of the spec
//! 21   3  zeros
//! 24   4  bytes of a record
//! 28   4  zeros
//! 32  16  id of the pool
//! 48  12  zeros
//! 60   4  CRC-32C of the bytes before
//! 64      record 0, record 1, ...
//!
//!  0  12  nonce                     record
//! 12   t  sealed: RSA: p, q; else SubjectPublicKeyInfo, PKCS#8
//! 12+t 16 tag
//! ```
//!
//! - **What lies in a record.** Of an RSA pair the two primes alone, 512 bytes for `RSA_4096` where
//!   the finished pair has 2927: 100,000 of them take 54 MB and not 295. The rest is computed when
//!   the pair is taken, a small part of what the primes took, and every pair passes its check
//!   there, after its time on the disk. Pairs of the other specs are a few hundred bytes, made in
//!   about the time that it takes to read them, and lie there whole.
//! - **The seal** is AES-256-GCM under the pool's own key, which the keystore derives from its root
//!   key and the pool's id, with a random nonce. Associated data: the label
//!   `keymill/pool/record/v1`, the number of the spec, the id of the pool, the number of the record
//!   (8 bytes). A record opens in its place only.
//! - **At most once.** How far a pool is claimed stands in the keystore and not here, so that no
//!   older copy of this file takes a claim back. A taker raises that number, durably, and only then
//!   reads the records; it alone has them. If it dies, those that had not left it are lost: the
//!   rest of a block of [`pool_claim`](crate::limits::pool_claim) records, and what its threads
//!   had in hand, a slot of the output each; of a server, what it has ahead of its calls
//!   ([`pool_ahead`](crate::limits::pool_ahead)). The ledger counts them. The claimed records are
//!   erased when they were read, as well as the file system does that.
//! - **Appending.** One process at a time fills a pool, under an exclusive lock on the file, which
//!   ends with the process however it ends. It never writes below the length of the file, nor below
//!   the number claimed. A pool has as many records as its length says; takers need no lock.
//! - **Damage.** A record that does not open, torn by a power cut or altered, is left out and
//!   counted. It costs one pair, and not the pool.

mod append;
mod error;
mod file;
mod fill;
mod finish;
mod header;
mod record;
#[cfg(test)]
mod tests;

pub use append::{Appender, NewPool};
pub use error::Error;
pub use file::SealedPool;
pub use fill::fill;
pub use finish::Finisher;
pub use record::{RecordKey, record_bytes, text_bytes};
