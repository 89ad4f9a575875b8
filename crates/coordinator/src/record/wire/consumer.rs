//! Consumer groups on the wire: one message with a kind of its own.

use bytes::Bytes;
use prost::Message;
use protocol::StrBytes;
use protocol::ids::TopicId;

use super::WireProtocol;
use crate::record::{
    Assignment, ClassicMember, ConsumerChange, ConsumerEpochs, ConsumerMember, CurrentAssignment,
    MemberState, RecordError, TopicPartition,
};

#[derive(Clone, PartialEq, Message)]
pub(super) struct WireConsumer {
    #[prost(oneof = "Change", tags = "1, 2, 3, 4, 5, 6")]
    change: Option<Change>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Change {
    #[prost(message, tag = "1")]
    Epochs(WireEpochs),
    #[prost(message, tag = "2")]
    Subscribed(WireMember),
    #[prost(message, tag = "3")]
    Replaced(WireReplaced),
    #[prost(message, tag = "4")]
    Targeted(WireTarget),
    #[prost(message, tag = "5")]
    Reconciled(WireCurrent),
    #[prost(message, tag = "6")]
    Left(WireLeft),
}

#[derive(Clone, Copy, PartialEq, Message)]
struct WireEpochs {
    #[prost(int32, tag = "1")]
    group: i32,
    #[prost(int32, tag = "2")]
    target: i32,
    #[prost(fixed64, tag = "3")]
    topics_hash: u64,
    #[prost(int64, tag = "4")]
    since_ms: i64,
}

#[derive(Clone, PartialEq, Message)]
struct WireMember {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, optional, tag = "2")]
    instance_id: Option<String>,
    #[prost(string, optional, tag = "3")]
    rack_id: Option<String>,
    #[prost(string, tag = "4")]
    client_id: String,
    #[prost(string, tag = "5")]
    client_host: String,
    #[prost(int32, tag = "6")]
    rebalance_timeout_ms: i32,
    #[prost(string, repeated, tag = "7")]
    topics: Vec<String>,
    #[prost(string, optional, tag = "8")]
    regex: Option<String>,
    #[prost(string, optional, tag = "9")]
    assignor: Option<String>,
    #[prost(message, optional, tag = "10")]
    classic: Option<WireClassic>,
}

#[derive(Clone, PartialEq, Message)]
struct WireClassic {
    #[prost(int32, tag = "1")]
    session_timeout_ms: i32,
    #[prost(message, repeated, tag = "2")]
    protocols: Vec<WireProtocol>,
}

#[derive(Clone, PartialEq, Message)]
struct WireReplaced {
    #[prost(string, tag = "1")]
    former_id: String,
    #[prost(message, required, tag = "2")]
    member: WireMember,
}

#[derive(Clone, PartialEq, Message)]
struct WireTarget {
    #[prost(string, tag = "1")]
    member_id: String,
    #[prost(message, repeated, tag = "2")]
    topics: Vec<WireTopic>,
}

#[derive(Clone, PartialEq, Message)]
struct WireCurrent {
    #[prost(string, tag = "1")]
    member_id: String,
    #[prost(sint32, tag = "2")]
    epoch: i32,
    #[prost(sint32, tag = "3")]
    previous_epoch: i32,
    /// 0 stable, 1 unrevoked, 2 unreleased.
    #[prost(uint32, tag = "4")]
    state: u32,
    #[prost(message, repeated, tag = "5")]
    assigned: Vec<WireTopic>,
    #[prost(message, repeated, tag = "6")]
    revoking: Vec<WireTopic>,
    #[prost(bool, tag = "7")]
    awaits_sync: bool,
}

#[derive(Clone, PartialEq, Message)]
struct WireLeft {
    #[prost(string, tag = "1")]
    member_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct WireTopic {
    #[prost(bytes = "bytes", tag = "1")]
    topic: Bytes,
    #[prost(int32, repeated, tag = "2")]
    indexes: Vec<i32>,
}

impl From<&ConsumerChange> for WireConsumer {
    fn from(change: &ConsumerChange) -> Self {
        let change = match change {
            ConsumerChange::Epochs(epochs) => Change::Epochs(WireEpochs {
                group: epochs.group,
                target: epochs.target,
                topics_hash: epochs.topics_hash,
                since_ms: epochs.since_ms,
            }),
            ConsumerChange::Subscribed(member) => Change::Subscribed(member.into()),
            ConsumerChange::Replaced { former_id, member } => Change::Replaced(WireReplaced {
                former_id: former_id.to_string(),
                member: member.into(),
            }),
            ConsumerChange::Targeted { member_id, partitions } => Change::Targeted(WireTarget {
                member_id: member_id.to_string(),
                topics: by_topic(partitions),
            }),
            ConsumerChange::Reconciled { member_id, current } => Change::Reconciled(WireCurrent {
                member_id: member_id.to_string(),
                epoch: current.epoch,
                previous_epoch: current.previous_epoch,
                state: current.state as u32,
                assigned: by_topic(&current.assigned),
                revoking: by_topic(&current.revoking),
                awaits_sync: current.awaits_sync,
            }),
            ConsumerChange::Left { member_id } => {
                Change::Left(WireLeft { member_id: member_id.to_string() })
            }
        };
        Self { change: Some(change) }
    }
}

impl TryFrom<WireConsumer> for ConsumerChange {
    type Error = RecordError;

