//! The metadata store is lost; the bucket knows.

use std::collections::BTreeMap;

use bytes::Bytes;
use metadata::{
    MemoryStore,
    keys::{self, PARTITIONS},
    model::{Assignment, NodeRecord, NodeState, TopicRecord},
};
use process::Clock;
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use segment::{
    Family, Manifest, ManifestStore,
    seqlog::{EndReason, EndRecord, OpenSlot, SeqLogWriter},
};

use super::*;
use crate::{BootstrapError, Config, bootstrap};

const FRONT: &str = "disk:/var/wal";

async fn founded(store: &Store) -> ClusterRecord {
    bootstrap(&Config::new("a"), &Clock::manual(1), &MemoryStore::new(), store).await.unwrap()
}

fn topic(tenant: u32, name: &str, partitions: i32) -> TopicRecord {
    TopicRecord {
        tenant: TenantId(tenant),
        id: TopicId::random(),
        name: name.to_owned(),
        partitions,
        configs: BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]),
        internal: false,
        created_ms: 7,
    }
}

async fn commit(store: &Store, records: &[MetaRecord]) {
    let (mut log, _) = MetaLog::open(store, 1).await.unwrap();
    for record in records {
        log.append(record).await.unwrap();
    }
}

/// A node's log, ended or not.
async fn incarnation(store: &Store, log: LogId, ended: bool) {
    let open = OpenSlot { front: Bytes::from_static(FRONT.as_bytes()), ..OpenSlot::default() };
    let writer = SeqLogWriter::create(store.clone(), Family::Data, log, &open).await;
    if ended {
        let end = EndRecord { reason: EndReason::Shutdown as i32, lsn: 0, index: None };
        writer.unwrap().end(&end).await.unwrap();
    }
}

async fn claim(store: &Store, topic: &TopicRecord, index: i32, epoch: i32, log: LogId) {
    let partition = PartitionId::new(topic.tenant, topic.id, index);
    let manifest = Manifest::create(partition, epoch, log, 1);
    ManifestStore::new(store.clone()).commit(&manifest, None).await.unwrap();
}

async fn read<R: Record>(metadata: &MemoryStore, key: Key) -> R {
    let entry = metadata.get(&key.to_string()).await.unwrap();
    R::decode(&entry.unwrap_or_else(|| panic!("no {key}")).value).unwrap()
}

#[tokio::test]
async fn everything_but_the_secret_comes_back() {
    let store = Store::memory("control");
    let first = founded(&store).await;
    let (ours, theirs) = (topic(1, "orders", 3), topic(2, "orders", 1));
    commit(
        &store,
        &[
            MetaRecord::Leader { control_id: "a".to_owned() },
            MetaRecord::TopicsCreated(vec![ours.clone(), theirs.clone()]),
            MetaRecord::ProducerIdsReserved { next: 3_000 },
        ],
    )
    .await;
    let (old, live) = (LogId::fresh(NodeId(1), 1, 4), LogId::fresh(NodeId(1), 1, 5));
    let gone = LogId::fresh(NodeId(2), 1, 9);
    incarnation(&store, old, true).await;
    incarnation(&store, live, false).await;
    incarnation(&store, gone, true).await;
    claim(&store, &ours, 0, 8, live).await;
    claim(&store, &ours, 1, 3, old).await;
    claim(&store, &theirs, 0, 2, gone).await;

    let metadata = MemoryStore::new();
    let rebuilt = rebuild(&metadata, &store).await.unwrap();
    assert_eq!((rebuilt.generation, rebuilt.topics, rebuilt.owned), (2, 3, 3));
    assert_eq!(rebuilt.nodes, (2, 1));
    let cluster: ClusterRecord = read(&metadata, Key::Cluster).await;
    assert_eq!((&cluster.cluster_id, cluster.generation), (&first.cluster_id, 2));
    assert_eq!(cluster.group_state_topic, first.group_state_topic);
    assert_ne!(cluster.secret, first.secret, "what is left of the old cluster is locked out");
    for topic in [&ours, &theirs] {
        assert_eq!(
            read::<TopicRecord>(&metadata, Key::Topic(topic.tenant, topic.id)).await,
            *topic
        );
    }
    assert_eq!(read::<ProducerIdRecord>(&metadata, Key::ProducerIds).await.next, 3_000);

    let assignment = |index| read::<Assignment>(&metadata, Key::Partition(ours.id, index));
    assert_eq!(assignment(0).await, Assignment { node: NodeId(1), epoch: 8 });
    assert_eq!(assignment(1).await, Assignment { node: NodeId(1), epoch: 3 });
    let never_claimed = metadata.get(&Key::Partition(ours.id, 2).to_string()).await.unwrap();
    assert_eq!(never_claimed, None, "control gives it a node");

    let node: NodeRecord = read(&metadata, Key::Node(NodeId(1))).await;
    assert_eq!((node.log_id, node.incarnation), (live.to_string(), 5), "the latest incarnation");
    assert_eq!((node.state, node.front.as_str()), (NodeState::Live, FRONT));
    assert_eq!(read::<NodeRecord>(&metadata, Key::Node(NodeId(2))).await.state, NodeState::Ended);
}

