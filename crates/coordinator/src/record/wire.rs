//! How records stand in the log: one version byte, then a protobuf message.
//!
//! ```text
//! byte 0      version, 1
//! byte 1..    protobuf `Envelope`: tenant, group or transactional id, and one of the kinds below
//! ```
//!
//! Field numbers are persisted: never reuse or renumber one. Tag 16 of `Kind` is KIP-848 consumer
//! groups; 32 and up are kept for share groups; 48 and up are pending transactional offsets, 64 and
//! up transactions. An envelope without a kind we know is an error, never skipped.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use protocol::StrBytes;
use protocol::ids::{TenantId, TopicId};

mod transactions;

use transactions::{WireMarker, WirePending, WireTransaction};

use super::{
    CommittedOffset, GroupKey, MemberRecord, Membership, Record, RecordError, TopicPartition,
    TransactionKey,
};

mod consumer;

use consumer::WireConsumer;

/// The version that [`encode`] writes and the newest that [`decode`] reads.
pub(super) const VERSION: u8 = 1;

#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(uint32, tag = "1")]
    tenant: u32,
    #[prost(string, tag = "2")]
    group: String,
    #[prost(oneof = "Kind", tags = "3, 4, 5, 6, 7, 16, 48, 49, 64, 65")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "3")]
    Membership(WireMembership),
    #[prost(message, tag = "4")]
    GenerationPromised(WirePromise),
    #[prost(message, tag = "5")]
    GroupDeleted(WireDeleted),
    #[prost(message, tag = "6")]
    OffsetsCommitted(WireOffsets),
    #[prost(message, tag = "7")]
    OffsetsDeleted(WirePartitions),
    #[prost(message, tag = "16")]
    Consumer(WireConsumer),
    #[prost(message, tag = "48")]
    OffsetsPending(WirePending),
    #[prost(message, tag = "49")]
    Marker(WireMarker),
    #[prost(message, tag = "64")]
    Transaction(WireTransaction),
    #[prost(message, tag = "65")]
    TransactionExpired(WireDeleted),
}

#[derive(Clone, PartialEq, Message)]
struct WireMembership {
    #[prost(int32, tag = "1")]
    generation: i32,
    #[prost(string, tag = "2")]
    protocol_type: String,
    #[prost(string, optional, tag = "3")]
    protocol_name: Option<String>,
    #[prost(string, optional, tag = "4")]
    leader: Option<String>,
    #[prost(int64, tag = "5")]
    since_ms: i64,
    #[prost(message, repeated, tag = "6")]
    members: Vec<WireMember>,
}

