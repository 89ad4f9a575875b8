//! The client of the consumer protocol (KIP-848): it says what it wants and has, and does as it is
//! told, unless it is stubborn.

use std::collections::BTreeSet;

use coordinator::{Command, Record, Reply, Token};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::consumer_group_describe_response::DescribedGroup;
use protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    OffsetCommitRequest, OffsetFetchRequest,
};

use super::{GROUP, REBALANCE_MS, World, topic};

pub(crate) const HEARTBEAT_MS: i64 = 5_000;

/// A consumer as its client library sees it.
#[derive(Debug, Clone)]
pub(crate) struct Consumer {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) member_id: StrBytes,
    pub(crate) instance: Option<&'static str>,
    pub(crate) epoch: i32,
    pub(crate) topics: Vec<&'static str>,
    pub(crate) regex: Option<&'static str>,
    pub(crate) assignor: Option<&'static str>,
    /// What it has, by the topic's number and the partition.
    pub(crate) owned: BTreeSet<(u128, i32)>,
    /// Keeps what it was told to give back.
    pub(crate) stubborn: bool,
}

impl Consumer {
    pub(crate) fn new(name: &'static str, topics: &[&'static str]) -> Self {
        Self {
            name,
            group: GROUP,
            member_id: name.into(),
            instance: None,
            epoch: 0,
            topics: topics.to_vec(),
            regex: None,
            assignor: None,
            owned: BTreeSet::new(),
            stubborn: false,
        }
    }

    pub(crate) fn matching(name: &'static str, regex: &'static str) -> Self {
        Self { regex: Some(regex), ..Self::new(name, &[]) }
    }

    pub(crate) fn with_instance(
        name: &'static str,
        instance: &'static str,
        topics: &[&'static str],
    ) -> Self {
        Self { instance: Some(instance), ..Self::new(name, topics) }
    }

    /// The same consumer in a new process, under a new member id.
    pub(crate) fn restarted(&self, member_id: &'static str) -> Self {
        let member_id = member_id.into();
        Self { member_id, epoch: 0, owned: BTreeSet::new(), ..self.clone() }
    }

    /// A heartbeat with what it has, and nothing that the coordinator knows.
    pub(crate) fn request(&self) -> ConsumerGroupHeartbeatRequest {
        let owned = self.owned.iter().map(|(number, index)| {
            TopicPartitions::default().with_topic_id(topic(*number).0).with_partitions(vec![*index])
        });
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(StrBytes::from(self.group).into())
            .with_member_id(self.member_id.clone())
            .with_member_epoch(self.epoch)
            .with_instance_id(self.instance.map(StrBytes::from))
            .with_rebalance_timeout_ms(-1)
            .with_topic_partitions(Some(owned.collect()))
    }

    /// A heartbeat with everything in it.
    pub(crate) fn full_request(&self) -> ConsumerGroupHeartbeatRequest {
        let names = self.topics.iter().map(|name| StrBytes::from(*name).into());
        self.request()
            .with_rebalance_timeout_ms(REBALANCE_MS as i32)
            .with_subscribed_topic_names(Some(names.collect()))
            .with_subscribed_topic_regex(self.regex.map(StrBytes::from))
            .with_server_assignor(self.assignor.map(StrBytes::from))
    }

    pub(crate) fn send(&self, world: &mut World, request: ConsumerGroupHeartbeatRequest) -> Token {
        let command = Command::ConsumerGroupHeartbeat(request);
        world.send_as(TenantId::DEFAULT, self.name, command)
    }

    /// Sends a request and does as it is told.
    pub(crate) fn ask(
        &mut self,
        world: &mut World,
        request: ConsumerGroupHeartbeatRequest,
    ) -> ErrorCode {
        let token = self.send(world, request);
        let response = heard(world, token);
        if response.error_code == 0 {
            self.absorb(&response);
        }
        ErrorCode::from_code(response.error_code)
    }

    pub(crate) fn join(&mut self, world: &mut World) -> ErrorCode {
        self.epoch = 0;
        self.owned.clear();
        let request = self.full_request();
        self.ask(world, request)
    }

    pub(crate) fn heartbeat(&mut self, world: &mut World) -> ErrorCode {
        let request = self.request();
        self.ask(world, request)
    }

    /// What a client library does next: joins if it must, else sends a heartbeat.
    pub(crate) fn consume(&mut self, world: &mut World) {
        let outcome = if self.epoch <= 0 { self.join(world) } else { self.heartbeat(world) };
        if outcome != ErrorCode::None {
            self.epoch = 0;
            self.owned.clear();
        }
    }

    pub(crate) fn leave(&mut self, world: &mut World) -> ErrorCode {
        self.farewell(world, -1)
    }

    /// A static member says that it will be back.
    pub(crate) fn leave_for_a_while(&mut self, world: &mut World) -> ErrorCode {
        self.farewell(world, -2)
    }

    fn farewell(&mut self, world: &mut World, epoch: i32) -> ErrorCode {
        let request = self.request().with_member_epoch(epoch).with_topic_partitions(None);
        let token = self.send(world, request);
        self.epoch = 0;
        self.owned.clear();
        world.error(token)
    }

    fn absorb(&mut self, response: &ConsumerGroupHeartbeatResponse) {
        self.member_id = response.member_id.clone().expect("a member is told its id");
        self.epoch = response.member_epoch;
        if let Some(assignment) = &response.assignment {
            let partitions = assignment.topic_partitions.iter().flat_map(|topic| {
                topic.partitions.iter().map(|index| (topic.topic_id.as_u128(), *index))
            });
            let told: BTreeSet<(u128, i32)> = partitions.collect();
            if !self.stubborn {
                self.owned.clear();
            }
            self.owned.extend(told);
        }
    }

    pub(crate) fn commit(&self, world: &mut World, at: (u128, i32), offset: i64) -> ErrorCode {
        self.commit_in(world, at, offset, 9)
    }

    /// The same with this version of OffsetCommit.
    pub(crate) fn commit_in(
        &self,
        world: &mut World,
        at: (u128, i32),
        offset: i64,
        version: i16,
    ) -> ErrorCode {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(at.1)
            .with_committed_offset(offset);
        let topic = OffsetCommitRequestTopic::default()
            .with_topic_id(topic(at.0).0)
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(StrBytes::from(self.group).into())
            .with_generation_id_or_member_epoch(self.epoch)
            .with_member_id(self.member_id.clone())
            .with_topics(vec![topic]);
        let command = Command::OffsetCommit(request, version);
        let token = world.send_as(TenantId::DEFAULT, self.name, command);
        world.error(token)
    }

    /// Reads an offset as a member at its epoch.
    pub(crate) fn fetch(&self, world: &mut World, at: (u128, i32)) -> Result<i64, ErrorCode> {
        let topics = OffsetFetchRequestTopics::default()
            .with_topic_id(topic(at.0).0)
            .with_partition_indexes(vec![at.1]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(StrBytes::from(self.group).into())
            .with_member_id(Some(self.member_id.clone()))
            .with_member_epoch(self.epoch)
            .with_topics(Some(vec![topics]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let token = world.send_as(TenantId::DEFAULT, self.name, Command::OffsetFetch(request));
        let Reply::OffsetFetch(response) = world.answer(token) else { panic!("no offsets") };
        match response.groups[0].error_code {
            0 => Ok(response.groups[0].topics[0].partitions[0].committed_offset),
            code => Err(ErrorCode::from_code(code)),
        }
    }

    pub(crate) fn indexes(&self, number: u128) -> Vec<i32> {
        self.owned.iter().filter(|(of, _)| *of == number).map(|(_, index)| *index).collect()
    }
}

/// The answer to a heartbeat.
pub(crate) fn heard(world: &World, token: Token) -> ConsumerGroupHeartbeatResponse {
    match world.answer(token) {
        Reply::ConsumerGroupHeartbeat(response) => response.clone(),
        other => panic!("not an answer to a heartbeat: {other:?}"),
    }
}

/// Lets consumers that have joined send heartbeats until the group is at rest.
pub(crate) fn settle(world: &mut World, consumers: &mut [&mut Consumer]) {
    for _ in 0..4 {
        for consumer in consumers.iter_mut() {
            assert_eq!(consumer.heartbeat(world), ErrorCode::None, "{}", consumer.name);
        }
    }
    assert_eq!(world.describe_consumers(GROUP).group_state.as_str(), "Stable");
}

impl World {
    pub(crate) fn describe_consumers(&mut self, group: &'static str) -> DescribedGroup {
        let request = ConsumerGroupDescribeRequest::default()
            .with_group_ids(vec![StrBytes::from(group).into()]);
        let command = Command::ConsumerGroupDescribe(request);
        let token = self.send_as(TenantId::DEFAULT, "admin", command);
        let Reply::ConsumerGroupDescribe(response) = self.answer(token) else {
            panic!("not a description")
        };
        response.groups[0].clone()
    }

    /// A partition that two members of a consumer group may consume at once: a bug.
    pub(crate) fn shared_partition(&self) -> Option<String> {
        let mut held = BTreeSet::new();
        for record in self.coordinator.snapshot() {
            let Record::Consumer { change, .. } = record else { continue };
            let coordinator::ConsumerChange::Reconciled { member_id, current } = change else {
                continue;
            };
            for at in current.assigned.iter().chain(&current.revoking) {
                if !held.insert(*at) {
                    return Some(format!("{at:?} is with {member_id} and somebody else"));
                }
            }
        }
        None
    }
}
