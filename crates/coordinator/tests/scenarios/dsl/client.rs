//! The client of the scenarios: it remembers what it was told, as a client library does.

use bytes::Bytes;
use coordinator::{Command, Reply, Token};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest,
    SyncGroupRequest,
};

use super::{GROUP, REBALANCE_MS, SESSION_MS, World, assignment_of, subscription, topic};

/// A consumer as its client library sees it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    pub(crate) tenant: TenantId,
    pub(crate) group: &'static str,
    pub(crate) instance: Option<&'static str>,
    pub(crate) member_id: StrBytes,
    pub(crate) generation: i32,
    pub(crate) leads: bool,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) session_ms: i32,
    pub(crate) rebalance_ms: i32,
    pub(crate) protocol_type: &'static str,
    pub(crate) protocols: Vec<(&'static str, Bytes)>,
}

impl Client {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            tenant: TenantId::DEFAULT,
            group: GROUP,
            instance: None,
            member_id: StrBytes::new(),
            generation: -1,
            leads: false,
            protocol: None,
            session_ms: SESSION_MS as i32,
            rebalance_ms: REBALANCE_MS as i32,
            protocol_type: "consumer",
            protocols: vec![("range", subscription(&["topic-1"]))],
        }
    }

    pub(crate) fn with_instance(name: &'static str, instance: &'static str) -> Self {
        Self { instance: Some(instance), ..Self::new(name) }
    }

    pub(crate) fn speaking(name: &'static str, protocols: &[&'static str]) -> Self {
        let protocols = protocols.iter().map(|name| (*name, Bytes::from_static(b"meta")));
        Self { protocols: protocols.collect(), ..Self::new(name) }
    }

    /// The same consumer after a restart: it has forgotten its id.
    pub(crate) fn restarted(&self) -> Self {
        Self { member_id: StrBytes::new(), generation: -1, leads: false, ..self.clone() }
    }

    fn instance_id(&self) -> Option<StrBytes> {
        self.instance.map(StrBytes::from)
    }

    /// One JoinGroup, as things stand.
    pub(crate) fn send_join(&self, world: &mut World) -> Token {
        let protocols = self.protocols.iter().map(|(name, metadata)| {
            JoinGroupRequestProtocol::default()
                .with_name((*name).into())
                .with_metadata(metadata.clone())
        });
        let request = JoinGroupRequest::default()
            .with_group_id(StrBytes::from(self.group).into())
            .with_session_timeout_ms(self.session_ms)
            .with_rebalance_timeout_ms(self.rebalance_ms)
            .with_member_id(self.member_id.clone())
            .with_group_instance_id(self.instance_id())
            .with_protocol_type(self.protocol_type.into())
            .with_protocols(protocols.collect());
        world.send(self, Command::JoinGroup(request))
    }

    /// Joins; asks for an id first if it has none and must have one.
    pub(crate) fn join(&mut self, world: &mut World) -> Token {
        let token = self.send_join(world);
        if world.is_waiting(token) || world.error(token) != ErrorCode::MemberIdRequired {
            return token;
        }
        self.member_id = world.join_answer(token).member_id.clone();
        self.send_join(world)
    }

    /// Learns from the answer to its JoinGroup.
    pub(crate) fn absorb(&mut self, response: &JoinGroupResponse) {
        self.member_id = response.member_id.clone();
        self.generation = response.generation_id;
        self.protocol = response.protocol_name.clone();
        self.leads = response.leader == response.member_id;
    }

    pub(crate) fn sync(&self, world: &mut World) -> Token {
        self.sync_with(world, &[])
    }

    /// SyncGroup as a leader that assigns to these members.
    pub(crate) fn sync_with(&self, world: &mut World, members: &[StrBytes]) -> Token {
        let assignments = members.iter().map(|id| {
            SyncGroupRequestAssignment::default()
                .with_member_id(id.clone())
                .with_assignment(assignment_of(id))
        });
        let request = self.sync_request().with_assignments(assignments.collect());
        world.send(self, Command::SyncGroup(request))
    }

    pub(crate) fn sync_request(&self) -> SyncGroupRequest {
        SyncGroupRequest::default()
            .with_group_id(StrBytes::from(self.group).into())
            .with_generation_id(self.generation)
            .with_member_id(self.member_id.clone())
            .with_group_instance_id(self.instance_id())
            .with_protocol_type(self.protocol.as_ref().map(|_| self.protocol_type.into()))
            .with_protocol_name(self.protocol.clone())
    }

    pub(crate) fn heartbeat(&self, world: &mut World) -> ErrorCode {
        let request = HeartbeatRequest::default()
            .with_group_id(StrBytes::from(self.group).into())
            .with_generation_id(self.generation)
            .with_member_id(self.member_id.clone())
            .with_group_instance_id(self.instance_id());
        let token = world.send(self, Command::Heartbeat(request));
        world.error(token)
    }

    pub(crate) fn leave(&self, world: &mut World) -> ErrorCode {
        let identity = MemberIdentity::default()
            .with_member_id(self.member_id.clone())
            .with_group_instance_id(self.instance_id());
        leave(world, self, vec![identity])[0]
    }

    pub(crate) fn commit(&self, world: &mut World, at: (u128, i32), offset: i64) -> ErrorCode {
        let token = self.send_commit(world, at, offset, Some("".into()));
        world.error(token)
    }

    pub(crate) fn send_commit(
        &self,
        world: &mut World,
        at: (u128, i32),
        offset: i64,
        metadata: Option<StrBytes>,
    ) -> Token {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(at.1)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(7)
            .with_committed_metadata(metadata);
        let named = OffsetCommitRequestTopic::default()
            .with_name(StrBytes::from(topic(at.0).simple_text()).into())
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(StrBytes::from(self.group).into())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(self.member_id.clone())
            .with_group_instance_id(self.instance_id())
            .with_topics(vec![named]);
        // What Java's clients of the classic protocol spoke for years.
        world.send(self, Command::OffsetCommit(request, 8))
    }
}

/// LeaveGroup for several members; the outcome of each.
pub(crate) fn leave(
    world: &mut World,
    caller: &Client,
    who: Vec<MemberIdentity>,
) -> Vec<ErrorCode> {
    let request = LeaveGroupRequest::default()
        .with_group_id(StrBytes::from(caller.group).into())
        .with_members(who);
    let token = world.send(caller, Command::LeaveGroup(request));
    let Reply::LeaveGroup(response) = world.answer(token) else { panic!("not a farewell") };
    assert_eq!(response.error_code, 0);
    response.members.iter().map(|member| ErrorCode::from_code(member.error_code)).collect()
}
