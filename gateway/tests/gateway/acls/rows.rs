//! What each API needs, as Kafka has it (`KafkaApis`, `ControllerApis`, `AclEntry`).

use std::ops::RangeInclusive;

use metadata::settings::acl::{AclOperation as Op, ResourceType};
use protocol::ErrorCode;
use protocol::messages::ApiKey;

/// A resource, by type and name.
pub(super) type Resource = (ResourceType, &'static str);

/// One way in which an API is called, and everything that this needs.
pub(super) struct Row {
    pub(super) api: ApiKey,
    /// Tells the calls of one API apart.
    pub(super) case: &'static str,
    /// Of the API's versions, those in which this is so.
    pub(super) versions: RangeInclusive<i16>,
    pub(super) needs: Vec<(Op, Resource)>,
    pub(super) missing: Missing,
    /// Whether the same operation on another resource of the type would do.
    pub(super) any_name: bool,
}

/// What is seen if something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The error for the type of the resource that is missing.
    ErrorOfType,
    /// This error.
    Error(ErrorCode),
    /// No error, but this text is not in the answer.
    Hidden(&'static str),
}

pub(super) const TOPIC: Resource = (ResourceType::Topic, "orders");
pub(super) const GROUP: Resource = (ResourceType::Group, "g");
pub(super) const TRANSACTION: Resource = (ResourceType::TransactionalId, "t");
pub(super) const CLUSTER: Resource = (ResourceType::Cluster, "kafka-cluster");
/// A topic that asking for its metadata creates.
pub(super) const BORN: Resource = (ResourceType::Topic, "born");
pub(super) const BORN_TOO: Resource = (ResourceType::Topic, "born-too");
/// A topic that is deleted.
pub(super) const DOOMED: Resource = (ResourceType::Topic, "doomed");

fn row(api: ApiKey, needs: &[(Op, Resource)]) -> Row {
    Row {
        api,
        case: "",
        versions: 0..=i16::MAX,
        needs: needs.to_vec(),
        missing: Missing::ErrorOfType,
        any_name: false,
    }
}

impl Row {
    fn case(self, case: &'static str) -> Self {
        Self { case, ..self }
    }

    fn versions(self, versions: RangeInclusive<i16>) -> Self {
        Self { versions, ..self }
    }

    fn error(self, error: ErrorCode) -> Self {
        Self { missing: Missing::Error(error), ..self }
    }

    fn hides(self, text: &'static str) -> Self {
        Self { missing: Missing::Hidden(text), ..self }
    }

    fn any_name(self) -> Self {
        Self { any_name: true, ..self }
    }
}

/// All of them.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = records();
    rows.extend(groups());
    rows.extend(transactions());
    rows.extend(topics());
    rows.extend(configs());
    rows.extend(cluster());
    rows
}

fn records() -> Vec<Row> {
    use ApiKey as A;
    vec![
        row(A::Produce, &[(Op::Write, TOPIC)]),
        row(A::Produce, &[(Op::Write, TRANSACTION), (Op::Write, TOPIC)]).case("transactional"),
        row(A::Fetch, &[(Op::Read, TOPIC)]),
        row(A::ListOffsets, &[(Op::Describe, TOPIC)]),
        row(A::OffsetForLeaderEpoch, &[(Op::Describe, TOPIC)]),
        row(A::OffsetForLeaderEpoch, &[(Op::ClusterAction, CLUSTER)])
            .case("follower")
            .error(ErrorCode::TopicAuthorizationFailed),
        row(A::DeleteRecords, &[(Op::Delete, TOPIC)]),
        row(A::DescribeProducers, &[(Op::Read, TOPIC)]),
    ]
}

fn groups() -> Vec<Row> {
    use ApiKey as A;
    vec![
        row(A::FindCoordinator, &[(Op::Describe, GROUP)]),
        row(A::FindCoordinator, &[(Op::Describe, TRANSACTION)])
            .case("transaction")
            .versions(1..=i16::MAX),
        row(A::JoinGroup, &[(Op::Read, GROUP)]),
        row(A::SyncGroup, &[(Op::Read, GROUP)]),
        row(A::Heartbeat, &[(Op::Read, GROUP)]),
        row(A::LeaveGroup, &[(Op::Read, GROUP)]),
        row(A::OffsetCommit, &[(Op::Read, GROUP), (Op::Read, TOPIC)]),
        row(A::OffsetFetch, &[(Op::Describe, GROUP), (Op::Describe, TOPIC)]),
        row(A::OffsetFetch, &[(Op::Describe, GROUP), (Op::Describe, TOPIC)])
            .case("all")
            .versions(2..=i16::MAX)
            .hides("\"orders\""),
        row(A::OffsetDelete, &[(Op::Delete, GROUP), (Op::Read, TOPIC)]),
        row(A::DescribeGroups, &[(Op::Describe, GROUP)]),
        row(A::ListGroups, &[(Op::Describe, GROUP)]).hides("\"g\""),
        row(A::ListGroups, &[(Op::Describe, CLUSTER)]).case("cluster").hides("\"g\""),
        row(A::DeleteGroups, &[(Op::Delete, GROUP)]),
        row(A::ConsumerGroupHeartbeat, &[(Op::Read, GROUP)]),
        row(A::ConsumerGroupHeartbeat, &[(Op::Read, GROUP), (Op::Describe, TOPIC)]).case("names"),
        // What a pattern brought; the fake assigns what the member owns.
        row(A::ConsumerGroupHeartbeat, &[(Op::Read, GROUP), (Op::Describe, TOPIC)])
            .case("assigned")
            .hides("TopicPartitions {"),
        row(A::ConsumerGroupDescribe, &[(Op::Describe, GROUP), (Op::Describe, TOPIC)]),
    ]
}