#[tokio::test]
async fn a_leader_of_before_cannot_commit_any_more() {
    let store = Store::memory("control");
    founded(&store).await;
    commit(&store, &[MetaRecord::Leader { control_id: "a".to_owned() }]).await;
    let (mut log, _) = MetaLog::open(&store, 7).await.unwrap();
    rebuild(&MemoryStore::new(), &store).await.unwrap();
    let refused = log.append(&MetaRecord::TopicsCreated(vec![topic(1, "late", 1)])).await;
    assert!(matches!(refused, Err(MetaLogError::Overtaken)), "{refused:?}");
}

#[tokio::test]
async fn control_waits_for_the_rebuild_and_then_starts() {
    let (metadata, store) = (MemoryStore::new(), Store::memory("control"));
    founded(&store).await;
    commit(&store, &[MetaRecord::Leader { control_id: "a".to_owned() }]).await;
    let (config, clock) = (Config::new("a"), Clock::manual(1));
    let starts = || bootstrap(&config, &clock, &metadata, &store);
    let refused = starts().await.unwrap_err();
    assert!(matches!(refused, BootstrapError::MetadataLost { .. }), "{refused}");
    assert!(refused.to_string().contains("thermocline rebuild --from-bucket"), "{refused}");
    rebuild(&metadata, &store).await.unwrap();
    assert_eq!(starts().await.unwrap().generation, 2);
}

#[tokio::test]
async fn what_is_there_is_not_rebuilt_over_and_an_empty_bucket_gives_nothing() {
    let (metadata, store) = (MemoryStore::new(), Store::memory("control"));
    let refused = rebuild(&metadata, &store).await;
    assert!(matches!(refused, Err(RebuildError::NoCluster { .. })), "{refused:?}");
    bootstrap(&Config::new("a"), &Clock::manual(1), &metadata, &store).await.unwrap();
    let refused = rebuild(&metadata, &store).await;
    assert!(matches!(refused, Err(RebuildError::NotEmpty { generation: 1, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_rebuild_that_broke_off_is_run_again() {
    let (metadata, store) = (MemoryStore::new(), Store::memory("control"));
    founded(&store).await;
    let ours = topic(1, "orders", 200);
    commit(&store, &[MetaRecord::TopicsCreated(vec![ours.clone()])]).await;
    let log = LogId::fresh(NodeId(1), 1, 1);
    incarnation(&store, log, false).await;
    for index in 0..200 {
        claim(&store, &ours, index, 1, log).await;
    }
    // As if it had died right before its last step.
    rebuild(&metadata, &store).await.unwrap();
    let forget = Txn::new().delete(Key::Cluster);
    assert!(metadata.txn(forget).await.unwrap().is_committed());
    let again = rebuild(&metadata, &store).await.unwrap();
    assert_eq!((again.generation, again.owned), (3, 200));
    let assignments = metadata.list(PARTITIONS).await.unwrap();
    assert_eq!(assignments.entries.len(), 200);
    assert_eq!(metadata.list(keys::TOPICS).await.unwrap().entries.len(), 2);
}
