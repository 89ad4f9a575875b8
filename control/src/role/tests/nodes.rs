//! R2: a partition leaves a node when the node has ended, and for no other reason.

use std::sync::Arc;

use metadata::{
    MemoryStore, MetadataStore, Op, Topic, Txn,
    keys::Key,
    model::{Assignment, NodeLiveRecord, NodeRecord, NodeState, Record},
};
use protocol::{ErrorCode, ids::NodeId};

use super::{
    harness::{Cluster, SOON, TENANT, spread},
    meddled::{Meddled, Verdict},
};

async fn all_on<M: MetadataStore>(cluster: &Cluster<M>, topic: &Topic, node: NodeId, epoch: i32) {
    let id = topic.id();
    let there = move |view: &metadata::ClusterView| {
        let topic = view.topic_by_id(TENANT, id).expect("the topic exists");
        topic.owners.iter().all(|owner| owner.is_some_and(|o| (o.node, o.epoch) == (node, epoch)))
    };
    cluster.until("every partition is on the node", there).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_merely_gone_keeps_its_partitions() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let gone = cluster.node(1).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 4).await, ErrorCode::None);
    let before = cluster.owners("orders").await;

    cluster.vanish(&gone).await;
    let _other = cluster.node(2).await;
    // Ten rounds of looking for work, and a leader that starts from nothing.
    tokio::time::sleep(SOON).await;
    control.stop().await;
    let control = cluster.leader("b").await;
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.owners("orders").await, before);
    // It gets nothing new either.
    assert_eq!(control.create("later", 4).await, ErrorCode::None);
    assert_eq!(cluster.owners("later").await, [Some((2, 0)); 4]);
}

/// R71: it keeps what it has, gets nothing more, and is better than nobody.
#[tokio::test(start_paused = true)]
async fn a_node_with_a_wrong_clock_gets_no_more_partitions() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let wrong = cluster.node(1).await;
    cluster.say(&wrong, NodeLiveRecord { clock_is_wrong: true, ..NodeLiveRecord::default() }).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("alone", 2).await, ErrorCode::None);
    assert_eq!(cluster.owners("alone").await, [Some((1, 0)); 2]);

    let _right = cluster.node(2).await;
    assert_eq!(control.create("orders", 8).await, ErrorCode::None);
    assert_eq!(cluster.owners("orders").await, [Some((2, 0)); 8]);
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.owners("alone").await, [Some((1, 0)); 2]);

    cluster.say(&wrong, NodeLiveRecord::default()).await;
    assert_eq!(control.create("later", 4).await, ErrorCode::None);
    assert_eq!(cluster.owners("later").await, [Some((1, 0)); 4], "it has fewer");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ended_is_succeeded_in_the_next_epoch() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let ended = cluster.node(1).await;
    let control = cluster.leader("a").await;
    // More than one transaction.
    assert_eq!(control.create("orders", 150).await, ErrorCode::None);
    let topic = cluster.topic("orders").await.unwrap();
    let heir = cluster.node(2).await;
    cluster.register(&ended, 1, NodeState::Ended).await;
    all_on(&cluster, &topic, heir.id, 1).await;
    while heir.opened(&topic).len() < 150 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // And on, when that one ends too.
    cluster.register(&ended, 2, NodeState::Live).await;
    cluster.register(&heir, 1, NodeState::Ended).await;
    all_on(&cluster, &topic, ended.id, 2).await;
}