fn transactions() -> Vec<Row> {
    use ApiKey as A;
    let refused = ErrorCode::ClusterAuthorizationFailed;
    vec![
        row(A::InitProducerId, &[(Op::Write, TRANSACTION)]),
        row(A::InitProducerId, &[(Op::IdempotentWrite, CLUSTER)]).case("idempotent"),
        row(A::InitProducerId, &[(Op::Write, TOPIC)]).case("idempotent").error(refused).any_name(),
        row(A::AddPartitionsToTxn, &[(Op::Write, TRANSACTION), (Op::Write, TOPIC)]).versions(0..=3),
        row(A::AddPartitionsToTxn, &[(Op::ClusterAction, CLUSTER)]).versions(4..=i16::MAX),
        row(A::AddOffsetsToTxn, &[(Op::Write, TRANSACTION), (Op::Read, GROUP)]),
        row(A::EndTxn, &[(Op::Write, TRANSACTION)]),
        row(A::TxnOffsetCommit, &[(Op::Write, TRANSACTION), (Op::Read, GROUP), (Op::Read, TOPIC)]),
        row(A::DescribeTransactions, &[(Op::Describe, TRANSACTION)]),
        row(A::DescribeTransactions, &[(Op::Describe, TRANSACTION), (Op::Describe, TOPIC)])
            .case("topics")
            .hides("\"orders\""),
        row(A::ListTransactions, &[(Op::Describe, TRANSACTION)]).hides("\"t\""),
    ]
}

fn topics() -> Vec<Row> {
    use ApiKey as A;
    let refused = ErrorCode::TopicAuthorizationFailed;
    vec![
        row(A::Metadata, &[(Op::Describe, TOPIC)]).case("named"),
        row(A::Metadata, &[(Op::Describe, TOPIC)]).case("by id").versions(12..=i16::MAX),
        row(A::Metadata, &[(Op::Describe, TOPIC)]).case("all").hides("\"orders\""),
        row(A::Metadata, &[(Op::Describe, BORN), (Op::Create, BORN)]).case("born"),
        row(A::Metadata, &[(Op::Describe, BORN_TOO), (Op::Create, CLUSTER)])
            .case("born-too")
            .error(refused),
        row(A::DescribeTopicPartitions, &[(Op::Describe, TOPIC)]),
        row(A::DescribeTopicPartitions, &[(Op::Describe, TOPIC)]).case("all").hides("\"orders\""),
        row(A::CreateTopics, &[(Op::Create, BORN)]),
        row(A::CreateTopics, &[(Op::Create, CLUSTER)]).case("cluster").error(refused),
        row(A::DeleteTopics, &[(Op::Delete, DOOMED)]),
        row(A::DeleteTopics, &[(Op::Delete, CLUSTER)]).case("cluster").error(refused),
        row(A::DeleteTopics, &[(Op::Delete, DOOMED)]).case("by id").versions(6..=i16::MAX),
        row(A::CreatePartitions, &[(Op::Alter, TOPIC)]),
    ]
}

fn configs() -> Vec<Row> {
    use ApiKey as A;
    let of = |api, operation| {
        [
            row(api, &[(operation, TOPIC)]).case("topic"),
            row(api, &[(operation, CLUSTER)]).case("broker"),
            row(api, &[(operation, GROUP)]).case("group"),
        ]
    };
    let mut rows = Vec::new();
    rows.extend(of(A::DescribeConfigs, Op::DescribeConfigs));
    rows.extend(of(A::AlterConfigs, Op::AlterConfigs));
    rows.extend(of(A::IncrementalAlterConfigs, Op::AlterConfigs));
    rows.push(row(A::DescribeClientQuotas, &[(Op::DescribeConfigs, CLUSTER)]));
    rows.push(row(A::AlterClientQuotas, &[(Op::AlterConfigs, CLUSTER)]));
    rows.push(row(A::ListConfigResources, &[(Op::DescribeConfigs, CLUSTER)]));
    rows
}

fn cluster() -> Vec<Row> {
    use ApiKey as A;
    vec![
        row(A::ApiVersions, &[]),
        row(A::SaslHandshake, &[]),
        row(A::SaslAuthenticate, &[]),
        row(A::DescribeCluster, &[]),
        row(A::DescribeAcls, &[(Op::Describe, CLUSTER)]),
        row(A::CreateAcls, &[(Op::Alter, CLUSTER)]),
        row(A::DeleteAcls, &[(Op::Alter, CLUSTER)]),
        row(A::DescribeUserScramCredentials, &[(Op::Describe, CLUSTER)]),
        row(A::AlterUserScramCredentials, &[(Op::Alter, CLUSTER)]),
        // Below version 3 there is no place for an error.
        row(A::DescribeLogDirs, &[(Op::Describe, CLUSTER)]).versions(1..=2).hides("/thermocline"),
        row(A::DescribeLogDirs, &[(Op::Describe, CLUSTER)]).versions(3..=i16::MAX),
        row(A::AlterReplicaLogDirs, &[(Op::Alter, CLUSTER)]),
        row(A::ElectLeaders, &[(Op::Alter, CLUSTER)]),
        row(A::AlterPartitionReassignments, &[(Op::Alter, CLUSTER)]),
        row(A::ListPartitionReassignments, &[(Op::Describe, CLUSTER)]),
    ]
}
