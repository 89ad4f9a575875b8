//! The words of the scenarios: a [`World`] with a coordinator, its log and a clock, and
//! [`Client`]s that talk to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use coordinator::{
    Caller, Command, Config, Coordinator, Markers, Outputs, Record, Reply, Shard, Token,
};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::{TenantId, TopicId};
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::list_groups_response::ListedGroup;
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use protocol::messages::{
    DescribeGroupsRequest, JoinGroupResponse, ListGroupsRequest, OffsetFetchRequest,
    SyncGroupResponse,
};
use uuid::Uuid;

/// The internal partition, in the life of the coordinator of this number.
pub(crate) fn shard(incarnation: u64) -> Shard {
    Shard { topic: topic(999), count: 50, epoch: i32::try_from(incarnation).expect("few lives") }
}

/// The group that clients belong to unless told otherwise.
pub(crate) const GROUP: &str = "group";
pub(crate) const SESSION_MS: i64 = 10_000;
pub(crate) const REBALANCE_MS: i64 = 60_000;
pub(crate) const INITIAL_DELAY_MS: i64 = 3_000;

/// Topics called `topic-1`, `topic-2`, … by their number.
pub(crate) fn topic(number: u128) -> TopicId {
    TopicId(Uuid::from_u128(number))
}

mod client;
mod consumer;
mod producer;
mod topics;

pub(crate) use client::{Client, leave};
pub(crate) use consumer::{Consumer, HEARTBEAT_MS, heard, settle};
pub(crate) use producer::{PRODUCER_IDS, TRANSACTION_MS, TransactionalProducer, partition};
pub(crate) use topics::TopicTable;

/// What a consumer says it subscribes to.
pub(crate) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(topics.len() as i32);
    for topic in topics {
        bytes.put_i16(topic.len() as i16);
        bytes.put_slice(topic.as_bytes());
    }
    bytes.put_i32(-1);
    bytes.freeze()
}

/// The same of one that says what it has of `topic-1`, as of a generation.
pub(crate) fn owning(indexes: &[i32], generation: i32) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(2);
    bytes.put_slice(&subscription(&["topic-1"])[2..]);
    bytes.put_slice(&assignment(indexes)[2..]);
    bytes.truncate(bytes.len() - 4); // no user data after the partitions
    bytes.put_i32(generation);
    bytes.freeze()
}

/// Partitions of `topic-1` as an assignment of the embedded protocol.
pub(crate) fn assignment(indexes: &[i32]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(i32::from(!indexes.is_empty()));
    if !indexes.is_empty() {
        bytes.put_i16(7);
        bytes.put_slice(b"topic-1");
        bytes.put_i32(indexes.len() as i32);
        indexes.iter().for_each(|index| bytes.put_i32(*index));
    }
    bytes.put_i32(-1);
    bytes.freeze()
}

