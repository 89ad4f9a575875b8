//! A client that speaks raw Kafka and does nothing by itself.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use protocol::messages::{ApiKey, RequestHeader, ResponseHeader, TopicName};
use protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// One connection.
pub(crate) struct Client {
    stream: Box<dyn Transport>,
    next_correlation: i32,
}

/// What carries a client's bytes.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

/// A topic's id as messages carry it.
pub(crate) fn id(topic: protocol::ids::TopicId) -> uuid::Uuid {
    topic.0
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub(crate) fn over(stream: impl Transport + 'static) -> Self {
        Self { stream: Box::new(stream), next_correlation: 100 }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: R) -> R::Response {
        let correlation = self.send(version, &request).await;
        self.receive::<R>(version, correlation).await
    }

    /// Sends a request; its correlation id.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.next_correlation += 1;
        let frame = frame(version, self.next_correlation, request);
        self.send_bytes(&frame).await;
        self.next_correlation
    }

    /// The next answer, which must be that of the request with this correlation id.
    pub(crate) async fn receive<R: Request>(
        &mut self,
        version: i16,
        correlation: i32,
    ) -> R::Response {
        let mut frame = self.receive_frame().await.expect("the connection was closed");
        let header_version = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut frame, header_version).unwrap();
        assert_eq!(header.correlation_id, correlation, "answers in request order");
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "bytes follow the answer");
        response
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        // A peer that has closed already is no failure of the client.
        drop(self.stream.write_all(bytes).await);
    }

    /// The next frame without its length; `None` if the gateway has closed.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_i32().await.ok()?;
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        timeout(PATIENCE, read).await.expect("an answer, or the end of the connection")
    }

    /// Waits for the gateway to close, without another answer.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.receive_frame().await, None);
    }
}

/// A request as it goes over the network.
pub(crate) fn frame<R: Request>(version: i16, correlation: i32, request: &R) -> Bytes {
    let mut body = BytesMut::new();
    let header_version = R::header_version(version);
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(text("test")))
        .encode(&mut body, header_version)
        .unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(body.len()).unwrap());
    frame.put(body);
    frame.freeze()
}

/// A frame with this header and body, whatever they are.
pub(crate) fn raw_frame(api: ApiKey, version: i16, correlation: i32, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(10 + body.len()).unwrap());
    frame.put_i16(api as i16);
    frame.put_i16(version);
    frame.put_i32(correlation);
    frame.put_i16(-1); // no client id
    frame.put_slice(body);
    frame.freeze()
}
