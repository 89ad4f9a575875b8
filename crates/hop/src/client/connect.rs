//! A connection from nothing: connect and prove to be a member, each in bounded time.

use std::io;

use process::net::{ReadHalf, WriteHalf};
use protocol::release::Release;
use tokio::time::timeout;

use super::lane::Dialler;
use crate::{Role, handshake::HandshakeError, limits::CONNECT_TIMEOUT};

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

/// A connection to a member of the cluster.
pub(super) struct Established {
    pub(super) read: ReadHalf,
    pub(super) write: WriteHalf,
    /// The other end's, if it is certain.
    pub(super) role: Option<Role>,
    /// What both ends behave as.
    pub(super) release: Release,
}

/// Connects to `address` as a member of the cluster.
pub(super) async fn establish(
    dialler: &Dialler,
    address: &str,
) -> Result<Established, ConnectError> {
    let connecting = dialler.net.connect(address);
    let stream =
        timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| ConnectError::TimedOut)??;
    let (stream, role, release) =
        dialler.credentials.connect(stream, address, dialler.role).await?;
    let (read, write) = stream.into_inner();
    Ok(Established { read, write, role, release })
}

impl ConnectError {
    /// Loud once: a peer that stays away is asked for again and again.
    pub(super) fn report(&self, peer: &str, failures: u32) {
        let error = self;
        match self {
            _ if failures > 1 => tracing::debug!(peer, %error, failures, "peer is unreachable"),
            Self::Handshake(error) if error.is_foreign() => {
                tracing::error!(peer, %error, "peer cannot be spoken with");
            }
            _ => tracing::info!(peer, %error, "peer is unreachable"),
        }
    }
}
