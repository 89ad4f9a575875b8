//! What the listener's policy asks of a socket before its bytes mean anything (R60).
//!
//! Outside of framing, because the frames are inside of it. A plaintext listener asks for nothing;
//! its sockets pass as they are, with Nagle's algorithm off: answers are written whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tower::{Layer, Service};

use crate::call::{Accepted, Client, Secured};
use crate::config::Security;
#[cfg(test)]
use crate::layers::Stages;

/// Turns a socket into a connection to be trusted as far as its listener says.
#[derive(Debug, Clone)]
pub(crate) struct Tls<S> {
    inner: S,
    security: Security,
    lanes: Arc<AtomicU64>,
}

/// Puts [`Tls`] in front of a service.
#[derive(Debug)]
pub(crate) struct TlsLayer {
    security: Security,
    lanes: Arc<AtomicU64>,
}

// === impl TlsLayer ===

impl TlsLayer {
    pub(crate) fn new(security: Security) -> Self {
        // Lane 0 is for requests that no client asked for.
        Self { security, lanes: Arc::new(AtomicU64::new(1)) }
    }
}

impl<S> Layer<S> for TlsLayer {
    type Service = Tls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Tls { inner, security: self.security, lanes: Arc::clone(&self.lanes) }
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
        let lane = self.lanes.fetch_add(1, Ordering::Relaxed);
        // As Kafka's tools show it: Java's rendering of an address.
        let host = format!("/{}", peer.ip().to_canonical()).into();
        let client = Arc::new(Client { lane, host, security: self.security });
        self.inner.call(Secured { stream, client })
    }
}

#[cfg(test)]
impl<S: Stages> Stages for Tls<S> {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("tls");
        self.inner.stages(names);
    }
}
