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
