//! Many clients that connect, say hello and then nothing, and many that only pretend to be clients.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpSocket;

use crate::clock::Instant;
use crate::frames::metadata;
use crate::wire::{Security, Stream, read_frame};

/// Threads that connect: more than the machine has cores, for each waits for the server most of the
/// time.
const THREADS: usize = 16;

/// The head of a TLS record that announces a ClientHello of 500 bytes, and the first of them.
const HALF_A_HELLO: [u8; 6] = [22, 3, 1, 1, 244, 1];

/// Where those come from who only pretend.
const STRANGER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), 0));

/// Clients that are connected and idle.
#[derive(Debug)]
pub(crate) struct Crowd {
    streams: Vec<Stream>,
    /// How long it took until all were served.
    pub(crate) took: Duration,
}

impl Crowd {
    /// Connects so many, each of which asks for a topic's metadata once.
    pub(crate) fn connect(
        security: &Security,
        address: SocketAddr,
        count: usize,
        topic: &str,
    ) -> Result<Self> {
        let start = Instant::now();
        let threads: Vec<_> = (0..THREADS)
            .map(|index| {
                let (security, request) = (security.clone(), metadata(topic));
                let share = count / THREADS + usize::from(index < count % THREADS);
                thread::spawn(move || -> Result<Vec<Stream>> {
                    (0..share).map(|_| client(&security, address, &request)).collect()
                })
            })
            .collect();
        let mut streams = Vec::with_capacity(count);
        for thread in threads {
            streams.extend(thread.join().ok().context("a connecting thread panicked")??);
        }
        Ok(Self { streams, took: start.elapsed() })
    }

    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// How many are still served.
    pub(crate) fn served(&mut self, topic: &str) -> usize {
        let request = metadata(topic);
        let mut answer = Vec::new();
        let mut is_served = |stream: &mut Stream| {
            stream.write_all(&request).is_ok() && read_frame(stream, &mut answer).is_ok()
        };
        self.streams.iter_mut().filter_map(|stream| is_served(stream).then_some(())).count()
    }
}

fn client(security: &Security, address: SocketAddr, request: &[u8]) -> Result<Stream> {
    let mut stream = security.dial(address)?;
    stream.write_all(request)?;
    read_frame(&mut stream, &mut Vec::new())?;
    Ok(stream)
}

/// Opens so many connections, every other one silent and the rest with half a hello, and keeps them
/// as long as the server does. They come from an address that no client has: a gateway that bounds
/// strangers by address is to tell them apart.
pub(crate) fn slowloris(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut sockets = Vec::with_capacity(count);
    for index in 0..count {
        let socket = TcpSocket::new_v4()?;
        socket.bind(STRANGER)?;
        // Those that are refused are no trouble.
        let Ok(stream) = runtime.block_on(socket.connect(address)) else { continue };
        let mut stream = stream.into_std()?;
        if index.is_multiple_of(2) {
            let _refused = stream.write_all(&HALF_A_HELLO);
        }
        sockets.push(stream);
    }
    Ok(sockets)
}
