//! The epoch a gateway routed a produce by, as a tagged field of each partition (R49).
//!
//! Kafka's Produce has no such field. A node that is at another epoch refuses the partition
//! as not its own instead of appending under a route that the gateway no longer has.

use bytes::{Buf, Bytes};
use protocol::messages::produce_request::PartitionProduceData;

/// Kafka numbers its own tags from 0; ours start where it will not get.
const TAG: i32 = 10_000;

/// Says which leader epoch the sender expects the partition to have.
pub fn set(partition: &mut PartitionProduceData, epoch: i32) {
    partition.unknown_tagged_fields.insert(TAG, Bytes::copy_from_slice(&epoch.to_be_bytes()));
}

/// The epoch the sender expects; `None` if it did not say, or not in four bytes.
pub fn get(partition: &PartitionProduceData) -> Option<i32> {
    let mut field = partition.unknown_tagged_fields.get(&TAG)?.clone();
    let epoch = field.try_get_i32().ok()?;
    field.is_empty().then_some(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_comes_back() {
        let mut partition = PartitionProduceData::default();
        assert_eq!(get(&partition), None);
        set(&mut partition, 7);
        assert_eq!(get(&partition), Some(7));
    }

    #[test]
    fn a_field_of_another_length_is_no_epoch() {
        let mut partition = PartitionProduceData::default();
        for bytes in [&b""[..], b"\0\0\0", b"\0\0\0\0\0"] {
            partition.unknown_tagged_fields.insert(TAG, Bytes::from_static(bytes));
            assert_eq!(get(&partition), None, "{bytes:?}");
        }
    }
}
