//! What the listener's policy asks of a socket before its bytes mean anything (R60).
//!
//! Outside of framing, because the frames are inside of it. A plaintext listener asks for nothing;
//! its sockets pass as they are, with Nagle's algorithm off: answers are written whole.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, FutureExt};
use protocol::StrBytes;
use tower::{Layer, Service};

use crate::call::{Admitted, Client, Disconnect, Secured};
use crate::config::ListenerConfig;
use crate::context::Core;
#[cfg(test)]
use crate::layers::Stages;
use crate::metrics;
use crate::strangers::Stranger;
use crate::tenants::Found;
use crate::tls::{self, Handshaken, TlsRefusal};

/// A listener, as its connections meet it.
#[derive(Clone, Default)]
pub(crate) struct Door {
    pub(crate) config: Arc<ListenerConfig>,
    /// There with TLS only.
    pub(crate) tls: Option<Arc<tls::Tls>>,
}

/// Turns a socket into a connection to be trusted as far as its listener says.
#[derive(Clone)]
pub(crate) struct Tls<S> {
    inner: S,
    core: Arc<Core>,
    door: Door,
}

/// Puts [`Tls`] in front of a service.
pub(crate) struct TlsLayer {
    core: Arc<Core>,
    door: Door,
}

// === impl TlsLayer ===

impl TlsLayer {
    pub(crate) fn new(core: Arc<Core>, door: Door) -> Self {
        Self { core, door }
    }
}

impl<S> Layer<S> for TlsLayer {
    type Service = Tls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Tls { inner, core: Arc::clone(&self.core), door: self.door.clone() }
    }
}

// === impl Tls ===

impl<S> Tls<S> {
    fn client(&self, peer: SocketAddr, found: Found, principal: Option<StrBytes>) -> Arc<Client> {
        let lane = self.core.lanes.fetch_add(1, Ordering::Relaxed);
        // As Kafka's tools show it: Java's rendering of an address.
        let host = format!("/{}", peer.ip().to_canonical()).into();
        let listener = Arc::clone(&self.door.config);
        let Found { tenant, host: tenant_host } = found;
        let departures = self.core.departure.count();
        let commits = AtomicU64::default();
        let client =
            Client { lane, commits, host, listener, tenant, tenant_host, departures, principal };
        Arc::new(client)
    }
}

impl<S> Service<Admitted> for Tls<S>
where
    S: Service<Secured, Response = (), Error = Disconnect> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = ();
    type Error = Disconnect;
    type Future = Either<S::Future, BoxFuture<'static, Result<(), Disconnect>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, Admitted { stream, peer, stranger }: Admitted) -> Self::Future {
        let Some(tls) = self.door.tls.clone() else {
            return match self.core.directory.find(&self.door.config, None) {
                Some(found) => {
                    let client = self.client(peer, found, None);
                    Either::Left(self.inner.call(Secured { stream, client, stranger }))
                }
                None => Either::Right(refused(self.door.config.name().to_owned()).boxed()),
            };
        };
        let mut this = self.clone();
        let connection = async move {
            let tenant_of = |host: Option<&str>| this.core.directory.find(&this.door.config, host);
            let handshake = tls.handshake(stream, &stranger, tenant_of);
            // Its state is large, and gone before the connection begins.
            let handshaken = Box::pin(handshake).await;
            let secured = this.secured(peer, stranger, handshaken)?;
            this.inner.call(secured).await
        };
        Either::Right(connection.boxed())
    }
}

impl<S> Tls<S> {
    /// What comes of a handshake.
    fn secured(
        &self,
        peer: SocketAddr,
        stranger: Stranger,
        handshaken: Result<Handshaken, TlsRefusal>,
    ) -> Result<Secured, Disconnect> {
        let listener = self.door.config.name();
        match handshaken {
            Ok(Handshaken { stream, tenant, principal, is_resumed }) => {
                metrics::handshake(if is_resumed { "resumed" } else { "full" });
                let client = self.client(peer, tenant, principal);
                Ok(Secured { stream, client, stranger })
            }
            Err(error) => {
                metrics::handshake(error.reason());
                tracing::debug!(%peer, listener, %error, "TLS handshake failed");
                Err(error.into())
            }
        }
    }
}

/// Closes a connection that is nobody's.
async fn refused(listener: String) -> Result<(), Disconnect> {
    metrics::disconnected(Disconnect::NoTenant.reason());
    tracing::warn!(listener, "the listener's tenant does not exist");
    Err(Disconnect::NoTenant)
}

#[cfg(test)]
impl<S: Stages> Stages for Tls<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("tls");
        self.inner.stages(names);
    }
}
