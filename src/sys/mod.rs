//! What this machine is and what it grants: CPU features, cores, mapped files, locked memory.
//!
//! The room next to the kernel; it knows nothing of cryptography.

pub mod affinity;
pub mod append;
pub mod clock;
pub mod counters;
pub mod entropy;
pub mod features;
pub mod file;
pub mod listener;
pub mod mapping;
pub mod priority;
pub mod seccomp;
pub mod secrecy;
pub mod secret_memory;
pub mod shared_memory;
pub mod staging;
pub mod team;
pub mod topology;
pub mod warm;
