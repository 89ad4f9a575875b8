//! A request that was started and waits for its answer. A handler that panics costs the one
//! request, not the connection that a whole gateway's clients share.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    api::{Api, Response},
    frame::Head,
    request::{Handler, HopRequest},
};

/// A started request.
pub(super) struct Call {
    head: Head,
    api: Api,
    started: Instant,
    /// `None` if the handler panicked before it returned one.
    answer: Option<BoxFuture<'static, Response>>,
    permits: Permits,
}

/// A request's share of what its connection may have under way.
pub(super) struct Permits {
    pub(super) _request: OwnedSemaphorePermit,
    pub(super) _bytes: OwnedSemaphorePermit,
}

/// An answered request.
pub(super) struct Answered {
    pub(super) head: Head,
    pub(super) api: Api,
    pub(super) started: Instant,
    /// `None` if there is no answer to send.
    pub(super) response: Option<Response>,
}

impl Call {
    /// Starts a request: everything whose order matters happens here.
    pub(super) fn start(
        handler: &dyn Handler,
        head: Head,
        request: HopRequest,
        permits: Permits,
    ) -> Self {
        let api = request.body.api();
        let answer = catch_unwind(AssertUnwindSafe(|| handler.call(request)));
        Self { head, api, started: Instant::now(), answer: answer.ok(), permits }
    }

    /// Waits for the answer.
    pub(super) async fn answered(self) -> Answered {
        let Self { head, api, started, answer, permits } = self;
        let response = match answer {
            Some(answer) => AssertUnwindSafe(answer).catch_unwind().await.ok(),
            None => None,
        };
        drop(permits);
        match &response {
            None => tracing::error!(api = api.name(), "handler panicked"),
            Some(other) if other.api() != api => {
                let answered = other.api().name();
                tracing::error!(api = api.name(), answered, "handler answered another api");
                return Answered { head, api, started, response: None };
            }
            Some(_) => {}
        }
        Answered { head, api, started, response }
    }
}
