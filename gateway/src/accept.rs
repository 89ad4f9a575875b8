//! The listener: accepts sockets and hands each to the stack, in a task of its own.

use process::Drain;
use process::net::Listener;
use tokio::time::sleep;
use tower::Service;

use crate::call::Accepted;
use crate::limits::ACCEPT_PAUSE;
use crate::stack::ConnectionStack;

/// Accepts until the drain begins.
pub(crate) async fn accept(listener: Listener, mut stack: ConnectionStack, drain: Drain) {
    let draining = drain.draining();
    let mut draining = std::pin::pin!(draining);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // The connection says itself how it ended.
                let connection = stack.call(Accepted { stream, peer });
                drop(drain.spawn("connection", async move { drop(connection.await) }));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
