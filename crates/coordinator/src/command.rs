//! What goes into the coordinator and what comes out of it.

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse, EndTxnRequest, EndTxnResponse,
    HeartbeatRequest, HeartbeatResponse, InitProducerIdRequest, InitProducerIdResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, ListTransactionsRequest, ListTransactionsResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, SyncGroupRequest, SyncGroupResponse, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};

use crate::offsets::Marker;
use crate::record::Record;
use crate::transactions::{AddPartitions, Markers, MarkersWritten, TransactionVersion};

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
    /// With the version that its client speaks: before 9 it knows no epochs of members.
    OffsetCommit(OffsetCommitRequest, i16),
    OffsetFetch(OffsetFetchRequest),
    OffsetDelete(OffsetDeleteRequest),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    DeleteGroups(DeleteGroupsRequest),
    TxnOffsetCommit(TxnOffsetCommitRequest),
    /// A transaction is over in which groups of this partition may have offsets.
    WriteMarker(Marker),
    InitProducerId(InitProducerIdRequest),
    /// AddPartitionsToTxn, also from a partition on its own behalf (KIP-890).
    AddPartitions(AddPartitions),
    AddOffsetsToTxn(AddOffsetsToTxnRequest),
    EndTxn(EndTxnRequest, TransactionVersion),
    /// From the host, who was given the [`Markers`].
    MarkersWritten(MarkersWritten),
    DescribeTransactions(DescribeTransactionsRequest),
    ListTransactions(ListTransactionsRequest),
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
    TxnOffsetCommit(TxnOffsetCommitResponse),
    Marker(ErrorCode),
    InitProducerId(InitProducerIdResponse),
    /// The outcome for each partition, in the order of the command.
    AddPartitions(Vec<ErrorCode>),
    AddOffsetsToTxn(AddOffsetsToTxnResponse),
    EndTxn(EndTxnResponse),
    MarkersWritten,
    DescribeTransactions(DescribeTransactionsResponse),
    ListTransactions(ListTransactionsResponse),
}

/// What a step of the coordinator wants done, in order.
///
/// The host appends `records` to the log as they stand and lets replies and markers go only once
/// every record emitted so far, in this step and before it, is durable (R39). A reply may show state that an earlier
/// record made: sent sooner, a crash would make a client's committed offset go back (C1). If the
/// records cannot be appended the coordinator's memory is ahead of the log; the host then drops
/// the coordinator and loads it again.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Answers, to this command or to ones that waited for it.
    pub replies: Vec<(Token, Reply)>,
    /// Changes of the durable state.
    pub records: Vec<Record>,
    /// Ends of transactions, to be told to the partitions. The host does not rest until all of
    /// them know, and says so with [`Command::MarkersWritten`].
    pub markers: Vec<Markers>,
}

impl Outputs {
    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.records.is_empty() && self.markers.is_empty()
    }
}
