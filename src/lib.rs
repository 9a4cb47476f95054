//! keymill: wrapped data key pairs, in bulk.

pub mod crypto;
pub mod keystore;
pub mod limits;
pub mod pipeline;
pub mod secret;
pub mod spec;
pub mod sys;
