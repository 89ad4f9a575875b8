//! The listener: accepts sockets and hands each to the stack, in a task of its own.

use std::net::SocketAddr;

use process::Drain;
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::time::sleep;
use tower::Service;

use crate::call::Accepted;
use crate::limits::{ACCEPT_PAUSE, ACCEPT_QUEUE};
use crate::stack::ConnectionStack;

/// Binds `host:port`.
pub(crate) async fn bind(address: &str) -> std::io::Result<TcpListener> {
    let mut failure = None;
    for address in lookup_host(address).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| std::io::Error::from(std::io::ErrorKind::AddrNotAvailable)))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the sockets of the last run to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_QUEUE)
}

/// Accepts until the drain begins.
pub(crate) async fn accept(listener: TcpListener, mut stack: ConnectionStack, drain: Drain) {
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
