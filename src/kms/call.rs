//! One call: from a request's head and body to its answer, through every stage in order.
//!
//! ```text
//! operation -> members (form) -> signature -> a place in the audit log -> weather -> the operation's
//! own file -> audit log
//! ```
//!
//! The order is the one of the service's framework: a body that is no JSON is refused before its
//! signature is looked at, a member that breaks a constraint only after. A stage that concerns every
//! call belongs in [`answer`] and [`Unverified::walk`].

use core::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::Guard;
use hyper::Method;
use hyper::header::{HOST, USER_AGENT};
use hyper::http::request::Parts;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::audit::{End, Event, Noted, Place, TlsDetails};
use super::body::AnswerBody;
use super::endpoint::{Authentication, Endpoint, Worker};
use super::error::Error;
use super::http::{HttpAnswer, json_answer, no_operation};
use super::sigv4::{Signed, region_of};
use super::weather::{Class, Fate, Weather};
use super::{guesses, ops, target, wire};
use crate::crypto::KeyPairBatch;
use crate::crypto::asymmetric::AsymmetricKey;
use crate::crypto::drbg::Drbg;
use crate::keystore::{KeySecret, Keystore, ServedKey, Snapshot};
use crate::pipeline::authorize::{
    Access, AuthorizeError, Caller, KeyUse, Via, access, ask_principal,
};
use crate::pipeline::source::next_pair;
use crate::spec::{AliasName, KeyPairSpec, MaterialId, Operation};

/// A call whose caller is known, as an operation sees it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The thread that answers.
    pub(super) worker: &'a Worker,
    /// What is called.
    pub(super) operation: Operation,
    /// By whom.
    pub(super) caller: Rc<Caller>,
    /// On which way.
    via: Via<'a>,
    /// Keys, aliases and principals, as of the start of the call.
    pub(super) snapshot: Guard<Arc<Snapshot>>,
    weather: &'a Weather,
    noted: Noted,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// How what it sends is encrypted on its way, if it is.
    pub(super) tls: Option<TlsDetails>,
}

/// Answers one request; or does not, if that is its fate.
pub(super) async fn answer(
    worker: &Worker,
    peer: Peer,
    head: Parts,
    body: &[u8],
) -> Option<HttpAnswer> {
    let arrived = Instant::now();
    let request_id = worker.request_id();
    if head.method != Method::POST || head.uri.path() != "/" {
        return Some(no_operation(head.headers, request_id));
    }
    let weather = worker.endpoint.weather.load();
    let fate = weather.next_fate();
    let operation = target::operation(head.headers.get(target::HEADER));
    let outcome = match &operation {
        Ok(operation) => {
            let (operation, weather) = (*operation, &**weather);
            let head = &head;
            let call =
                Unverified { worker, operation, request_id, peer, head, body, weather, fate };
            ops::answer(&call).await
        }
        Err(error) => Err(error.clone()),
    };
    if !fate.latency.is_zero() {
        tokio::time::sleep_until((arrived + fate.latency).into()).await;
    }
    worker.count(operation.ok(), &outcome, arrived, fate);
    (!fate.is_dropped).then(|| json_answer(head.headers, request_id, outcome))
}

/// A call before its signature was verified.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    worker: &'a Worker,
    pub(super) operation: Operation,
    request_id: Uuid,
    peer: Peer,
    head: &'a Parts,
    body: &'a [u8],
    weather: &'a Weather,
    fate: Fate,
}

impl<'a> Unverified<'a> {
    /// Takes the call through its stages to its operation.
    pub(super) async fn walk<M: Deserialize<'a>>(
        &self,
        operation: impl AsyncFnOnce(&Call<'_>, M) -> Result<Vec<u8>, Error>,
    ) -> Result<AnswerBody, Error> {
        let members = wire::parse(self.body)?;
        let call = self.verify()?;
        let mut record = Recording::begin(self, &call).await?;
        let outcome = match call.weather(self.fate) {
            Ok(()) => operation(&call, members).await.map(AnswerBody::new),
            Err(error) => Err(error),
        };
        record.end(&outcome);
        outcome
    }

    fn verify(&self) -> Result<Call<'a>, Error> {
        let Self { worker, operation, peer, head, body, weather, .. } = *self;
        let snapshot = worker.endpoint.keystore.snapshot();
        let caller = match worker.endpoint.authentication {
            Authentication::None => worker.root_in(region_of(&head.headers)),
            Authentication::SigV4 => {
                let signed = Signed {
                    method: head.method.as_str(),
                    path: head.uri.path(),
                    query: head.uri.query(),
                    headers: &head.headers,
                    body,
                };
                let mut verifier = worker.verifier.borrow_mut();
                verifier.verify(&snapshot, &signed, Timestamp::now())?
            }
        };
        let user_agent = head.headers.get(USER_AGENT).and_then(|text| text.to_str().ok());
        let Peer { address, tls } = peer;
        let via = Via { address, is_encrypted: tls.is_some(), user_agent };
        let noted = Noted::default();
        Ok(Call { worker, operation, caller, via, snapshot, weather, noted })
    }
}

/// A call on its way to the audit log.
struct Recording<'a> {
    /// Its place there, until it is filled; none if there is no log.
    place: Option<Place<'a>>,
    request: &'a Unverified<'a>,
    call: &'a Call<'a>,
}

