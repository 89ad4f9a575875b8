//! The records of the coordinator's log: every durable fact about groups and transactions, typed.
//!
//! The log of an internal partition is a sequence of these. Replayed in order they give back the
//! [`crate::Coordinator`]'s durable state; [`crate::Coordinator::snapshot`] gives a short sequence
//! with the same effect. Each record of one replaces what an older record said about the same key, so
//! that a snapshot, or the beginning of one, on top of what it was taken from changes nothing.

use bytes::Bytes;
use protocol::StrBytes;
use protocol::ids::{TenantId, TopicId};
use thiserror::Error;

use crate::transactions::{Producer, Transaction};

mod consumer;
#[cfg(test)]
mod tests;
mod wire;

pub use consumer::{
    Assignment, ClassicMember, ConsumerChange, ConsumerEpochs, ConsumerMember, CurrentAssignment,
    MemberState,
};

/// A group: tenants may use the same names without seeing each other (R56).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// Whose group.
    pub tenant: TenantId,
    /// The group id as clients write it; may be empty for offsets (KIP-289).
    pub group: StrBytes,
}

/// A transactional id: tenants may use the same ones without seeing each other (R56).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionKey {
    /// Whose transactional id.
    pub tenant: TenantId,
    /// The id as clients write it; never empty.
    pub id: StrBytes,
}

/// A partition of one of the tenant's topics, as offsets are keyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicId,
    /// The partition of it.
    pub index: i32,
}

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Where to read on.
    pub offset: i64,
    /// Leader epoch of the last record consumed, or -1 (KIP-320).
    pub leader_epoch: i32,
    /// The client's own text, given back as it came.
    pub metadata: StrBytes,
    /// When it was committed, in Unix milliseconds: retention counts from here.
    pub committed_at_ms: i64,
}

/// The members of a classic group's generation, once their assignment is settled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// Counts the group's rebalances.
    pub generation: i32,
    /// Class of protocols, such as `consumer`.
    pub protocol_type: StrBytes,
    /// The protocol voted for; none in an empty group.
    pub protocol_name: Option<StrBytes>,
    /// The member that computes assignments; none in an empty group.
    pub leader: Option<StrBytes>,
    /// When the group came into this state, in Unix milliseconds.
    pub since_ms: i64,
    /// The members in the order of their ids; none means that the group is empty.
    pub members: Vec<MemberRecord>,
}

/// One member as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberRecord {
    /// The id that the coordinator gave it.
    pub id: StrBytes,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<StrBytes>,
    /// The client's own name.
    pub client_id: StrBytes,
    /// The client's address.
    pub client_host: StrBytes,
    /// Silence after which the member counts as gone.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for this member.
    pub rebalance_timeout_ms: i32,
    /// The protocols it speaks with its metadata for each, in the order it prefers them.
    pub protocols: Vec<(StrBytes, Bytes)>,
    /// What the leader gave it.
    pub assignment: Bytes,
}

/// One durable fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A classic group has these members from now on.
    Membership {
        /// The group.
        group: GroupKey,
        /// All of them.
        membership: Membership,
    },
    /// Members were told this generation. It must never be given out again, even if it does not
    /// reach a [`Record::Membership`]: two sets of members could hold the same number (C2).
    GenerationPromised {
        /// The group.
        group: GroupKey,
        /// The generation.
        generation: i32,
    },
    /// Something about a group of the consumer protocol (KIP-848).
    Consumer {
        /// The group.
        group: GroupKey,
        /// What it is.
        change: ConsumerChange,
    },
    /// The group is gone with all its offsets.
    GroupDeleted {
        /// The group.
        group: GroupKey,
    },
    /// Positions were committed.
    OffsetsCommitted {
        /// The group.
        group: GroupKey,
        /// The positions.
        offsets: Vec<(TopicPartition, CommittedOffset)>,
    },
    /// Positions were deleted, or expired.
    OffsetsDeleted {
        /// The group.
        group: GroupKey,
        /// Whose positions.
        partitions: Vec<TopicPartition>,
    },
    /// Positions will be committed if their producer's transaction is.
    OffsetsPending {
        /// The group.
        group: GroupKey,
        /// Whose transaction.
        producer: Producer,
        /// The positions.
        offsets: Vec<(TopicPartition, CommittedOffset)>,
    },
    /// A producer's transactions are over, up to one. What they left pending in any group is
    /// committed or dropped.
    Marker {
        /// Whose groups.
        tenant: TenantId,
        /// The producer, with the highest epoch of a transaction that this ends.
        producer: Producer,
        /// Committed, or aborted.
        commit: bool,
    },
    /// This is how a transactional id stands from now on.
    Transaction {
        /// The transactional id.
        key: TransactionKey,
        /// Everything about it.
        transaction: Transaction,
    },
    /// A transactional id is forgotten.
    TransactionExpired {
        /// The transactional id.
        key: TransactionKey,
    },
}

