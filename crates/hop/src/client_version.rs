//! The version of Produce that the client speaks, as a tagged field of a transactional request.
//!
//! Behind the gateway there is one version (R48), but what a version *means* differs: from 12 on the
//! batches themselves add their partitions to the transaction, and from 11 on the client knows
//! TRANSACTION_ABORTABLE (KIP-890).

use bytes::{Buf, Bytes};
use protocol::messages::ProduceRequest;

/// Kafka numbers its own tags from 0; ours start where it will not get.
const TAG: i32 = 10_001;

/// Says which version the client spoke.
pub fn set(request: &mut ProduceRequest, version: i16) {
    request.unknown_tagged_fields.insert(TAG, Bytes::copy_from_slice(&version.to_be_bytes()));
}

/// The version the client spoke; `None` if the sender did not say, or not in two bytes.
pub fn get(request: &ProduceRequest) -> Option<i16> {
    let mut field = request.unknown_tagged_fields.get(&TAG)?.clone();
    let version = field.try_get_i16().ok()?;
    field.is_empty().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_back() {
        let mut request = ProduceRequest::default();
        assert_eq!(get(&request), None);
        set(&mut request, 12);
        assert_eq!(get(&request), Some(12));
        request.unknown_tagged_fields.insert(TAG, Bytes::from_static(b"\0\0\0"));
        assert_eq!(get(&request), None);
    }
}