/// A coordinator, what it has written, and what it has answered.
pub(crate) struct World {
    pub(crate) coordinator: Coordinator,
    pub(crate) config: Config,
    /// The topics that there are.
    pub(crate) topics: Arc<TopicTable>,
    pub(crate) now_ms: i64,
    /// All records, as the log would hold them.
    pub(crate) log: Vec<Bytes>,
    /// What the host was given to write to partitions, and has not written.
    pub(crate) markers: Vec<Markers>,
    next_producer_id: i64,
    no_producer_ids: bool,
    answers: BTreeMap<Token, Reply>,
    next_token: u64,
    incarnation: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let topics = Arc::new(TopicTable::default());
        let shared = Arc::clone(&topics) as _;
        let mut coordinator = Coordinator::new(config.clone(), shard(0), 0, shared);
        let now_ms = 1_000_000;
        coordinator.loaded(now_ms);
        let mut world = Self {
            coordinator,
            markers: Vec::new(),
            next_producer_id: PRODUCER_IDS,
            no_producer_ids: false,
            config,
            topics,
            now_ms,
            log: Vec::new(),
            answers: BTreeMap::new(),
            next_token: 0,
            incarnation: 0,
        };
        world.bring_producer_ids();
        world
    }

    /// A world in which the first member makes the first generation.
    pub(crate) fn without_initial_delay() -> Self {
        Self::with(Config { initial_rebalance_delay_ms: 0, ..Config::default() })
    }

    /// Another coordinator takes over with nothing but the log.
    pub(crate) fn fail_over(&mut self) {
        self.incarnation += 1;
        let seed = self.incarnation;
        let (config, topics) = (self.config.clone(), Arc::clone(&self.topics) as _);
        let mut successor = Coordinator::new(config, shard(seed), seed, topics);
        for bytes in &self.log {
            successor.apply(&Record::decode(bytes).expect("the log is readable"));
        }
        successor.loaded(self.now_ms);
        self.coordinator = successor;
        self.markers = self.coordinator.unfinished();
        self.bring_producer_ids();
    }

    pub(crate) fn send(&mut self, caller: &Client, command: Command) -> Token {
        self.send_as(caller.tenant, caller.name, command)
    }

    pub(crate) fn send_as(
        &mut self,
        tenant: TenantId,
        name: &'static str,
        command: Command,
    ) -> Token {
        self.next_token += 1;
        let token = Token(self.next_token);
        let caller =
            Caller { tenant, token, client_id: name.into(), client_host: "/10.0.0.1".into() };
        let mut out = Outputs::default();
        self.coordinator.handle(self.now_ms, &caller, command, &mut out);
        self.absorb(out);
        token
    }

    /// Lets time pass, tick by tick as the timers want it.
    pub(crate) fn advance(&mut self, ms: i64) {
        let end_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.coordinator.next_deadline() {
            if deadline_ms > end_ms {
                break;
            }
            self.now_ms = self.now_ms.max(deadline_ms);
            self.tick();
        }
        self.now_ms = end_ms;
    }

    pub(crate) fn tick(&mut self) {
        let mut out = Outputs::default();
        self.coordinator.tick(self.now_ms, &mut out);
        self.absorb(out);
    }

    fn absorb(&mut self, out: Outputs) {
        self.log.extend(out.records.iter().map(Record::encode));
        self.markers.extend(out.markers);
        self.bring_producer_ids();
        for (token, reply) in out.replies {
            let before = self.answers.insert(token, reply);
            assert!(before.is_none(), "{token:?} was answered twice");
        }
    }

    pub(crate) fn is_waiting(&self, token: Token) -> bool {
        !self.answers.contains_key(&token)
    }

    pub(crate) fn answer(&self, token: Token) -> &Reply {
        self.answers.get(&token).unwrap_or_else(|| panic!("{token:?} waits for its answer"))
    }

    pub(crate) fn join_answer(&self, token: Token) -> &JoinGroupResponse {
        match self.answer(token) {
            Reply::JoinGroup(response) => response,
            other => panic!("not an answer to JoinGroup: {other:?}"),
        }
    }

    pub(crate) fn sync_answer(&self, token: Token) -> &SyncGroupResponse {
        match self.answer(token) {
            Reply::SyncGroup(response) => response,
            other => panic!("not an answer to SyncGroup: {other:?}"),
        }
    }

    /// The error of an answer that has one error for all.
    pub(crate) fn error(&self, token: Token) -> ErrorCode {
        ErrorCode::from_code(match self.answer(token) {
            Reply::JoinGroup(response) => response.error_code,
            Reply::SyncGroup(response) => response.error_code,
            Reply::Heartbeat(response) => response.error_code,
            Reply::LeaveGroup(response) => response.error_code,
            Reply::ConsumerGroupHeartbeat(response) => response.error_code,
            Reply::OffsetCommit(response) => response.topics[0].partitions[0].error_code,
            Reply::OffsetDelete(response) if response.error_code == 0 => {
                response.topics[0].partitions[0].error_code
            }
            Reply::OffsetDelete(response) => response.error_code,
            Reply::DeleteGroups(response) => response.results[0].error_code,
            Reply::DescribeGroups(response) => response.groups[0].error_code,
            other => panic!("no single error in {other:?}"),
        })
    }

    /// Lets the clients be the members of a settled generation, each with an assignment. The first
    /// one of them that the coordinator chooses leads. Returns the leader's position.
    pub(crate) fn form(&mut self, clients: &mut [&mut Client]) -> usize {
        let tokens: Vec<Token> = clients.iter_mut().map(|client| client.join(self)).collect();
        self.advance(INITIAL_DELAY_MS * 3);
        self.settle(clients, &tokens)
    }

    /// Lets the clients, whose JoinGroups were answered, finish the rebalance.
    pub(crate) fn settle(&mut self, clients: &mut [&mut Client], tokens: &[Token]) -> usize {
        for (client, token) in clients.iter_mut().zip(tokens) {
            let response = self.join_answer(*token).clone();
            assert_eq!(response.error_code, 0, "{} joins", client.name);
            client.absorb(&response);
        }
        let leader = clients.iter().position(|client| client.leads).expect("somebody leads");
        let ids: Vec<StrBytes> = clients.iter().map(|client| client.member_id.clone()).collect();
        let token = clients[leader].sync_with(self, &ids);
        assert_eq!(self.error(token), ErrorCode::None);
        for client in clients.iter_mut() {
            let token = client.sync(self);
            assert_eq!(self.sync_answer(token).assignment, assignment_of(&client.member_id));
            assert_eq!(client.heartbeat(self), ErrorCode::None, "its session starts here");
        }
        leader
    }

    pub(crate) fn describe(&mut self, group: &'static str) -> DescribedGroup {
        let request =
            DescribeGroupsRequest::default().with_groups(vec![StrBytes::from(group).into()]);
        let command = Command::DescribeGroups(request);
        let token = self.send_as(TenantId::DEFAULT, "admin", command);
        let Reply::DescribeGroups(response) = self.answer(token) else {
            panic!("not a description")
        };
        response.groups[0].clone()
    }

    pub(crate) fn state(&mut self, group: &'static str) -> String {
        self.describe(group).group_state.to_string()
    }

    pub(crate) fn list(
        &mut self,
        states: &[&'static str],
        types: &[&'static str],
    ) -> Vec<ListedGroup> {
        let request = ListGroupsRequest::default()
            .with_states_filter(states.iter().map(|state| (*state).into()).collect())
            .with_types_filter(types.iter().map(|kind| (*kind).into()).collect());
        let token = self.send_as(TenantId::DEFAULT, "admin", Command::ListGroups(request));
        let Reply::ListGroups(response) = self.answer(token) else { panic!("not a list") };
        response.groups.clone()
    }

    /// A committed position of [`GROUP`], with metadata and leader epoch.
    pub(crate) fn committed(&mut self, at: (u128, i32)) -> (i64, String, i32) {
        self.committed_by(GROUP, at)
    }

    pub(crate) fn committed_by(
        &mut self,
        group: &'static str,
        at: (u128, i32),
    ) -> (i64, String, i32) {
        let topics = OffsetFetchRequestTopics::default()
            .with_topic_id(topic(at.0).0)
            .with_partition_indexes(vec![at.1]);
        let fetched = self.fetch(group, Some(vec![topics]));
        let partition = &fetched.topics[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        let metadata = partition.metadata.as_ref().expect("metadata is never null");
        (partition.committed_offset, metadata.to_string(), partition.committed_leader_epoch)
    }

    pub(crate) fn fetch(
        &mut self,
        group: &'static str,
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    ) -> OffsetFetchResponseGroup {
        self.fetch_as(group, topics, false)
    }

    /// OffsetFetch of a client that wants only what no transaction can change any more.
    pub(crate) fn fetch_stable(
        &mut self,
        group: &'static str,
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    ) -> OffsetFetchResponseGroup {
        self.fetch_as(group, topics, true)
    }

    fn fetch_as(
        &mut self,
        group: &'static str,
        topics: Option<Vec<OffsetFetchRequestTopics>>,
        stable: bool,
    ) -> OffsetFetchResponseGroup {
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(StrBytes::from(group).into())
            .with_topics(topics);
        let request =
            OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(stable);
        let token = self.send_as(TenantId::DEFAULT, "c", Command::OffsetFetch(request));
        let Reply::OffsetFetch(response) = self.answer(token) else { panic!("no offsets") };
        response.groups[0].clone()
    }

    /// A stable position of [`GROUP`], or why there is none.
    pub(crate) fn stable_offset(&mut self, at: (u128, i32)) -> Result<i64, ErrorCode> {
        let topics = OffsetFetchRequestTopics::default()
            .with_topic_id(topic(at.0).0)
            .with_partition_indexes(vec![at.1]);
        let fetched = self.fetch_stable(GROUP, Some(vec![topics]));
        let partition = &fetched.topics[0].partitions[0];
        match ErrorCode::from_code(partition.error_code) {
            ErrorCode::None => Ok(partition.committed_offset),
            code => Err(code),
        }
    }
}

/// What [`World::settle`]'s leader assigns to a member.
pub(crate) fn assignment_of(member_id: &StrBytes) -> Bytes {
    Bytes::from(format!("assigned to {member_id}"))
}
