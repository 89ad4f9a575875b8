//! What the listener's policy asks of a socket before its bytes mean anything (R60).
//!
//! Outside of framing, because the frames are inside of it. A plaintext listener asks for nothing;
//! its sockets pass as they are, with Nagle's algorithm off: answers are written whole.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use protocol::ids::TenantId;
use tower::{Layer, Service};

use crate::call::{Accepted, Client, Secured};
use crate::config::ListenerConfig;
use crate::context::Core;
#[cfg(test)]
use crate::layers::Stages;

/// Turns a socket into a connection to be trusted as far as its listener says.
#[derive(Clone)]
pub(crate) struct Tls<S> {
    inner: S,
    core: Arc<Core>,
    listener: Arc<ListenerConfig>,
}

/// Puts [`Tls`] in front of a service.
pub(crate) struct TlsLayer {
    core: Arc<Core>,
    listener: Arc<ListenerConfig>,
}

// === impl TlsLayer ===

impl TlsLayer {
    pub(crate) fn new(core: Arc<Core>, listener: Arc<ListenerConfig>) -> Self {
        Self { core, listener }
    }
}

impl<S> Layer<S> for TlsLayer {
    type Service = Tls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Tls { inner, core: Arc::clone(&self.core), listener: Arc::clone(&self.listener) }
    }
}

// === impl Tls ===

impl<S: Service<Secured>> Service<Accepted> for Tls<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, Accepted { stream, peer }: Accepted) -> Self::Future {
        let lane = self.core.lanes.fetch_add(1, Ordering::Relaxed);
        // As Kafka's tools show it: Java's rendering of an address.
        let host = format!("/{}", peer.ip().to_canonical()).into();
        let listener = Arc::clone(&self.listener);
        let client = Client { lane, host, listener, tenant: TenantId::DEFAULT };
        self.inner.call(Secured { stream, client: Arc::new(client) })
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Tls<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("tls");
        self.inner.stages(names);
    }
}
