//! A Kafka client on the simulated network: one connection to one gateway, nothing by itself.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use protocol::messages::{RequestHeader, ResponseHeader};
use protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use turmoil::net::TcpStream;

use crate::world::KAFKA_PORT;

/// How long a client waits for a connection or an answer.
pub const PATIENCE: Duration = Duration::from_secs(6);
/// Longest answer anybody expects here.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// One connection.
pub struct Connection {
    stream: TcpStream,
    next_correlation: i32,
    next_answer: i32,
}

/// The connection is of no use any more; what is under way has an unknown outcome.
pub type Broken = io::Error;

// === impl Connection ===

impl Connection {
    /// Connects to a gateway.
    pub async fn open(gateway: &str) -> Result<Self, Broken> {
        let address = format!("{gateway}:{KAFKA_PORT}");
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        Ok(Self { stream, next_correlation: 0, next_answer: 0 })
    }

    /// Sends a request and waits for its answer.
    pub async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Broken> {
        self.send(version, request).await?;
        self.receive::<R>(version).await
    }

    /// Sends a request.
    pub async fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<(), Broken> {
        let frame = frame(version, self.next_correlation, request);
        self.next_correlation += 1;
        timeout(PATIENCE, self.stream.write_all(&frame)).await?
    }

    /// The next answer; answers come in the order of their requests (R45).
    pub async fn receive<R: Request>(&mut self, version: i16) -> Result<R::Response, Broken> {
        let read = async {
            let length = usize::try_from(self.stream.read_i32().await?).unwrap_or(usize::MAX);
            if length > FRAME_BYTES_MAX {
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            }
            let mut frame = vec![0; length];
            self.stream.read_exact(&mut frame).await?;
            Ok(Bytes::from(frame))
        };
        let mut frame = timeout(PATIENCE, read).await??;
        let header_version = R::Response::header_version(version);
        let header =
            ResponseHeader::decode(&mut frame, header_version).map_err(io::Error::other)?;
        assert_eq!(header.correlation_id, self.next_answer, "answers in request order (R45)");
        self.next_answer += 1;
        R::Response::decode(&mut frame, version).map_err(io::Error::other)
    }
}

/// Text as messages carry it.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn frame<R: Request>(version: i16, correlation: i32, request: &R) -> Bytes {
    let mut body = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(text("sim")))
        .encode(&mut body, R::header_version(version))
        .expect("a header encodes");
    request.encode(&mut body, version).expect("the workload's requests encode");
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(body.len()).expect("requests are small"));
    frame.put(body);
    frame.freeze()
}
