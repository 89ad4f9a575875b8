//! Control's side of the internal hop: every request goes to whoever leads, or is refused.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use hop::{Handler, HopRequest, Request, Response};
use parking_lot::RwLock;
use protocol::ErrorCode;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::command::Command;

/// Answers for one control process.
pub(crate) struct Server {
    pub(crate) gate: Gate,
}

/// The way to this process's leader, while it leads. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    leader: Arc<RwLock<Option<mpsc::Sender<Command>>>>,
}

impl Handler for Server {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        if !is_for_control(&request.body) {
            let api = request.body.api().name();
            tracing::error!(api, "a request for another role came to control");
        }
        let (command, answer) = Command::new(request);
        self.gate.submit(command);
        async { answer.await.expect("a command is answered when it is dropped, if not before") }
            .boxed()
    }
}

fn is_for_control(request: &Request) -> bool {
    matches!(
        request,
        Request::CreateTopics(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::IncrementalAlterConfigs(_)
            | Request::AlterUserScramCredentials(_)
            | Request::ChangeTenant(_)
            | Request::AlterClientQuotas(_)
            | Request::CreateAcls(_)
            | Request::DeleteAcls(_)
            | Request::AllocateProducerIds(_)
            | Request::ChangePlacement(_)
    )
}

// === impl Gate ===

impl Gate {
    /// Lets requests through to a leader.
    pub(crate) fn open(&self, leader: mpsc::Sender<Command>) {
        *self.leader.write() = Some(leader);
    }

    /// Refuses requests from now on. Those on their way are refused when the leader's end of
    /// the channel goes.
    pub(crate) fn close(&self) {
        *self.leader.write() = None;
    }

    /// Whether this process leads.
    pub(crate) fn is_open(&self) -> bool {
        self.leader.read().is_some()
    }

    pub(crate) fn submit(&self, command: Command) {
        let sent = match &*self.leader.read() {
            Some(leader) => leader.try_send(command),
            None => Err(TrySendError::Closed(command)),
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(command)) => command.refuse(ErrorCode::ThrottlingQuotaExceeded),
            Err(TrySendError::Closed(command)) => command.refuse(ErrorCode::NotController),
        }
    }
}