/// A record of the log cannot be understood. Nothing may be skipped: the state would be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Written by a newer version of this software.
    #[error("group record has version {version}, newest known is {newest}", newest = wire::VERSION)]
    Version {
        /// The version found.
        version: u8,
    },
    /// Nothing there.
    #[error("group record is empty")]
    Empty,
    /// The bytes are not the message they claim to be.
    #[error("group record is malformed: {0}")]
    Malformed(&'static str),
    /// Protobuf cannot read the bytes.
    #[error("group record is malformed")]
    Protobuf(#[from] prost::DecodeError),
}

/// Most text that one record of offsets carries, roughly: a commit of ten thousand partitions must
/// not become one record that no batch can take.
const OFFSETS_RECORD_BYTES: usize = 256 * 1024;
/// What an offset takes besides its text.
const OFFSET_BYTES: usize = 48;
/// Partitions in one record of deletions, about as large.
const DELETIONS_PER_RECORD: usize = 8_192;

impl Record {
    /// Commits of one group as records of bounded size.
    pub(crate) fn offsets_committed(
        group: &GroupKey,
        offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
    ) -> Vec<Self> {
        let record = |offsets| Self::OffsetsCommitted { group: group.clone(), offsets };
        chunks(offsets).map(record).collect()
    }

    /// Pending commits of one producer in one group as records of bounded size.
    pub(crate) fn offsets_pending(
        group: &GroupKey,
        producer: Producer,
        offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
    ) -> Vec<Self> {
        let record = |offsets| Self::OffsetsPending { group: group.clone(), producer, offsets };
        chunks(offsets).map(record).collect()
    }

    /// Deletions of one group as records of bounded size.
    pub(crate) fn offsets_deleted(group: &GroupKey, partitions: &[TopicPartition]) -> Vec<Self> {
        let record = |chunk: &[TopicPartition]| Self::OffsetsDeleted {
            group: group.clone(),
            partitions: chunk.to_vec(),
        };
        partitions.chunks(DELETIONS_PER_RECORD).map(record).collect()
    }

    /// Whose the record is, and the group or transactional id that it is about. Empty if it is
    /// about all of them.
    fn about(&self) -> (TenantId, &str) {
        match self {
            Self::Membership { group, .. }
            | Self::GenerationPromised { group, .. }
            | Self::Consumer { group, .. }
            | Self::GroupDeleted { group }
            | Self::OffsetsCommitted { group, .. }
            | Self::OffsetsDeleted { group, .. }
            | Self::OffsetsPending { group, .. } => (group.tenant, &group.group),
            Self::Marker { tenant, .. } => (*tenant, ""),
            Self::Transaction { key, .. } | Self::TransactionExpired { key } => {
                (key.tenant, &key.id)
            }
        }
    }

    /// The record as the log stores it.
    pub fn encode(&self) -> Bytes {
        wire::encode(self)
    }

    /// The record that [`Record::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        wire::decode(bytes)
    }
}

/// Offsets in portions that fit a record.
fn chunks(
    offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
) -> impl Iterator<Item = Vec<(TopicPartition, CommittedOffset)>> {
    let mut chunks: Vec<Vec<_>> = Vec::new();
    let mut room = 0_usize;
    for (at, committed) in offsets {
        let bytes = OFFSET_BYTES + committed.metadata.len();
        match chunks.last_mut() {
            Some(chunk) if bytes <= room => chunk.push((at, committed)),
            _ => {
                room = OFFSETS_RECORD_BYTES;
                chunks.push(vec![(at, committed)]);
            }
        }
        room = room.saturating_sub(bytes);
    }
    chunks.into_iter()
}