impl<'a> Recording<'a> {
    async fn begin(request: &'a Unverified<'a>, call: &'a Call<'a>) -> Result<Self, Error> {
        let place = match &call.worker.endpoint.audit {
            Some(audit) => Some(audit.place().await?),
            None => None,
        };
        Ok(Self { place, request, call })
    }

    fn end(&mut self, outcome: &Result<AnswerBody, Error>) {
        match outcome {
            Ok(_) => self.fill(End::Done),
            Err(error) if Some(error.name) == self.request.fate.fault => {
                self.fill(End::Injected(error));
            }
            Err(error) => self.fill(End::Failed(error)),
        }
    }

    fn fill(&mut self, end: End<'_>) {
        let Some(place) = self.place.take() else { return };
        let (request, call) = (self.request, self.call);
        let host = || request.head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let event = Event {
            operation: call.operation,
            caller: &call.caller,
            address: request.peer.address,
            user_agent: call.via.user_agent,
            tls: request.peer.tls,
            host: request.peer.tls.and_then(|_| host()),
            request_id: request.request_id,
            id: call.worker.request_id(),
            body: request.body,
            noted: &call.noted,
            end,
        };
        place.fill(&event, &mut call.worker.scribe.borrow_mut());
    }
}

impl Drop for Recording<'_> {
    /// The client has left, and with it the call: what it changed may be changed all the same.
    fn drop(&mut self) {
        self.fill(End::ClientLeft);
    }
}

impl Call<'_> {
    /// A batch of one fresh key pair; waits for it, if that is what the source wants.
    pub(super) async fn take(&self, spec: KeyPairSpec) -> Result<KeyPairBatch, Error> {
        let source = &*self.worker.endpoint.source;
        let mut batch = self.worker.spare_batch(spec);
        if source.try_add(&mut batch)? {
            return Ok(batch);
        }
        match tokio::time::timeout(source.patience(), next_pair(source, spec)).await {
            Ok(taken) => Ok(taken?),
            Err(_) => Err(guesses::no_pair_in_time()),
        }
    }

    /// Lets the call pass, if there is enough left of its quota and nothing is to go wrong.
    fn weather(&self, fate: Fate) -> Result<(), Error> {
        Class::of(self.operation).map_or(Ok(()), |class| self.admit(class))?;
        fate.fault.map_or(Ok(()), |exception| Err(guesses::injected(exception)))
    }

    /// Counts the call against a quota of its caller's account.
    pub(super) fn admit(&self, class: Class) -> Result<(), Error> {
        self.weather.admit(&self.caller.scope, class)
    }

    /// Finds the key and asks whether the caller may use it so.
    pub(super) fn access<'u>(
        &'u self,
        wanted: &'u KeyUse<'u>,
    ) -> Result<Access<'u>, AuthorizeError> {
        access(&self.snapshot, wanted).inspect(|access| self.note_key(access.key()))
    }

    /// Remembers a key for the audit log.
    pub(super) fn note_key(&self, key: &Arc<ServedKey>) {
        self.noted.key(key);
    }

    /// Remembers the material that is used.
    pub(super) fn note_material(&self, material: MaterialId) {
        self.noted.material(material);
    }

    /// Remembers the key that was made.
    pub(super) fn note_made(&self, arn: String) {
        self.noted.made(arn);
    }

    /// The use of a key by this operation, which has neither context nor tokens unless it says so.
    pub(super) fn use_of<'u>(&'u self, key_id: &'u str) -> KeyUse<'u> {
        KeyUse {
            action: self.operation.into(),
            caller: &self.caller,
            via: self.via,
            key_id,
            spec: None,
            context: None,
            grant_tokens: &[],
            makes: None,
            members: &[],
        }
    }

    /// Asks whether the caller may do what concerns no one key.
    pub(super) fn check_permission(&self) -> Result<(), Error> {
        Ok(ask_principal(&self.snapshot, &self.use_of(""), "*")?)
    }

    /// Asks whether the caller may do so with an alias of its own account, which is for its own
    /// policy to say; the key behind the alias is to be asked for besides.
    pub(super) fn check_alias(&self, name: &AliasName) -> Result<(), Error> {
        let arn = format!("{}:{name}", self.caller.scope);
        Ok(ask_principal(&self.snapshot, &self.use_of(""), &arn)?)
    }

    /// Computes with an asymmetric key beside the event loop, for which it would take too long.
    pub(super) async fn with_secret<T: Send + 'static>(
        &self,
        secret: &Arc<KeySecret>,
        compute: impl FnOnce(&AsymmetricKey, &mut Drbg) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let secret = Arc::clone(secret);
        let done = tokio::task::spawn_blocking(move || {
            let mut drbg = Drbg::from_system().ok()?;
            secret.pair().map(|pair| compute(pair, &mut drbg))
        });
        done.await.ok().flatten().ok_or_else(Error::internal)
    }

    /// Changes the keystore beside the event loop; the change is on the disk when this returns.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Keystore) -> Result<T, crate::keystore::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let endpoint: Arc<Endpoint> = Arc::clone(&self.worker.endpoint);
        let scope = self.caller.scope.clone();
        let done = tokio::task::spawn_blocking(move || endpoint.keystore.change(&scope, change));
        Ok(done.await.map_err(|_| Error::internal())??)
    }
}
