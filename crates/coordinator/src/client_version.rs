//! The version that a client spoke, as a tagged field of the one message version behind the gateway.
//!
//! Messages are converted at the edge, but a few answers depend on what the client can understand:
//! MEMBER_ID_REQUIRED and skipping the assignment in JoinGroup, the protocol named in SyncGroup,
//! GROUP_ID_NOT_FOUND in OffsetCommit and DescribeGroups. The gateway sets the field on those four;
//! where it is missing, the client is taken for a current one.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};

/// Kafka numbers its own tags from 0; ours start where it will not get.
const TAG: i32 = 10_001;

/// Says which version of the API the client spoke.
pub fn set(unknown_tagged_fields: &mut BTreeMap<i32, Bytes>, version: i16) {
    unknown_tagged_fields.insert(TAG, Bytes::copy_from_slice(&version.to_be_bytes()));
}

/// The version that the client spoke, or one beyond all there are.
pub fn get(unknown_tagged_fields: &BTreeMap<i32, Bytes>) -> i16 {
    let mut field = unknown_tagged_fields.get(&TAG).cloned().unwrap_or_default();
    field.try_get_i16().unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_back_and_its_absence_means_a_current_client() {
        let mut fields = BTreeMap::new();
        assert_eq!(get(&fields), i16::MAX);
        set(&mut fields, 3);
        assert_eq!(get(&fields), 3);
        fields.insert(TAG, Bytes::from_static(b"x"));
        assert_eq!(get(&fields), i16::MAX);
    }
}
