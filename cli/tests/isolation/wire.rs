//! A client that speaks raw Kafka over one connection, and does nothing by itself.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use protocol::messages::{RequestHeader, ResponseHeader};
use protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    correlation: i32,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation: 0 }
    }

    /// The answer to a request, and how many bytes it had.
    pub(crate) async fn ask<R: Request<Response: Debug>>(
        &mut self,
        version: i16,
        request: &R,
    ) -> (R::Response, usize) {
        self.correlation += 1;
        let frame = frame(version, self.correlation, request);
        let exchange = async {
            self.stream.write_all(&frame).await.unwrap();
            let length = self.stream.read_i32().await.unwrap();
            let mut answer = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut answer).await.unwrap();
            Bytes::from(answer)
        };
        let mut answer = timeout(PATIENCE, exchange).await.expect("an answer");
        let length = answer.len();
        let header = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut answer, header).unwrap();
        assert_eq!(header.correlation_id, self.correlation);
        let response = R::Response::decode(&mut answer, version).unwrap();
        assert!(answer.is_empty(), "bytes follow {response:?}");
        (response, length)
    }
}

/// A request as it goes over the network.
fn frame<R: Request>(version: i16, correlation: i32, request: &R) -> Bytes {
    let mut body = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("test")))
        .encode(&mut body, R::header_version(version))
        .unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(body.len()).unwrap());
    frame.put(body);
    frame.freeze()
}
