//! ProduceRequest as it goes to a storage node: encoded by hand, record sets linked, not copied.

use bytes::{BufMut, Bytes};

use crate::error::EncodeError;
use crate::messages::ProduceRequest;
use crate::rope::RopeMut;
use crate::wire;

/// First version with compact lengths and tagged fields.
const FLEXIBLE_FROM: i16 = 9;
/// First version that names topics by id.
const TOPIC_ID_FROM: i16 = 13;

/// Appends a ProduceRequest to `rope`, the same bytes as the generated encoder would.
pub fn encode_request(
    request: &ProduceRequest,
    version: i16,
    rope: &mut RopeMut,
) -> Result<(), EncodeError> {
    if !(3..=13).contains(&version) {
        return Err(EncodeError::Version { message: "ProduceRequest", version });
    }
    let flexible = version >= FLEXIBLE_FROM;
    let transactional_id = request.transactional_id.as_ref().map(|id| id.as_str());
    wire::put_string(rope.fields(), transactional_id, flexible)?;
    rope.fields().put_i16(request.acks);
    rope.fields().put_i32(request.timeout_ms);
    wire::put_count(rope.fields(), Some(request.topic_data.len()), flexible);
    for topic in &request.topic_data {
        if version >= TOPIC_ID_FROM {
            rope.fields().put_slice(topic.topic_id.as_bytes());
        } else {
            wire::put_string(rope.fields(), Some(&topic.name), flexible)?;
        }
        wire::put_count(rope.fields(), Some(topic.partition_data.len()), flexible);
        for partition in &topic.partition_data {
            rope.fields().put_i32(partition.index);
            wire::put_count(rope.fields(), partition.records.as_ref().map(Bytes::len), flexible);
            partition.records.clone().into_iter().for_each(|records| rope.link(records));
            wire::put_unknown_tags(rope.fields(), &partition.unknown_tagged_fields, flexible);
        }
        wire::put_unknown_tags(rope.fields(), &topic.unknown_tagged_fields, flexible);
    }
    wire::put_unknown_tags(rope.fields(), &request.unknown_tagged_fields, flexible);
    Ok(())
}

#[cfg(test)]
mod tests;
