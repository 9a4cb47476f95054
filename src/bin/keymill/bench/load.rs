//! The run itself: connections that take what is due, on one thread.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Uri};
use indicatif::ProgressBar;
use jiff::Timestamp;
use keymill::kms::{Signer, TlsTrust};
use serde_json::json;
use tokio::runtime;
use tokio::task::LocalSet;

use super::answers::Answers;
use super::args::Bench;
use super::link::{End, Link};
use super::mix::Mix;
use super::schedule::{Schedule, Ticket};
use super::tally::Tally;
use crate::failure::{Code, Failure};
use crate::progress::progress_bar;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const OPERATION: HeaderValue =
    HeaderValue::from_static("TrentService.GenerateDataKeyPairWithoutPlaintext");
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("keymill-bench/", env!("CARGO_PKG_VERSION")));

/// Tasks that are run before the kernel is asked for news: at each look a request may become due.
const LOOK_AFTER_TASKS: u32 = 8;

/// What all connections share.
struct Desk {
    schedule: Schedule,
    headers: HeaderMap,
    /// The request for each spec, in the order of the mix.
    bodies: Vec<Bytes>,
    mix: RefCell<Mix>,
    signer: RefCell<Option<Signer>>,
    tally: RefCell<Tally>,
    answers: RefCell<Option<Answers>>,
    bar: ProgressBar,
    failure: Cell<Option<Failure>>,
}

/// What a run leaves.
pub struct Outcome {
    pub tally: Tally,
    pub schedule: Schedule,
}

/// Sends what `wanted` asks for, and waits for the answers.
pub fn run(
    wanted: &Bench,
    signer: Option<Signer>,
    trust: Option<TlsTrust>,
    answers: Option<Answers>,
) -> Result<Outcome, Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(LOOK_AFTER_TASKS)
        .build()
        .map_err(|error| Failure::new(Code::TryAgain, format!("no event loop: {error}")))?;
    LocalSet::new().block_on(&runtime, load(wanted, signer, trust, answers))
}

async fn load(
    wanted: &Bench,
    signer: Option<Signer>,
    trust: Option<TlsTrust>,
    answers: Option<Answers>,
) -> Result<Outcome, Failure> {
    let links = open_links(wanted, trust).await?;
    let desk = Rc::new(Desk::open(wanted, signer, answers));
    let senders: Vec<_> = links
        .into_iter()
        .map(|link| tokio::task::spawn_local(Rc::clone(&desk).serve(link)))
        .collect();
    tokio::select! {
        paced = desk.schedule.pace(wanted.connections) => paced,
        interrupted = tokio::signal::ctrl_c() => {
            desk.schedule.cut_short();
            interrupted.and(desk.schedule.pace(wanted.connections).await)
        }
    }
    .map_err(|error| Failure::new(Code::TryAgain, format!("no clock: {error}")))?;
    for sender in senders {
        sender.await.map_err(|error| Failure::new(Code::Internal, error))?;
    }
    desk.bar.finish_and_clear();
    if let Some(failure) = desk.failure.take() {
        return Err(failure);
    }
    let desk = Rc::into_inner(desk).expect("all senders are gone");
    desk.answers.into_inner().map_or(Ok(()), Answers::publish)?;
    Ok(Outcome { tally: desk.tally.into_inner(), schedule: desk.schedule })
}

/// Opens all connections before the first request is due.
async fn open_links(wanted: &Bench, trust: Option<TlsTrust>) -> Result<Vec<Link>, Failure> {
    let target = Rc::new(wanted.endpoint.clone());
    let mut links = Vec::with_capacity(wanted.connections);
    for _ in 0..wanted.connections {
        let link = Link::open(Rc::clone(&target), trust.clone(), wanted.timeout).await;
        links.push(link.map_err(|error| {
            let message = format!("{target}: {error}");
            let hint = if links.is_empty() {
                "is it the address that keymill serve shows?"
            } else {
                "it takes no more connections; give fewer --connections"
            };
            Failure::new(Code::Unavailable, message).hint(hint)
        })?);
    }
    Ok(links)
}

impl Desk {
    fn open(wanted: &Bench, signer: Option<Signer>, answers: Option<Answers>) -> Self {
        let schedule = Schedule::start(wanted.rate, wanted.duration, wanted.timeout);
        let shares = wanted.spec.shares();
        let key_id = wanted.key_id.to_string();
        let body = |spec: &str| json!({"KeyId": key_id, "KeyPairSpec": spec}).to_string().into();
        Self {
            headers: [(HOST, wanted.endpoint.host.clone()), (CONTENT_TYPE, JSON)]
                .into_iter()
                .chain([(TARGET, OPERATION), (USER_AGENT, AGENT)])
                .collect(),
            bodies: shares.iter().map(|share| body(share.spec.name())).collect(),
            mix: RefCell::new(wanted.spec.clone()),
            signer: RefCell::new(signer),
            tally: RefCell::new(Tally::new(shares)),
            answers: RefCell::new(answers),
            bar: progress_bar(schedule.count, "requests"),
            failure: Cell::new(None),
            schedule,
        }
    }

    /// Takes what is due, request after request.
    async fn serve(self: Rc<Self>, mut link: Link) {
        while let Some(ticket) = self.schedule.take().await {
            let place = self.mix.borrow_mut().deal();
            let request = self.request(place);
            self.tally.borrow_mut().sent(place, ticket);
            let spec = self.spec(place);
            let end = link.ask(request, spec).await;
            self.record(place, ticket, &end);
            self.bar.inc(1);
        }
    }

    fn spec(&self, place: usize) -> &'static str {
        self.mix.borrow().shares()[place].spec.name()
    }

    /// The request for the spec at `place`, signed now.
    fn request(&self, place: usize) -> Request<Full<Bytes>> {
        let body = self.bodies[place].clone();
        let mut headers = self.headers.clone();
        if let Some(signer) = self.signer.borrow_mut().as_mut() {
            signer.sign(&mut headers, &body, Timestamp::now());
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/");
        *request.headers_mut() = headers;
        request
    }

    fn record(&self, place: usize, ticket: Ticket, end: &End) {
        let latency = self.tally.borrow_mut().ended(place, ticket, end);
        let mut answers = self.answers.borrow_mut();
        let Some(file) = answers.as_mut() else { return };
        let due = ticket.due - self.schedule.begun();
        if let Err(failure) = file.write(ticket.number, self.spec(place), due, latency, end) {
            self.failure.set(Some(failure));
            self.schedule.cut_short();
        }
    }
}
