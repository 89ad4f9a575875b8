//! What a process proves with that it is a member of the cluster: the cluster's secret, over TLS
//! where there are certificates.
//!
//! Both count. A certificate says which role may do what, for months; the secret is one of this
//! generation of the cluster, which a process that slept through a rebuild does not have.

use process::net::Stream;

use crate::{
    ClusterSecret, ClusterTls, Role,
    handshake::{self, HandshakeError},
};

/// A member's proofs. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    secret: ClusterSecret,
    tls: Option<ClusterTls>,
}

/// Plain text, for loopback and networks that are trusted.
impl From<ClusterSecret> for Credentials {
    fn from(secret: ClusterSecret) -> Self {
        Self { secret, tls: None }
    }
}

impl Credentials {
    /// The secret, and certificates if there are any.
    pub fn new(secret: ClusterSecret, tls: Option<ClusterTls>) -> Self {
        Self { secret, tls }
    }

    /// The certificates, for what else is spoken between processes.
    pub fn tls(&self) -> Option<&ClusterTls> {
        self.tls.as_ref()
    }

    /// The client's part; the role of the other end, if it is certain.
    pub(crate) async fn connect(
        &self,
        stream: Stream,
        address: &str,
        role: Role,
    ) -> Result<(Stream, Option<Role>), HandshakeError> {
        let (mut stream, peer) = match &self.tls {
            Some(tls) => {
                let secured = tls.connect(stream, address).await?;
                (secured.stream, Some(secured.peer.role()))
            }
            None => (stream, None),
        };
        handshake::connect(&mut stream, &self.secret, role).await?;
        Ok((stream, peer))
    }

    /// The server's part; as what the other end may ask, and its name for logs.
    pub(crate) async fn accept(
        &self,
        stream: Stream,
    ) -> Result<(Stream, Role, String), HandshakeError> {
        let (mut stream, peer) = match &self.tls {
            Some(tls) => {
                let secured = tls.accept(stream).await?;
                (secured.stream, Some(secured.peer))
            }
            None => (stream, None),
        };
        let certified = peer.as_ref().map(|peer| peer.role());
        let role = handshake::accept(&mut stream, &self.secret, certified).await?;
        let name = peer.map_or_else(|| role.to_string(), |peer| peer.to_string());
        Ok((stream, role, name))
    }
}
