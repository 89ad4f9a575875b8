//! The serving end: accepts members of the cluster and gives each a connection.

mod calls;
mod connection;
mod responder;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use process::{
    Drain, Place, Places,
    net::{Listener, Stream},
};
use tokio::sync::Semaphore;

use crate::{
    Credentials,
    credentials::Admitted,
    handshake::HandshakeError,
    limits::{SERVER_CONNECTIONS_MAX, SERVER_STRANGERS_MAX, SERVER_STRANGERS_PER_ADDRESS_MAX},
    metrics::ServerMetrics,
    request::Handler,
};

/// After `accept` fails (usually no file descriptors): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the hop on `listener` until `drain`. Then no more requests are taken, callers are
/// told so, and those under way are answered.
pub async fn serve(
    listener: impl Into<Listener>,
    handler: Arc<dyn Handler>,
    credentials: impl Into<Credentials>,
    drain: Drain,
) {
    let (listener, credentials) = (listener.into(), credentials.into());
    let strangers = Places::new(SERVER_STRANGERS_MAX, SERVER_STRANGERS_PER_ADDRESS_MAX);
    let members = Arc::new(Semaphore::new(SERVER_CONNECTIONS_MAX));
    let metrics = Arc::new(ServerMetrics::new());
    let draining = drain.draining();
    tokio::pin!(draining);
    loop {
        let accepted = tokio::select! {
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "hop listener cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = strangers.take(peer.ip()) else {
            // Not a line for each: whoever comes so often may do it to fill the log.
            metrics.refused("strangers");
            tracing::debug!(%peer, "hop connection refused: too many that prove nothing");
            continue;
        };
        let door = Door {
            handler: Arc::clone(&handler),
            credentials: credentials.clone(),
            members: Arc::clone(&members),
            metrics: Arc::clone(&metrics),
            drain: drain.clone(),
        };
        drain.spawn("hop server connection", door.admit(stream, peer, place));
    }
}

/// What a connection is let in with.
struct Door {
    handler: Arc<dyn Handler>,
    credentials: Credentials,
    /// Connections of members that there may still be.
    members: Arc<Semaphore>,
    metrics: Arc<ServerMetrics>,
    drain: Drain,
}

impl Door {
    /// Serves the stream if its other end proves to be a member. Until it has, it has a place among
    /// the strangers.
    async fn admit(self, stream: Stream, peer: SocketAddr, place: Place) {
        let draining = self.drain.draining();
        let shaken = tokio::select! {
            () = draining => return,
            shaken = self.credentials.accept(stream) => shaken,
        };
        let Admitted { stream, role, name, release } = match shaken {
            Ok(member) => member,
            Err(error) => return self.refuse(peer, &error),
        };
        drop(place);
        let Ok(_slot) = Arc::clone(&self.members).try_acquire_owned() else {
            self.metrics.refused("members");
            return tracing::warn!(
                max = SERVER_CONNECTIONS_MAX,
                "hop connection refused: too many"
            );
        };
        tracing::debug!(%peer, name, %release, "hop connection accepted");
        let (read, write) = stream.into_inner();
        let Self { handler, metrics, drain, .. } = self;
        let serving = connection::Serving { handler, metrics, drain, role, release };
        match connection::serve(serving, read, write).await {
            Ok(()) => tracing::debug!(%peer, name, "hop connection closed"),
            Err(error) => tracing::info!(%peer, name, %error, "hop connection lost"),
        }
    }

    fn refuse(&self, peer: SocketAddr, error: &HandshakeError) {
        self.metrics.refused(error.label());
        if error.is_foreign() {
            tracing::warn!(%peer, %error, "hop connection refused");
        } else {
            // A probe of the port, most likely.
            tracing::debug!(%peer, %error, "hop connection refused");
        }
    }
}

#[cfg(test)]
mod tests;
