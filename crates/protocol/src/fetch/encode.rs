//! Writing a FetchResponse: fields into one buffer, records linked into the rope.

use bytes::{BufMut, BytesMut};

use crate::error::EncodeError;
use crate::rope::RopeMut;
use crate::wire;

use super::{
    FLEXIBLE_FROM, FetchPartition, FetchResponse, FetchTopic, LEADERS_FROM, TAG_CURRENT_LEADER,
    TAG_DIVERGING_EPOCH, TAG_HOT_FLOOR, TAG_NODE_ENDPOINTS, TOPIC_ID_FROM, VERSIONS,
};

/// Who reads the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Client,
    Hop,
}

impl FetchResponse {
    /// Appends the response as a client of this version reads it.
    pub fn encode(&self, version: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
        self.encode_for(Audience::Client, version, rope)
    }

    /// Appends the response for a gateway: also says where the hot range begins.
    pub fn encode_hop(&self, version: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
        self.encode_for(Audience::Hop, version, rope)
    }

    fn encode_for(
        &self,
        audience: Audience,
        version: i16,
        rope: &mut RopeMut,
    ) -> Result<(), EncodeError> {
        if !VERSIONS.contains(&version) {
            return Err(EncodeError::Version { message: "FetchResponse", version });
        }
        let flexible = version >= FLEXIBLE_FROM;
        rope.fields().put_i32(self.throttle_time_ms);
        if version >= 7 {
            rope.fields().put_i16(self.error_code);
            rope.fields().put_i32(self.session_id);
        }
        wire::put_count(rope.fields(), Some(self.topics.len()), flexible);
        for topic in &self.topics {
            topic.encode(audience, version, rope)?;
        }
        if tells_leaders(audience, version) && !self.node_endpoints.is_empty() {
            self.encode_endpoints(rope.fields())?;
        } else {
            put_no_tags(rope.fields(), flexible);
        }
        Ok(())
    }

    fn encode_endpoints(&self, fields: &mut BytesMut) -> Result<(), EncodeError> {
        let mut value = BytesMut::new();
        wire::put_count(&mut value, Some(self.node_endpoints.len()), true);
        for endpoint in &self.node_endpoints {
            value.put_i32(endpoint.node_id.0);
            wire::put_string(&mut value, Some(&endpoint.host), true)?;
            value.put_i32(endpoint.port);
            wire::put_string(&mut value, endpoint.rack.as_deref(), true)?;
            put_no_tags(&mut value, true);
        }
        wire::put_varint(fields, 1);
        wire::put_varint(fields, TAG_NODE_ENDPOINTS);
        wire::put_varint(fields, value.len() as u32);
        fields.put_slice(&value);
        Ok(())
    }
}

impl FetchTopic {
    fn encode(
        &self,
        audience: Audience,
        version: i16,
        rope: &mut RopeMut,
    ) -> Result<(), EncodeError> {
        let flexible = version >= FLEXIBLE_FROM;
        if version >= TOPIC_ID_FROM {
            rope.fields().put_slice(self.id.as_bytes());
        } else {
            wire::put_string(rope.fields(), Some(&self.name), flexible)?;
        }
        wire::put_count(rope.fields(), Some(self.partitions.len()), flexible);
        for partition in &self.partitions {
            partition.encode(audience, version, rope);
        }
        put_no_tags(rope.fields(), flexible);
        Ok(())
    }
}

impl FetchPartition {
    fn encode(&self, audience: Audience, version: i16, rope: &mut RopeMut) {
        let flexible = version >= FLEXIBLE_FROM;
        let fields = rope.fields();
        fields.put_i32(self.index);
        fields.put_i16(self.error_code);
        fields.put_i64(self.high_watermark);
        fields.put_i64(self.last_stable_offset);
        if version >= 5 {
            fields.put_i64(self.log_start_offset);
        }
        wire::put_count(fields, self.aborted_transactions.as_ref().map(Vec::len), flexible);
        for aborted in self.aborted_transactions.iter().flatten() {
            fields.put_i64(aborted.producer_id);
            fields.put_i64(aborted.first_offset);
            put_no_tags(fields, flexible);
        }
        if version >= 11 {
            fields.put_i32(self.preferred_read_replica);
        }
        wire::put_count(fields, Some(self.records_len()), flexible);
        for slice in &self.records {
            rope.link(slice.clone());
        }
        if flexible {
            self.encode_tags(audience, version, rope.fields());
        }
    }

    /// Only tags with something to say: old librdkafka skips tagged fields wrongly.
    fn encode_tags(&self, audience: Audience, version: i16, fields: &mut BytesMut) {
        let hot_floor = Some(self.hot_floor).filter(|at| audience == Audience::Hop && *at >= 0);
        let leader = self.current_leader.filter(|_| tells_leaders(audience, version));
        let tags = [self.diverging_epoch.is_some(), leader.is_some(), hot_floor.is_some()];
        wire::put_varint(fields, tags.into_iter().map(u32::from).sum());
        if let Some((epoch, end_offset)) = self.diverging_epoch {
            wire::put_varint(fields, TAG_DIVERGING_EPOCH);
            wire::put_varint(fields, 4 + 8 + 1);
            fields.put_i32(epoch);
            fields.put_i64(end_offset);
            put_no_tags(fields, true);
        }
        if let Some((id, epoch)) = leader {
            wire::put_varint(fields, TAG_CURRENT_LEADER);
            wire::put_varint(fields, 4 + 4 + 1);
            fields.put_i32(id);
            fields.put_i32(epoch);
            put_no_tags(fields, true);
        }
        if let Some(hot_floor) = hot_floor {
            wire::put_varint(fields, TAG_HOT_FLOOR);
            wire::put_varint(fields, 8);
            fields.put_i64(hot_floor);
        }
    }
}

fn tells_leaders(audience: Audience, version: i16) -> bool {
    audience == Audience::Client && version >= LEADERS_FROM
}

fn put_no_tags(fields: &mut BytesMut, flexible: bool) {
    if flexible {
        fields.put_u8(0);
    }
}
