//! Mutual TLS between the processes of a cluster (R57, ADR 0031): both ends show a certificate of
//! the cluster's issuers, and the role in it is what they may do.
//!
//! ```text
//! files ─► configs of both ends ─ swapped when files change ─┐
//! connection ─► handshake: chain, possession of the key ─► identity of the other end
//! ```
//!
//! Host names prove nothing here: a name is looked up in the metadata store and in DNS, and an
//! address is given to another process tomorrow. Roles do. Each handshake takes the certificates as
//! they are then, so that nothing is dropped when they change.

mod verifier;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use process::net::{self, Stream};
use process::tls::{Files, FilesError, Loaded, follow, provider};
use process::{Clock, Drain};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, CommonState, HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::verifier::ChainVerifier;
use crate::limits::{HANDSHAKE_TIMEOUT, TLS_SESSIONS_MAX};
use crate::{Identity, IdentityError, metrics};

/// Stands for the peer in the cache of sessions where its address has no host name.
const NO_NAME: &str = "peer.invalid";

/// Why a process cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Its files.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Its own certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// There are no issuers to believe.
    #[error("no issuers are named")]
    NoIssuers,
    /// It became somebody else.
    #[error("the new certificate is {new}'s and this process is {old}")]
    Changed {
        /// Whom it names now.
        new: Identity,
        /// Whom it named.
        old: Identity,
    },
    /// What was made of the files.
    #[error("{0}")]
    Rejected(String),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsRefusal {
    /// The other end took too long.
    #[error("TLS handshake did not end in time")]
    TimedOut,
    /// What it sent, or refused.
    #[error("TLS handshake failed: {0}")]
    Failed(io::Error),
    /// Its certificate is not a member's.
    #[error(transparent)]
    Stranger(#[from] IdentityError),
}

/// What a process proves itself with, and judges others by. Cheap to clone.
#[derive(Clone)]
pub struct ClusterTls {
    shared: Arc<Shared>,
}

struct Shared {
    current: ArcSwap<Current>,
    clock: Clock,
}

/// What the files hold.
struct Current {
    identity: Identity,
    expires_s: i64,
    client: TlsConnector,
    server: TlsAcceptor,
}

/// A connection whose bytes are encrypted, and who is at its other end.
pub struct Secured {
    /// The connection.
    pub stream: Stream,
    /// The other end.
    pub peer: Identity,
    /// Whether an earlier session goes on.
    pub is_resumed: bool,
}

// === impl ClusterTls ===

impl ClusterTls {
    /// Loads the files, and follows them until the drain.
    pub async fn start(files: Files, clock: Clock, drain: &Drain) -> Result<Self, TlsError> {
        let loaded = files.load().await?;
        let current = Current::new(&loaded, &clock)?;
        metrics::certificate(current.expires_s);
        let shared = Arc::new(Shared { current: ArcSwap::new(Arc::new(current)), clock });
        let (following, drained) = (Arc::clone(&shared), drain.clone());
        drop(drain.spawn("hop certificates", async move {
            let changed = |new: Result<Loaded, FilesError>| following.reload(new);
            follow(files, &loaded, drained, changed).await;
        }));
        Ok(Self { shared })
    }

    /// Who this process is.
    pub fn identity(&self) -> Identity {
        self.shared.current.load().identity.clone()
    }

    /// When the first of its certificates ends, in Unix seconds.
    pub fn expires_s(&self) -> i64 {
        self.shared.current.load().expires_s
    }

    /// The client's part, on a fresh connection to `address` (`host:port`).
    pub async fn connect(&self, stream: Stream, address: &str) -> Result<Secured, TlsRefusal> {
        let current = self.shared.current.load_full();
        let connecting = current.client.connect(session_name(address), stream);
        let stream = in_time(connecting).await?;
        let secured = self.judge(&current.identity, stream.get_ref().1)?;
        Ok(secured.over(stream))
    }

    /// The server's part, on a fresh connection.
    pub async fn accept(&self, stream: Stream) -> Result<Secured, TlsRefusal> {
        let current = self.shared.current.load_full();
        let stream = in_time(current.server.accept(stream)).await?;
        let secured = self.judge(&current.identity, stream.get_ref().1)?;
        Ok(secured.over(stream))
    }

    /// Who the other end is, if one of us.
    fn judge(&self, ours: &Identity, connection: &CommonState) -> Result<Judged, IdentityError> {
        let chain: &[CertificateDer<'_>] = connection.peer_certificates().unwrap_or_default();
        let certificate = chain.first().ok_or(IdentityError::NotOneUri)?;
        let theirs = Identity::of(certificate, self.shared.clock.now_ms())?;
        if !theirs.is_of_cluster_of(ours) {
            return Err(IdentityError::OtherCluster { theirs, ours: ours.clone() });
        }
        let is_resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok(Judged { peer: theirs, is_resumed })
    }
}

/// A peer that is one of us.
struct Judged {
    peer: Identity,
    is_resumed: bool,
}

impl Judged {
    fn over<S>(self, stream: S) -> Secured
    where
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    {
        let (read, write) = tokio::io::split(stream);
        let stream = net::joined(Box::new(read), Box::new(write));
        Secured { stream, peer: self.peer, is_resumed: self.is_resumed }
    }
}

/// Under what a session is kept, to be resumed with the same peer. It is not sent.
fn session_name(address: &str) -> ServerName<'static> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_matches(['[', ']']).to_owned();
    let none = || ServerName::try_from(NO_NAME).expect("a name");
    ServerName::try_from(host).unwrap_or_else(|_| none())
}

async fn in_time<T>(handshake: impl Future<Output = io::Result<T>>) -> Result<T, TlsRefusal> {
    let done = timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| TlsRefusal::TimedOut)?;
    done.map_err(TlsRefusal::Failed)
}

