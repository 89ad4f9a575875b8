//! Answers to clients: header, body and length in one rope.

use bytes::BufMut;

use crate::error::EncodeError;
use crate::fetch::FetchResponse;
use crate::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, AlterClientQuotasResponse,
    AlterConfigsResponse, AlterPartitionReassignmentsResponse, AlterReplicaLogDirsResponse,
    AlterUserScramCredentialsResponse, ApiKey, ApiVersionsResponse, ConsumerGroupDescribeResponse,
    ConsumerGroupHeartbeatResponse, CreateAclsResponse, CreatePartitionsResponse,
    CreateTopicsResponse, DeleteAclsResponse, DeleteGroupsResponse, DeleteRecordsResponse,
    DeleteTopicsResponse, DescribeAclsResponse, DescribeClientQuotasResponse,
    DescribeClusterResponse, DescribeConfigsResponse, DescribeGroupsResponse,
    DescribeLogDirsResponse, DescribeProducersResponse, DescribeTopicPartitionsResponse,
    DescribeTransactionsResponse, DescribeUserScramCredentialsResponse, ElectLeadersResponse,
    EndTxnResponse, FindCoordinatorResponse, HeartbeatResponse, IncrementalAlterConfigsResponse,
    InitProducerIdResponse, JoinGroupResponse, LeaveGroupResponse, ListConfigResourcesResponse,
    ListGroupsResponse, ListOffsetsResponse, ListPartitionReassignmentsResponse,
    ListTransactionsResponse, MetadataResponse, OffsetCommitResponse, OffsetDeleteResponse,
    OffsetFetchResponse, OffsetForLeaderEpochResponse, ProduceResponse, SaslAuthenticateResponse,
    SaslHandshakeResponse, SyncGroupResponse, TxnOffsetCommitResponse,
};
use crate::rope::{Rope, RopeMut};
use crate::versions;

mod fit;
mod throttle;

/// Room for the fields of most answers; larger ones grow.
const FIELD_BYTES: usize = 256;

macro_rules! client_responses {
    ($($api:ident($message:ident))*) => {
        /// An answer to a client.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "the names are Kafka's")]
        pub enum ClientResponse {
            Fetch(FetchResponse),
            $($api($message),)*
        }

        impl ClientResponse {
            /// Which API this answers.
            pub fn api(&self) -> ApiKey {
                match self {
                    Self::Fetch(_) => ApiKey::Fetch,
                    $(Self::$api(_) => ApiKey::$api,)*
                }
            }

            fn encode_body(&self, version: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
                match self {
                    Self::Fetch(response) => response.encode(version, rope),
                    $(Self::$api(response) => rope.message(response, version),)*
                }
            }
        }

        $(impl From<$message> for ClientResponse {
            fn from(message: $message) -> Self {
                Self::$api(message)
            }
        })*
    };
}

client_responses! {
    Produce(ProduceResponse)
    ListOffsets(ListOffsetsResponse)
    Metadata(MetadataResponse)
    OffsetCommit(OffsetCommitResponse)
    OffsetFetch(OffsetFetchResponse)
    FindCoordinator(FindCoordinatorResponse)
    JoinGroup(JoinGroupResponse)
    Heartbeat(HeartbeatResponse)
    LeaveGroup(LeaveGroupResponse)
    SyncGroup(SyncGroupResponse)
    DescribeGroups(DescribeGroupsResponse)
    ListGroups(ListGroupsResponse)
    SaslHandshake(SaslHandshakeResponse)
    ApiVersions(ApiVersionsResponse)
    CreateTopics(CreateTopicsResponse)
    DeleteTopics(DeleteTopicsResponse)
    DeleteRecords(DeleteRecordsResponse)
    InitProducerId(InitProducerIdResponse)
    OffsetForLeaderEpoch(OffsetForLeaderEpochResponse)
    DescribeAcls(DescribeAclsResponse)
    CreateAcls(CreateAclsResponse)
    DeleteAcls(DeleteAclsResponse)
    DescribeConfigs(DescribeConfigsResponse)
    AlterConfigs(AlterConfigsResponse)
    AlterReplicaLogDirs(AlterReplicaLogDirsResponse)
    DescribeLogDirs(DescribeLogDirsResponse)
    SaslAuthenticate(SaslAuthenticateResponse)
    CreatePartitions(CreatePartitionsResponse)
    DeleteGroups(DeleteGroupsResponse)
    ElectLeaders(ElectLeadersResponse)
    IncrementalAlterConfigs(IncrementalAlterConfigsResponse)
    AlterPartitionReassignments(AlterPartitionReassignmentsResponse)
    ListPartitionReassignments(ListPartitionReassignmentsResponse)
    OffsetDelete(OffsetDeleteResponse)
    DescribeUserScramCredentials(DescribeUserScramCredentialsResponse)
    AlterUserScramCredentials(AlterUserScramCredentialsResponse)
    DescribeClientQuotas(DescribeClientQuotasResponse)
    AlterClientQuotas(AlterClientQuotasResponse)
    DescribeCluster(DescribeClusterResponse)
    ListConfigResources(ListConfigResourcesResponse)
    DescribeTopicPartitions(DescribeTopicPartitionsResponse)
    DescribeProducers(DescribeProducersResponse)
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse)
    ConsumerGroupDescribe(ConsumerGroupDescribeResponse)
    AddPartitionsToTxn(AddPartitionsToTxnResponse)
    AddOffsetsToTxn(AddOffsetsToTxnResponse)
    EndTxn(EndTxnResponse)
    TxnOffsetCommit(TxnOffsetCommitResponse)
    DescribeTransactions(DescribeTransactionsResponse)
    ListTransactions(ListTransactionsResponse)
}

