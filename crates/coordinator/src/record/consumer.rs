//! What the log says about groups of the consumer protocol (KIP-848).
//!
//! All of such a group's state is durable: who subscribes to what, what each member should have
//! (its target) and what it has (its current assignment). One record changes one of them, so that a
//! heartbeat of one member of a thousand writes little.

use std::collections::BTreeSet;

use bytes::Bytes;
use protocol::StrBytes;

use super::TopicPartition;

/// Partitions that belong to one member.
pub type Assignment = BTreeSet<TopicPartition>;

/// One durable fact about a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerChange {
    /// The group is at these epochs. It is a consumer group from now on, whatever it was before.
    Epochs(ConsumerEpochs),
    /// A member is new, or has changed what it says about itself.
    Subscribed(ConsumerMember),
    /// A static member came back under a new id and has all that its former self had (KIP-345).
    Replaced {
        /// The former self.
        former_id: StrBytes,
        /// The new one.
        member: ConsumerMember,
    },
    /// What a member should have.
    Targeted {
        /// The member.
        member_id: StrBytes,
        /// All of it.
        partitions: Assignment,
    },
    /// What a member has.
    Reconciled {
        /// The member.
        member_id: StrBytes,
        /// All of it.
        current: CurrentAssignment,
    },
    /// A member is gone.
    Left {
        /// The member.
        member_id: StrBytes,
    },
}

/// How far a group is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerEpochs {
    /// Counts changes of members, subscriptions and topics.
    pub group: i32,
    /// The group epoch that the targets were computed for. Behind, they are to be computed again.
    pub target: i32,
    /// Hash of the subscribed topics and their partitions: how a change of them is found.
    pub topics_hash: u64,
    /// When this was written, in Unix milliseconds. Of an empty group: since when it is empty.
    pub since_ms: i64,
}

/// What a member says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerMember {
    /// Chosen by the client; by the coordinator for clients that send none.
    pub id: StrBytes,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<StrBytes>,
    /// `client.rack`. Shown, and of no influence on the assignment, as in Kafka.
    pub rack_id: Option<StrBytes>,
    /// The client's own name.
    pub client_id: StrBytes,
    /// The client's address.
    pub client_host: StrBytes,
    /// How long the member may take to give partitions back.
    pub rebalance_timeout_ms: i32,
    /// Topics by name.
    pub topics: BTreeSet<StrBytes>,
    /// Topics by a regular expression, besides.
    pub regex: Option<StrBytes>,
    /// The server-side assignor that the member votes for.
    pub assignor: Option<StrBytes>,
    /// Of a member that speaks the classic protocol: what else it says.
    pub classic: Option<ClassicMember>,
}

/// What a member of a consumer group says in the classic protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClassicMember {
    /// Silence after which the member counts as gone.
    pub session_timeout_ms: i32,
    /// The protocols it speaks with its metadata for each, in the order it prefers them.
    pub protocols: Vec<(StrBytes, Bytes)>,
}

/// What a member has, and where it stands on the way to its target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CurrentAssignment {
    /// The member's epoch; -2 of a static member that has left for a while.
    pub epoch: i32,
    /// The one before. Its owner may not have heard of the newer one.
    pub previous_epoch: i32,
    /// What the member is waiting for.
    pub state: MemberState,
    /// What it may consume.
    pub assigned: Assignment,
    /// What it was told to give back and has not yet.
    pub revoking: Assignment,
    /// A classic member has its epoch and has not fetched its assignment yet.
    pub awaits_sync: bool,
}

/// What a member is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemberState {
    /// Nothing: it has all of its target.
    #[default]
    Stable,
    /// Its own client, to give partitions back.
    UnrevokedPartitions,
    /// Other members, to give back partitions of its target.
    UnreleasedPartitions,
}

impl CurrentAssignment {
    /// True if nobody else may have the partition.
    pub(crate) fn holds(&self, at: &TopicPartition) -> bool {
        self.assigned.contains(at) || self.revoking.contains(at)
    }

    /// True if the member has all that it should have at `target_epoch`.
    pub(crate) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }
}
