//! Keeping secrets inside the process.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Forbids core dumps, and other processes of the same user to read this one's memory.
///
/// Returns whether the kernel agreed.
#[must_use]
pub fn forbid_dumps() -> bool {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}