// === impl Shared ===

impl Shared {
    fn reload(&self, new: Result<Loaded, FilesError>) {
        let old = self.current.load().identity.clone();
        let new = new.map_err(TlsError::from).and_then(|new| Current::new(&new, &self.clock));
        let new = new.and_then(|new| new.of_same_role(old));
        metrics::certificates_reloaded(new.is_ok());
        match new {
            Ok(new) => {
                let (identity, expires_s) = (&new.identity, new.expires_s);
                tracing::info!(%identity, expires_s, "the cluster's certificates were read again");
                metrics::certificate(expires_s);
                self.current.store(Arc::new(new));
            }
            Err(error) => tracing::error!(%error, "new certificates of the cluster are not used"),
        }
    }
}

// === impl Current ===

impl Current {
    fn new(loaded: &Loaded, clock: &Clock) -> Result<Self, TlsError> {
        let roots = loaded.roots.clone().ok_or(TlsError::NoIssuers)?;
        let certificate = loaded.key.end_entity_cert().map_err(rejected)?;
        let identity = Identity::of(certificate, clock.now_ms())?;
        let key = Arc::new(SingleCertAndKey::from(Arc::clone(&loaded.key)));
        let provider = provider();

        // One version: both ends are ours.
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(rejected)?;
        let chain = ChainVerifier::new(Arc::clone(&roots), &provider);
        let client = client.dangerous().with_custom_certificate_verifier(Arc::new(chain));
        let mut client = client.with_client_cert_resolver(Arc::clone(&key) as _);
        client.enable_sni = false;
        client.resumption = Resumption::in_memory_sessions(TLS_SESSIONS_MAX);

        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(rejected)?;
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
        let server = server.with_client_cert_verifier(clients.map_err(rejected)?);
        let mut server = server.with_cert_resolver(key);
        server.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
        Ok(Self {
            identity,
            expires_s: loaded.expires_s,
            client: TlsConnector::from(Arc::new(client)),
            server: TlsAcceptor::from(Arc::new(server)),
        })
    }

    /// What a process is does not change while it runs.
    fn of_same_role(self, old: Identity) -> Result<Self, TlsError> {
        if self.identity.role() == old.role() && self.identity.is_of_cluster_of(&old) {
            return Ok(self);
        }
        Err(TlsError::Changed { new: self.identity, old })
    }
}

fn rejected(error: impl std::fmt::Display) -> TlsError {
    TlsError::Rejected(error.to_string())
}

// === impl TlsRefusal ===

impl TlsRefusal {
    /// Whether the other end is there and is not one of us, or does not take us for one.
    pub(crate) fn is_foreign(&self) -> bool {
        match self {
            Self::TimedOut => false,
            Self::Failed(error) => error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()),
            Self::Stranger(_) => true,
        }
    }
}

#[cfg(test)]
mod tests;
