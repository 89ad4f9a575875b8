//! Control's side of the internal hop: every request goes to whoever leads, or is refused.

use std::sync::Arc;

use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use hop::internal::{ShareQuotasRequest, ShareQuotasResponse};
use hop::{Handler, HopRequest, Request, Response};
use metadata::ClusterView;
use parking_lot::RwLock;
use protocol::ErrorCode;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::audit::Change;
use crate::command::{By, Command};
use crate::shares::{self, Shares};

/// Answers for one control process.
pub(crate) struct Server {
    pub(crate) gate: Gate,
    /// For the gateways that share quotas.
    pub(crate) view: ClusterView,
}

/// The way to this process's leader, while it leads. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    leader: Arc<RwLock<Option<mpsc::Sender<Command>>>>,
    shares: Arc<RwLock<Option<Arc<Shares>>>>,
}

impl Handler for Server {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        if let Request::ShareQuotas(report) = request.body {
            return ready(Response::ShareQuotas(self.share(report))).boxed();
        }
        if !is_for_control(&request.body) {
            let api = request.body.api().name();
            tracing::error!(api, "a request for another role came to control");
        }
        let change = Change::of(&request);
        let (command, answer) = Command::new(request);
        // What clients change is in the audit logs of the gateways by which they come.
        let change = change.filter(|_| command.by == By::Operator);
        self.gate.submit(command);
        async {
            let answer =
                answer.await.expect("a command is answered when it is dropped, if not before");
            if let Some(change) = change {
                change.answered(&answer);
            }
            answer
        }
        .boxed()
    }
}

impl Server {
    fn share(&self, report: ShareQuotasRequest) -> ShareQuotasResponse {
        let shares = self.gate.shares.read().clone();
        match shares {
            Some(shares) => shares.answer(&self.view, report),
            None => shares::refuse(ErrorCode::NotController),
        }
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
            | Request::FinishRelease(_)
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

    /// Divides quotas from now on, as the leader of this term.
    pub(crate) fn divide(&self, term: i64) {
        *self.shares.write() = Some(Shares::new(term));
    }

    /// Divides nothing from now on.
    pub(crate) fn divide_no_more(&self) {
        *self.shares.write() = None;
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
