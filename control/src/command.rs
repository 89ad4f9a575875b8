//! A request on its way to the leader, which is answered whatever happens to it.

use std::time::Duration;

use hop::{
    HopRequest, Request, Response,
    internal::{ChangePlacementResponse, FinishReleaseResponse},
};
use protocol::{ErrorCode, StrBytes, ids::TenantId};
use tokio::{sync::oneshot, time::Instant};

use crate::admin::{
    Refusal, acls, alter_client_quotas, alter_configs, alter_credentials, change_tenant,
    create_partitions, create_topics, delete_topics, producer_ids,
};

/// One request and whoever waits for its answer.
pub(crate) struct Command {
    pub(crate) tenant: TenantId,
    pub(crate) by: By,
    /// The client's authenticated name.
    pub(crate) principal: StrBytes,
    /// The name it gives itself.
    pub(crate) client_id: StrBytes,
    pub(crate) request: Request,
    /// When nobody waits any more.
    pub(crate) expires_at: Instant,
    reply: Option<oneshot::Sender<Response>>,
    /// What a command that is dropped without an answer says.
    fate: ErrorCode,
}

/// On whose behalf a request came. Gateways name the principal of every client; a request of the
/// cluster's own processes and commands has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Client,
    Operator,
}

impl Command {
    pub(crate) fn new(request: HopRequest) -> (Self, oneshot::Receiver<Response>) {
        let (reply, answer) = oneshot::channel();
        let HopRequest { header, body } = request;
        let patience = patience(&body).map_or(header.deadline, |own| own.min(header.deadline));
        let command = Self {
            tenant: header.tenant,
            by: if header.principal.is_empty() { By::Operator } else { By::Client },
            principal: header.principal,
            client_id: header.client_id,
            request: body,
            expires_at: Instant::now() + patience,
            reply: Some(reply),
            fate: ErrorCode::NotController,
        };
        (command, answer)
    }

    /// Answers.
    pub(crate) fn answer(mut self, response: Response) {
        if let Some(reply) = self.reply.take() {
            // Whoever waited may have given up.
            let _ = reply.send(response);
        }
    }

    /// Whether a tenant would have something afterwards that it had not.
    pub(crate) fn gives_to_its_tenant(&self) -> bool {
        matches!(
            self.request,
            Request::CreateTopics(_)
                | Request::CreatePartitions(_)
                | Request::IncrementalAlterConfigs(_)
                | Request::AlterUserScramCredentials(_)
                | Request::AlterClientQuotas(_)
                | Request::CreateAcls(_)
        )
    }

    /// Answers with one error for everything that was asked.
    pub(crate) fn refuse(self, code: ErrorCode) {
        let response = refuse(&self.request, code);
        self.answer(response);
    }

    /// From here on the request may take effect: "not here" would be a lie.
    pub(crate) fn begun(&mut self) {
        self.fate = ErrorCode::RequestTimedOut;
    }

    /// How long the caller still waits.
    pub(crate) fn patience(&self) -> Duration {
        self.expires_at.saturating_duration_since(Instant::now())
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(refuse(&self.request, self.fate));
        }
    }
}

/// The time a request gives itself, within the caller's.
fn patience(request: &Request) -> Option<Duration> {
    let timeout_ms = match request {
        Request::CreateTopics(request) => request.timeout_ms,
        Request::DeleteTopics(request) => request.timeout_ms,
        Request::CreatePartitions(request) => request.timeout_ms,
        _ => return None,
    };
    u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
}

/// The request's answer with one error for everything in it.
pub(crate) fn refuse(request: &Request, code: ErrorCode) -> Response {
    let refusal = Refusal::new(code, message(code));
    match request {
        Request::CreateTopics(request) => {
            Response::CreateTopics(create_topics::refuse_all(request, &refusal))
        }
        Request::DeleteTopics(request) => {
            Response::DeleteTopics(delete_topics::refuse_all(request, &refusal))
        }
        Request::CreatePartitions(request) => {
            Response::CreatePartitions(create_partitions::refuse_all(request, &refusal))
        }
        Request::IncrementalAlterConfigs(request) => {
            Response::IncrementalAlterConfigs(alter_configs::refuse_all(request, &refusal))
        }
        Request::ChangeTenant(_) => Response::ChangeTenant(change_tenant::refuse(&refusal)),
        Request::AlterUserScramCredentials(request) => {
            Response::AlterUserScramCredentials(alter_credentials::refuse_all(request, &refusal))
        }
        Request::AlterClientQuotas(request) => {
            Response::AlterClientQuotas(alter_client_quotas::refuse_all(request, &refusal))
        }
        Request::CreateAcls(request) => {
            Response::CreateAcls(acls::refuse_creations(request, &refusal))
        }
        Request::DeleteAcls(request) => {
            Response::DeleteAcls(acls::refuse_deletions(request, &refusal))
        }
        Request::ChangePlacement(_) => {
            Response::ChangePlacement(ChangePlacementResponse { error_code: code.code().into() })
        }
        Request::FinishRelease(_) => Response::FinishRelease(FinishReleaseResponse {
            error_code: code.code().into(),
            message: message(code).to_owned(),
            release: 0,
        }),
        // Also what other roles serve. The hop turns an answer of another API into an error, so
        // a caller with a wrong address cannot take it for success.
        _ => Response::AllocateProducerIds(producer_ids::refuse(code)),
    }
}

/// What the codes that control itself chooses mean.
pub(crate) fn message(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NotController => "This control process does not lead.",
        ErrorCode::RequestTimedOut => {
            "The cluster's metadata could not be changed in time; the change may still happen."
        }
        ErrorCode::ResourceNotFound => "There is no such tenant.",
        ErrorCode::ThrottlingQuotaExceeded => "Too many changes of the metadata are waiting.",
        _ => code.name(),
    }
}
