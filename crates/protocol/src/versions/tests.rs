//! The table agrees with the messages and the documentation.

use std::path::Path;

use kafka_protocol::protocol::{Request, VersionRange};

use super::*;
use crate::messages;

/// What both directions of a message can carry. Kafka's own table names what the *answer* knows:
/// OffsetCommit 10 has an answer in `kafka-protocol` 0.18, but no request.
fn both_directions<R: Request>() -> VersionRange {
    R::VERSIONS.intersect(&<R::Response as kafka_protocol::protocol::Message>::VERSIONS)
}

macro_rules! ranges {
    ($($message:ident)*) => {
        vec![$((messages::$message::KEY, both_directions::<messages::$message>())),*]
    };
}

#[test]
fn served_versions_exist_in_both_directions() {
    let ranges = ranges! {
        SaslHandshakeRequest SaslAuthenticateRequest
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest
        OffsetFetchRequest FindCoordinatorRequest JoinGroupRequest HeartbeatRequest
        LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest
        ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest
        InitProducerIdRequest
        OffsetForLeaderEpochRequest DescribeConfigsRequest CreatePartitionsRequest
        DeleteGroupsRequest OffsetDeleteRequest DescribeClusterRequest
        DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest
        DescribeAclsRequest CreateAclsRequest DeleteAclsRequest AlterConfigsRequest
        AlterReplicaLogDirsRequest DescribeLogDirsRequest ElectLeadersRequest
        IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest
        ListPartitionReassignmentsRequest ListConfigResourcesRequest
        DescribeTopicPartitionsRequest
        ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest
        DescribeProducersRequest AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest
        TxnOffsetCommitRequest DescribeTransactionsRequest ListTransactionsRequest
        DescribeClientQuotasRequest AlterClientQuotasRequest
    };
    assert_eq!(ranges.len(), APIS.len(), "every served API is checked");
    for (key, range) in ranges {
        let api = find(key).expect("served");
        assert!(range.min <= api.served_min && api.max <= range.max, "{:?}: {range}", api.key);
    }
}

#[test]
fn the_table_is_in_order_and_advertises_what_it_serves() {
    assert!(APIS.is_sorted_by_key(|api| api.key as i16));
    for api in APIS {
        assert!(api.advertised_min <= api.served_min && api.served_min <= api.max);
        let lowered = api.advertised_min < api.served_min;
        assert_eq!(lowered, api.key == ApiKey::Produce, "only for librdkafka's sake");
    }
}

/// Older librdkafka silently sends uncompressed batches otherwise (KAFKA-18659).
#[test]
fn produce_and_find_coordinator_are_advertised_from_zero() {
    let advertised = api_versions_response(3).api_keys;
    for key in [ApiKey::Produce, ApiKey::FindCoordinator] {
        let entry = advertised.iter().find(|entry| entry.api_key == key as i16).expect("listed");
        assert_eq!(entry.min_version, 0, "{key:?}");
    }
    assert!(!is_served(ApiKey::Produce as i16, 2));
}

#[test]
fn the_compatibility_page_is_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let text = compatibility_markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs can be written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == text, "{} is stale: run the test with UPDATE_DOCS=1", path.display());
}
