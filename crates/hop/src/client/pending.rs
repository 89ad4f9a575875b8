//! Requests that were sent and not answered: which caller an answer belongs to (R46).
//!
//! An entry leaves only by its answer or with its connection. A caller that gave up leaves
//! its entry behind as a tombstone, so that the late answer finds nobody rather than
//! somebody else.

use std::collections::HashMap;

use parking_lot::Mutex;
use protocol::ids::TenantId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    api::{Api, Response},
    error::HopError,
    frame::Head,
};

/// Where an answer goes.
pub(crate) type Reply = oneshot::Sender<Result<Response, HopError>>;

/// The requests under way on one connection.
#[derive(Default)]
pub(crate) struct Pending(Mutex<State>);

#[derive(Default)]
struct State {
    calls: HashMap<u64, Waiting>,
    /// The correlation given last.
    last: u64,
    /// No request may be sent any more.
    closed: bool,
}

/// A request that waits for its answer.
pub(crate) struct Waiting {
    head: Head,
    pub(crate) api: Api,
    pub(crate) reply: Reply,
    /// The lane's count of requests under way; tombstones count as well.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// An answer that no request of this connection asked for: the connection can not be
/// trusted any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error("answer to request {correlation}, which is not under way")]
    Unknown { correlation: u64 },
    #[error("answer {answer:?} does not echo its request {request:?}")]
    NoEcho { request: Head, answer: Head },
}

impl Pending {
    /// Numbers a request and remembers who waits; must be called in the order of writing.
    /// Gives the caller back if nothing may be sent any more.
    pub(crate) fn insert(
        &self,
        (api, version): (Api, i16),
        tenant: TenantId,
        reply: Reply,
        permit: OwnedSemaphorePermit,
    ) -> Result<Head, Reply> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(reply);
        }
        let correlation = state.last + 1;
        state.last = correlation;
        let head = Head::request_at((api, version), tenant, correlation);
        state.calls.insert(correlation, Waiting { head, api, reply, _permit: permit });
        Ok(head)
    }

    /// Takes out whom an answer is for.
    pub(crate) fn take(&self, answer: &Head) -> Result<Waiting, Mismatch> {
        let mut state = self.0.lock();
        let waiting = state
            .calls
            .remove(&answer.correlation)
            .ok_or(Mismatch::Unknown { correlation: answer.correlation })?;
        if answer.echoes(&waiting.head) || process::mutation::on("R46") {
            Ok(waiting)
        } else {
            let request = waiting.head;
            // Back in, to be told that the connection is lost.
            state.calls.insert(answer.correlation, waiting);
            Err(Mismatch::NoEcho { request, answer: *answer })
        }
    }

    /// The peer took requests up to `last` and will take no more.
    pub(crate) fn go_away(&self, last: u64) {
        let refused: Vec<_> = {
            let mut state = self.0.lock();
            state.closed = true;
            state.calls.extract_if(|correlation, _| *correlation > last).collect()
        };
        for (_, waiting) in refused {
            let _ = waiting.reply.send(Err(HopError::Unreachable));
        }
    }

    /// The connection is gone: what is under way may or may not have been done.
    pub(crate) fn lost(&self) {
        let lost = {
            let mut state = self.0.lock();
            state.closed = true;
            std::mem::take(&mut state.calls)
        };
        for waiting in lost.into_values() {
            let _ = waiting.reply.send(Err(HopError::Lost));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::frame::Kind;

    type Answer = oneshot::Receiver<Result<Response, HopError>>;

    fn insert(pending: &Pending, permits: &Arc<Semaphore>, tenant: u32) -> (Head, Answer) {
        let (reply, answer) = oneshot::channel();
        let permit = Arc::clone(permits).try_acquire_owned().unwrap();
        let head = pending.insert((Api::Heartbeat, 4), TenantId(tenant), reply, permit);
        (head.map_err(drop).expect("open"), answer)
    }

    #[test]
    fn an_answer_finds_its_caller_in_any_order() {
        let (pending, permits) = (Pending::default(), Arc::new(Semaphore::new(10)));
        let (first, _first_answer) = insert(&pending, &permits, 1);
        let (second, mut second_answer) = insert(&pending, &permits, 2);
        assert_eq!((first.correlation, second.correlation), (1, 2));

        let waiting = pending.take(&second.answered(Kind::Response)).unwrap();
        waiting.reply.send(Err(HopError::TimedOut)).unwrap();
        assert_eq!(second_answer.try_recv().unwrap(), Err(HopError::TimedOut));
        assert!(pending.take(&first.answered(Kind::Failed)).is_ok());
    }

    #[test]
    fn an_answer_that_is_not_an_echo_reaches_nobody() {
        let (pending, permits) = (Pending::default(), Arc::new(Semaphore::new(10)));
        let (request, mut answer) = insert(&pending, &permits, 1);
        let foreign = Head { tenant: TenantId(2), ..request.answered(Kind::Response) };
        assert!(matches!(pending.take(&foreign), Err(Mismatch::NoEcho { .. })));
        assert!(answer.try_recv().is_err(), "still waiting");
        pending.lost();
        assert_eq!(answer.try_recv().unwrap(), Err(HopError::Lost));
    }

    #[test]
    fn a_second_answer_to_one_request_is_a_mismatch() {
        let (pending, permits) = (Pending::default(), Arc::new(Semaphore::new(10)));
        let (request, _answer) = insert(&pending, &permits, 1);
        let answer = request.answered(Kind::Response);
        assert!(pending.take(&answer).is_ok());
        assert!(matches!(pending.take(&answer), Err(Mismatch::Unknown { correlation: 1 })));
    }

    #[test]
    fn a_caller_that_gave_up_leaves_a_tombstone() {
        let (pending, permits) = (Pending::default(), Arc::new(Semaphore::new(10)));
        let (request, answer) = insert(&pending, &permits, 1);
        drop(answer);
        assert_eq!(permits.available_permits(), 9, "still counted");
        let waiting = pending.take(&request.answered(Kind::Response)).unwrap();
        assert!(waiting.reply.is_closed());
        drop(waiting);
        assert_eq!(permits.available_permits(), 10);
    }

    #[test]
    fn going_away_tells_the_taken_from_the_untaken() {
        let (pending, permits) = (Pending::default(), Arc::new(Semaphore::new(10)));
        let (_, mut taken) = insert(&pending, &permits, 1);
        let (_, mut untaken) = insert(&pending, &permits, 1);
        pending.go_away(1);
        assert_eq!(untaken.try_recv().unwrap(), Err(HopError::Unreachable));
        assert!(taken.try_recv().is_err(), "still waiting");

        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        let late = pending.insert((Api::Heartbeat, 4), TenantId(1), oneshot::channel().0, permit);
        assert!(late.is_err(), "nothing is sent after it");

        pending.lost();
        assert_eq!(taken.try_recv().unwrap(), Err(HopError::Lost));
        assert_eq!(permits.available_permits(), 10);
    }
}
