//! What OPEN, CLOSE and END say: small protobuf messages behind a version byte.
//!
//! Field numbers are persisted: keep them stable, never reuse one.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;
use protocol::ids::{PartitionId, TenantId, TopicId};

const VERSION: u8 = 1;

/// Where acknowledged records are before they are uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum WalKind {
    /// Not said.
    Unspecified = 0,
    /// A file on the node's own disk.
    Disk = 1,
    /// An object WAL on the store.
    Object = 2,
    /// The disk format on three acceptors.
    Replicated = 3,
}

/// Payload of slot 0.
#[derive(Clone, PartialEq, Message)]
pub struct OpenSlot {
    /// Kind of the front.
    #[prost(enumeration = "WalKind", tag = "1")]
    pub wal_kind: i32,
    /// Where the front is: volume id, acceptor set. Read by that kind of front only.
    #[prost(bytes = "bytes", tag = "2")]
    pub front: Bytes,
    /// Slot of the metadata log that this incarnation has seen.
    #[prost(uint64, tag = "3")]
    pub control_slot: u64,
}

/// Why a log ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum EndReason {
    /// Not said.
    Unspecified = 0,
    /// The writer stopped in good order.
    Shutdown = 1,
    /// The node restarted and ended its previous incarnation.
    Restart = 2,
    /// The node was declared dead and fenced.
    Failover = 3,
    /// Another cluster took the bucket over.
    Takeover = 4,
    /// The same, and what its front alone had was given up (R51).
    GivenUp = 5,
}

/// Payload of END.
#[derive(Clone, PartialEq, Message)]
pub struct EndRecord {
    /// Why.
    #[prost(enumeration = "EndReason", tag = "1")]
    pub reason: i32,
    /// End of the sealed front: every lower LSN is in the log.
    #[prost(uint64, tag = "2")]
    pub lsn: u64,
    /// The index snapshot. Without one the index is rebuilt from footers.
    #[prost(message, optional, tag = "3")]
    pub index: Option<IndexReference>,
}

/// Payload of CLOSE: from here on, the log gets no record of this partition in this epoch.
#[derive(Clone, PartialEq, Message)]
pub struct CloseRecord {
    /// Whose topic.
    #[prost(uint32, tag = "1")]
    pub tenant: u32,
    /// The topic id's 16 bytes; see [`CloseRecord::partition`].
    #[prost(bytes = "vec", tag = "2")]
    pub topic: Vec<u8>,
    /// The partition's index.
    #[prost(int32, tag = "3")]
    pub index: i32,
    /// The leader epoch that is over.
    #[prost(int32, tag = "4")]
    pub epoch: i32,
    /// The offset after the last one of the epoch: all lower ones are in earlier slots.
    #[prost(int64, tag = "5")]
    pub end_offset: i64,
    /// A snapshot of this one partition. Without one it is rebuilt from footers.
    #[prost(message, optional, tag = "6")]
    pub snapshot: Option<IndexReference>,
}

impl CloseRecord {
    /// CLOSE of a partition.
    pub fn new(
        partition: PartitionId,
        epoch: i32,
        end_offset: i64,
        snapshot: Option<IndexReference>,
    ) -> Self {
        Self {
            tenant: partition.tenant.0,
            topic: partition.topic.as_bytes().to_vec(),
            index: partition.index,
            epoch,
            end_offset,
            snapshot,
        }
    }

    /// The partition; `None` if the topic field does not hold an id.
    pub fn partition(&self) -> Option<PartitionId> {
        let topic = TopicId::from_slice(&self.topic)?;
        Some(PartitionId::new(TenantId(self.tenant), topic, self.index))
    }
}

/// Where an index snapshot is, and what it must add up to.
#[derive(Clone, PartialEq, Message)]
pub struct IndexReference {
    /// Object key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// CRC32C of the whole object.
    #[prost(uint32, tag = "2")]
    pub crc: u32,
}

/// Version byte, then the message.
pub(crate) fn encode(record: &impl Message) -> Bytes {
    let mut out = BytesMut::with_capacity(1 + record.encoded_len());
    out.put_u8(VERSION);
    record.encode(&mut out).expect("a BytesMut grows");
    out.freeze()
}

/// The inverse of [`encode`]; `None` for another version or bytes that are no such message.
pub(crate) fn decode<M: Message + Default>(payload: &[u8]) -> Option<M> {
    let (&version, message) = payload.split_first()?;
    (version == VERSION).then(|| M::decode(message).ok())?
}
