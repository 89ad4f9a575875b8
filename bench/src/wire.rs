//! How a load reaches a server: plain or over TLS, anonymous or logged in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::login::Login;

/// What a connection goes through before its first request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Security {
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) login: Option<Arc<Login>>,
}

/// A connection that is ready for requests.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Security {
    /// Connects, shakes hands and logs in, as far as this asks for it.
    pub(crate) fn dial(&self, address: SocketAddr) -> Result<Stream> {
        let tcp = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        tcp.set_nodelay(true)?;
        let mut stream = match &self.tls {
            None => Stream::Plain(tcp),
            Some(config) => {
                let name = ServerName::from(address.ip());
                let mut tls =
                    StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, tcp);
                tls.conn.complete_io(&mut tls.sock).context("the TLS handshake")?;
                Stream::Tls(Box::new(tls))
            }
        };
        if let Some(login) = &self.login {
            login.run(&mut stream)?;
        }
        Ok(stream)
    }
}

impl Stream {
    /// Whether an answer begins to arrive within that time. Plain connections only: what TLS has
    /// decrypted is no longer in the socket.
    pub(crate) fn answer_within(&self, wait: Duration) -> Result<bool> {
        let Self::Plain(tcp) = self else { anyhow::bail!("a rate is held without TLS only") };
        tcp.set_read_timeout(Some(wait))?;
        let ready = tcp.peek(&mut [0; 1]).is_ok();
        tcp.set_read_timeout(None)?;
        Ok(ready)
    }

    /// How long a read may wait.
    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> Result<()> {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &tls.sock,
        };
        Ok(tcp.set_read_timeout(Some(timeout))?)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(into),
            Self::Tls(tls) => tls.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// Reads one frame's body.
pub(crate) fn read_frame(stream: &mut impl Read, into: &mut Vec<u8>) -> Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = i32::from_be_bytes(length);
    ensure!((0..=1 << 30).contains(&length), "a frame of {length} bytes");
    into.resize(usize::try_from(length)?, 0);
    stream.read_exact(into)?;
    Ok(())
}
