//! turmoil's TCP as the network of a simulated process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use process::Net;
use process::net::{Accept, Later, Link, Network};
use turmoil::net::{TcpListener, TcpStream};

/// The network of whichever simulated host uses it.
pub fn simulated() -> Net {
    Net::over(Arc::new(Turmoil))
}

struct Turmoil;

struct Listening(TcpListener);

impl Network for Turmoil {
    fn listen<'a>(&'a self, address: &'a str) -> Later<'a, Box<dyn Accept>> {
        Box::pin(async move {
            let listener: Box<dyn Accept> = Box::new(Listening(TcpListener::bind(address).await?));
            Ok(listener)
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> Later<'a, Link> {
        Box::pin(async move { link(TcpStream::connect(address).await?) })
    }
}

impl Accept for Listening {
    fn accept(&self) -> Later<'_, Link> {
        Box::pin(async move {
            let (stream, _) = self.0.accept().await?;
            link(stream)
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

fn link(stream: TcpStream) -> io::Result<Link> {
    let peer = stream.peer_addr()?;
    let (read, write) = stream.into_split();
    Ok(Link { read: Box::new(read), write: Box::new(write), peer })
}
