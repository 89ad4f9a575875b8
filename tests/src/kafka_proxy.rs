//! A proxy in front of a gateway that holds frames of chosen clients back, as a network does that lost
//! its way (RELIABILITY §5.2, W6).
//!
//! ```text
//! client ──► proxy: whole frames ──► gateway
//!              └─ of a held client, from a held request on: wait for the release
//! ```
//!
//! Frames are delivered in their order, also when the client that sent them is gone by then. Nothing in
//! them is changed: gateways must be configured to advertise the proxy's address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use protocol::messages::ApiKey;
use protocol::{frame, header, limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

/// Which frames are held back.
#[derive(Debug, Clone, Default)]
pub struct Hold {
    /// Clients whose id begins so; nobody if empty.
    pub clients: String,
    /// Requests of these APIs, and all that comes behind them on their connection.
    pub apis: Vec<ApiKey>,
}

impl Hold {
    fn holds(&self, frame: &[u8]) -> bool {
        let mut body = Bytes::copy_from_slice(&frame[frame::PREFIX_BYTES..]);
        let Ok(header) = header::parse(&mut body) else { return false };
        let client = header.client_id.as_deref().unwrap_or_default();
        !self.clients.is_empty()
            && client.starts_with(&self.clients)
            && header.api().is_some_and(|api| self.apis.contains(&api))
    }
}

/// Proxies that hold and release together, one for each gateway; they end when this is dropped.
#[derive(Debug)]
pub struct KafkaProxies {
    hold: Arc<watch::Sender<Hold>>,
    held: Arc<AtomicU64>,
    runtime: Runtime,
}

impl KafkaProxies {
    /// None yet.
    pub fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("kafka-proxy")
            .enable_all()
            .build()?;
        let hold = Arc::new(watch::Sender::new(Hold::default()));
        Ok(Self { hold, held: Arc::default(), runtime })
    }

    /// One more, from one address to another.
    pub fn add(&self, listen: SocketAddr, upstream: SocketAddr) -> Result<()> {
        let listener = self.runtime.block_on(TcpListener::bind(listen))?;
        let (hold, held) = (Arc::clone(&self.hold), Arc::clone(&self.held));
        let handle = self.runtime.handle().clone();
        self.runtime.handle().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (hold, held) = (hold.subscribe(), Arc::clone(&held));
                let inner = handle.clone();
                // An error is a connection that is over.
                handle
                    .spawn(async move { drop(connect(client, upstream, hold, held, inner).await) });
            }
        });
        Ok(())
    }

    /// From now on these frames are held back.
    pub fn hold(&self, hold: Hold) {
        self.hold.send_replace(hold);
    }

    /// What was held back is delivered, and nothing is held any more.
    pub fn release(&self) {
        self.hold(Hold::default());
    }

    /// How many frames were held back, or are.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }
}

async fn connect(
    client: TcpStream,
    upstream: SocketAddr,
    hold: watch::Receiver<Hold>,
    held: Arc<AtomicU64>,
    handle: Handle,
) -> Result<()> {
    let gateway = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    gateway.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_gateway, to_gateway) = gateway.into_split();
    handle.spawn(async move { drop(answers(from_gateway, to_client).await) });
    requests(from_client, to_gateway, hold, &held).await
}

/// Whole frames, each when it is its turn and nobody holds it back.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut hold: watch::Receiver<Hold>,
    held: &AtomicU64,
) -> Result<()> {
    loop {
        let mut bytes = vec![0; frame::PREFIX_BYTES];
        from.read_exact(&mut bytes).await?;
        let whole = frame::expected(&bytes, limits::FRAME_BYTES_MAX)?.context("a length")?;
        bytes.resize(whole, 0);
        from.read_exact(&mut bytes[frame::PREFIX_BYTES..]).await?;
        if hold.borrow().holds(&bytes) {
            held.fetch_add(1, Ordering::Relaxed);
            hold.wait_for(|hold| !hold.holds(&bytes)).await?;
        }
        to.write_all(&bytes).await?;
    }
}

/// Whatever the gateway says, also when nobody is there to hear it.
async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut hears = true;
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        hears = hears && to.write_all(&buffer[..count]).await.is_ok();
    }
}
