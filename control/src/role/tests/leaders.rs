//! Leaders follow each other, and each knows what the one before did (R9).

use metadata::{MemoryStore, MetadataStore, Txn, keys::Key, model::Record};
use protocol::{ErrorCode, ids::TopicId};

use super::{
    harness::{Cluster, SOON, TENANT},
    meddled::{Meddled, Verdict},
};
use crate::limits::PRODUCER_IDS_PER_BLOCK;

#[tokio::test(start_paused = true)]
async fn only_the_leader_answers() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let leader = cluster.leader("a").await;
    let other = cluster.control("b").await;
    tokio::time::sleep(SOON).await;
    assert_eq!(other.create("orders", 1).await, ErrorCode::NotController);
    assert_eq!(other.delete("orders").await, ErrorCode::NotController);
    assert_eq!(other.grow("orders", 2).await, ErrorCode::NotController);
    let code = i32::from(ErrorCode::NotController.code());
    assert_eq!(other.producer_ids().await.error_code, code);
    assert_eq!(cluster.view.leader().unwrap().address, leader.control.advertised);

    leader.stop().await;
    other.leads().await;
    assert_eq!(other.create("orders", 1).await, ErrorCode::None);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_knows_what_the_old_one_did() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    for name in ["kept", "deleted", "grown"] {
        assert_eq!(control.create(name, 1).await, ErrorCode::None);
    }
    assert_eq!(control.delete("deleted").await, ErrorCode::None);
    assert_eq!(control.grow("grown", 3).await, ErrorCode::None);
    control.stop().await;

    let control = cluster.leader("b").await;
    assert_eq!(control.create("kept", 1).await, ErrorCode::TopicAlreadyExists);
    assert_eq!(control.grow("grown", 3).await, ErrorCode::InvalidPartitions);
    assert_eq!(control.create("deleted", 1).await, ErrorCode::None);
}

#[tokio::test(start_paused = true)]
async fn copies_are_repaired_from_the_log() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    for name in ["lost", "wrong", "right"] {
        assert_eq!(control.create(name, 1).await, ErrorCode::None);
    }
    let topic = |name| {
        let topic = cluster.view.topic_by_name(TENANT, name).unwrap();
        (topic.id(), Key::Topic(TENANT, topic.id()))
    };
    let ((lost, lost_key), (wrong, wrong_key)) = (topic("lost"), topic("wrong"));
    control.stop().await;
    let never = TopicId::random();
    let right = cluster.topic("right").await.unwrap();
    let damage = Txn::new()
        .delete(lost_key)
        .put(wrong_key, right.record.encode())
        .put(Key::Partition(never, 0), "?")
        .put(Key::Topic(TENANT, never), "?")
        .put("s/acl/1/never", "?");
    cluster.commit(damage).await;

    let _control = cluster.leader("b").await;
    cluster.view.refresh().await.unwrap();
    assert_eq!(cluster.topic("lost").await.unwrap().id(), lost);
    assert_eq!(cluster.topic("wrong").await.unwrap().id(), wrong);
    for key in [Key::Partition(never, 0), Key::Topic(TENANT, never)] {
        assert_eq!(cluster.metadata.get(&key.to_string()).await.unwrap(), None, "{key}");
    }
    assert_eq!(cluster.metadata.get("s/acl/1/never").await.unwrap(), None, "in no record");
    let assigned = cluster.metadata.get(&Key::Partition(lost, 0).to_string()).await.unwrap();
    assert!(assigned.is_some(), "assignments outlive a lost copy of their topic");
}

#[tokio::test(start_paused = true)]
async fn producer_ids_are_never_given_twice() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let mut firsts = Vec::new();
    for control_id in ["a", "b", "c"] {
        // A leader uses one block up before it answers here.
        let control = cluster.leader(control_id).await;
        for _ in 0..150 {
            let block = control.producer_ids().await;
            assert_eq!((block.error_code, i64::from(block.count)), (0, PRODUCER_IDS_PER_BLOCK));
            firsts.push(block.first);
        }
        control.stop().await;
    }
    assert!(firsts.windows(2).all(|pair| pair[1] - pair[0] >= PRODUCER_IDS_PER_BLOCK));
    assert!(firsts.iter().all(|first| first >> 47 == 1), "the generation is in front");
}

/// Goal: nobody is told that a member of the metadata store has died.
#[tokio::test(start_paused = true)]
async fn a_change_outlasts_a_metadata_store_that_fails_for_a_moment() {
    let cluster = Cluster::found(Meddled::new()).await;
    let control = cluster.leader("a").await;
    for name in ["one", "other"] {
        let mut fails = 10;
        cluster.metadata.meddle(move |_| {
            fails -= 1;
            if fails >= 0 { Verdict::Refuse } else { Verdict::Pass }
        });
        assert_eq!(control.create(name, 1).await, ErrorCode::None);
        assert!(cluster.topic(name).await.is_some());
        assert_eq!(control.delete(name).await, ErrorCode::None);
    }
    assert!(cluster.metadata.meddled() >= 20);
}

/// Goal: what the log has, the copies get, also when the metadata store is away at the moment of
/// the change; and the client is not told that nothing happened.
#[tokio::test(start_paused = true)]
async fn a_change_that_could_not_be_shown_is_shown_later() {
    let cluster = Cluster::found(Meddled::new()).await;
    let node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("goes", 1).await, ErrorCode::None);
    cluster.metadata.meddle(|_| Verdict::Refuse);
    assert_eq!(control.create("comes", 2).await, ErrorCode::RequestTimedOut);
    assert_eq!(control.delete("goes").await, ErrorCode::RequestTimedOut);
    assert_eq!(control.create("comes", 2).await, ErrorCode::TopicAlreadyExists);
    assert!(cluster.topic("comes").await.is_none());

    cluster.metadata.meddle(|_| Verdict::Pass);
    let shown = |view: &metadata::ClusterView| {
        let comes = view.topic_by_name(TENANT, "comes");
        let owned = comes.is_some_and(|topic| topic.owners.iter().all(Option::is_some));
        owned && view.topic_by_name(TENANT, "goes").is_none()
    };
    cluster.until("the copies catch up", shown).await;
    assert_eq!(cluster.view.assigned_to(node.id).len(), 4, "with the group topic's two");
}