impl From<FetchResponse> for ClientResponse {
    fn from(response: FetchResponse) -> Self {
        Self::Fetch(response)
    }
}

impl ClientResponse {
    /// The whole frame that answers a request of this version and correlation id. An answer in the
    /// form of the newest version fits every version.
    pub fn encode(&self, version: i16, correlation_id: i32) -> Result<Rope, EncodeError> {
        let version = self.body_version(version);
        let mut rope = RopeMut::frame(FIELD_BYTES);
        rope.fields().put_i32(correlation_id);
        if self.header_version(version) >= 1 {
            rope.fields().put_u8(0); // no tagged fields
        }
        match fit::fitted(self, version) {
            Some(fitted) => fitted.encode_body(version, &mut rope)?,
            None => self.encode_body(version, &mut rope)?,
        }
        rope.finish_frame()
    }

    /// ApiVersions answers a version it does not know in version 0; any other API refuses it.
    fn body_version(&self, version: i16) -> i16 {
        let api = self.api();
        if api == ApiKey::ApiVersions && !versions::is_served(api as i16, version) {
            return 0;
        }
        version
    }

    /// ApiVersions answers with header version 0 always: the client does not know yet whether we
    /// speak flexible versions (KIP-511).
    fn header_version(&self, version: i16) -> i16 {
        match self.api() {
            ApiKey::ApiVersions => 0,
            api => api.response_header_version(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::Decodable;

    use super::*;
    use crate::versions::{APIS, api_versions_response};

    fn frame(response: &ClientResponse, version: i16) -> Vec<u8> {
        response.encode(version, 7).unwrap().into_bytes().to_vec()
    }

    #[test]
    fn an_unknown_version_of_api_versions_is_answered_as_kafka_does() {
        // Length 16, correlation id 7, error 35, one entry: key 18, versions 0 to 4.
        let expected = [0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
        for version in [5, 99, i16::MAX, -1] {
            let answer = ClientResponse::ApiVersions(api_versions_response(version));
            assert_eq!(frame(&answer, version), expected);
        }
    }

    #[test]
    fn api_versions_never_has_tags_in_its_header() {
        for version in 0..=4 {
            let answer = frame(&api_versions_response(version).into(), version);
            assert_eq!(answer[4..8], 7i32.to_be_bytes());
            let mut body = &answer[8..];
            let read = ApiVersionsResponse::decode(&mut body, version).unwrap();
            assert!(body.is_empty());
            assert_eq!(read.api_keys.len(), APIS.len());
            let produce = &read.api_keys[0];
            assert_eq!((produce.api_key, produce.min_version, produce.max_version), (0, 0, 13));
        }
    }

    #[test]
    fn flexible_answers_have_an_empty_tag_section_in_their_header() {
        let heartbeat = ClientResponse::from(HeartbeatResponse::default());
        assert_eq!(frame(&heartbeat, 3), [0, 0, 0, 10, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]);
        assert_eq!(frame(&heartbeat, 4), [0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        let fetch = ClientResponse::from(FetchResponse::default());
        assert_eq!(frame(&fetch, 12).len(), 4 + 4 + 1 + 4 + 2 + 4 + 1 + 1);
    }
}
