//! Requests about replicas, log directories and access: answers that are true of this system.

use std::collections::BTreeMap;

use protocol::ErrorCode;
use protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use protocol::messages::create_acls_request::AclCreation;
use protocol::messages::delete_acls_request::DeleteAclsFilter;
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use protocol::messages::elect_leaders_request::TopicPartitions;
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, BrokerId, CreateAclsRequest,
    DeleteAclsRequest, DescribeAclsRequest, DescribeLogDirsRequest, DescribeTopicPartitionsRequest,
    ElectLeadersRequest, ListPartitionReassignmentsRequest,
};

use crate::support::{Client, Cluster, EPOCH, name};

pub(crate) fn describe(topics: &[&str], limit: i32) -> DescribeTopicPartitionsRequest {
    let topics = topics.iter().map(|topic| TopicRequest::default().with_name(name(topic)));
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.collect())
        .with_response_partition_limit(limit)
}

/// All pages, as topic and partition, from the beginning.
async fn pages(
    client: &mut Client,
    request: DescribeTopicPartitionsRequest,
) -> Vec<Vec<(String, i32)>> {
    let mut pages = Vec::new();
    let mut cursor = None;
    loop {
        let answer = client.call(0, request.clone().with_cursor(cursor)).await;
        let page = answer.topics.iter().flat_map(|topic| {
            let name = topic.name.as_ref().unwrap().to_string();
            topic.partitions.iter().map(move |p| (name.clone(), p.partition_index))
        });
        pages.push(page.collect());
        cursor = answer.next_cursor.map(|next| {
            Cursor::default()
                .with_topic_name(next.topic_name)
                .with_partition_index(next.partition_index)
        });
        if cursor.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn partitions_are_described_page_by_page() {
    let cluster = Cluster::start().await;
    for (topic, partitions) in [("a", 2), ("b", 3), ("c", 1)] {
        cluster.topic(topic, &vec![1; partitions]).await;
    }
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let of = |page: &[(&str, i32)]| -> Vec<_> {
        page.iter().map(|(topic, index)| ((*topic).to_owned(), *index)).collect()
    };
    let all = [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("c", 0)];
    assert_eq!(pages(&mut client, describe(&[], 2000)).await, [of(&all)]);
    assert_eq!(pages(&mut client, describe(&[], 6)).await, [of(&all)]);
    let paged = pages(&mut client, describe(&[], 2)).await;
    assert_eq!(paged, [of(&all[..2]), of(&all[2..4]), of(&all[4..])]);
    let paged = pages(&mut client, describe(&["c", "b"], 1)).await;
    assert_eq!(paged.concat(), of(&all[2..]), "in the order of names");
    let one_at_least = pages(&mut client, describe(&["c"], -5)).await;
    assert_eq!(one_at_least, [of(&all[5..])]);

    let answer = client.call(0, describe(&["a", "nothing", "n o"], 100)).await;
    let codes: BTreeMap<_, _> = answer
        .topics
        .iter()
        .map(|topic| (topic.name.as_ref().unwrap().to_string(), topic.error_code))
        .collect();
    assert_eq!(codes["a"], 0);
    assert_eq!(codes["nothing"], ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(codes["n o"], ErrorCode::InvalidTopicException.code());
    let partition = &answer.topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch), (BrokerId(1), EPOCH));
    assert_eq!(partition.replica_nodes, [BrokerId(1)]);

    for (topic, index) in [("b", 0), ("a", -1)] {
        let cursor = Cursor::default().with_topic_name(name(topic)).with_partition_index(index);
        let answer = client.call(0, describe(&["a"], 10).with_cursor(Some(cursor))).await;
        assert_eq!(answer.topics[0].error_code, ErrorCode::InvalidRequest.code());
    }
}

#[tokio::test]
async fn every_partition_has_its_size_on_one_gateway() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1, 2, 1, 2, 1, 2]).await;
    // Nobody is node 3.
    cluster.topic("lost", &[3]).await;
    let gateways = [cluster.gateway(1).await, cluster.gateway(2).await];
    crate::support::eventually("both gateways are known to each other", || {
        gateways.iter().all(|gateway| gateway.view.gateways().len() == 2)
    })
    .await;
    let mut sizes = BTreeMap::new();
    for gateway in &gateways {
        let everything = DescribeLogDirsRequest::default().with_topics(None);
        let answer = gateway.client().await.call(4, everything).await;
        assert_eq!((answer.error_code, answer.results.len()), (0, 1));
        let dir = &answer.results[0];
        assert_eq!((dir.error_code, dir.log_dir.as_str()), (0, "/thermocline"));
        for topic in &dir.topics {
            assert_eq!(topic.name, name("orders"), "nobody knows the size of what is away");
            for partition in &topic.partitions {
                let before = sizes.insert(partition.partition_index, partition.partition_size);
                assert_eq!(before, None, "counted once");
            }
        }
    }
    let expected: BTreeMap<_, _> = (0..6).map(|index| (index, i64::from(index) * 1_000)).collect();
    assert_eq!(sizes, expected);

    let asked = ["orders", "nothing"].map(|topic| {
        DescribableLogDirTopic::default().with_topic(name(topic)).with_partitions(vec![4, 4, 9])
    });
    let mut told = Vec::new();
    for gateway in &gateways {
        let request = DescribeLogDirsRequest::default().with_topics(Some(asked.to_vec()));
        let answer = gateway.client().await.call(1, request).await;
        let topics = answer.results.into_iter().flat_map(|dir| dir.topics);
        told.extend(topics.flat_map(|topic| topic.partitions).map(|p| p.partition_index));
    }
    assert_eq!(told, [4]);
}

