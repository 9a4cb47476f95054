//! Events as lines of JSON; each thread has a scribe of its own.
//!
//! Two thirds of a line are the same whenever the same caller calls the same operation on the same
//! key, and nearly all of it is where load repeats a request within a second. What lines share is
//! written once and copied, and hashed once.

use std::collections::HashMap;
use std::rc::{Rc, Weak};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::chain::Link;
use super::event::{Event, Used};
use crate::limits::{AUDIT_REPEATED_BYTES_MAX, AUDIT_SHARED_MAX};
use crate::pipeline::authorize::Caller;
use crate::spec::Operation;

/// Writes events, with what it remembers of the last ones.
#[derive(Debug, Default)]
pub(in crate::kms) struct Scribe {
    /// By the address of the caller, which no other has while the entry is there.
    shared: HashMap<(*const Caller, Operation), Shared>,
    second: i64,
    time: String,
    /// The request at hand and the line in the making, kept for their room.
    request: Vec<u8>,
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
    /// The request of the last of those that may be repeated, and the start that those of the same keys,
    /// second and request share: none before there are two.
    request: Vec<u8>,
    about_request: Option<Start>,
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
        let Self { shared, second, time, request, line } = self;
        if time.is_empty() || *second != now {
            *second = now;
            *time = format!("{:.0}", Timestamp::from_second(now).unwrap_or_default());
        }
        if shared.len() >= AUDIT_SHARED_MAX {
            shared.clear();
        }
        let name = (Rc::as_ptr(event.caller), event.operation);
        let shared = shared.entry(name).or_insert_with(|| Shared::of(event));
        request.clear();
        if event.may_be_repeated() {
            event.collect_request(now, request);
        }
        let may_be_repeated = (1..=AUDIT_REPEATED_BYTES_MAX).contains(&request.len());
        let is_repeated = may_be_repeated && shared.repeats(event, request);
        let is_plain = event.is_plain();
        let start = if is_repeated {
            shared.about_request_of(event, time)
        } else if is_plain {
            shared.about_keys_of(event)
        } else {
            &shared.start
        };
        line.clear();
        line.extend_from_slice(&start.text);
        let end = line.len();
        if !is_plain {
            event.write_keys(line);
        }
        if !is_repeated {
            event.write_request(time, line);
        }
        event.write_own(line);
        Link { open: line, hash: start.hash.clone().chain_update(&line[end..]) }
    }
}

impl Shared {
    fn of(event: &Event<'_>) -> Self {
        let mut start = Start::default();
        start.become_longer(&Start::default(), |text| event.write_shared(text));
        let (used, about_them, request, about_request) = Default::default();
        Self {
            _caller: Rc::downgrade(event.caller),
            start,
            used,
            about_them,
            request,
            about_request,
        }
    }

    fn about_keys_of(&mut self, event: &Event<'_>) -> &Start {
        if !self.used.as_ref().is_some_and(|used| used.is(event.noted)) {
            // What was written behind other keys is void, and so is this until it is whole.
            self.used = None;
            self.about_request = None;
            self.request.clear();
            self.about_them.become_longer(&self.start, |text| event.write_keys(text));
            self.used = Some(event.noted.used());
        }
        &self.about_them
    }

    /// Whether the last event about the same keys was of the same request, which is what
    /// [`collect_request`](Event::collect_request) collects.
    fn repeats(&mut self, event: &Event<'_>, request: &[u8]) -> bool {
        self.about_keys_of(event);
        let is_same = self.request == request;
        if !is_same {
            self.about_request = None;
            self.request.clear();
            self.request.extend_from_slice(request);
        }
        is_same
    }

    fn about_request_of(&mut self, event: &Event<'_>, time: &str) -> &Start {
        self.about_request.get_or_insert_with(|| {
            let mut start = Start::default();
            start.become_longer(&self.about_them, |text| event.write_request(time, text));
            start
        })
    }
}

impl Start {
    /// Goes on from `start` with what `write` appends.
    fn become_longer(&mut self, start: &Self, write: impl FnOnce(&mut Vec<u8>)) {
        let Self { text, hash } = self;
        text.clear();
        text.extend_from_slice(&start.text);
        write(text);
        *hash = start.hash.clone().chain_update(&text[start.text.len()..]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::event::{End, Noted, TlsDetails};
    use super::*;
    use crate::keystore::{CreateKey, Keystore, OpenOptions, ServedKeystore, ServedPrincipal};
    use crate::kms::error::Error;

    /// What is remembered of other events shows in none. Each differs from the one before in one of nine
    /// respects at most.
    #[test]
    fn an_event_is_written_alike_whatever_came_before() {
        let home = tempfile::tempdir().unwrap();
        let keystore = Keystore::init(home.path(), OpenOptions::default()).unwrap();
        let served = ServedKeystore::new(keystore).unwrap();
        let scope = served.scope().clone();
        let keys = [(); 2].map(|()| {
            let made = served.change(&scope, |keystore| keystore.create_key(&CreateKey::default()));
            Arc::clone(served.snapshot().key(&made.unwrap().arn.parse().unwrap()).unwrap())
        });
        let callers = [(); 2]
            .map(|()| Rc::new(Caller::new(Arc::new(ServedPrincipal::root(&scope)), scope.clone())));
        let pairs = Operation::GenerateDataKeyPairWithoutPlaintext;
        let operations = [pairs, Operation::GenerateDataKey, Operation::Encrypt];
        let addresses = ["127.0.0.1", "::ffff:127.0.0.1", "::1"].map(|text| text.parse().unwrap());
        let agents = [None, Some(""), Some("host"), Some("agent")];
        let tls = Some(TlsDetails { tls_version: "TLSv1.3", cipher_suite: "suite" });
        let connections = [(None, None), (tls, None), (tls, Some("host")), (tls, Some(""))];
        let long = format!(r#"{{"KeyId":"{}"}}"#, "k".repeat(AUDIT_REPEATED_BYTES_MAX));
        let bodies = [r#"{"KeyId":"a"}"#, r#"{"KeyId":"b"}"#, "host", "", &long];
        let error = Error::new("NotFoundException", "no such key");
        let (failed, injected) = (End::Failed(&error), End::Injected(&error));
        let ends = [End::Done, failed, injected, End::ClientLeft];
        proptest!(|(changes in vec((0..9_usize, 0..5_usize), 1..60))| {
            let (mut knowing, mut case) = (Scribe::default(), [0; 9]);
            for (respect, value) in changes {
                case[respect] = value;
                let noted = Noted::default();
                if let Some(key) = (case[2] % 3).checked_sub(1) {
                    noted.key(&keys[key]);
                }
                let (tls, host) = connections[case[6] % 4];
                let event = Event {
                    operation: operations[case[1] % 3],
                    caller: &callers[case[0] % 2],
                    address: addresses[case[4] % 3],
                    user_agent: agents[case[5] % 4],
                    tls,
                    host,
                    request_id: Uuid::from_u128(1),
                    id: Uuid::from_u128(2),
                    body: bodies[case[7]].as_bytes(),
                    noted: &noted,
                    end: ends[case[8] % 4],
                };
                let now = i64::try_from(case[3]).unwrap();
                let mut fresh = Scribe::default();
                let (link, expected) = (knowing.link(&event, now), fresh.link(&event, now));
                prop_assert_eq!(link.open, expected.open, "{:?}", case);
                prop_assert_eq!(link.hash.finalize(), Sha256::digest(expected.open));
                let whole = [expected.open, b"}"].concat();
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&whole).is_ok());
            }
        });
    }
}
