//! How two processes prove to each other, before anything else, that they know the
//! cluster's secret (R57).
//!
//! ```text
//! server → client   magic, version, 32 random bytes
//! client → server   role, 32 random bytes, MAC("client", server's bytes, client's bytes, role)
//! server → client   MAC("server", client's bytes, server's bytes)
//! ```
//!
//! Each side's proof covers bytes the other side just made up, so a recorded handshake is
//! worth nothing; the two labels keep one side's proof from being played back as the
//! other's. Whoever knows the secret can claim any role; over TLS it must be the certificate's.

use aws_lc_rs::hmac;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Role, TlsRefusal, limits::HANDSHAKE_TIMEOUT, secret::ClusterSecret};

/// Names the protocol and, in its last byte, its version.
const MAGIC: [u8; 8] = *b"TCLNHOP\x01";

const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("handshake did not end in time; does the other end speak TLS, or this one alone?")]
    TimedOut,
    #[error(transparent)]
    Tls(#[from] TlsRefusal),
    #[error("handshake broke off: {0}")]
    Io(#[from] std::io::Error),
    #[error("peer does not speak this version of the hop")]
    Version,
    #[error("peer does not know the cluster's secret")]
    Secret,
    #[error("peer has unknown role {0}")]
    Role(u8),
    #[error("peer claims to be a {claimed} with the certificate of a {certified}")]
    NotItsRole { claimed: Role, certified: Role },
}

impl HandshakeError {
    /// Whether the other end is there and is not one of us: a mistake that somebody has to
    /// correct, or worse. A connection that merely breaks off is neither.
    pub(crate) fn is_foreign(&self) -> bool {
        match self {
            Self::Version | Self::Secret | Self::Role(_) | Self::NotItsRole { .. } => true,
            Self::Tls(refusal) => refusal.is_foreign(),
            Self::TimedOut | Self::Io(_) => false,
        }
    }

    /// As a metric's label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::TimedOut | Self::Tls(TlsRefusal::TimedOut) => "slow",
            Self::Io(_) => "io",
            Self::Version => "version",
            Self::Secret => "secret",
            Self::Role(_) | Self::NotItsRole { .. } => "role",
            Self::Tls(TlsRefusal::Stranger(_)) => "identity",
            Self::Tls(TlsRefusal::Failed(_)) => "tls",
        }
    }
}

/// The client's part, on a fresh connection.
pub(crate) async fn connect<S>(
    stream: &mut S,
    secret: &ClusterSecret,
    role: Role,
) -> Result<(), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    in_time(async {
        let mut magic = [0; MAGIC.len()];
        stream.read_exact(&mut magic).await?;
        if magic != MAGIC {
            return Err(HandshakeError::Version);
        }
        let mut theirs = [0; NONCE_BYTES];
        stream.read_exact(&mut theirs).await?;

        let ours = nonce();
        let proof = client_proof(secret, &theirs, &ours, role as u8);
        let hello = [&[role as u8], &ours[..], proof.as_ref()].concat();
        stream.write_all(&hello).await?;
        stream.flush().await?;

        let mut proof = [0; PROOF_BYTES];
        stream.read_exact(&mut proof).await?;
        verify(secret, &server_message(&ours, &theirs), &proof)
    })
    .await
}

/// The server's part, on a fresh connection; the client's role, which must be the one that its
/// certificate gives it, if there is one.
pub(crate) async fn accept<S>(
    stream: &mut S,
    secret: &ClusterSecret,
    certified: Option<Role>,
) -> Result<Role, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    in_time(async {
        let ours = nonce();
        stream.write_all(&[&MAGIC[..], &ours[..]].concat()).await?;
        stream.flush().await?;

        let mut role = [0; 1];
        stream.read_exact(&mut role).await?;
        let mut theirs = [0; NONCE_BYTES];
        stream.read_exact(&mut theirs).await?;
        let mut proof = [0; PROOF_BYTES];
        stream.read_exact(&mut proof).await?;
        verify(secret, &client_message(&ours, &theirs, role[0]), &proof)?;
        let claimed = Role::from_wire(role[0]).ok_or(HandshakeError::Role(role[0]))?;
        if let Some(certified) = certified.filter(|certified| *certified != claimed) {
            return Err(HandshakeError::NotItsRole { claimed, certified });
        }

        let proof = hmac::sign(secret.key(), &server_message(&theirs, &ours));
        stream.write_all(proof.as_ref()).await?;
        stream.flush().await?;
        Ok(claimed)
    })
    .await
}