#[tokio::test]
async fn no_election_is_ever_needed() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let asked = ["orders", "nothing"].map(|topic| {
        TopicPartitions::default().with_topic(name(topic)).with_partitions(vec![0, 1])
    });
    let request = ElectLeadersRequest::default().with_topic_partitions(Some(asked.to_vec()));
    for version in 0..=2 {
        let answer = client.call(version, request.clone()).await;
        let results = answer.replica_election_results.iter().flat_map(|t| &t.partition_result);
        let codes: Vec<_> = results.map(|result| ErrorCode::from_code(result.error_code)).collect();
        let unknown = ErrorCode::UnknownTopicOrPartition;
        assert_eq!(codes, [ErrorCode::ElectionNotNeeded, unknown, unknown, unknown]);
    }
    let all = client.call(2, request.clone().with_topic_partitions(None)).await;
    assert_eq!((all.error_code, all.replica_election_results.len()), (0, 0));
    let wrong = client.call(2, request.with_election_type(7)).await;
    assert_eq!(wrong.error_code, ErrorCode::InvalidRequest.code());
}

pub(crate) fn reassignment(replicas: &[Option<&[i32]>]) -> AlterPartitionReassignmentsRequest {
    let partitions = (0..).zip(replicas).map(|(index, replicas)| {
        let replicas = replicas.map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
        ReassignablePartition::default().with_partition_index(index).with_replicas(replicas)
    });
    let topic = ReassignableTopic::default()
        .with_name(name("orders"))
        .with_partitions(partitions.collect());
    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic])
}

#[tokio::test]
async fn replicas_stay_where_they_are() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1; 4]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let wanted = [Some(&[1][..]), Some(&[2]), Some(&[]), None, Some(&[1])];
    let answer = client.call(1, reassignment(&wanted)).await;
    let codes: Vec<_> =
        answer.responses[0].partitions.iter().map(|p| ErrorCode::from_code(p.error_code)).collect();
    let refused = ErrorCode::InvalidReplicaAssignment;
    let expected = [
        ErrorCode::None,
        refused,
        refused,
        ErrorCode::NoReassignmentInProgress,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(codes, expected);
    let listed = ListPartitionReassignmentsRequest::default().with_topics(None);
    let listed = client.call(0, listed).await;
    assert_eq!((listed.error_code, listed.topics.len()), (0, 0));

    let dirs = ["/thermocline", "/elsewhere"].map(|path| {
        let topic = AlterReplicaLogDirTopic::default()
            .with_name(name("orders"))
            .with_partitions(vec![0, 9]);
        AlterReplicaLogDir::default().with_path(crate::support::text(path)).with_topics(vec![topic])
    });
    let request = AlterReplicaLogDirsRequest::default().with_dirs(dirs.to_vec());
    let moved = client.call(2, request).await;
    let codes = moved.results.iter().flat_map(|topic| &topic.partitions);
    let codes: Vec<_> = codes.map(|p| ErrorCode::from_code(p.error_code)).collect();
    let elsewhere = ErrorCode::LogDirNotFound;
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(codes, [ErrorCode::None, unknown, elsewhere, elsewhere]);
}

#[tokio::test]
async fn access_is_nobodys_to_give_as_long_as_nothing_enforces_it() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let disabled = ErrorCode::SecurityDisabled.code();
    let described = client.call(3, DescribeAclsRequest::default()).await;
    assert_eq!((described.error_code, described.resources.len()), (disabled, 0));
    let creations = vec![AclCreation::default(), AclCreation::default()];
    let created = client.call(3, CreateAclsRequest::default().with_creations(creations)).await;
    let codes: Vec<_> = created.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [disabled; 2]);
    let filters = vec![DeleteAclsFilter::default()];
    let deleted = client.call(3, DeleteAclsRequest::default().with_filters(filters)).await;
    assert_eq!(deleted.filter_results[0].error_code, disabled);
}