    fn try_from(wire: WireConsumer) -> Result<Self, RecordError> {
        Ok(
            match wire.change.ok_or(RecordError::Malformed("unknown change of a consumer group"))? {
                Change::Epochs(epochs) => Self::Epochs(ConsumerEpochs {
                    group: epochs.group,
                    target: epochs.target,
                    topics_hash: epochs.topics_hash,
                    since_ms: epochs.since_ms,
                }),
                Change::Subscribed(member) => Self::Subscribed(member.into()),
                Change::Replaced(replaced) => Self::Replaced {
                    former_id: replaced.former_id.into(),
                    member: replaced.member.into(),
                },
                Change::Targeted(target) => Self::Targeted {
                    member_id: target.member_id.into(),
                    partitions: assignment(target.topics)?,
                },
                Change::Reconciled(wire) => Self::Reconciled {
                    member_id: wire.member_id.into(),
                    current: CurrentAssignment {
                        epoch: wire.epoch,
                        previous_epoch: wire.previous_epoch,
                        state: state(wire.state)?,
                        assigned: assignment(wire.assigned)?,
                        revoking: assignment(wire.revoking)?,
                        awaits_sync: wire.awaits_sync,
                    },
                },
                Change::Left(left) => Self::Left { member_id: left.member_id.into() },
            },
        )
    }
}

impl From<&ConsumerMember> for WireMember {
    fn from(member: &ConsumerMember) -> Self {
        let text = |text: &Option<StrBytes>| text.as_ref().map(StrBytes::to_string);
        Self {
            id: member.id.to_string(),
            instance_id: text(&member.instance_id),
            rack_id: text(&member.rack_id),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            topics: member.topics.iter().map(StrBytes::to_string).collect(),
            regex: text(&member.regex),
            assignor: text(&member.assignor),
            classic: member.classic.as_ref().map(WireClassic::from),
        }
    }
}

impl From<WireMember> for ConsumerMember {
    fn from(wire: WireMember) -> Self {
        Self {
            id: wire.id.into(),
            instance_id: wire.instance_id.map(StrBytes::from),
            rack_id: wire.rack_id.map(StrBytes::from),
            client_id: wire.client_id.into(),
            client_host: wire.client_host.into(),
            rebalance_timeout_ms: wire.rebalance_timeout_ms,
            topics: wire.topics.into_iter().map(StrBytes::from).collect(),
            regex: wire.regex.map(StrBytes::from),
            assignor: wire.assignor.map(StrBytes::from),
            classic: wire.classic.map(ClassicMember::from),
        }
    }
}

impl From<&ClassicMember> for WireClassic {
    fn from(classic: &ClassicMember) -> Self {
        let protocols = classic.protocols.iter().map(WireProtocol::from);
        let session_timeout_ms = classic.session_timeout_ms;
        Self { session_timeout_ms, protocols: protocols.collect() }
    }
}

impl From<WireClassic> for ClassicMember {
    fn from(wire: WireClassic) -> Self {
        let protocols = wire.protocols.into_iter().map(WireProtocol::into_pair);
        let session_timeout_ms = wire.session_timeout_ms;
        Self { session_timeout_ms, protocols: protocols.collect() }
    }
}

fn state(wire: u32) -> Result<MemberState, RecordError> {
    let states =
        [MemberState::Stable, MemberState::UnrevokedPartitions, MemberState::UnreleasedPartitions];
    let found = states.into_iter().find(|state| *state as u32 == wire);
    found.ok_or(RecordError::Malformed("unknown state of a member"))
}

/// The id of a topic stands once before all its partitions.
fn by_topic(partitions: &Assignment) -> Vec<WireTopic> {
    let mut topics: Vec<(TopicId, Vec<i32>)> = Vec::new();
    for at in partitions {
        match topics.last_mut() {
            Some((topic, indexes)) if *topic == at.topic => indexes.push(at.index),
            _ => topics.push((at.topic, vec![at.index])),
        }
    }
    let topic = |(topic, indexes): (TopicId, Vec<i32>)| WireTopic {
        topic: Bytes::copy_from_slice(topic.as_bytes()),
        indexes,
    };
    topics.into_iter().map(topic).collect()
}

fn assignment(topics: Vec<WireTopic>) -> Result<Assignment, RecordError> {
    let mut partitions = Assignment::new();
    for wire in topics {
        let topic =
            TopicId::from_slice(&wire.topic).ok_or(RecordError::Malformed("topic id length"))?;
        partitions.extend(wire.indexes.into_iter().map(|index| TopicPartition { topic, index }));
    }
    Ok(partitions)
}
