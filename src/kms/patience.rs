//! Slow clients: a connection that keeps its thread waiting for a request is cut.
//!
//! Setting and clearing a timer for each request costs as much as parsing it. So a connection only
//! notes what it waits for ([`Patience`]), and its thread looks over all of them now and then
//! ([`Watch::look`]): who waits too long is cut up to [`LOOK_EVERY`] late.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;
use std::time::Instant;

use tokio::task::AbortHandle;

use crate::limits::{REQUEST_BODY_SECONDS_MAX, REQUEST_HEAD_SECONDS_MAX};

/// Between two looks at the connections.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a connection waits for, as of the last look.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waits_for: Cell<WaitsFor>,
    /// Since when it has waited for that; none if it began after the last look.
    since: Cell<Option<Instant>>,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WaitsFor {
    /// The client, to begin a request and send its head.
    #[default]
    Head,
    /// The client, to send the rest of the request.
    Body,
    /// The endpoint.
    Answer,
}

impl Patience {
    /// From now on the client is to send a whole head.
    pub(super) fn wait_for_head(&self) {
        self.wait_for(WaitsFor::Head);
    }

    /// From now on the client is to send a whole body.
    pub(super) fn wait_for_body(&self) {
        self.wait_for(WaitsFor::Body);
    }

    /// From now on it is the client who waits.
    pub(super) fn wait_for_answer(&self) {
        self.wait_for(WaitsFor::Answer);
    }

    fn wait_for(&self, what: WaitsFor) {
        self.waits_for.set(what);
        self.since.set(None);
    }

    /// Whether it has waited too long by `now`; to be asked every now and then.
    fn is_over(&self, now: Instant) -> bool {
        let seconds = match self.waits_for.get() {
            WaitsFor::Head => REQUEST_HEAD_SECONDS_MAX,
            WaitsFor::Body => REQUEST_BODY_SECONDS_MAX,
            WaitsFor::Answer => return false,
        };
        let since = self.since.get().unwrap_or(now);
        self.since.set(Some(since));
        now.duration_since(since) >= Duration::from_secs(seconds)
    }
}

/// The connections of one thread.
#[derive(Debug, Default)]
pub(super) struct Watch(Vec<(Rc<Patience>, AbortHandle)>);

impl Watch {
    /// Looks after one more connection, which `task` ends.
    pub(super) fn add(&mut self, patience: Rc<Patience>, task: AbortHandle) {
        self.0.push((patience, task));
    }

    /// Cuts the connections that have waited too long by `now`, and forgets those that have ended.
    pub(super) fn look(&mut self, now: Instant) {
        self.0.retain(|(patience, task)| {
            if patience.is_over(now) {
                task.abort();
            }
            !task.is_finished()
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::LocalRuntime;

    use super::*;

    #[test]
    fn who_waits_for_the_client_is_cut_in_time_and_who_answers_is_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let patience = Patience::default();
        for (begin, seconds) in [
            (Patience::wait_for_head as fn(&Patience), REQUEST_HEAD_SECONDS_MAX),
            (Patience::wait_for_body, REQUEST_BODY_SECONDS_MAX),
        ] {
            begin(&patience);
            assert!(!patience.is_over(at(5)));
            assert!(!patience.is_over(at(5 + seconds - 1)));
            assert!(patience.is_over(at(5 + seconds)));
            begin(&patience);
            assert!(!patience.is_over(at(5 + seconds)), "it began anew");
        }
        patience.wait_for_answer();
        assert!(!patience.is_over(at(5)) && !patience.is_over(at(5000)));
    }

    #[test]
    fn a_task_that_waits_too_long_is_ended_and_forgotten() {
        let runtime = LocalRuntime::new().unwrap();
        let (slow, busy) = (Rc::<Patience>::default(), Rc::<Patience>::default());
        busy.wait_for_answer();
        let mut watch = Watch::default();
        let tasks = [&slow, &busy].map(|patience| {
            let task = runtime.spawn_local(core::future::pending::<()>());
            watch.add(Rc::clone(patience), task.abort_handle());
            task
        });
        let start = Instant::now();
        watch.look(start);
        watch.look(start + Duration::from_secs(REQUEST_HEAD_SECONDS_MAX));
        let [slow, busy] = tasks;
        assert!(runtime.block_on(slow).unwrap_err().is_cancelled());
        watch.look(start + Duration::from_secs(2 * REQUEST_HEAD_SECONDS_MAX));
        assert!(!busy.is_finished());
        assert_eq!(watch.0.len(), 1);
    }
}
