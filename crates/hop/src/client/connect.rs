//! A connection from nothing: connect and prove to be a member, each in bounded time.

use std::io;

use process::{
    Net,
    net::{ReadHalf, WriteHalf},
};
use tokio::time::timeout;

use crate::{
    ClusterSecret, Role,
    handshake::{self, HandshakeError},
    limits::CONNECT_TIMEOUT,
};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    #[error("cannot connect in time")]
    TimedOut,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Connects to `address` as a member of the cluster.
pub(super) async fn establish(
    net: &Net,
    address: &str,
    secret: &ClusterSecret,
    role: Role,
) -> Result<(ReadHalf, WriteHalf), ConnectError> {
    let connecting = net.connect(address);
    let mut stream =
        timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| ConnectError::TimedOut)??;
    handshake::connect(&mut stream, secret, role).await?;
    Ok(stream.into_inner())
}

impl ConnectError {
    /// Loud once: a peer that stays away is asked for again and again.
    pub(super) fn report(&self, peer: &str, failures: u32) {
        let error = self;
        match self {
            _ if failures > 1 => tracing::debug!(peer, %error, failures, "peer is unreachable"),
            Self::Handshake(error) if error.is_foreign() => {
                tracing::error!(peer, %error, "peer is not of this cluster");
            }
            _ => tracing::info!(peer, %error, "peer is unreachable"),
        }
    }
}
