//! The third door: key pairs through memory that a client and the server share.
//!
//! For programs on the same machine that count microseconds. A client connects to a Unix socket and
//! is handed a ring of its own, a sealed `memfd`; from then on requests and answers are bytes
//! in memory, and the kernel is asked only to put an idle side to sleep and to wake it. Whoever has
//! gone is known by the end of its connection, so that a ring lives as long as both its sides.
//!
//! A request walks the corridor like any other, a batch of one: authorize, take, wrap.
//!
//! # The ring
//!
//! ```text
//!      0  "KEYMILL RING 01"0   16 bytes         written by the server before anybody else looks
//!     16  u32 slots                    16
//!     20  u32 bytes of a request slot  12800
//!     24  u32 bytes of an answer slot  4096
//!     64  u32 requests sent                     written by the client
//!    128  u32 server awaits requests            written by the server
//!    192  u32 requests answered                 written by the server
//!    256  u32 client awaits answers             written by the client
//!    320  u32 1 once the server has left        written by the server
//!   4096  request slots, one behind the other   written by the client
//! 208896  answer slots                          written by the server
//! ```
//!
//! Request `n`, counted from 0, lies in request slot `n mod 16`, its answer in answer slot
//! `n mod 16`. A client writes a request and then adds 1 to `requests sent`; the server answers in
//! order and adds 1 to `requests answered`. At most 16 requests are on their way: the client has
//! read answer `n - 16` before it sends request `n`. Counts go round at 2^32. A side that finds
//! nothing may spin for a while, then says that it awaits, looks once more, and sleeps on the other's
//! count with `futex(2)`; who adds to a count wakes the other side if it awaits (see `signal`).
//!
//! # A request, and its answer
//!
//! Numbers in the machine's order, except in the context.
//!
//! ```text
//! u32 n                              u32 n
//! u8  spec, as in a blob's header    u8  0: a key pair         1: a refusal
//! u8  1: a dry run                   u8  0
//! u16 bytes of the key id            u16 bytes of the key ARN  of the exception's name
//! u32 bytes of the context           u16 bytes of the SPKI     of the message
//! u32 0                              u16 bytes of the blob     0
//! key id, in any form                32  key material id       0
//! context, in its canonical form     key ARN, SPKI, blob       name, message
//! ```
//!
//! The canonical form of a context is that of [`EncryptionContext`](crate::spec::EncryptionContext);
//! none at all stands for the empty one.
//!
//! # Whom the server trusts
//!
//! It lets in its own user and root, who may use every key of the keystore's own account. A ring is
//! read as if an enemy wrote it: each slot is copied once and judged by the copy; counts that cannot
//! be end the ring; lengths are held against the slot. Each ring has a thread, so that one client
//! waits for no other.

mod client;
mod message;
mod ring;
mod server;
mod signal;
mod status;
#[cfg(test)]
mod tests;

pub use client::{CallError, Client};
pub use message::{Answer, Refusal, Request};
pub use server::{Door, Hall};
pub use status::{PoolLine, ProducerLine, SearchLine, Status, StatusDoor};
