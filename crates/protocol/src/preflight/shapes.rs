//! The shapes of all requests we serve, transcribed from Kafka's message schemas.
//!
//! A test draws bytes from each shape in each version and has the generated decoder read and write
//! them again: a field too many, too few or of another kind does not survive that.

use kafka_protocol::messages::ApiKey;

use super::shape::Shape;

mod acls;
mod admin;
mod configs;
mod data;
mod groups;
mod quotas;
mod sasl;
mod transactions;

/// The shape of a request, if we serve it.
pub(super) fn of(key: ApiKey) -> Option<&'static Shape> {
    Some(match key {
        ApiKey::Produce => &data::PRODUCE,
        ApiKey::Fetch => &data::FETCH,
        ApiKey::ListOffsets => &data::LIST_OFFSETS,
        ApiKey::OffsetForLeaderEpoch => &data::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::DeleteRecords => &data::DELETE_RECORDS,
        ApiKey::DescribeProducers => &data::DESCRIBE_PRODUCERS,
        ApiKey::InitProducerId => &data::INIT_PRODUCER_ID,

        ApiKey::FindCoordinator => &groups::FIND_COORDINATOR,
        ApiKey::JoinGroup => &groups::JOIN_GROUP,
        ApiKey::SyncGroup => &groups::SYNC_GROUP,
        ApiKey::Heartbeat => &groups::HEARTBEAT,
        ApiKey::LeaveGroup => &groups::LEAVE_GROUP,
        ApiKey::OffsetCommit => &groups::OFFSET_COMMIT,
        ApiKey::OffsetFetch => &groups::OFFSET_FETCH,
        ApiKey::OffsetDelete => &groups::OFFSET_DELETE,
        ApiKey::DescribeGroups => &groups::DESCRIBE_GROUPS,
        ApiKey::ListGroups => &groups::LIST_GROUPS,
        ApiKey::DeleteGroups => &groups::DELETE_GROUPS,
        ApiKey::ConsumerGroupHeartbeat => &groups::CONSUMER_GROUP_HEARTBEAT,
        ApiKey::ConsumerGroupDescribe => &groups::CONSUMER_GROUP_DESCRIBE,

        ApiKey::AddPartitionsToTxn => &transactions::ADD_PARTITIONS_TO_TXN,
        ApiKey::AddOffsetsToTxn => &transactions::ADD_OFFSETS_TO_TXN,
        ApiKey::EndTxn => &transactions::END_TXN,
        ApiKey::TxnOffsetCommit => &transactions::TXN_OFFSET_COMMIT,
        ApiKey::DescribeTransactions => &transactions::DESCRIBE_TRANSACTIONS,
        ApiKey::ListTransactions => &transactions::LIST_TRANSACTIONS,

        ApiKey::ApiVersions => &admin::API_VERSIONS,
        ApiKey::Metadata => &admin::METADATA,
        ApiKey::DescribeCluster => &admin::DESCRIBE_CLUSTER,
        ApiKey::CreateTopics => &admin::CREATE_TOPICS,
        ApiKey::DeleteTopics => &admin::DELETE_TOPICS,
        ApiKey::CreatePartitions => &admin::CREATE_PARTITIONS,
        ApiKey::DescribeTopicPartitions => &admin::DESCRIBE_TOPIC_PARTITIONS,
        ApiKey::ElectLeaders => &admin::ELECT_LEADERS,
        ApiKey::AlterPartitionReassignments => &admin::ALTER_PARTITION_REASSIGNMENTS,
        ApiKey::ListPartitionReassignments => &admin::LIST_PARTITION_REASSIGNMENTS,
        ApiKey::DescribeLogDirs => &admin::DESCRIBE_LOG_DIRS,
        ApiKey::AlterReplicaLogDirs => &admin::ALTER_REPLICA_LOG_DIRS,

        ApiKey::DescribeConfigs => &configs::DESCRIBE_CONFIGS,
        ApiKey::AlterConfigs => &configs::ALTER_CONFIGS,
        ApiKey::IncrementalAlterConfigs => &configs::INCREMENTAL_ALTER_CONFIGS,
        ApiKey::ListConfigResources => &configs::LIST_CONFIG_RESOURCES,

        ApiKey::SaslHandshake => &sasl::SASL_HANDSHAKE,
        ApiKey::SaslAuthenticate => &sasl::SASL_AUTHENTICATE,
        ApiKey::DescribeUserScramCredentials => &sasl::DESCRIBE_USER_SCRAM_CREDENTIALS,
        ApiKey::AlterUserScramCredentials => &sasl::ALTER_USER_SCRAM_CREDENTIALS,
        ApiKey::DescribeClientQuotas => &quotas::DESCRIBE_CLIENT_QUOTAS,
        ApiKey::AlterClientQuotas => &quotas::ALTER_CLIENT_QUOTAS,

        ApiKey::DescribeAcls => &acls::DESCRIBE_ACLS,
        ApiKey::CreateAcls => &acls::CREATE_ACLS,
        ApiKey::DeleteAcls => &acls::DELETE_ACLS,
        _ => return None,
    })
}
