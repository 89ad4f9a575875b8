//! The hop's APIs: one row each, one version each per release.
//!
//! Clients speak many versions of an API; the gateway translates at the edge, and behind it
//! there is only the version pinned here (R48). What a connection speaks is that of the release
//! its ends agreed on (ADR 0035), so a pinned version, a key or a message changes with a release
//! only: a row says `was 12` or `was none` of the release before, and [`Release::THIS`] is raised
//! once for all that a release changes. The next release drops these words.

use bytes::Bytes;
use protocol::{
    DecodeError, EncodeError,
    fetch::FetchResponse,
    messages::{
        AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AlterClientQuotasRequest,
        AlterClientQuotasResponse, AlterUserScramCredentialsRequest,
        AlterUserScramCredentialsResponse, ConsumerGroupDescribeRequest,
        ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse, CreateAclsRequest, CreateAclsResponse,
        CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
        CreateTopicsResponse, DeleteAclsRequest, DeleteAclsResponse, DeleteGroupsRequest,
        DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest,
        DeleteTopicsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
        DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest,
        DescribeProducersResponse, DescribeTransactionsRequest, DescribeTransactionsResponse,
        EndTxnRequest, EndTxnResponse, FetchRequest, HeartbeatRequest, HeartbeatResponse,
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, InitProducerIdRequest,
        InitProducerIdResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest,
        ListOffsetsResponse, ListTransactionsRequest, ListTransactionsResponse,
        OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
        OffsetFetchRequest, OffsetFetchResponse, OffsetForLeaderEpochRequest,
        OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse, SyncGroupRequest,
        SyncGroupResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    },
    release::Release,
    rope::{Rope, RopeMut},
};

use crate::{
    internal::{
        AddTxnPartitionsRequest, AddTxnPartitionsResponse, AllocateProducerIdsRequest,
        AllocateProducerIdsResponse, ChangePlacementRequest, ChangePlacementResponse,
        ChangeTenantRequest, ChangeTenantResponse, CleaningWorkRequest, CleaningWorkResponse,
        ColdFetchRequest, ColdFetchResponse, ColdSearchRequest, ColdSearchResponse,
        CommitCompactionRequest, CommitCompactionResponse, CompactionWorkRequest,
        CompactionWorkResponse, DescribeLoadRequest, DescribeLoadResponse, EndIncarnationRequest,
        EndIncarnationResponse, FinishReleaseRequest, FinishReleaseResponse, OpenPartitionsRequest,
        OpenPartitionsResponse, PingRequest, PingResponse, PlanRequest, PlanResponse, ProbeRequest,
        ProbeResponse, ReleasePartitionRequest, ReleasePartitionResponse, ShareQuotasRequest,
        ShareQuotasResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
    },
    wire::Wire,
};

/// A message that asks for something over the hop, and the type of its answer.
pub trait Call: Send + Sized + 'static {
    /// What answers it.
    type Answer: Send + 'static;

    /// As a member of the set of all requests.
    fn into_request(self) -> Request;

    /// The answer out of the set of all responses; `None` if it answers another API.
    fn answer(response: Response) -> Option<Self::Answer>;
}

/// An API's versions in the release before this one, and in this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Versions([Option<i16>; 2]);

impl Versions {
    const fn of(self, release: Release) -> Option<i16> {
        self.0[(release.number() > Release::PREVIOUS.number()) as usize]
    }
}

macro_rules! versions {
    ($version:literal) => {
        Versions([Some($version), Some($version)])
    };
    ($version:literal none) => {
        Versions([None, Some($version)])
    };
    ($version:literal $previous:literal) => {
        Versions([Some($previous), Some($version)])
    };
}

