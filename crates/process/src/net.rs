//! The network as a value that is passed in.
//!
//! Everything that listens or connects does so through a [`Net`]. On the machine's own network
//! that is tokio's TCP, one predictable branch away; a simulation brings a [`Network`] of its own
//! and runs the very same code (ADR 0015).
//!
//! ```text
//! Net ──listen──► Listener ──accept──► Stream ──into_inner──► ReadHalf, WriteHalf
//!  └────connect──────────────────────────▲
//! ```

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite, Join, join},
    net::{
        TcpListener, TcpSocket, TcpStream, lookup_host,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::either::Either;

/// Connections that may wait to be accepted (R65): a storm after a failover waits in the kernel
/// instead of seeing resets. The kernel caps it at `net.core.somaxconn`.
const ACCEPT_QUEUE: u32 = 65_535;

/// What a [`Network`] answers with, later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Another network than the machine's.
pub trait Network: Send + Sync + 'static {
    /// Listens on `host:port`.
    fn listen<'a>(&'a self, address: &'a str) -> Later<'a, Box<dyn Accept>>;

    /// Connects to `host:port`.
    fn connect<'a>(&'a self, address: &'a str) -> Later<'a, Link>;
}

/// A listener on another network.
pub trait Accept: Send + Sync {
    /// Waits for a connection.
    fn accept(&self) -> Later<'_, Link>;

    /// The address that was bound.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A connection of another network.
pub struct Link {
    /// What the other end sends.
    pub read: Box<dyn AsyncRead + Send + Sync + Unpin>,
    /// What the other end is sent. Dropping it ends that direction.
    pub write: Box<dyn AsyncWrite + Send + Sync + Unpin>,
    /// The other end.
    pub peer: SocketAddr,
}

/// A connection; `into_inner` gives each direction on its own.
pub type Stream = Join<ReadHalf, WriteHalf>;

/// The receiving direction of a connection.
pub type ReadHalf = Either<OwnedReadHalf, Box<dyn AsyncRead + Send + Sync + Unpin>>;

/// The sending direction of a connection; dropping it ends that direction.
pub type WriteHalf = Either<OwnedWriteHalf, Box<dyn AsyncWrite + Send + Sync + Unpin>>;

/// The network a process is on; cheap to clone.
#[derive(Clone)]
pub struct Net(Kind);

#[derive(Clone)]
enum Kind {
    System,
    Other(Arc<dyn Network>),
}

/// Accepts connections.
pub struct Listener(Listening);

enum Listening {
    System(TcpListener),
    Other(Box<dyn Accept>),
}

// === impl Net ===

impl Net {
    /// The machine's own network.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// Another network.
    pub fn over(network: Arc<dyn Network>) -> Self {
        Self(Kind::Other(network))
    }

    /// Listens on `host:port`.
    pub async fn listen(&self, address: &str) -> io::Result<Listener> {
        match &self.0 {
            Kind::System => Ok(Listener(Listening::System(listen(address).await?))),
            Kind::Other(network) => Ok(Listener(Listening::Other(network.listen(address).await?))),
        }
    }

    /// Connects to `host:port`. Small writes leave at once: whoever writes here gathers before.
    pub async fn connect(&self, address: &str) -> io::Result<Stream> {
        match &self.0 {
            Kind::System => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(system(stream))
            }
            Kind::Other(network) => Ok(other(network.connect(address).await?)),
        }
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::System => "Net(system)",
            Kind::Other(_) => "Net(other)",
        })
    }
}

async fn listen(address: &str) -> io::Result<TcpListener> {
    let mut failure = None;
    for address in lookup_host(address).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the sockets of the last run to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_QUEUE)
}

fn system(stream: TcpStream) -> Stream {
    let (read, write) = stream.into_split();
    join(Either::Left(read), Either::Left(write))
}

fn other(link: Link) -> Stream {
    joined(link.read, link.write)
}

/// A connection made of its two directions, as one that is encrypted on the way.
pub fn joined(
    read: Box<dyn AsyncRead + Send + Sync + Unpin>,
    write: Box<dyn AsyncWrite + Send + Sync + Unpin>,
) -> Stream {
    join(Either::Right(read), Either::Right(write))
}

// === impl Listener ===

impl Listener {
    /// Waits for a connection; says where it comes from. Small writes leave at once, as in
    /// [`Net::connect`].
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match &self.0 {
            Listening::System(listener) => {
                let (stream, peer) = listener.accept().await?;
                if let Err(error) = stream.set_nodelay(true) {
                    // The socket is dead already; its first read will say so.
                    tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
                }
                Ok((system(stream), peer))
            }
            Listening::Other(listener) => {
                let link = listener.accept().await?;
                let peer = link.peer;
                Ok((other(link), peer))
            }
        }
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Listening::System(listener) => listener.local_addr(),
            Listening::Other(listener) => listener.local_addr(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Listening::System(listener))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.local_addr()).finish()
    }
}

#[cfg(test)]
mod tests;
