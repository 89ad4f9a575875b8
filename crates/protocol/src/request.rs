//! Client requests: the only place where bytes of a client become a message.

use bytes::Bytes;
use kafka_protocol::protocol::Decodable;

use crate::error::{DecodeError, EncodeError, ProtocolError};
use crate::header::RequestHeader;
use crate::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterClientQuotasRequest,
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest,
    AlterUserScramCredentialsRequest, ApiKey, ApiVersionsRequest, ConsumerGroupDescribeRequest,
    ConsumerGroupHeartbeatRequest, CreateAclsRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteAclsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeAclsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeTopicPartitionsRequest, DescribeTransactionsRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, EndTxnRequest, FetchRequest,
    FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListConfigResourcesRequest,
    ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest,
    ListTransactionsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest, SaslAuthenticateRequest,
    SaslHandshakeRequest, SyncGroupRequest, TxnOffsetCommitRequest,
};
use crate::rope::RopeMut;
use crate::{preflight, versions};

macro_rules! client_requests {
    ($($api:ident($message:ident))*) => {
        /// A request of a client, decoded. Record sets in it are slices of the frame.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "the names are Kafka's")]
        pub enum ClientRequest {
            $($api($message),)*
        }

        impl ClientRequest {
            /// Which API this is a request of.
            pub fn api(&self) -> ApiKey {
                match self {
                    $(Self::$api(_) => ApiKey::$api,)*
                }
            }

            /// Appends the body as a client would send it: for our own clients and tests.
            pub fn encode_body(&self, version: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
                match self {
                    $(Self::$api(message) => rope.message(message, version),)*
                }
            }

            /// Only for bodies that passed the preflight.
            fn decode_walked(
                api: ApiKey,
                version: i16,
                body: &mut Bytes,
            ) -> Result<Self, ProtocolError> {
                match api {
                    $(ApiKey::$api => $message::decode(body, version)
                        .map(Self::$api)
                        .map_err(|error| DecodeError::from_generated(error).into()),)*
                    _ => Err(ProtocolError::UnsupportedApi { api_key: api as i16 }),
                }
            }
        }

        $(impl From<$message> for ClientRequest {
            fn from(message: $message) -> Self {
                Self::$api(message)
            }
        })*
    };
}

client_requests! {
    Produce(ProduceRequest)
    Fetch(FetchRequest)
    ListOffsets(ListOffsetsRequest)
    Metadata(MetadataRequest)
    OffsetCommit(OffsetCommitRequest)
    OffsetFetch(OffsetFetchRequest)
    FindCoordinator(FindCoordinatorRequest)
    JoinGroup(JoinGroupRequest)
    Heartbeat(HeartbeatRequest)
    LeaveGroup(LeaveGroupRequest)
    SyncGroup(SyncGroupRequest)
    DescribeGroups(DescribeGroupsRequest)
    ListGroups(ListGroupsRequest)
    SaslHandshake(SaslHandshakeRequest)
    ApiVersions(ApiVersionsRequest)
    CreateTopics(CreateTopicsRequest)
    DeleteTopics(DeleteTopicsRequest)
    DeleteRecords(DeleteRecordsRequest)
    InitProducerId(InitProducerIdRequest)
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest)
    DescribeAcls(DescribeAclsRequest)
    CreateAcls(CreateAclsRequest)
    DeleteAcls(DeleteAclsRequest)
    DescribeConfigs(DescribeConfigsRequest)
    AlterConfigs(AlterConfigsRequest)
    AlterReplicaLogDirs(AlterReplicaLogDirsRequest)
    DescribeLogDirs(DescribeLogDirsRequest)
    SaslAuthenticate(SaslAuthenticateRequest)
    CreatePartitions(CreatePartitionsRequest)
    DeleteGroups(DeleteGroupsRequest)
    ElectLeaders(ElectLeadersRequest)
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest)
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest)
    ListPartitionReassignments(ListPartitionReassignmentsRequest)
    OffsetDelete(OffsetDeleteRequest)
    DescribeUserScramCredentials(DescribeUserScramCredentialsRequest)
    AlterUserScramCredentials(AlterUserScramCredentialsRequest)
    DescribeClientQuotas(DescribeClientQuotasRequest)
    AlterClientQuotas(AlterClientQuotasRequest)
    DescribeCluster(DescribeClusterRequest)
    ListConfigResources(ListConfigResourcesRequest)
    DescribeTopicPartitions(DescribeTopicPartitionsRequest)
    DescribeProducers(DescribeProducersRequest)
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest)
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest)
    AddPartitionsToTxn(AddPartitionsToTxnRequest)
    AddOffsetsToTxn(AddOffsetsToTxnRequest)
    EndTxn(EndTxnRequest)
    TxnOffsetCommit(TxnOffsetCommitRequest)
    DescribeTransactions(DescribeTransactionsRequest)
    ListTransactions(ListTransactionsRequest)
}

/// Reads the body of a request: looked up in the version table, walked, decoded, and nothing left that may not be.
pub fn decode(header: &RequestHeader, mut body: Bytes) -> Result<ClientRequest, ProtocolError> {
    let RequestHeader { api_key, api_version, .. } = *header;
    let entry = versions::find(api_key).ok_or(ProtocolError::UnsupportedApi { api_key })?;
    if !entry.serves(api_version) {
        return Err(ProtocolError::UnsupportedVersion { api_key, api_version });
    }
    preflight::walk(api_key, api_version, &body)?;
    let request = ClientRequest::decode_walked(entry.key, api_version, &mut body)?;
    if body.len() > preflight::trailing_bytes_max(api_key, api_version) {
        return Err(DecodeError::from_generated("bytes follow the request").into());
    }
    Ok(request)
}
