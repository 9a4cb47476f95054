//! keymill: wrapped data key pairs, in bulk.

pub mod crypto;
pub mod limits;
pub mod secret;
pub mod spec;
pub mod sys;
