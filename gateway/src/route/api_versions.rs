//! ApiVersions: what we serve, from the one table. A version we do not know gets version 0's answer
//! with UNSUPPORTED_VERSION, which every client can read (KIP-511).

use protocol::ErrorCode;
use protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use protocol::versions;

use crate::context::Context;

/// First version in which clients name their software.
const SOFTWARE_NAME_FROM: i16 = 3;

pub(super) fn handle(context: &Context, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    let served = versions::is_served(ApiKey::ApiVersions as i16, context.version);
    if served && context.version >= SOFTWARE_NAME_FROM && !is_named(request) {
        return ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
    }
    versions::api_versions_response(context.version)
}

fn is_named(request: &ApiVersionsRequest) -> bool {
    is_software(&request.client_software_name) && is_software(&request.client_software_version)
}

/// Kafka's pattern: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_software(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.iter().all(|end| end.is_some_and(|c| c.is_ascii_alphanumeric())) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_the_pattern_of_kafka() {
        for good in ["a", "librdkafka", "apache-kafka-java", "2.12.1", "0"] {
            assert!(is_software(good), "{good}");
        }
        for bad in ["", "-a", "a-", ".", "a b", "ä", "a_b", "a\n"] {
            assert!(!is_software(bad), "{bad:?}");
        }
    }
}
