//! A client that says exactly what it is told to, in the version it is told to: what no client library
//! does, an old or a broken one may.
//!
//! In: a message and a version. Out: the answer, decoded. Never: retries, versions negotiated, metadata.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use protocol::messages::{ApiKey, RequestHeader};
use protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// How long an answer is waited for: longer than a takeover.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    client_id: StrBytes,
    asked: i32,
}

impl Raw {
    /// Connects to the first address of `bootstrap` that accepts.
    pub fn connect(bootstrap: &str, client_id: &str) -> Result<Self> {
        Self::connect_to(bootstrap, 0, client_id)
    }

    /// The same, beginning at another of the addresses: not everybody goes to the first.
    pub fn connect_to(bootstrap: &str, first: usize, client_id: &str) -> Result<Self> {
        let addresses: Vec<SocketAddr> =
            bootstrap.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let turn = first % addresses.len();
        let (before, from) = addresses.split_at(turn);
        let stream = TcpStream::connect(&[from, before].concat()[..])?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, client_id: StrBytes::from(client_id.to_owned()), asked: 0 })
    }

    /// Waits for answers for as long as it takes.
    pub fn patient(self) -> Result<Self> {
        self.stream.set_read_timeout(None)?;
        Ok(self)
    }

    /// Asks, and waits for the answer.
    pub fn ask<R: Request>(&mut self, message: &R, version: i16) -> Result<R::Response> {
        self.send(message, version)?;
        self.answer::<R>(version)
    }

    /// Asks. The answer comes in its turn.
    pub fn send<R: Request>(&mut self, message: &R, version: i16) -> Result<()> {
        self.asked += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.asked)
            .with_client_id(Some(self.client_id.clone()));
        let mut frame = BytesMut::zeroed(size_of::<i32>());
        let api = ApiKey::try_from(R::KEY).ok().context("an API that Kafka has")?;
        header.encode(&mut frame, api.request_header_version(version))?;
        message.encode(&mut frame, version)?;
        let length = i32::try_from(frame.len() - size_of::<i32>())?;
        frame[..size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
        Ok(self.stream.write_all(&frame)?)
    }

    /// Waits for the answer to the oldest question that has none yet, which was one of this kind.
    pub fn answer<R: Request>(&mut self, version: i16) -> Result<R::Response> {
        let mut length = [0; size_of::<i32>()];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length))?];
        self.stream.read_exact(&mut frame)?;
        let mut frame = Bytes::from(frame);
        // The correlation id, and tagged fields that nobody uses.
        let flexible = <R::Response as HeaderVersion>::header_version(version) >= 1;
        ensure!(frame.len() > size_of::<i32>(), "an answer has a header");
        let _header = frame.split_to(size_of::<i32>() + usize::from(flexible));
        <R::Response as Decodable>::decode(&mut frame, version)
    }
}
