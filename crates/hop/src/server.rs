//! The serving end: accepts members of the cluster and gives each a connection.

mod calls;
mod connection;
mod responder;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use process::{
    Drain,
    net::{Listener, Stream},
};
use tokio::sync::Semaphore;

use crate::{
    ClusterSecret, handshake, limits::SERVER_CONNECTIONS_MAX, metrics::ServerMetrics,
    request::Handler,
};

/// After `accept` fails (usually no file descriptors): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the hop on `listener` until `drain`. Then no more requests are taken, callers are
/// told so, and those under way are answered.
pub async fn serve(
    listener: impl Into<Listener>,
    handler: Arc<dyn Handler>,
    secret: ClusterSecret,
    drain: Drain,
) {
    let listener = listener.into();
    let slots = Arc::new(Semaphore::new(SERVER_CONNECTIONS_MAX));
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
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!(max = SERVER_CONNECTIONS_MAX, "hop connection refused: too many");
            continue;
        };
        let serving = connection::Serving {
            handler: Arc::clone(&handler),
            metrics: Arc::clone(&metrics),
            drain: drain.clone(),
        };
        let secret = secret.clone();
        drain.spawn("hop server connection", async move {
            admit(stream, peer, serving, secret).await;
            drop(slot);
        });
    }
}

/// Serves the stream if its other end proves to be a member.
async fn admit(
    mut stream: Stream,
    peer: SocketAddr,
    serving: connection::Serving,
    secret: ClusterSecret,
) {
    let draining = serving.drain.draining();
    let shaken = tokio::select! {
        () = draining => return,
        shaken = handshake::accept(&mut stream, &secret) => shaken,
    };
    match shaken {
        Ok(role) => {
            tracing::debug!(%peer, ?role, "hop connection accepted");
            let (read, write) = stream.into_inner();
            match connection::serve(serving, read, write).await {
                Ok(()) => tracing::debug!(%peer, ?role, "hop connection closed"),
                Err(error) => tracing::info!(%peer, ?role, %error, "hop connection lost"),
            }
        }
        Err(error) if error.is_foreign() => {
            tracing::warn!(%peer, %error, "hop connection refused");
        }
        // A probe of the port, most likely.
        Err(error) => tracing::debug!(%peer, %error, "hop connection refused"),
    }
}

#[cfg(test)]
mod tests;
