//! What this machine is and what it grants: CPU features, cores, mapped files, locked memory.
//!
//! The room next to the kernel; it knows nothing of cryptography.

pub mod affinity;
pub mod clock;
pub mod features;
pub mod file;
pub mod mapping;
pub mod secrecy;