/// Goal: Fenced is not Ended, also where the same topic has partitions that do need a node.
#[tokio::test(start_paused = true)]
async fn a_fenced_node_is_not_succeeded_before_its_log_ends() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let (fenced, ended) = (cluster.node(1).await, cluster.node(2).await);
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 2).await, ErrorCode::None);
    assert_eq!(spread(&cluster.owners("orders").await).len(), 2, "one partition each");
    let heir = cluster.node(3).await;
    cluster.register(&fenced, 1, NodeState::Fenced).await;
    cluster.register(&ended, 1, NodeState::Ended).await;
    tokio::time::sleep(SOON).await;
    let mut owners = cluster.owners("orders").await;
    owners.sort_unstable();
    assert_eq!(owners, [Some((1, 0)), Some((3, 1))]);
    cluster.register(&fenced, 1, NodeState::Ended).await;
    let topic = cluster.topic("orders").await.unwrap();
    all_on(&cluster, &topic, heir.id, 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_node_ends_and_comes_back_to_its_partitions() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 2).await, ErrorCode::None);
    cluster.register(&node, 1, NodeState::Ended).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.owners("orders").await, [Some((1, 0)); 2], "nobody else is there");
    cluster.register(&node, 2, NodeState::Live).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.owners("orders").await, [Some((1, 0)); 2]);
}

/// Whether a transaction assigns partitions.
fn assigns(txn: &Txn) -> bool {
    txn.ops.iter().any(|op| {
        matches!(op, Op::Put { key, .. } if matches!(Key::parse(key), Some(Key::Partition(..))))
    })
}

/// Goal: between the look at the node's record and the transaction the node comes back, and opens
/// its partitions again. Nothing may be taken from it.
#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_in_between_keeps_its_partitions() {
    let cluster = Cluster::found(Meddled::new()).await;
    let back = cluster.node(1).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 4).await, ErrorCode::None);
    let record = Arc::unwrap_or_clone(cluster.view.node(back.id).unwrap());
    let again = NodeRecord { incarnation: 2, state: NodeState::Live, ..record };
    let again = Txn::new().put(Key::Node(back.id), again.encode());
    cluster.metadata.meddle(move |txn| match assigns(txn) {
        true => Verdict::After(vec![again.clone()]),
        false => Verdict::Pass,
    });
    let _heir = cluster.node(2).await;
    cluster.register(&back, 1, NodeState::Ended).await;
    tokio::time::sleep(SOON).await;
    assert!(cluster.metadata.meddled() > 0, "control tried");
    assert_eq!(cluster.owners("orders").await, [Some((1, 0)); 4]);
}

/// Goal: somebody gives the partition to a node in between; the later decision knows nothing of it
/// and must not undo it.
#[tokio::test(start_paused = true)]
async fn a_partition_that_gets_an_owner_in_between_keeps_it() {
    let cluster = Cluster::found(Meddled::new()).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    let id = cluster.topic("orders").await.unwrap().id();
    let other = Assignment { node: NodeId(9), epoch: 5 };
    let other = Txn::new().put(Key::Partition(id, 0), other.encode());
    let wanted = Key::Partition(id, 0).to_string();
    cluster.metadata.meddle(move |txn| match txn.ops.iter().any(|op| op.key() == wanted) {
        true => Verdict::After(vec![other.clone()]),
        false => Verdict::Pass,
    });
    let _node = cluster.node(1).await;
    tokio::time::sleep(SOON).await;
    assert!(cluster.metadata.meddled() > 0, "control tried");
    assert_eq!(cluster.owners("orders").await, [Some((9, 5))]);
}

/// Goal: the topic is deleted in between; no assignment without a topic is left behind.
#[tokio::test(start_paused = true)]
async fn a_topic_that_goes_in_between_leaves_no_assignment() {
    let cluster = Cluster::found(Meddled::new()).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    let id = cluster.topic("orders").await.unwrap().id();
    let gone = Txn::new().delete(Key::Topic(TENANT, id));
    let wanted = Key::Partition(id, 0).to_string();
    let looked = wanted.clone();
    cluster.metadata.meddle(move |txn| match txn.ops.iter().any(|op| op.key() == wanted) {
        true => Verdict::After(vec![gone.clone()]),
        false => Verdict::Pass,
    });
    let _node = cluster.node(1).await;
    tokio::time::sleep(SOON).await;
    assert!(cluster.metadata.meddled() > 0, "control tried");
    assert_eq!(cluster.metadata.get(&looked).await.unwrap(), None);
}
