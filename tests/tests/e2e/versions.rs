//! Every API in every version that the table serves, asked of a real node.
//!
//! Each API has a case: a question that means something, in the version it is told, and what must be
//! in the answer. An answer has to be read to its last byte, and to be the same bytes when it is
//! written again. An API or a version that joins the table without a case fails the test, so does a
//! case that nothing serves any more.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use protocol::messages::ApiKey;
use protocol::versions::APIS;

mod acls;
mod cluster;
mod configs;
mod credentials;
mod groups;
mod offsets;
mod quotas;
mod records;
mod sasl;
mod topics;
mod transactions;
mod wire;
mod world;

use world::World;

/// How to exercise an API, and in which versions that is known to mean something.
struct Case {
    api: ApiKey,
    versions: RangeInclusive<i16>,
    exercise: fn(&mut World, i16),
}

const fn case(api: ApiKey, versions: RangeInclusive<i16>, exercise: fn(&mut World, i16)) -> Case {
    Case { api, versions, exercise }
}

/// One for each row of the version table, in its order.
const CASES: &[Case] = &[
    case(ApiKey::Produce, 3..=13, records::produce),
    case(ApiKey::Fetch, 4..=18, records::fetch),
    case(ApiKey::ListOffsets, 1..=10, records::list_offsets),
    case(ApiKey::Metadata, 0..=13, topics::metadata),
    case(ApiKey::OffsetCommit, 2..=9, offsets::commit),
    case(ApiKey::OffsetFetch, 1..=9, offsets::fetch),
    case(ApiKey::FindCoordinator, 0..=6, groups::find_coordinator),
    case(ApiKey::JoinGroup, 0..=9, groups::join),
    case(ApiKey::Heartbeat, 0..=4, groups::heartbeat),
    case(ApiKey::LeaveGroup, 0..=5, groups::leave),
    case(ApiKey::SyncGroup, 0..=5, groups::sync),
    case(ApiKey::DescribeGroups, 0..=6, groups::describe),
    case(ApiKey::ListGroups, 0..=5, groups::list),
    case(ApiKey::SaslHandshake, 0..=1, sasl::handshake),
    case(ApiKey::ApiVersions, 0..=4, cluster::api_versions),
    case(ApiKey::CreateTopics, 2..=7, topics::create),
    case(ApiKey::DeleteTopics, 1..=6, topics::delete),
    case(ApiKey::DeleteRecords, 0..=2, records::delete),
    case(ApiKey::InitProducerId, 0..=5, transactions::init_producer_id),
    case(ApiKey::OffsetForLeaderEpoch, 2..=4, records::end_of_epoch),
    case(ApiKey::AddPartitionsToTxn, 0..=5, transactions::add_partitions),
    case(ApiKey::AddOffsetsToTxn, 0..=4, transactions::add_offsets),
    case(ApiKey::EndTxn, 0..=5, transactions::end),
    case(ApiKey::TxnOffsetCommit, 0..=5, transactions::commit_offsets),
    case(ApiKey::DescribeAcls, 1..=3, acls::describe),
    case(ApiKey::CreateAcls, 1..=3, acls::create),
    case(ApiKey::DeleteAcls, 1..=3, acls::delete),
    case(ApiKey::DescribeConfigs, 1..=4, configs::describe),
    case(ApiKey::AlterConfigs, 0..=2, configs::alter),
    case(ApiKey::AlterReplicaLogDirs, 1..=2, cluster::alter_replica_log_dirs),
    case(ApiKey::DescribeLogDirs, 1..=4, cluster::describe_log_dirs),
    case(ApiKey::SaslAuthenticate, 0..=2, sasl::authenticate),
    case(ApiKey::CreatePartitions, 0..=3, topics::add_partitions),
    case(ApiKey::DeleteGroups, 0..=2, groups::delete),
    case(ApiKey::ElectLeaders, 0..=2, cluster::elect_leaders),
    case(ApiKey::IncrementalAlterConfigs, 0..=1, configs::alter_incrementally),
    case(ApiKey::AlterPartitionReassignments, 0..=1, cluster::reassign),
    case(ApiKey::ListPartitionReassignments, 0..=0, cluster::list_reassignments),
    case(ApiKey::OffsetDelete, 0..=0, offsets::delete),
    case(ApiKey::DescribeClientQuotas, 0..=1, quotas::describe),
    case(ApiKey::AlterClientQuotas, 0..=1, quotas::alter),
    case(ApiKey::DescribeUserScramCredentials, 0..=0, credentials::describe),
    case(ApiKey::AlterUserScramCredentials, 0..=0, credentials::alter),
    case(ApiKey::DescribeCluster, 0..=2, cluster::describe),
    case(ApiKey::DescribeProducers, 0..=0, transactions::describe_producers),
    case(ApiKey::DescribeTransactions, 0..=0, transactions::describe),
    case(ApiKey::ListTransactions, 0..=2, transactions::list),
    case(ApiKey::ConsumerGroupHeartbeat, 0..=1, groups::consumer_heartbeat),
    case(ApiKey::ConsumerGroupDescribe, 0..=1, groups::consumer_describe),
    case(ApiKey::ListConfigResources, 0..=1, configs::list),
    case(ApiKey::DescribeTopicPartitions, 0..=0, topics::describe_partitions),
];

#[test]
fn every_served_version_has_a_case_and_every_case_is_served() {
    let served: BTreeMap<i16, RangeInclusive<i16>> =
        APIS.iter().map(|api| (api.key as i16, api.served_min..=api.max)).collect();
    let cases: BTreeMap<i16, RangeInclusive<i16>> =
        CASES.iter().map(|case| (case.api as i16, case.versions.clone())).collect();
    assert_eq!(cases, served, "exercised and served, by API key");
}

#[test]
fn every_served_version_does_its_job() {
    let mut world = World::start();
    for case in CASES {
        for version in case.versions.clone() {
            // The last one names the culprit when the test fails.
            eprintln!("{:?} {version}", case.api);
            (case.exercise)(&mut world, version);
        }
    }
}
