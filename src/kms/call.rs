//! One call: from a request's head and body to its answer, through every stage in order.
//!
//! ```text
//! operation -> members (form) -> signature -> the operation's own file
//! ```
//!
//! The order is the one of the service's framework: a body that is no JSON is refused before its
//! signature is looked at, a member that breaks a constraint only after. A stage that concerns every
//! call (quotas, faults on demand, audit) belongs in [`answer`] and [`Call::walk`].

use std::rc::Rc;
use std::sync::Arc;

use arc_swap::Guard;
use hyper::Method;
use hyper::http::request::Parts;
use jiff::Timestamp;
use serde::Deserialize;

use super::endpoint::{Authentication, Endpoint, Worker};
use super::error::Error;
use super::http::{HttpAnswer, json_answer, no_operation};
use super::ops;
use super::sigv4::{Signed, region_of};
use super::{target, wire};
use crate::keystore::{Keystore, Snapshot};
use crate::pipeline::authorize::Caller;
use crate::spec::Operation;

/// A call whose caller is known, as an operation sees it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The thread that answers.
    pub(super) worker: &'a Worker,
    /// What is called.
    pub(super) operation: Operation,
    /// By whom.
    pub(super) caller: Rc<Caller>,
    /// Keys, aliases and principals, as of the start of the call.
    pub(super) snapshot: Guard<Arc<Snapshot>>,
}

/// Answers one request.
pub(super) async fn answer(worker: &Worker, head: &Parts, body: &[u8]) -> HttpAnswer {
    let request_id = worker.request_id();
    if head.method != Method::POST || head.uri.path() != "/" {
        return no_operation(request_id);
    }
    let outcome = match target::operation(head.headers.get(target::HEADER)) {
        Ok(operation) => ops::answer(&Unverified { worker, operation, head, body }).await,
        Err(error) => Err(error),
    };
    json_answer(request_id, outcome)
}

/// A call before its signature was verified.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    worker: &'a Worker,
    pub(super) operation: Operation,
    head: &'a Parts,
    body: &'a [u8],
}

impl<'a> Unverified<'a> {
    /// Takes the call through its stages to its operation.
    pub(super) async fn walk<M: Deserialize<'a>>(
        &self,
        operation: impl AsyncFnOnce(&Call<'_>, M) -> Result<Vec<u8>, Error>,
    ) -> Result<Vec<u8>, Error> {
        let members = wire::parse(self.body)?;
        let call = self.verify()?;
        operation(&call, members).await
    }

    fn verify(&self) -> Result<Call<'a>, Error> {
        let Self { worker, operation, head, body } = *self;
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
        Ok(Call { worker, operation, caller, snapshot })
    }
}

impl Call<'_> {
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