macro_rules! apis {
    ($($(#[doc = $doc:literal])* $name:ident = $key:literal v $version:literal $(was $was:tt)?:
        $request:ty => $response:ty,)*) => {
        /// An API of the hop.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Api {
            $($(#[doc = $doc])* $name,)*
        }

        impl Api {
            /// Every API, in the order of the table.
            pub const ALL: &'static [Api] = &[$(Api::$name,)*];

            /// The key on the wire: Kafka's own below 10,000, ours from there on.
            pub const fn key(self) -> i16 {
                match self { $(Api::$name => $key,)* }
            }

            /// The one version that request and response have behind the gateway, in this release.
            pub const fn version(self) -> i16 {
                match self { $(Api::$name => $version,)* }
            }

            /// The one that they have between processes that behave as `release`; `None` if it
            /// lacks the API.
            pub const fn version_in(self, release: Release) -> Option<i16> {
                const VERSIONS: &[Versions] = &[$(versions!($version $($was)?),)*];
                VERSIONS[self as usize].of(release)
            }

            /// The name, for metrics and logs.
            pub const fn name(self) -> &'static str {
                match self { $(Api::$name => stringify!($name),)* }
            }

            /// The API of this key, if this is its version in `release`.
            pub fn from_wire(key: i16, version: i16, release: Release) -> Option<Self> {
                let api = match key {
                    $($key => Api::$name,)*
                    _ => return None,
                };
                (api.version_in(release) == Some(version)).then_some(api)
            }
        }

        /// What is asked.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[doc = $doc])* $name($request),)*
        }

        /// What is answered: always the variant of the same name as the request.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Response {
            $($(#[doc = $doc])* $name($response),)*
        }

        impl Request {
            /// Which API this calls.
            pub const fn api(&self) -> Api {
                match self { $(Request::$name(_) => Api::$name,)* }
            }

            pub(crate) fn encode(&self, version: i16) -> Result<Rope, EncodeError> {
                let mut rope = RopeMut::new();
                match self {
                    $(Request::$name(message) => message.encode_wire(version, &mut rope)?,)*
                }
                Ok(rope.finish())
            }

            pub(crate) fn decode(
                api: Api,
                version: i16,
                body: Bytes,
            ) -> Result<Self, DecodeError> {
                Ok(match api {
                    $(Api::$name => Request::$name(Wire::decode_wire(version, body)?),)*
                })
            }
        }

        impl Response {
            /// Which API this answers.
            pub const fn api(&self) -> Api {
                match self { $(Response::$name(_) => Api::$name,)* }
            }

            pub(crate) fn encode(&self, version: i16) -> Result<Rope, EncodeError> {
                let mut rope = RopeMut::new();
                match self {
                    $(Response::$name(message) => message.encode_wire(version, &mut rope)?,)*
                }
                Ok(rope.finish())
            }

            pub(crate) fn decode(
                api: Api,
                version: i16,
                body: Bytes,
            ) -> Result<Self, DecodeError> {
                Ok(match api {
                    $(Api::$name => Response::$name(Wire::decode_wire(version, body)?),)*
                })
            }
        }

        $(
            impl Call for $request {
                type Answer = $response;

                fn into_request(self) -> Request {
                    Request::$name(self)
                }

                fn answer(response: Response) -> Option<$response> {
                    match response {
                        Response::$name(answer) => Some(answer),
                        _ => None,
                    }
                }
            }
        )*
    };
}

apis! {
    /// Append record batches. By topic id; the expected epoch is in [`crate::expected_epoch`].
    Produce = 0 v 13: ProduceRequest => ProduceResponse,
    /// Read record batches that the owner still holds. By topic id.
    Fetch = 1 v 17: FetchRequest => FetchResponse,
    /// Offset of a timestamp. The name field carries the topic id; where a search goes on is in
    /// [`crate::search_from`]. OFFSET_MOVED_TO_TIERED_STORAGE: a cold reader has to look, from the
    /// offset in the answer on, for the timestamp in it.
    ListOffsets = 2 v 9: ListOffsetsRequest => ListOffsetsResponse,
    /// Commit a group's offsets. The name field carries the topic id.
    OffsetCommit = 8 v 9: OffsetCommitRequest => OffsetCommitResponse,
    /// Read a group's offsets. The name field carries the topic id.
    OffsetFetch = 9 v 9: OffsetFetchRequest => OffsetFetchResponse,
    /// Join a group.
    JoinGroup = 11 v 9: JoinGroupRequest => JoinGroupResponse,
    /// Stay in a group.
    Heartbeat = 12 v 4: HeartbeatRequest => HeartbeatResponse,
    /// Leave a group.
    LeaveGroup = 13 v 5: LeaveGroupRequest => LeaveGroupResponse,
    /// Hand out or receive a group's assignment.
    SyncGroup = 14 v 5: SyncGroupRequest => SyncGroupResponse,
    /// Describe groups.
    DescribeGroups = 15 v 6: DescribeGroupsRequest => DescribeGroupsResponse,
    /// List the groups of one coordinator.
    ListGroups = 16 v 5: ListGroupsRequest => ListGroupsResponse,
    /// Create topics; control only. By name.
    CreateTopics = 19 v 7: CreateTopicsRequest => CreateTopicsResponse,
    /// Delete topics; control only.
    DeleteTopics = 20 v 6: DeleteTopicsRequest => DeleteTopicsResponse,
    /// Move log starts up. The name field carries the topic id.
    DeleteRecords = 21 v 2: DeleteRecordsRequest => DeleteRecordsResponse,
    /// Give a producer its id.
    InitProducerId = 22 v 5: InitProducerIdRequest => InitProducerIdResponse,
    /// Where an epoch ended. The name field carries the topic id.
    OffsetForLeaderEpoch = 23 v 4: OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse,
    /// Make a group's offsets part of a transaction.
    AddOffsetsToTxn = 25 v 4: AddOffsetsToTxnRequest => AddOffsetsToTxnResponse,
    /// End a transaction. What the client speaks is in [`crate::transaction_version`].
    EndTxn = 26 v 5: EndTxnRequest => EndTxnResponse,
    /// Commit a group's offsets in a transaction. The name field carries the topic id; what the
    /// client speaks is in [`crate::transaction_version`].
    TxnOffsetCommit = 28 v 5: TxnOffsetCommitRequest => TxnOffsetCommitResponse,
    /// Create access control entries; control only.
    CreateAcls = 30 v 3: CreateAclsRequest => CreateAclsResponse,
    /// Delete access control entries; control only.
    DeleteAcls = 31 v 3: DeleteAclsRequest => DeleteAclsResponse,
    /// How large partitions are. The name field carries the topic id.
    DescribeLogDirs = 35 v 4: DescribeLogDirsRequest => DescribeLogDirsResponse,
    /// Add partitions to topics; control only. By name.
    CreatePartitions = 37 v 3: CreatePartitionsRequest => CreatePartitionsResponse,
    /// Delete groups.
    DeleteGroups = 42 v 2: DeleteGroupsRequest => DeleteGroupsResponse,
    /// Change configs of topics; control only. By name.
    IncrementalAlterConfigs = 44 v 1:
        IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse,
    /// Delete a group's offsets. The name field carries the topic id.
    OffsetDelete = 47 v 0: OffsetDeleteRequest => OffsetDeleteResponse,
    /// Change client quotas; control only.
    AlterClientQuotas = 49 v 1: AlterClientQuotasRequest => AlterClientQuotasResponse,
    /// Set and delete SCRAM credentials; control only. The field of the salted password carries
    /// stored key and server key, one after the other: who has the salted password can log in.
    AlterUserScramCredentials = 51 v 0:
        AlterUserScramCredentialsRequest => AlterUserScramCredentialsResponse,
    /// What is known of a partition's producers. The name field carries the topic id.
    DescribeProducers = 61 v 0: DescribeProducersRequest => DescribeProducersResponse,
    /// Join, stay in or leave a consumer group.
    ConsumerGroupHeartbeat = 68 v 1:
        ConsumerGroupHeartbeatRequest => ConsumerGroupHeartbeatResponse,
    /// Describe consumer groups. Topics are named as clients name them.
    ConsumerGroupDescribe = 69 v 1:
        ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse,
    /// Describe transactions. The topic field carries the topic id.
    DescribeTransactions = 65 v 0: DescribeTransactionsRequest => DescribeTransactionsResponse,
    /// List the transactional ids of one node's coordinators.
    ListTransactions = 66 v 2: ListTransactionsRequest => ListTransactionsResponse,
    /// Ask the owner for a plan to read offsets that it no longer holds.
    Plan = 10_000 v 0: PlanRequest => PlanResponse,
    /// Read along a plan, from a cold reader.
    ColdFetch = 10_001 v 0: ColdFetchRequest => ColdFetchResponse,
    /// Look for the first record of a time along a plan, with a cold reader.
    ColdSearch = 10_010 v 0: ColdSearchRequest => ColdSearchResponse,
    /// Control tells a node that partitions are its own now.
    OpenPartitions = 10_002 v 0: OpenPartitionsRequest => OpenPartitionsResponse,
    /// A node asks control for a block of producer ids.
    AllocateProducerIds = 10_003 v 0:
        AllocateProducerIdsRequest => AllocateProducerIdsResponse,
    /// Is this node there and well?
    Ping = 10_004 v 0: PingRequest => PingResponse,
    /// Can this node reach that one?
    Probe = 10_005 v 0: ProbeRequest => ProbeResponse,
    /// Control asks a node to end the incarnation of another.
    EndIncarnation = 10_006 v 0: EndIncarnationRequest => EndIncarnationResponse,
    /// A partition's next owner asks the present one to close it.
    ReleasePartition = 10_007 v 0: ReleasePartitionRequest => ReleasePartitionResponse,
    /// Control asks a node what it and its partitions do.
    DescribeLoad = 10_008 v 0: DescribeLoadRequest => DescribeLoadResponse,
    /// Change where partitions may be; control only.
    ChangePlacement = 10_009 v 0: ChangePlacementRequest => ChangePlacementResponse,
    /// A gateway asks control for its shares of quotas.
    ShareQuotas = 10_040 v 0: ShareQuotasRequest => ShareQuotasResponse,
    /// A compactor asks a node what is to be rewritten.
    CompactionWork = 10_020 v 0: CompactionWorkRequest => CompactionWorkResponse,
    /// A compactor asks the owner to commit what it rewrote.
    CommitCompaction = 10_021 v 0: CommitCompactionRequest => CommitCompactionResponse,
    /// A compactor asks a node which partition is to be compacted by key.
    CleaningWork = 10_022 v 0: CleaningWorkRequest => CleaningWorkResponse,
    /// Let the cluster write what the releases before this one cannot read; control only.
    FinishRelease = 10_060 v 0 was none: FinishReleaseRequest => FinishReleaseResponse,
    /// An operator makes, changes or deletes a tenant; control only.
    ChangeTenant = 10_050 v 0: ChangeTenantRequest => ChangeTenantResponse,
    /// A transaction coordinator ends transactions in a node's partitions.
    WriteTxnMarkers = 10_030 v 0: WriteTxnMarkersRequest => WriteTxnMarkersResponse,
    /// A partition's owner asks a transaction coordinator before the first batch.
    AddTxnPartitions = 10_031 v 0: AddTxnPartitionsRequest => AddTxnPartitionsResponse,
}

#[cfg(test)]
mod tests;
