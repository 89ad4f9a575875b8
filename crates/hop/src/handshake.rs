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
//!
//! The last bytes of each side's random ones say which releases it can behave as (ADR 0035):
//!
//! ```text
//! offset size
//!      0   20  random
//!     20    8  "TCLNRELS"
//!     28    2  the oldest release, big-endian
//!     30    2  the newest
//! ```
//!
//! Processes of release 1 make all 32 bytes up and look into none of them: they take these for
//! random, and without the mark they are taken for release 1 (by chance, once in 2^64 handshakes,
//! not). The proofs cover them, so nobody in between makes two members speak an older release. Both
//! ends judge only after the proofs, and so both can say what is wrong.

use aws_lc_rs::hmac;
use protocol::release::{Release, Releases};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Role, TlsRefusal, limits::HANDSHAKE_TIMEOUT, secret::ClusterSecret};

/// Names the protocol and, in its last byte, its version.
const MAGIC: [u8; 8] = *b"TCLNHOP\x01";

const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;

/// Of the random bytes, those that are random: 160 bits do not repeat.
const RANDOM_BYTES: usize = 20;

/// Says that releases follow.
const RELEASES_MARK: [u8; 8] = *b"TCLNRELS";

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
    #[error(
        "peer speaks release {theirs}, this process release {ours}: processes of one cluster may be \
         one release apart; upgrade the older one first, or raise its cluster.release"
    )]
    Release { ours: Releases, theirs: Releases },
}

impl HandshakeError {
    /// Whether the other end is there and is not one of us: a mistake that somebody has to
    /// correct, or worse. A connection that merely breaks off is neither.
    pub(crate) fn is_foreign(&self) -> bool {
        match self {
            Self::Version
            | Self::Secret
            | Self::Role(_)
            | Self::NotItsRole { .. }
            | Self::Release { .. } => true,
            Self::Tls(refusal) => refusal.is_foreign(),
            Self::TimedOut | Self::Io(_) => false,
        }
    }

    /// As a metric's label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::TimedOut | Self::Tls(TlsRefusal::TimedOut) => "slow",
            Self::Io(_) => "io",
            Self::Version | Self::Release { .. } => "version",
            Self::Secret => "secret",
            Self::Role(_) | Self::NotItsRole { .. } => "role",
            Self::Tls(TlsRefusal::Stranger(_)) => "identity",
            Self::Tls(TlsRefusal::Failed(_)) => "tls",
        }
    }
}

/// The client's part, on a fresh connection; the release that both ends behave as.
pub(crate) async fn connect<S>(
    stream: &mut S,
    secret: &ClusterSecret,
    role: Role,
    releases: Releases,
) -> Result<Release, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    in_time(connect_with(nonce(releases), stream, secret, role, releases)).await
}

async fn connect_with<S>(
    ours: [u8; NONCE_BYTES],
    stream: &mut S,
    secret: &ClusterSecret,
    role: Role,
    releases: Releases,
) -> Result<Release, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic != MAGIC {
        return Err(HandshakeError::Version);
    }
    let mut theirs = [0; NONCE_BYTES];
    stream.read_exact(&mut theirs).await?;

    let proof = client_proof(secret, &theirs, &ours, role as u8);
    let hello = [&[role as u8], &ours[..], proof.as_ref()].concat();
    stream.write_all(&hello).await?;
    stream.flush().await?;

    let mut proof = [0; PROOF_BYTES];
    stream.read_exact(&mut proof).await?;
    verify(secret, &server_message(&ours, &theirs), &proof)?;
    agree(releases, &theirs)
}

/// The server's part, on a fresh connection; the client's role, which must be the one that its
/// certificate gives it, if there is one, and the release that both ends behave as.
pub(crate) async fn accept<S>(
    stream: &mut S,
    secret: &ClusterSecret,
    certified: Option<Role>,
    releases: Releases,
) -> Result<(Role, Release), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    in_time(accept_with(nonce(releases), stream, secret, certified, releases)).await
}

async fn accept_with<S>(
    ours: [u8; NONCE_BYTES],
    stream: &mut S,
    secret: &ClusterSecret,
    certified: Option<Role>,
    releases: Releases,
) -> Result<(Role, Release), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
    Ok((claimed, agree(releases, &theirs)?))
}

async fn in_time<T>(
    handshake: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
        .await
        .unwrap_or(Err(HandshakeError::TimedOut))
}

fn nonce(releases: Releases) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut nonce).expect("the system's random source works");
    if releases != Releases::UNSAID {
        let (oldest, newest) = (releases.oldest().number(), releases.newest().number());
        let (mark, numbers) = nonce[RANDOM_BYTES..].split_at_mut(RELEASES_MARK.len());
        mark.copy_from_slice(&RELEASES_MARK);
        numbers[..2].copy_from_slice(&oldest.to_be_bytes());
        numbers[2..].copy_from_slice(&newest.to_be_bytes());
    }
    nonce
}

/// What the other end's bytes say.
fn said(nonce: &[u8; NONCE_BYTES]) -> Releases {
    let Some(&[a, b, c, d]) = nonce[RANDOM_BYTES..].strip_prefix(&RELEASES_MARK) else {
        return Releases::UNSAID;
    };
    let release = |bytes| Release::new(u16::from_be_bytes(bytes));
    let said = release([a, b]).zip(release([c, d]));
    said.and_then(|(oldest, newest)| Releases::new(oldest, newest)).unwrap_or(Releases::UNSAID)
}

fn agree(ours: Releases, nonce: &[u8; NONCE_BYTES]) -> Result<Release, HandshakeError> {
    let theirs = said(nonce);
    ours.common(theirs).ok_or(HandshakeError::Release { ours, theirs })
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
mod tests;
