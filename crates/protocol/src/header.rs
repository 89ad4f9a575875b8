//! Who asks for what: the request header, read by hand.
//!
//! The generated parser panics on frames shorter than four bytes and knows no request it cannot
//! name; this one takes any bytes.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use crate::error::ProtocolError;
use crate::preflight::Cursor;

/// API key, version and correlation id.
const FIXED_BYTES: usize = 8;

/// The header in front of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API. May be one that we do not serve.
    pub api_key: i16,
    /// In which version. May be one that we do not serve.
    pub api_version: i16,
    /// Comes back in the answer.
    pub correlation_id: i32,
    /// The name the client gives itself.
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// What stands for the header of a frame that has none: a SASL token after version 0 of
    /// SaslHandshake.
    pub fn of_bare_token() -> Self {
        let api_key = ApiKey::SaslAuthenticate as i16;
        Self { api_key, api_version: 0, correlation_id: 0, client_id: None }
    }

    /// The API, if Kafka has it.
    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::try_from(self.api_key).ok()
    }
}

/// Reads the header at the start of `frame` (without its length prefix) and leaves the body.
///
/// Says nothing about whether we serve the request. An ApiVersions request is answered whatever its
/// version, so as much of its header as can be read will do (KIP-511).
pub fn parse(frame: &mut Bytes) -> Result<RequestHeader, ProtocolError> {
    if frame.len() < FIXED_BYTES {
        return Err(ProtocolError::TruncatedHeader);
    }
    let mut header = RequestHeader {
        api_key: frame.get_i16(),
        api_version: frame.get_i16(),
        correlation_id: frame.get_i32(),
        client_id: None,
    };
    match client_id(frame, flexible(&header)) {
        Ok(client_id) => header.client_id = client_id,
        Err(_) if is_future_api_versions(&header) => frame.clear(),
        Err(error) => return Err(error),
    }
    Ok(header)
}

/// The rest of the header: the client's name, then tagged fields if the version is flexible.
fn client_id(frame: &mut Bytes, flexible: bool) -> Result<Option<StrBytes>, ProtocolError> {
    let mut cursor = Cursor::new(frame);
    // Not compact even in flexible headers, so that any broker can read it.
    let range = cursor.nullable_string()?;
    let tags = if flexible { cursor.skip_tagged_fields() } else { Ok(()) };
    tags?;
    let end = cursor.position();
    let client_id = range.map(|range| StrBytes::from_utf8(frame.slice(range))).transpose();
    frame.advance(end);
    client_id.map_err(|_| ProtocolError::MalformedHeader("client id is not UTF-8"))
}

/// Whether the header has tagged fields. All headers start alike, so an unknown API reads well
/// enough to be refused by name.
fn flexible(header: &RequestHeader) -> bool {
    header.api().is_some_and(|api| api.request_header_version(header.api_version) >= 2)
}

fn is_future_api_versions(header: &RequestHeader) -> bool {
    header.api() == Some(ApiKey::ApiVersions)
        && !crate::versions::is_served(header.api_key, header.api_version)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::RequestHeader as KafkaHeader;
    use kafka_protocol::protocol::Encodable;
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert_eq, proptest};

    use super::*;
    use crate::versions::APIS;

    proptest! {
        #[test]
        fn every_header_kafka_encodes_is_read(
            correlation_id in any::<i32>(),
            client_id in prop::option::of("\\PC{0,20}"),
            body in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            for api in APIS {
                for version in api.served_min..=api.max {
                    let header_version = api.key.request_header_version(version);
                    let mut header = KafkaHeader::default()
                        .with_request_api_key(api.key as i16)
                        .with_request_api_version(version)
                        .with_correlation_id(correlation_id)
                        .with_client_id(client_id.clone().map(StrBytes::from_string));
                    if header_version >= 2 {
                        header = header.with_unknown_tagged_field(9, Bytes::from_static(b"later"));
                    }
                    let mut frame = BytesMut::new();
                    header.encode(&mut frame, header_version).unwrap();
                    frame.extend_from_slice(&body);
                    let mut frame = frame.freeze();
                    let read = parse(&mut frame);
                    prop_assert_eq!(read, Ok(RequestHeader {
                        api_key: api.key as i16,
                        api_version: version,
                        correlation_id,
                        client_id: header.client_id,
                    }));
                    prop_assert_eq!(&frame[..], &body[..]);
                }
            }
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&mut Bytes::from(bytes));
        }
    }

    fn fixed(api_key: i16, api_version: i16, rest: &[u8]) -> Bytes {
        let mut frame = BytesMut::new();
        frame.extend_from_slice(&api_key.to_be_bytes());
        frame.extend_from_slice(&api_version.to_be_bytes());
        frame.extend_from_slice(&7i32.to_be_bytes());
        frame.extend_from_slice(rest);
        frame.freeze()
    }

    #[test]
    fn an_api_versions_request_of_the_future_keeps_its_correlation_id() {
        // A header version 3 that we know nothing about follows the fixed part.
        let mut frame = fixed(18, 99, &[0x7f, 0xff, 1, 2]);
        let header = parse(&mut frame).unwrap();
        assert_eq!((header.api_version, header.correlation_id), (99, 7));
        assert!(frame.is_empty());
    }

    #[test]
    fn other_broken_headers_are_refused() {
        assert_eq!(parse(&mut Bytes::from_static(b"\0\0\0")), Err(ProtocolError::TruncatedHeader));
        let truncated = parse(&mut fixed(3, 1, &[0x7f, 0xff, 1, 2]));
        assert!(matches!(truncated, Err(ProtocolError::Preflight(_))), "{truncated:?}");
        let not_utf8 = parse(&mut fixed(3, 1, &[0, 1, 0xff]));
        assert!(matches!(not_utf8, Err(ProtocolError::MalformedHeader(_))), "{not_utf8:?}");
        let unknown = parse(&mut fixed(9999, 0, &[0xff, 0xff])).unwrap();
        assert_eq!((unknown.api(), unknown.client_id), (None, None));
    }
}
