//! What travels with a request besides the request, and who answers it.

use std::time::Duration;

use futures::future::BoxFuture;
use protocol::{StrBytes, ids::TenantId};

use crate::api::{Request, Response};

/// Who asks, and how. Cheap to clone: the texts are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopHeader {
    /// On whose behalf. The response must echo it (R46).
    pub tenant: TenantId,
    /// The authenticated name of the client.
    pub principal: StrBytes,
    /// The name the client gives itself.
    pub client_id: StrBytes,
    /// Where the client connects from.
    pub client_host: StrBytes,
    /// How much of the caller's patience is left.
    pub deadline: Duration,
    /// Joins the log lines of one client request over processes.
    pub trace_id: u64,
    /// Requests of one lane to one peer are handled in the order they were called.
    pub lane: u64,
}

/// Characters of a client's name that tell groups apart: names are the clients' to choose.
const CLIENT_NAME_MAX: usize = 128;

/// Stands for a group wherever a request does not name one: the clients of one name on one host.
pub fn client_name(client_id: &str, client_host: &str) -> String {
    let name = format!("{client_id}@{client_host}");
    name.chars().take(CLIENT_NAME_MAX).collect()
}

/// One request on its way to a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct HopRequest {
    /// Who asks, and how.
    pub header: HopHeader,
    /// What is asked.
    pub body: Request,
}

/// A role that answers requests.
///
/// Everything whose order matters (such as handing batches to the log) happens before
/// `call` returns, and requests of one lane are called in their order. The future only
/// waits. It is dropped when the asking connection is gone: nobody is left to answer, and
/// what `call` started goes on without it.
pub trait Handler: Send + Sync + 'static {
    /// Starts the request; the future answers it, with the [`Response`] variant of the same
    /// name.
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response>;
}

// === impl HopHeader ===

impl HopHeader {
    /// The header of a request that no client asked for, such as a node's to control.
    pub fn internal(tenant: TenantId, deadline: Duration) -> Self {
        Self {
            tenant,
            principal: StrBytes::new(),
            client_id: StrBytes::new(),
            client_host: StrBytes::new(),
            deadline,
            trace_id: 0,
            lane: 0,
        }
    }
}
