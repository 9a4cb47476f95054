//! Events as lines of JSON; each thread has a scribe of its own.
//!
//! Two thirds of a line are the same whenever the same caller calls the same operation, and the time
//! is the same for a second. Both are written once and copied, and the first is hashed once.

use std::collections::HashMap;
use std::rc::{Rc, Weak};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::chain::Link;
use super::event::Event;
use crate::limits::AUDIT_SHARED_MAX;
use crate::pipeline::authorize::Caller;
use crate::spec::Operation;

/// Writes events, with what it remembers of the last ones.
#[derive(Debug, Default)]
pub(in crate::kms) struct Scribe {
    /// By the address of the caller, which no other has while the entry is there.
    shared: HashMap<(*const Caller, Operation), Shared>,
    second: i64,
    time: String,
    /// The line in the making, kept for its room.
    line: Vec<u8>,
}

/// What the events of a caller and an operation share: an object without its end.
#[derive(Debug)]
struct Shared {
    _caller: Weak<Caller>,
    text: Vec<u8>,
    hash: Sha256,
}

impl Scribe {
    /// `event`, which happened `now`, for the chain.
    pub(super) fn link(&mut self, event: &Event<'_>, now: Timestamp) -> Link<'_> {
        let Self { shared, second, time, line } = self;
        if time.is_empty() || *second != now.as_second() {
            *second = now.as_second();
            // Rounded down, as the second it stands for.
            *time = format!("{:.0}", Timestamp::from_second(*second).unwrap_or(now));
        }
        if shared.len() >= AUDIT_SHARED_MAX {
            shared.clear();
        }
        let name = (Rc::as_ptr(event.caller), event.operation);
        let shared = shared.entry(name).or_insert_with(|| Shared::of(event));
        line.clear();
        line.extend_from_slice(&shared.text);
        let end = line.len();
        event.write_own(time, line);
        Link { open: line, hash: shared.hash.clone().chain_update(&line[end..]) }
    }
}

impl Shared {
    fn of(event: &Event<'_>) -> Self {
        let mut text = Vec::new();
        event.write_shared(&mut text);
        let hash = Sha256::new_with_prefix(&text);
        Self { _caller: Rc::downgrade(event.caller), text, hash }
    }
}
