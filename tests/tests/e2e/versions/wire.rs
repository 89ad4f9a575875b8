//! A client of one connection that speaks the version it is told.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use protocol::{Decodable, Encodable, ErrorCode, HeaderVersion, Request, StrBytes};

const PAUSE: Duration = Duration::from_millis(50);
/// A minute: longer than anything takes on a machine that does much else.
const ASKED: usize = 1_200;
/// What clients ask again after: something new is not known everywhere yet.
const PASSING: &[ErrorCode] = &[
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::UnknownTopicId,
    ErrorCode::LeaderNotAvailable,
    ErrorCode::NotLeaderOrFollower,
    ErrorCode::CoordinatorLoadInProgress,
    ErrorCode::CoordinatorNotAvailable,
    ErrorCode::NotCoordinator,
    ErrorCode::ConcurrentTransactions,
];

/// A connection.
pub(super) struct Wire {
    stream: TcpStream,
    correlation: i32,
}

impl Wire {
    /// A new one.
    pub(super) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connects");
        Self { stream, correlation: 0 }
    }

    /// The answer to a request in this version.
    pub(super) fn ask<R: Request<Response: Debug>>(
        &mut self,
        version: i16,
        request: &R,
    ) -> R::Response {
        self.correlation += 1;
        let api = ApiKey::try_from(R::KEY).expect("an API of Kafka");
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("walk")));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, api.request_header_version(version)).expect("a header");
        request.encode(&mut frame, version).expect("a request of this version");
        let length = u32::try_from(frame.len()).expect("small").to_be_bytes();
        self.stream.write_all(&[&length, &frame[..]].concat()).expect("is sent");
        let mut answer = self.frame();
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version))
            .expect("a header");
        assert_eq!(header.correlation_id, self.correlation);
        assert_eq!(header.unknown_tagged_fields.len(), 0);
        let sent = answer.clone();
        let response = R::Response::decode(&mut answer, version).expect("an answer");
        assert!(answer.is_empty(), "{} bytes follow {response:?}", answer.remaining());
        let mut again = BytesMut::new();
        response.encode(&mut again, version).expect("an answer of this version");
        assert_eq!(again.freeze(), sent, "{response:?}");
        response
    }

    /// The answer, once its code is none that passes.
    pub(super) fn settled<R: Request<Response: Debug>>(
        &mut self,
        version: i16,
        request: &R,
        code: impl Fn(&R::Response) -> i16,
    ) -> R::Response {
        for _ in 0..ASKED {
            let answer = self.ask(version, request);
            if !PASSING.contains(&ErrorCode::from_code(code(&answer))) {
                return answer;
            }
            sleep(PAUSE);
        }
        panic!("never settled: {:?}", self.ask(version, request));
    }

    /// The answer, once it is as wanted.
    pub(super) fn eventually<R: Request<Response: Debug>>(
        &mut self,
        version: i16,
        request: &R,
        wanted: impl Fn(&R::Response) -> bool,
    ) -> R::Response {
        for _ in 0..ASKED {
            let answer = self.ask(version, request);
            if wanted(&answer) {
                return answer;
            }
            sleep(PAUSE);
        }
        panic!("never came to be: {:?}", self.ask(version, request));
    }

    fn frame(&mut self) -> Bytes {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("an answer comes");
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).expect("the whole answer");
        frame.into()
    }
}
