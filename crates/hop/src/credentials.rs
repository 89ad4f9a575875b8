//! What a process proves with that it is a member of the cluster: the cluster's secret, over TLS
//! where there are certificates.
//!
//! Both count. A certificate says which role may do what, for months; the secret is one of this
//! generation of the cluster, which a process that slept through a rebuild does not have.

use process::net::Stream;
use protocol::release::{Release, Releases};

use crate::{
    ClusterSecret, ClusterTls, Role,
    handshake::{self, HandshakeError},
};

/// A member's proofs, and the releases that it can behave as. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    secret: ClusterSecret,
    tls: Option<ClusterTls>,
    releases: Releases,
}

/// A member that a server let in.
pub(crate) struct Admitted {
    pub(crate) stream: Stream,
    /// As what it may ask.
    pub(crate) role: Role,
    /// For logs.
    pub(crate) name: String,
    /// What both ends behave as.
    pub(crate) release: Release,
}

/// Plain text, for loopback and networks that are trusted.
impl From<ClusterSecret> for Credentials {
    fn from(secret: ClusterSecret) -> Self {
        Self::new(secret, None)
    }
}

impl Credentials {
    /// The secret, and certificates if there are any.
    pub fn new(secret: ClusterSecret, tls: Option<ClusterTls>) -> Self {
        Self { secret, tls, releases: Releases::OURS }
    }

    /// The same for a process that behaves as no other releases than these.
    pub fn limited_to(self, releases: Releases) -> Self {
        Self { releases, ..self }
    }

    /// The releases that this process can behave as.
    pub fn releases(&self) -> Releases {
        self.releases
    }

    /// The certificates, for what else is spoken between processes.
    pub fn tls(&self) -> Option<&ClusterTls> {
        self.tls.as_ref()
    }

    /// The client's part; the role of the other end, if it is certain, and the release that both
    /// ends behave as.
    pub(crate) async fn connect(
        &self,
        stream: Stream,
        address: &str,
        role: Role,
    ) -> Result<(Stream, Option<Role>, Release), HandshakeError> {
        let (mut stream, peer) = match &self.tls {
            Some(tls) => {
                let secured = tls.connect(stream, address).await?;
                (secured.stream, Some(secured.peer.role()))
            }
            None => (stream, None),
        };
        let release = handshake::connect(&mut stream, &self.secret, role, self.releases).await?;
        Ok((stream, peer, release))
    }

    /// The server's part.
    pub(crate) async fn accept(&self, stream: Stream) -> Result<Admitted, HandshakeError> {
        let (mut stream, peer) = match &self.tls {
            Some(tls) => {
                let secured = tls.accept(stream).await?;
                (secured.stream, Some(secured.peer))
            }
            None => (stream, None),
        };
        let certified = peer.as_ref().map(|peer| peer.role());
        let (role, release) =
            handshake::accept(&mut stream, &self.secret, certified, self.releases).await?;
        let name = peer.map_or_else(|| role.to_string(), |peer| peer.to_string());
        Ok(Admitted { stream, role, name, release })
    }
}
