//! The version of its API that the client speaks, as a tagged field of a request.
//!
//! Behind the gateway there is one version (R48), but what a version *means* can differ: from Produce 12
//! on the batches themselves add their partitions to the transaction, from 11 on the client knows
//! TRANSACTION_ABORTABLE (KIP-890), and from OffsetCommit 9 on STALE_MEMBER_EPOCH (KIP-848).

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};

/// Kafka numbers its own tags from 0; ours start where it will not get.
const TAG: i32 = 10_001;

/// Says, among the tagged fields of a request, which version the client spoke.
pub fn set(tags: &mut BTreeMap<i32, Bytes>, version: i16) {
    tags.insert(TAG, Bytes::copy_from_slice(&version.to_be_bytes()));
}

/// The version the client spoke; `None` if the sender did not say, or not in two bytes.
pub fn get(tags: &BTreeMap<i32, Bytes>) -> Option<i16> {
    let mut field = tags.get(&TAG)?.clone();
    let version = field.try_get_i16().ok()?;
    field.is_empty().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_back() {
        let mut tags = BTreeMap::new();
        assert_eq!(get(&tags), None);
        set(&mut tags, 12);
        assert_eq!(get(&tags), Some(12));
        tags.insert(TAG, Bytes::from_static(b"\0\0\0"));
        assert_eq!(get(&tags), None);
    }
}
