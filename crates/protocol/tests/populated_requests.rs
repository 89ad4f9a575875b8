//! Goal: no request that a real client could send is refused.
//! Method: populate each request with every field that its version has, encode it with
//! `kafka-protocol` (not with our tables), and read it back.

use bytes::Bytes;
use protocol::header::RequestHeader;
use protocol::request::{self, ClientRequest};
use protocol::rope::RopeMut;
use protocol::versions::APIS;

#[path = "common/populated.rs"]
mod populated;

use populated::populated;

#[test]
fn every_populated_request_is_accepted_in_every_served_version() {
    for api in APIS {
        for version in api.served_min..=api.max {
            let sent = populated(api.key, version);
            let mut body = RopeMut::new();
            sent.encode_body(version, &mut body)
                .unwrap_or_else(|error| panic!("{:?} v{version}: {error}", api.key));
            let header = RequestHeader {
                api_key: api.key as i16,
                api_version: version,
                correlation_id: 1,
                client_id: None,
            };
            let received = request::decode(&header, body.finish().into_bytes())
                .unwrap_or_else(|error| panic!("{:?} v{version}: {error}", api.key));
            assert_eq!(received.api(), api.key);
            assert_eq!(normal(received, version), normal(sent, version));
        }
    }
}

/// What a version leaves out reads back as its default: compare what the wire carried.
fn normal(request: ClientRequest, version: i16) -> Bytes {
    let mut body = RopeMut::new();
    request.encode_body(version, &mut body).expect("was encoded before");
    body.finish().into_bytes()
}
