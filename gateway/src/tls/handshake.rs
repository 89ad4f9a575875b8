//! One connection's handshake.
//!
//! A client that sends nothing costs a socket and a timer (R62). One that has said hello waits for
//! its turn: what the handshake costs us is paid there, in one go, and a storm of them must not
//! keep the connections that stand from being served (R65).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use process::net::{self, Stream};
use protocol::StrBytes;
use rustls::HandshakeKind;
use rustls::server::Acceptor;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;
use super::principal::{self, PrincipalError};
use crate::strangers::Stranger;
use crate::tenants::Found;

/// A connection whose bytes are encrypted.
pub(crate) struct Handshaken {
    pub(crate) stream: Stream,
    pub(crate) tenant: Found,
    /// Whom the client's certificate names, if it showed one and is to be named by it.
    pub(crate) principal: Option<StrBytes>,
    pub(crate) is_resumed: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsRefusal {
    /// The client took too long for its steps.
    #[error("the client did not go on with the TLS handshake in time")]
    Slow,
    /// What the client sent, or refused.
    #[error("TLS handshake failed: {0}")]
    Failed(io::Error),
    /// It named a host that is nobody's.
    #[error("no tenant has the host name that the client asked for")]
    UnknownHost,
    /// Its certificate names nobody.
    #[error(transparent)]
    Nobody(#[from] PrincipalError),
}

// === impl Tls ===

impl Tls {
    /// Speaks TLS with a client. `tenant_of` says whose a host name is, if anybody's.
    pub(crate) async fn handshake(
        &self,
        stream: Stream,
        stranger: &Stranger,
        tenant_of: impl FnOnce(Option<&str>) -> Option<Found>,
    ) -> Result<Handshaken, TlsRefusal> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let start = in_time(stranger.left_of(self.patience), hello).await?;
        stranger.is_heard();
        let tenant = tenant_of(start.client_hello().server_name());
        let config = match tenant {
            Some(_) => self.config.load_full(),
            None => Arc::clone(&self.refusing),
        };
        let turn = self.handshakes.acquire().await.expect("never closed");
        // Behind everything that is ready to run by now.
        yield_now().await;
        let accept = start.into_stream(config);
        drop(turn);
        stranger.is_awaited();
        let accepted = in_time(stranger.left_of(self.patience), accept).await;
        stranger.is_heard();
        let tenant = tenant.ok_or(TlsRefusal::UnknownHost)?;
        let stream = accepted?;
        let principal = self.principal(&stream)?;
        let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let (read, write) = tokio::io::split(stream);
        let stream = net::joined(Box::new(read), Box::new(write));
        Ok(Handshaken { stream, tenant, principal, is_resumed })
    }

    fn principal(&self, stream: &TlsStream<Stream>) -> Result<Option<StrBytes>, TlsRefusal> {
        let (_, connection) = stream.get_ref();
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        let (Some(certificate), Some((source, rules))) = (certificate, &self.principal) else {
            return Ok(None);
        };
        let name = principal::of(certificate, *source, rules, self.clock.now_ms())?;
        Ok(Some(StrBytes::from_string(name)))
    }
}

async fn in_time<T>(
    patience: Duration,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, TlsRefusal> {
    let done = timeout(patience, step).await.map_err(|_| TlsRefusal::Slow)?;
    done.map_err(TlsRefusal::Failed)
}

// === impl TlsRefusal ===

impl TlsRefusal {
    /// The metric label.
    pub(crate) fn reason(&self) -> &'static str {
        let error = match self {
            Self::Slow => return "slow",
            Self::UnknownHost => return "unknown_host",
            Self::Nobody(_) => return "principal",
            Self::Failed(error) => error,
        };
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::InvalidMessage(_)) => "not_tls",
            Some(rustls::Error::PeerIncompatible(_)) => "incompatible",
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                "client_certificate"
            }
            Some(rustls::Error::AlertReceived(_)) => "refused_by_client",
            Some(_) => "tls",
            None => "io",
        }
    }
}
