#![doc = include_str!("../README.md")]
//!
//! # Floor plan
//!
//! One stair: every room may use those below it and none above.
//!
//! | room | what it is |
//! |---|---|
//! | [`kms`], [`door`] | the second door, the KMS endpoint; the third, shared memory |
//! | [`pipeline`] | the corridor: manifest, authorize, take, wrap, sink |
//! | [`pool`] | ready key pairs of each spec, each handed out once |
//! | [`keystore`] | KMS keys at rest |
//! | [`crypto`] | key pairs, their encodings, and the blob; pure computation |
//! | [`sys`] | what this machine is and grants |
//! | [`spec`], [`secret`], [`limits`] | shared nouns, the secret's type, every bound |

pub mod crypto;
pub mod door;
pub mod keystore;
pub mod kms;
pub mod limits;
pub mod pipeline;
pub mod pool;
pub mod secret;
pub mod spec;
pub mod sys;