#[derive(Clone, PartialEq, Message)]
struct WireMember {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, optional, tag = "2")]
    instance_id: Option<String>,
    #[prost(string, tag = "3")]
    client_id: String,
    #[prost(string, tag = "4")]
    client_host: String,
    #[prost(int32, tag = "5")]
    session_timeout_ms: i32,
    #[prost(int32, tag = "6")]
    rebalance_timeout_ms: i32,
    #[prost(message, repeated, tag = "7")]
    protocols: Vec<WireProtocol>,
    #[prost(bytes = "bytes", tag = "8")]
    assignment: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct WireProtocol {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "2")]
    metadata: Bytes,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct WirePromise {
    #[prost(int32, tag = "1")]
    generation: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct WireDeleted {}

#[derive(Clone, PartialEq, Message)]
struct WireOffsets {
    #[prost(message, repeated, tag = "1")]
    offsets: Vec<WireOffset>,
}

#[derive(Clone, PartialEq, Message)]
struct WireOffset {
    #[prost(bytes = "bytes", tag = "1")]
    topic: Bytes,
    #[prost(int32, tag = "2")]
    index: i32,
    #[prost(int64, tag = "3")]
    offset: i64,
    #[prost(sint32, tag = "4")]
    leader_epoch: i32,
    #[prost(string, tag = "5")]
    metadata: String,
    #[prost(int64, tag = "6")]
    committed_at_ms: i64,
}

#[derive(Clone, PartialEq, Message)]
struct WirePartitions {
    #[prost(message, repeated, tag = "1")]
    partitions: Vec<WirePartition>,
}

#[derive(Clone, PartialEq, Message)]
struct WirePartition {
    #[prost(bytes = "bytes", tag = "1")]
    topic: Bytes,
    #[prost(int32, tag = "2")]
    index: i32,
}

pub(super) fn encode(record: &Record) -> Bytes {
    let (tenant, about) = record.about();
    let envelope =
        Envelope { tenant: tenant.0, group: about.to_owned(), kind: Some(kind_of(record)) };
    let mut out = BytesMut::with_capacity(1 + envelope.encoded_len());
    out.put_u8(VERSION);
    envelope.encode_raw(&mut out);
    out.freeze()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
    let (version, body) = bytes.split_first().ok_or(RecordError::Empty)?;
    if *version != VERSION {
        return Err(RecordError::Version { version: *version });
    }
    let envelope = Envelope::decode(body)?;
    let (tenant, about) = (TenantId(envelope.tenant), StrBytes::from(envelope.group));
    let group = GroupKey { tenant, group: about.clone() };
    let key = TransactionKey { tenant, id: about };
    Ok(match envelope.kind.ok_or(RecordError::Malformed("unknown kind"))? {
        Kind::Membership(wire) => Record::Membership { group, membership: wire.into() },
        Kind::GenerationPromised(wire) => {
            Record::GenerationPromised { group, generation: wire.generation }
        }
        Kind::Consumer(wire) => Record::Consumer { group, change: wire.try_into()? },
        Kind::GroupDeleted(_) => Record::GroupDeleted { group },
        Kind::OffsetsCommitted(wire) => {
            let offsets = wire.offsets.into_iter().map(offset).collect::<Result<_, _>>()?;
            Record::OffsetsCommitted { group, offsets }
        }
        Kind::OffsetsDeleted(wire) => {
            let partitions = wire.partitions.iter().map(|at| partition(&at.topic, at.index));
            Record::OffsetsDeleted { group, partitions: partitions.collect::<Result<_, _>>()? }
        }
        Kind::OffsetsPending(wire) => {
            let producer = transactions::producer(wire.producer)?;
            let offsets = wire.offsets.into_iter().map(offset).collect::<Result<_, _>>()?;
            Record::OffsetsPending { group, producer, offsets }
        }
        Kind::Marker(wire) => {
            let producer = transactions::producer(wire.producer)?;
            Record::Marker { tenant, producer, commit: wire.commit }
        }
        Kind::Transaction(wire) => Record::Transaction { key, transaction: wire.try_into()? },
        Kind::TransactionExpired(_) => Record::TransactionExpired { key },
    })
}

fn kind_of(record: &Record) -> Kind {
    match record {
        Record::Membership { membership, .. } => Kind::Membership(membership.into()),
        Record::GenerationPromised { generation, .. } => {
            Kind::GenerationPromised(WirePromise { generation: *generation })
        }
        Record::Consumer { change, .. } => Kind::Consumer(change.into()),
        Record::GroupDeleted { .. } => Kind::GroupDeleted(WireDeleted {}),
        Record::OffsetsCommitted { offsets, .. } => {
            Kind::OffsetsCommitted(WireOffsets { offsets: wire_offsets(offsets) })
        }
        Record::OffsetsDeleted { partitions, .. } => {
            let partitions = partitions.iter().map(WirePartition::from).collect();
            Kind::OffsetsDeleted(WirePartitions { partitions })
        }
        Record::OffsetsPending { producer, offsets, .. } => Kind::OffsetsPending(WirePending {
            producer: Some(producer.into()),
            offsets: wire_offsets(offsets),
        }),
        Record::Marker { producer, commit, .. } => {
            Kind::Marker(WireMarker { producer: Some(producer.into()), commit: *commit })
        }
        Record::Transaction { transaction, .. } => Kind::Transaction(transaction.into()),
        Record::TransactionExpired { .. } => Kind::TransactionExpired(WireDeleted {}),
    }
}

fn wire_offsets(offsets: &[(TopicPartition, CommittedOffset)]) -> Vec<WireOffset> {
    let offsets = offsets.iter().map(|(at, committed)| WireOffset {
        topic: Bytes::copy_from_slice(at.topic.as_bytes()),
        index: at.index,
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata.to_string(),
        committed_at_ms: committed.committed_at_ms,
    });
    offsets.collect()
}

fn partition(topic: &[u8], index: i32) -> Result<TopicPartition, RecordError> {
    let topic = TopicId::from_slice(topic).ok_or(RecordError::Malformed("topic id length"))?;
    Ok(TopicPartition { topic, index })
}

fn offset(wire: WireOffset) -> Result<(TopicPartition, CommittedOffset), RecordError> {
    let committed = CommittedOffset {
        offset: wire.offset,
        leader_epoch: wire.leader_epoch,
        metadata: wire.metadata.into(),
        committed_at_ms: wire.committed_at_ms,
    };
    Ok((partition(&wire.topic, wire.index)?, committed))
}

impl From<&TopicPartition> for WirePartition {
    fn from(at: &TopicPartition) -> Self {
        Self { topic: Bytes::copy_from_slice(at.topic.as_bytes()), index: at.index }
    }
}

impl From<&Membership> for WireMembership {
    fn from(membership: &Membership) -> Self {
        Self {
            generation: membership.generation,
            protocol_type: membership.protocol_type.to_string(),
            protocol_name: membership.protocol_name.as_ref().map(StrBytes::to_string),
            leader: membership.leader.as_ref().map(StrBytes::to_string),
            since_ms: membership.since_ms,
            members: membership.members.iter().map(WireMember::from).collect(),
        }
    }
}

impl From<WireMembership> for Membership {
    fn from(wire: WireMembership) -> Self {
        Self {
            generation: wire.generation,
            protocol_type: wire.protocol_type.into(),
            protocol_name: wire.protocol_name.map(StrBytes::from),
            leader: wire.leader.map(StrBytes::from),
            since_ms: wire.since_ms,
            members: wire.members.into_iter().map(MemberRecord::from).collect(),
        }
    }
}

impl From<&(StrBytes, Bytes)> for WireProtocol {
    fn from((name, metadata): &(StrBytes, Bytes)) -> Self {
        Self { name: name.to_string(), metadata: metadata.clone() }
    }
}

impl WireProtocol {
    fn into_pair(self) -> (StrBytes, Bytes) {
        (self.name.into(), self.metadata)
    }
}

impl From<&MemberRecord> for WireMember {
    fn from(member: &MemberRecord) -> Self {
        let protocols = member.protocols.iter().map(WireProtocol::from);
        Self {
            id: member.id.to_string(),
            instance_id: member.instance_id.as_ref().map(StrBytes::to_string),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            protocols: protocols.collect(),
            assignment: member.assignment.clone(),
        }
    }
}

impl From<WireMember> for MemberRecord {
    fn from(wire: WireMember) -> Self {
        let protocols = wire.protocols.into_iter().map(WireProtocol::into_pair);
        Self {
            id: wire.id.into(),
            instance_id: wire.instance_id.map(StrBytes::from),
            client_id: wire.client_id.into(),
            client_host: wire.client_host.into(),
            session_timeout_ms: wire.session_timeout_ms,
            rebalance_timeout_ms: wire.rebalance_timeout_ms,
            protocols: protocols.collect(),
            assignment: wire.assignment,
        }
    }
}
