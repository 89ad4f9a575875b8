//! Both kinds of network carry bytes both ways and end a direction when its half is dropped.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, mpsc};

use super::*;

/// A network of one address: who connects meets who listens.
struct Wire {
    dial: mpsc::Sender<Link>,
    rings: Arc<Mutex<mpsc::Receiver<Link>>>,
}

struct Rings(Arc<Mutex<mpsc::Receiver<Link>>>);

const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7);

fn link(end: tokio::io::DuplexStream) -> Link {
    let (read, write) = tokio::io::split(end);
    Link { read: Box::new(read), write: Box::new(write), peer: HERE }
}

impl Network for Wire {
    fn listen<'a>(&'a self, _: &'a str) -> Later<'a, Box<dyn Accept>> {
        let rings: Box<dyn Accept> = Box::new(Rings(Arc::clone(&self.rings)));
        Box::pin(async move { Ok(rings) })
    }

    fn connect<'a>(&'a self, _: &'a str) -> Later<'a, Link> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(64);
            self.dial.send(link(far)).await.unwrap();
            Ok(link(near))
        })
    }
}

impl Accept for Rings {
    fn accept(&self) -> Later<'_, Link> {
        Box::pin(async move { Ok(self.0.lock().await.recv().await.unwrap()) })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(HERE)
    }
}

async fn talks(net: Net) {
    let listener = net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (near, far) = tokio::join!(net.connect(&address), listener.accept());
    let (mut near, (far, _)) = (near.unwrap(), far.unwrap());
    near.write_all(b"before the split").await.unwrap();
    let (mut far_read, mut far_write) = far.into_inner();
    let mut heard = [0; 16];
    far_read.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"before the split");

    let (mut near_read, near_write) = near.into_inner();
    far_write.write_all(b"answer").await.unwrap();
    far_write.shutdown().await.unwrap();
    let mut answer = Vec::new();
    near_read.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");

    drop((near_read, near_write));
    assert_eq!(far_read.read(&mut heard).await.unwrap(), 0, "the other end is gone");
}

#[tokio::test]
async fn the_machines_network_carries_bytes() {
    talks(Net::system()).await;
}

#[tokio::test]
async fn another_network_carries_bytes() {
    let (dial, rings) = mpsc::channel(1);
    talks(Net::over(Arc::new(Wire { dial, rings: Arc::new(Mutex::new(rings)) }))).await;
}

#[tokio::test]
async fn an_address_in_use_is_refused() {
    let taken = Net::system().listen("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let again = Net::system().listen(&address).await;
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
}
