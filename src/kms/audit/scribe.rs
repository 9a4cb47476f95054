//! Events as lines of JSON; each thread has a scribe of its own.
//!
//! Two thirds of a line are the same whenever the same caller calls the same operation on the same
//! key, and the time is the same for a second. Both are written once and copied, and the first is
//! hashed once.

use std::collections::HashMap;
use std::rc::{Rc, Weak};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::chain::Link;
use super::event::{Event, Used};
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

/// What the events of a caller and an operation share.
#[derive(Debug)]
struct Shared {
    _caller: Weak<Caller>,
    start: Start,
    /// The keys of the last of them, and the start that it shares with others about these keys.
    used: Option<Used>,
    about_them: Start,
}

/// The start of a line: an object without its end.
#[derive(Debug, Default)]
struct Start {
    text: Vec<u8>,
    hash: Sha256,
}

impl Scribe {
    /// `event`, which happened in the second `now` since 1970, for the chain.
    pub(super) fn link(&mut self, event: &Event<'_>, now: i64) -> Link<'_> {
        let Self { shared, second, time, line } = self;
        if time.is_empty() || *second != now {
            *second = now;
            *time = format!("{:.0}", Timestamp::from_second(now).unwrap_or_default());
        }
        if shared.len() >= AUDIT_SHARED_MAX {
            shared.clear();
        }
        let name = (Rc::as_ptr(event.caller), event.operation);
        let shared = shared.entry(name).or_insert_with(|| Shared::of(event));
        let is_plain = event.is_plain();
        let start = if is_plain { shared.about_keys_of(event) } else { &shared.start };
        line.clear();
        line.extend_from_slice(&start.text);
        let end = line.len();
        if !is_plain {
            event.write_keys(line);
        }
        event.write_own(time, line);
        Link { open: line, hash: start.hash.clone().chain_update(&line[end..]) }
    }
}

impl Shared {
    fn of(event: &Event<'_>) -> Self {
        let mut text = Vec::new();
        event.write_shared(&mut text);
        let start = Start { hash: Sha256::new_with_prefix(&text), text };
        let caller = Rc::downgrade(event.caller);
        Self { _caller: caller, start, used: None, about_them: Start::default() }
    }

    fn about_keys_of(&mut self, event: &Event<'_>) -> &Start {
        let Self { start, used, about_them: Start { text, hash }, .. } = self;
        if !used.as_ref().is_some_and(|used| used.is(event.noted)) {
            *used = None;
            text.clear();
            text.extend_from_slice(&start.text);
            event.write_keys(text);
            *hash = start.hash.clone().chain_update(&text[start.text.len()..]);
            *used = Some(event.noted.used());
        }
        &self.about_them
    }
}
