//! One call: from a request's head and body to its answer, through every stage in order.
//!
//! ```text
//! operation -> members (form) -> signature -> weather -> the operation's own file
//! ```
//!
//! The order is the one of the service's framework: a body that is no JSON is refused before its
//! signature is looked at, a member that breaks a constraint only after. A stage that concerns every
//! call (quotas, faults on demand, audit) belongs in [`answer`] and [`Call::walk`].

use core::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::Guard;
use hyper::Method;
use hyper::header::USER_AGENT;
use hyper::http::request::Parts;
use jiff::Timestamp;
use serde::Deserialize;

use super::endpoint::{Authentication, Endpoint, Worker};
use super::error::Error;
use super::http::{HttpAnswer, json_answer, no_operation};
use super::sigv4::{Signed, region_of};
use super::weather::{Class, Fate, Weather};
use super::{guesses, ops, target, wire};
use crate::crypto::KeyPairBatch;
use crate::keystore::{Keystore, Snapshot};
use crate::pipeline::authorize::{Caller, KeyUse, Via, ask_principal};
use crate::pipeline::source::next_pair;
use crate::spec::{AliasName, KeyPairSpec, Operation};

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
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// Whether what it sends is encrypted on its way.
    pub(super) is_encrypted: bool,
}

/// Answers one request; or does not, if that is its fate.
pub(super) async fn answer(
    worker: &Worker,
    peer: Peer,
    head: &Parts,
    body: &[u8],
) -> Option<HttpAnswer> {
    let arrived = Instant::now();
    let request_id = worker.request_id();
    if head.method != Method::POST || head.uri.path() != "/" {
        return Some(no_operation(request_id));
    }
    let weather = worker.endpoint.weather.load();
    let fate = weather.next_fate();
    let outcome = match target::operation(head.headers.get(target::HEADER)) {
        Ok(operation) => {
            let weather = &**weather;
            ops::answer(&Unverified { worker, operation, peer, head, body, weather, fate }).await
        }
        Err(error) => Err(error),
    };
    if !fate.latency.is_zero() {
        tokio::time::sleep_until((arrived + fate.latency).into()).await;
    }
    (!fate.is_dropped).then(|| json_answer(request_id, outcome))
}

/// A call before its signature was verified.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    worker: &'a Worker,
    pub(super) operation: Operation,
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
    ) -> Result<Vec<u8>, Error> {
        let members = wire::parse(self.body)?;
        let call = self.verify()?;
        call.weather(self.fate)?;
        operation(&call, members).await
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
        let Peer { address, is_encrypted } = peer;
        let via = Via { address, is_encrypted, user_agent };
        Ok(Call { worker, operation, caller, via, snapshot, weather })
    }
}

impl Call<'_> {
    /// A batch of one fresh key pair; waits for it, if that is what the source wants.
    pub(super) async fn take(&self, spec: KeyPairSpec) -> Result<KeyPairBatch, Error> {
        let source = &*self.worker.endpoint.source;
        if let Some(pair) = source.try_take(spec)? {
            return Ok(pair);
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
