//! What goes into the coordinator and what comes out of it.

use protocol::StrBytes;
use protocol::ids::TenantId;
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, DeleteGroupsResponse,
    DescribeGroupsRequest, DescribeGroupsResponse, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
    SyncGroupResponse,
};

use crate::record::Record;

/// Ties a reply to the request it answers. Chosen by the host; never reused while unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Who sent a command, and where its answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose groups are meant. A tenant can name no group of another (R56).
    pub tenant: TenantId,
    /// Comes back with the reply.
    pub token: Token,
    /// Starts the member ids that this client is given, and is shown by DescribeGroups.
    pub client_id: StrBytes,
    /// The client's address as DescribeGroups shows it.
    pub client_host: StrBytes,
}

/// One request to the coordinator, in the newest form of its API; so are the replies. What a client
/// of an older version must see instead is the edge's business (R48).
///
/// Topics are named by id: in the message's topic id where it has one, else as the id's text in
/// the name field.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the Kafka request of its name")]
pub enum Command {
    JoinGroup(JoinGroupRequest),
    SyncGroup(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest),
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest),
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    OffsetDelete(OffsetDeleteRequest),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    DeleteGroups(DeleteGroupsRequest),
}

/// The answer to the [`Command`] of the same name.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the Kafka response of its name")]
pub enum Reply {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    ConsumerGroupDescribe(ConsumerGroupDescribeResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    OffsetDelete(OffsetDeleteResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
}

/// What a step of the coordinator wants done, in order.
///
/// The host appends `records` to the log as they stand and sends a reply only once every record
/// emitted so far, in this step and before it, is durable. A reply may show state that an earlier
/// record made: sent sooner, a crash would make a client's committed offset go back (C1). If the
/// records cannot be appended the coordinator's memory is ahead of the log; the host then drops
/// the coordinator and loads it again.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Answers, to this command or to ones that waited for it.
    pub replies: Vec<(Token, Reply)>,
    /// Changes of the durable state.
    pub records: Vec<Record>,
}

impl Outputs {
    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.records.is_empty()
    }
}
