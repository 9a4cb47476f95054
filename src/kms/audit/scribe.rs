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
    /// The request of the last of those that are repeated, and the start that it shares with others of
    /// the same keys, second and request.
    request: Vec<u8>,
    with_it: Start,
}

/// The start of a line: an object without its end.
#[derive(Debug, Default)]
struct Start {
    text: Vec<u8>,
    hash: Sha256,
}

impl Scribe {
    /// `event`, which happened `now`, for the chain.
    pub(super) fn link(&mut self, event: &Event<'_>, now: Timestamp) -> Link<'_> {
        let Self { shared, second, time, request, line } = self;
        if time.is_empty() || *second != now.as_second() {
            *second = now.as_second();
            *time = format!("{now:.0}");
        }
        if shared.len() >= AUDIT_SHARED_MAX {
            shared.clear();
        }
        let name = (Rc::as_ptr(event.caller), event.operation);
        let shared = shared.entry(name).or_insert_with(|| Shared::of(event));
        let (is_plain, is_repeated) = (event.is_plain(), event.may_be_repeated());
        let start = if is_repeated {
            request.clear();
            event.collect_request(*second, request);
            shared.with_request_of(event, time, request)
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
        let (used, about_them, request, with_it) = Default::default();
        Self { _caller: Rc::downgrade(event.caller), start, used, about_them, request, with_it }
    }

    fn about_keys_of(&mut self, event: &Event<'_>) -> &Start {
        if !self.used.as_ref().is_some_and(|used| used.is(event.noted)) {
            // Whatever goes on from there is no longer true either.
            self.request.clear();
            self.about_them.become_longer(&self.start, |text| event.write_keys(text));
            self.used = Some(event.noted.used());
        }
        &self.about_them
    }

    /// `request` is what the event's [`collect_request`](Event::collect_request) collects.
    fn with_request_of(&mut self, event: &Event<'_>, time: &str, request: &[u8]) -> &Start {
        self.about_keys_of(event);
        if self.request != request {
            self.request.clear();
            self.with_it.become_longer(&self.about_them, |text| event.write_request(time, text));
            self.request.extend_from_slice(request);
        }
        &self.with_it
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
    use std::net::IpAddr;
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use uuid::Uuid;

    use super::super::event::{End, Noted, TlsDetails};
    use super::*;
    use crate::keystore::{CreateKey, Keystore, OpenOptions, ServedKeystore, ServedPrincipal};
    use crate::kms::error::Error;

    /// What differs between two events.
    #[derive(Debug, Clone, Copy)]
    struct Case {
        caller: usize,
        operation: Operation,
        has_key: bool,
        second: i64,
        request: Request,
        end: usize,
    }

    /// Address, user agent, whether it is encrypted, Host and body.
    type Request = (IpAddr, Option<&'static str>, bool, Option<&'static str>, &'static str);

    fn case() -> impl Strategy<Value = Case> {
        let operations = vec![Operation::Encrypt, Operation::GenerateDataKeyPairWithoutPlaintext];
        let addresses = ["127.0.0.1", "::ffff:127.0.0.1"].map(|text| text.parse().unwrap());
        let bodies = vec![r#"{"KeyId":"a"}"#, r#"{"KeyId":"b"}"#, "{}", ""];
        let what = (0..2_usize, select(operations), any::<bool>(), 0..2_i64);
        let client = (select(addresses.to_vec()), select(vec![None, Some(""), Some("agent")]));
        let tls = (any::<bool>(), select(vec![None, Some("host")]));
        let rest = (what, client, tls, select(bodies), 0..5_usize);
        rest.prop_map(|(what, (address, user_agent), (is_encrypted, host), body, end)| {
            let (caller, operation, has_key, second) = what;
            let request = (address, user_agent, is_encrypted, host, body);
            Case { caller, operation, has_key, second, request, end }
        })
    }

    /// What is remembered of other events shows in none.
    #[test]
    fn an_event_is_written_alike_whatever_came_before() {
        let home = tempfile::tempdir().unwrap();
        let keystore = Keystore::init(home.path(), OpenOptions::default()).unwrap();
        let served = ServedKeystore::new(keystore).unwrap();
        let scope = served.scope().clone();
        let made = served.change(&scope, |keystore| keystore.create_key(&CreateKey::default()));
        let key = Arc::clone(served.snapshot().key(&made.unwrap().arn.parse().unwrap()).unwrap());
        let callers = [(); 2]
            .map(|()| Rc::new(Caller::new(Arc::new(ServedPrincipal::root(&scope)), scope.clone())));
        let error = Error::new("NotFoundException", "no such key");
        let (failed, injected) = (End::Failed(&error), End::Injected(&error));
        let ends = [End::Done, End::Done, failed, injected, End::ClientLeft];
        let tls = TlsDetails { tls_version: "TLSv1.3", cipher_suite: "suite" };
        proptest!(|(cases in vec(case(), 1..60))| {
            let mut knowing = Scribe::default();
            for case in cases {
                let noted = Noted::default();
                if case.has_key {
                    noted.key(&key);
                }
                let (address, user_agent, is_encrypted, host, body) = case.request;
                let event = Event {
                    operation: case.operation,
                    caller: &callers[case.caller],
                    address,
                    user_agent,
                    tls: is_encrypted.then_some(tls),
                    host: host.filter(|_| is_encrypted),
                    request_id: Uuid::from_u128(1),
                    id: Uuid::from_u128(2),
                    body: body.as_bytes(),
                    noted: &noted,
                    end: ends[case.end],
                };
                let now = Timestamp::from_second(case.second).unwrap();
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