async fn in_time<T>(
    handshake: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
        .await
        .unwrap_or(Err(HandshakeError::TimedOut))
}

fn nonce() -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut nonce).expect("the system's random source works");
    nonce
}

fn client_proof(secret: &ClusterSecret, server: &[u8], client: &[u8], role: u8) -> hmac::Tag {
    hmac::sign(secret.key(), &client_message(server, client, role))
}

fn client_message(server: &[u8], client: &[u8], role: u8) -> Vec<u8> {
    [b"thermocline hop client", server, client, &[role]].concat()
}

fn server_message(client: &[u8], server: &[u8]) -> Vec<u8> {
    [b"thermocline hop server", client, server].concat()
}

/// Compares in constant time.
fn verify(secret: &ClusterSecret, message: &[u8], proof: &[u8]) -> Result<(), HandshakeError> {
    hmac::verify(secret.key(), message, proof).map_err(|_| HandshakeError::Secret)
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    async fn shake(
        client: ClusterSecret,
        server: ClusterSecret,
    ) -> (Result<(), HandshakeError>, Result<Role, HandshakeError>) {
        let (mut near, mut far) = duplex(1024);
        // Each end is dropped when its side is done, as a refused connection is.
        tokio::join!(async move { connect(&mut near, &client, Role::Gateway).await }, async move {
            accept(&mut far, &server, None).await
        },)
    }

    #[tokio::test]
    async fn two_members_accept_each_other() {
        let secret = ClusterSecret::new(b"shared");
        let (client, server) = shake(secret.clone(), secret).await;
        assert!(client.is_ok());
        assert_eq!(server.unwrap(), Role::Gateway);
    }

    #[tokio::test]
    async fn another_secret_is_refused_by_both_ends() {
        let (ours, theirs) = (ClusterSecret::new(b"ours"), ClusterSecret::new(b"theirs"));
        let (client, server) = shake(ours, theirs).await;
        assert!(matches!(server, Err(HandshakeError::Secret)), "{server:?}");
        assert!(matches!(client, Err(HandshakeError::Io(_))), "{client:?}");
    }

    #[tokio::test]
    async fn a_role_that_the_certificate_does_not_give_is_refused() {
        let secret = ClusterSecret::new(b"shared");
        let (mut near, mut far) = duplex(1024);
        let gateway = Some(Role::Gateway);
        let (client, server) =
            tokio::join!(async { connect(&mut near, &secret, Role::Control).await }, async {
                let refused = accept(&mut far, &secret, gateway).await;
                drop(far);
                refused
            },);
        let told = server.unwrap_err().to_string();
        assert_eq!(told, "peer claims to be a control with the certificate of a gateway");
        assert!(matches!(client, Err(HandshakeError::Io(_))), "{client:?}");
    }

    #[tokio::test]
    async fn a_server_that_cannot_prove_itself_is_left() {
        let (mut near, mut far) = duplex(1024);
        let imposter = async move {
            far.write_all(&[&MAGIC[..], &[1; NONCE_BYTES]].concat()).await.unwrap();
            let mut hello = [0; 1 + NONCE_BYTES + PROOF_BYTES];
            far.read_exact(&mut hello).await.unwrap();
            // The best it can do without the secret is to play the client's proof back.
            far.write_all(&hello[1 + NONCE_BYTES..]).await.unwrap();
        };
        let secret = ClusterSecret::new(b"shared");
        let (client, ()) = tokio::join!(connect(&mut near, &secret, Role::Gateway), imposter);
        assert!(matches!(client, Err(HandshakeError::Secret)), "{client:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_left_in_time() {
        let (mut near, _far): (DuplexStream, DuplexStream) = duplex(1024);
        let silent = accept(&mut near, &ClusterSecret::new(b"shared"), None).await;
        assert!(matches!(silent, Err(HandshakeError::TimedOut)), "{silent:?}");
    }

    #[tokio::test]
    async fn another_protocol_is_left_at_once() {
        let (mut near, mut far) = duplex(1024);
        far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let other = connect(&mut near, &ClusterSecret::new(b"shared"), Role::Control).await;
        assert!(matches!(other, Err(HandshakeError::Version)), "{other:?}");
    }
}
