//! What travels down the stack, and what comes back: one type per stage.
//!
//! ```text
//! Accepted ─ limits ─► Admitted ─ tls ─► Secured ─ frame limit ─►   one per connection
//!   Inbound ─ authentication ─► Identified ─ quota ─► Charged       one per request
//!     decode ─► Call ─ authorisation ─► Authorised ─ namespace ─► Scoped ─ route
//! ```
//!
//! Each stage adds what it found out, so a route cannot be reached without an identity, grants and
//! a catalogue that shows one tenant only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use process::net::Stream;
use protocol::header::RequestHeader;
use protocol::ids::TenantId;
use protocol::request::ClientRequest;
use protocol::rope::Rope;
use protocol::{EncodeError, ErrorCode, ProtocolError, StrBytes};
use tokio::time::Instant;

use crate::catalogue::Catalogue;
use crate::config::ListenerConfig;
use crate::grants::Grants;
use crate::quota::{Mute, Toll};
use crate::strangers::Stranger;
use crate::tls::TlsRefusal;

/// A socket as the listener accepted it.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
}

/// A connection that there is a place for.
pub(crate) struct Admitted {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) stranger: Stranger,
}

/// A connection whose bytes are what the listener's policy asks for.
pub(crate) struct Secured {
    pub(crate) stream: Stream,
    pub(crate) client: Arc<Client>,
    pub(crate) stranger: Stranger,
}

/// The other end of one connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// Tells connections of this process apart; its requests keep their order under this name
    /// (R45).
    pub(crate) lane: u64,
    /// How many OffsetCommits it has sent.
    pub(crate) commits: AtomicU64,
    /// Its address, as groups show it.
    pub(crate) host: StrBytes,
    /// The listener it came by.
    pub(crate) listener: Arc<ListenerConfig>,
    /// Whose client it is.
    pub(crate) tenant: TenantId,
    /// The tenant's host name that it came by.
    pub(crate) tenant_host: Option<String>,
    /// How often clients had been sent to another gateway set when it came.
    pub(crate) departures: u64,
    /// Whom its certificate names, if that is how the listener's clients are named.
    pub(crate) principal: Option<StrBytes>,
}

/// Who a client is. Found out once per connection, not per request (R47).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) tenant: TenantId,
    pub(crate) principal: StrBytes,
}

/// A whole frame: its header read, its body not looked at.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) header: RequestHeader,
    pub(crate) body: Bytes,
    pub(crate) client: Arc<Client>,
    pub(crate) received: Instant,
}

/// A frame of somebody we know.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) inbound: Inbound,
    pub(crate) identity: Arc<Identity>,
}

/// A frame that is paid for, or will be.
#[derive(Debug)]
pub(crate) struct Charged {
    pub(crate) identified: Identified,
    pub(crate) toll: Toll,
}

/// A decoded request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) header: RequestHeader,
    pub(crate) client: Arc<Client>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) toll: Toll,
    pub(crate) request: ClientRequest,
}

/// A request, and what its sender may do.
#[derive(Debug)]
pub(crate) struct Authorised {
    pub(crate) call: Call,
    pub(crate) grants: Grants,
}

/// A request, and the part of the cluster its sender can see.
#[derive(Debug)]
pub(crate) struct Scoped {
    pub(crate) call: Call,
    pub(crate) grants: Grants,
    pub(crate) catalogue: Catalogue,
}

/// What goes back to the client.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The answer's frame; none for a produce with acks=0.
    pub(crate) frame: Option<Rope>,
    /// What must be paid before this client is read from again (KIP-219).
    pub(crate) mute: Mute,
    /// Whether it gives way to the answers of other clients.
    pub(crate) background: bool,
    /// Why the connection ends once the answer is written, if it does.
    pub(crate) then: Option<Disconnect>,
}

/// Why a connection ends before its client wants it to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Disconnect {
    /// No TLS with this client.
    #[error(transparent)]
    Tls(#[from] TlsRefusal),
    /// The listener's tenant is not there, or the client's is gone.
    #[error("the tenant does not exist")]
    NoTenant,
    /// Frame borders are lost.
    #[error(transparent)]
    Frame(#[from] protocol::frame::FrameError),
    /// The client closed in the middle of a frame.
    #[error("connection closed in the middle of a request")]
    Truncated,
    /// A request that we do not serve or that is not one.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A request before authentication that needs it.
    #[error("request before authentication")]
    Unauthenticated,
    /// Somebody who is not who it says.
    #[error("authentication failed")]
    AuthenticationFailed,
    /// A client that should have proven again who it is.
    #[error("session expired")]
    SessionExpired,
    /// What a client proved itself with was changed or deleted.
    #[error("credential revoked")]
    Revoked,
    /// The tenant has as many connections as it may, or opens them too fast.
    #[error("more connections than the tenant may open")]
    TooManyConnections,
    /// A produce without answer failed: closing is the only way to say so.
    #[error("produce without acknowledgement failed: {0}")]
    UnacknowledgedProduce(ErrorCode),
    /// A client that kept us waiting before it was known, while others waited for its place.
    #[error("slow to say who it is, and others waited")]
    MadeRoom,
    /// No request in time.
    #[error("no request arrived in time")]
    Silent,
    /// A request began and did not end in time.
    #[error("request did not arrive completely in time")]
    SlowRequest,
    /// The client does not read its answers.
    #[error("client does not read its answers")]
    SlowReader,
    /// Our own bug: an answer that its version cannot carry.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

// === impl Client ===

#[cfg(test)]
impl Client {
    /// A client of a plaintext listener.
    pub(crate) fn for_tests() -> Self {
        let (host, listener) = (StrBytes::default(), Arc::default());
        Self {
            lane: 1,
            commits: AtomicU64::default(),
            host,
            listener,
            tenant: TenantId::DEFAULT,
            tenant_host: None,
            departures: 0,
            principal: None,
        }
    }
}

// === impl Disconnect ===

impl Disconnect {
    /// The metric label.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Tls(_) => "tls",
            Self::NoTenant => "no_tenant",
            Self::Frame(_) => "frame",
            Self::Truncated => "truncated",
            Self::Protocol(_) => "protocol",
            Self::Unauthenticated => "unauthenticated",
            Self::AuthenticationFailed => "authentication_failed",
            Self::SessionExpired => "session_expired",
            Self::Revoked => "revoked",
            Self::TooManyConnections => "too_many_connections",
            Self::UnacknowledgedProduce(_) => "unacknowledged_produce",
            Self::MadeRoom => "made_room",
            Self::Silent => "silent",
            Self::SlowRequest => "slow_request",
            Self::SlowReader => "slow_reader",
            Self::Encode(_) => "encode",
            Self::Io(_) => "io",
        }
    }
}
