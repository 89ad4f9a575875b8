//! A gateway that is asked in one tenant's name about another's topic id, as if it had forgotten whose
//! it is: the storage node says what it says of an id that nobody has, and does nothing.

use std::fmt::Debug;
use std::sync::Arc;

use hop::Call;
use hop::internal::{PlanRequest, TxnMarker, TxnPartition, WriteTxnMarkersRequest};
use parking_lot::Mutex;
use protocol::batch::BatchBuilder;
use protocol::ids::{PartitionId, TenantId, TopicId};
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::{
    DeleteRecordsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
    DescribeTransactionsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, TransactionalId,
};

use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::world::{Belongings, Producer, World, name, text};
use crate::{TENANTS, records, topics, transactions};

/// The second tenant that is created.
const OTHER: TenantId = TenantId(3);

const LATEST: i64 = -1;

/// Everything that a storage node is asked about a partition, and what it says.
async fn ask_all(cluster: &Cluster, topic: TopicId, producer: Producer) -> Vec<String> {
    let named = || name(&topic.to_string());
    let partition = PartitionId::new(OTHER, topic, 0);
    let offsets = ListOffsetsPartition::default().with_timestamp(LATEST);
    let offsets = ListOffsetsTopic::default().with_name(named()).with_partitions(vec![offsets]);
    let offsets = ListOffsetsRequest::default().with_topics(vec![offsets]);
    let epochs = OffsetForLeaderPartition::default().with_current_leader_epoch(-1);
    let epochs = OffsetForLeaderTopic::default().with_topic(named()).with_partitions(vec![epochs]);
    let epochs = OffsetForLeaderEpochRequest::default().with_topics(vec![epochs]);
    let deletion = DeleteRecordsPartition::default().with_offset(LATEST);
    let deletion = DeleteRecordsTopic::default().with_name(named()).with_partitions(vec![deletion]);
    let deletion = DeleteRecordsRequest::default().with_topics(vec![deletion]);
    let producers = TopicRequest::default().with_name(named()).with_partition_indexes(vec![0]);
    let producers = DescribeProducersRequest::default().with_topics(vec![producers]);
    let dirs = DescribableLogDirTopic::default().with_topic(named()).with_partitions(vec![0]);
    let dirs = DescribeLogDirsRequest::default().with_topics(Some(vec![dirs]));
    let plan = PlanRequest { max_bytes: 1 << 20, ..PlanRequest::new(partition, 0) };
    let marker = TxnMarker {
        producer_id: producer.id,
        producer_epoch: i32::from(producer.epoch),
        partitions: vec![TxnPartition::new(partition)],
        ..TxnMarker::default()
    };
    let markers = WriteTxnMarkersRequest { markers: vec![marker] };
    vec![
        said(cluster, topic, offsets).await,
        said(cluster, topic, epochs).await,
        said(cluster, topic, deletion).await,
        said(cluster, topic, producers).await,
        said(cluster, topic, dirs).await,
        said(cluster, topic, plan).await,
        said(cluster, topic, markers).await,
    ]
}

async fn said<M: Call<Answer: Debug>>(cluster: &Cluster, topic: TopicId, message: M) -> String {
    let answer = format!("{:?}", cluster.ask_node(OTHER, message).await);
    answer.replace(&topic.to_string(), "the topic")
}

/// What the owner sees of its records and its transaction.
async fn seen(world: &mut World) -> String {
    let wanted = ListOffsetsPartition::default().with_timestamp(LATEST);
    let topic = ListOffsetsTopic::default().with_name(name("orders")).with_partitions(vec![wanted]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into());
    world.ask(9, request.with_isolation_level(1).with_topics(vec![topic])).await;
    let ids = vec![TransactionalId(text("mover"))];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    world.ask(0, request).await;
    let producers = TopicRequest::default().with_name(name("orders"));
    let producers = producers.with_partition_indexes(vec![0]);
    world.ask(0, DescribeProducersRequest::default().with_topics(vec![producers])).await;
    world.told()
}

#[tokio::test]
async fn a_node_says_of_another_tenant_s_topic_what_it_says_of_none() {
    let cluster = Cluster::start(&TENANTS, &TENANTS).await;
    let [own, others] = [(), ()].map(|()| Arc::new(Mutex::new(Belongings::default())));
    let mut owner = World::connect(cluster.addresses[0], Dice(1), &own, &others).await;
    topics::create_plain(&mut owner, "orders").await;
    let opened = transactions::init(&mut owner, Some("mover")).await;
    let producer = Producer { id: opened.producer_id.0, epoch: opened.producer_epoch };
    let id = owner.id("orders");
    let batch = BatchBuilder::new().producer(producer.id, producer.epoch, 0).transactional();
    let (version, request) = records::produce(Err(id), 0, batch, Some("mover"));
    assert_eq!(records::code(&owner.ask(version, request).await), 0);
    owner.told();

    let before = seen(&mut owner).await;
    assert!(before.contains("Ongoing"), "{before}");
    let theirs = ask_all(&cluster, TopicId(id), producer).await;
    assert_eq!(theirs, ask_all(&cluster, TopicId::random(), producer).await);
    assert_eq!(seen(&mut owner).await, before);
    cluster.end().await;
}
