//! Connections: tokio's, or a pair of halves that some other network made.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A connection of another network.
pub struct Link {
    /// What the other end sends.
    pub read: Box<dyn AsyncRead + Send + Sync + Unpin>,
    /// What the other end is sent. Dropping it ends that direction.
    pub write: Box<dyn AsyncWrite + Send + Sync + Unpin>,
    /// The other end.
    pub peer: SocketAddr,
}

/// A connection.
#[derive(Debug)]
pub struct Stream(Either<TcpStream, Link>);

/// The receiving direction of a connection.
#[derive(Debug)]
pub struct ReadHalf(Either<OwnedReadHalf, Box<dyn AsyncRead + Send + Sync + Unpin>>);

/// The sending direction of a connection; dropping it ends that direction.
#[derive(Debug)]
pub struct WriteHalf(Either<OwnedWriteHalf, Box<dyn AsyncWrite + Send + Sync + Unpin>>);

enum Either<S, O> {
    System(S),
    Other(O),
}

// === impl Stream ===

impl Stream {
    /// Sends small writes at once.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match &self.0 {
            Either::System(stream) => stream.set_nodelay(nodelay),
            Either::Other(_) => Ok(()),
        }
    }

    /// The other end.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Either::System(stream) => stream.peer_addr(),
            Either::Other(link) => Ok(link.peer),
        }
    }

    /// Both directions, each on its own.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self.0 {
            Either::System(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf(Either::System(read)), WriteHalf(Either::System(write)))
            }
            Either::Other(Link { read, write, .. }) => {
                (ReadHalf(Either::Other(read)), WriteHalf(Either::Other(write)))
            }
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Either::System(stream))
    }
}

impl From<Link> for Stream {
    fn from(link: Link) -> Self {
        Self(Either::Other(link))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Either::System(stream) => Pin::new(stream).poll_read(cx, buffer),
            Either::Other(link) => Pin::new(&mut link.read).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Either::System(stream) => Pin::new(stream).poll_write(cx, bytes),
            Either::Other(link) => Pin::new(&mut link.write).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Either::System(stream) => Pin::new(stream).poll_flush(cx),
            Either::Other(link) => Pin::new(&mut link.write).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Either::System(stream) => Pin::new(stream).poll_shutdown(cx),
            Either::Other(link) => Pin::new(&mut link.write).poll_shutdown(cx),
        }
    }
}

// === impl ReadHalf ===

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Either::System(half) => Pin::new(half).poll_read(cx, buffer),
            Either::Other(half) => Pin::new(half).poll_read(cx, buffer),
        }
    }
}

// === impl WriteHalf ===

impl AsyncWrite for WriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Either::System(half) => Pin::new(half).poll_write(cx, bytes),
            Either::Other(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Either::System(half) => Pin::new(half).poll_write_vectored(cx, pieces),
            Either::Other(half) => Pin::new(half).poll_write_vectored(cx, pieces),
        }
    }

    /// Payloads are written from where they lie: without this they would be copied together.
    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Either::System(half) => half.is_write_vectored(),
            Either::Other(half) => half.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Either::System(half) => Pin::new(half).poll_flush(cx),
            Either::Other(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Either::System(half) => Pin::new(half).poll_shutdown(cx),
            Either::Other(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

impl<S: fmt::Debug, O> fmt::Debug for Either<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(system) => system.fmt(f),
            Self::Other(_) => f.write_str("other"),
        }
    }
}
