//! Many clients that connect, say hello and then nothing, and many that only pretend to be clients.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::Instant;
use crate::frames::metadata;
use crate::wire::{Security, Stream, read_frame};

/// Threads that connect: more than the machine has cores, for each waits for the server most of the
/// time.
const THREADS: usize = 16;

/// The head of a TLS record that announces a ClientHello of 500 bytes, and the first of them.
const HALF_A_HELLO: [u8; 6] = [22, 3, 1, 1, 244, 1];

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
/// as long as the server does. Those that it refuses are no trouble to it.
pub(crate) fn slowloris(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let open = |index: usize| {
        let mut stream = TcpStream::connect(address).ok()?;
        if index.is_multiple_of(2) {
            stream.write_all(&HALF_A_HELLO).ok()?;
        }
        Some(stream)
    };
    (0..count).filter_map(open).collect()
}
