//! Where a search by time goes on, as a tagged field of each partition of a ListOffsets.
//!
//! Kafka's ListOffsets searches from the log start, and so does ours at first. A gateway that had a
//! cold reader look, in vain, below some offset asks the owner again from there.

use bytes::{Buf, Bytes};
use protocol::messages::list_offsets_request::ListOffsetsPartition;

/// Kafka numbers its own tags from 0; ours start where it will not get.
const TAG: i32 = 10_000;

/// Says that nothing before `offset` is wanted.
pub fn set(partition: &mut ListOffsetsPartition, offset: i64) {
    partition.unknown_tagged_fields.insert(TAG, Bytes::copy_from_slice(&offset.to_be_bytes()));
}

/// The first offset that is wanted; 0 if the asker did not say, or not in eight bytes.
pub fn get(partition: &ListOffsetsPartition) -> i64 {
    let mut field = partition.unknown_tagged_fields.get(&TAG).cloned().unwrap_or_default();
    if field.len() == size_of::<i64>() { field.get_i64() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_comes_back() {
        let mut partition = ListOffsetsPartition::default();
        assert_eq!(get(&partition), 0);
        set(&mut partition, 7 << 40);
        assert_eq!(get(&partition), 7 << 40);
    }

    #[test]
    fn a_field_of_another_length_is_none() {
        let mut partition = ListOffsetsPartition::default();
        for bytes in [&b""[..], b"\0\0\0\x01", b"\0\0\0\0\0\0\0\0\x01"] {
            partition.unknown_tagged_fields.insert(TAG, Bytes::from_static(bytes));
            assert_eq!(get(&partition), 0, "{bytes:?}");
        }
    }
}
