//! Cooperative moves: a partition goes from one live node to another and back, and nothing of it is
//! lost, doubled or reordered, whoever dies on the way.

use hop::internal::{OpenPartition, ReleasePartitionRequest, ReleasePartitionResponse};
use hop::{Request, Response};
use metadata::model::NodeState;
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TopicId};
use segment::scrub::{ScrubOptions, scrub};
use segment::seqlog::SeqLogReader;
use segment::{Family, ManifestStore};

use crate::crash::cold_values;
use crate::failover::{end, numbers, produce};
use crate::harness::{Client, Cluster, PATIENCE, TENANT, TestNode, batch, error, sequenced};

const PRODUCER: (i64, i16) = (4000, 0);

pub(crate) async fn scrubbed(cluster: &Cluster) {
    let report = scrub(&cluster.store, ScrubOptions::default()).await.expect("memory answers");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// What node `to` asks the owner.
async fn ask(cluster: &Cluster, owner: &TestNode, topic: TopicId, to: i32) -> Request {
    let id = PartitionId::new(TENANT, topic, 0);
    let manifests = ManifestStore::new(cluster.store.clone());
    let (manifest, _) = manifests.load(&id).await.expect("memory answers").expect("claimed");
    Request::ReleasePartition(ReleasePartitionRequest {
        partition: Some(OpenPartition::new(id)),
        log_id: owner.handle.node().log().to_string(),
        epoch: manifest.epoch,
        node: to,
    })
}

async fn answer(client: &Client, request: Request) -> ReleasePartitionResponse {
    match client.start(request).await {
        Response::ReleasePartition(answer) => answer,
        other => panic!("{other:?}"),
    }
}

/// Produces one record wherever the partition is served, as a gateway does: "not the leader" is
/// definite, so the same batch goes to the other node.
async fn produce_somewhere(nodes: &[&TestNode], topic: TopicId, number: i32) -> i64 {
    let records = sequenced(PRODUCER, number, &[&number.to_string()]);
    let produced = async {
        loop {
            for node in nodes {
                let answer = node.client.produce(topic, 0, records.clone()).await;
                match error(answer.error_code) {
                    ErrorCode::None => return answer.base_offset,
                    ErrorCode::NotLeaderOrFollower => {}
                    code => panic!("record {number}: {code}"),
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, produced).await.expect("somebody serves")
}

#[tokio::test]
async fn a_partition_goes_back_and_forth_under_load() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let first = cluster.start(cluster.config(1)).await;
    first.serving(&cluster, topic, 0).await;
    let second = cluster.start(cluster.config(2)).await;
    let nodes = [&first, &second];
    let moves = async {
        for epoch in 1..=6 {
            let (to, heir) = if epoch % 2 == 0 { (1, &first) } else { (2, &second) };
            cluster.assign(topic, 0, to, epoch).await;
            assert_eq!(heir.serving(&cluster, topic, 0).await, epoch);
        }
    };
    let load = async {
        for number in 0..300 {
            assert_eq!(produce_somewhere(&nodes, topic, number).await, i64::from(number));
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(moves, load);

    // Epoch 6 is the first node's, which has had the partition before in the same incarnation.
    for number in 295..300 {
        let again = sequenced(PRODUCER, number, &[&number.to_string()]);
        assert_eq!(first.client.acked(topic, 0, again).await, i64::from(number), "T1");
    }
    second.stop().await.unwrap();
    first.stop().await.unwrap();
    let again = cluster.start(cluster.config(1)).await;
    again.serving(&cluster, topic, 0).await;
    assert_eq!(cold_values(&cluster, &again, topic).await, numbers(300));
    scrubbed(&cluster).await;
}

#[tokio::test]
async fn an_owner_lets_go_only_of_what_is_assigned_to_the_asker() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let owner = cluster.start(cluster.config(1)).await;
    owner.serving(&cluster, topic, 0).await;
    let request = ask(&cluster, &owner, topic, 2).await;
    let refused = answer(&owner.client, request.clone()).await;
    assert_eq!(refused.error_code, i32::from(ErrorCode::NotLeaderOrFollower.code()));
    assert_eq!(owner.client.acked(topic, 0, batch(&["a"])).await, 0, "and goes on");

    cluster.assign(topic, 0, 2, 1).await;
    let closed = answer(&owner.client, request.clone()).await;
    assert_eq!(closed.error_code, 0);
    let again = answer(&owner.client, request).await;
    assert_eq!(again, closed, "asking twice closes once");
    let log = owner.handle.node().log();
    let reader = SeqLogReader::new(cluster.store.clone(), Family::Data, log);
    let record = reader.read(closed.slot).await.unwrap().and_then(|slot| slot.close());
    let record = record.expect("CLOSE is there");
    assert_eq!((record.epoch, record.end_offset), (0, 1));
    let late = owner.client.produce(topic, 0, batch(&["b"])).await;
    assert_eq!(error(late.error_code), ErrorCode::NotLeaderOrFollower, "final for the epoch");
}

#[tokio::test]
async fn a_move_that_is_taken_back_after_close_is_another_epoch() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let owner = cluster.start(cluster.config(1)).await;
    owner.serving(&cluster, topic, 0).await;
    produce(&owner.client, topic, 0..3).await;
    cluster.assign(topic, 0, 2, 1).await;
    let request = ask(&cluster, &owner, topic, 2).await;
    assert_eq!(answer(&owner.client, request).await.error_code, 0);
    // The next owner never came.
    cluster.assign(topic, 0, 1, 2).await;
    assert_eq!(owner.serving(&cluster, topic, 0).await, 2);
    produce(&owner.client, topic, 3..6).await;
    owner.stop().await.unwrap();
    scrubbed(&cluster).await;
}

#[tokio::test]
async fn an_owner_that_ends_in_order_hands_over_what_had_left_unclaimed() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let owner = cluster.start(cluster.config(1)).await;
    owner.serving(&cluster, topic, 0).await;
    produce(&owner.client, topic, 0..5).await;
    // The cluster knows the next owner and its assignment, which says nothing about a claim.
    cluster.start(cluster.config(2)).await.stop().await.unwrap();
    cluster.assign(topic, 0, 2, 1).await;
    let request = ask(&cluster, &owner, topic, 2).await;
    assert_eq!(answer(&owner.client, request).await.error_code, 0);
    owner.stop().await.unwrap();
    let heir = cluster.start(cluster.config(2)).await;
    heir.serving(&cluster, topic, 0).await;
    assert_eq!(cold_values(&cluster, &heir, topic).await, numbers(5));
    let again = sequenced(PRODUCER, 4, &["4"]);
    assert_eq!(heir.client.acked(topic, 0, again).await, 4, "its producers, too");
    heir.stop().await.unwrap();
    scrubbed(&cluster).await;
}

#[tokio::test]
async fn a_move_that_is_taken_back_before_anybody_asked_is_another_epoch() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let owner = cluster.start(cluster.config(1)).await;
    owner.serving(&cluster, topic, 0).await;
    produce(&owner.client, topic, 0..3).await;
    // Gateways and clients hear of epochs 1 and 2, and never of 0 again.
    cluster.assign(topic, 0, 2, 1).await;
    cluster.assign(topic, 0, 1, 2).await;
    let fourth = || owner.client.produce_in(topic, 0, sequenced(PRODUCER, 3, &["3"]), Some(2));
    let produced = async {
        loop {
            match fourth().await {
                answer if answer.error_code == 0 => return answer.base_offset,
                answer => assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower),
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let offset = tokio::time::timeout(PATIENCE, produced).await.expect("it takes up its epoch");
    assert_eq!(offset, 3);
    produce(&owner.client, topic, 4..6).await;
    owner.stop().await.unwrap();
    scrubbed(&cluster).await;
}

#[tokio::test]
async fn an_owner_that_dies_before_or_after_its_close_is_failed_over() {
    for closes_first in [false, true] {
        let cluster = Cluster::new().await;
        let topic = cluster.topic(1, 1, &[]).await;
        let zombie = cluster.start(cluster.config(1)).await;
        zombie.serving(&cluster, topic, 0).await;
        produce(&zombie.client, topic, 0..10).await;
        cluster.assign(topic, 0, 2, 1).await;
        if closes_first {
            let request = ask(&cluster, &zombie, topic, 2).await;
            assert_eq!(answer(&zombie.client, request).await.error_code, 0);
        }
        let survivor = cluster.start(cluster.config(3)).await;
        cluster.set_state(1, NodeState::Fenced).await;
        let request = cluster.ending(1).await;
        assert_eq!(end(&survivor.client, request).await, ErrorCode::None);
        cluster.set_state(1, NodeState::Ended).await;
        let heir = cluster.start(cluster.config(2)).await;
        assert_eq!(heir.serving(&cluster, topic, 0).await, 1);
        assert_eq!(cold_values(&cluster, &heir, topic).await, numbers(10));
        produce(&heir.client, topic, 10..12).await;
        heir.stop().await.unwrap();
        scrubbed(&cluster).await;
    }
}

#[tokio::test]
async fn a_new_owner_that_dies_is_failed_over_while_the_old_one_lives() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let first = cluster.start(cluster.config(1)).await;
    first.serving(&cluster, topic, 0).await;
    produce(&first.client, topic, 0..5).await;
    let zombie = cluster.start(cluster.config(2)).await;
    cluster.assign(topic, 0, 2, 1).await;
    zombie.serving(&cluster, topic, 0).await;
    produce(&zombie.client, topic, 5..10).await;
    // Its chain begins in a log that goes on.
    assert_eq!(cluster.fail_over(2, &first, 1, topic).await, 2);
    let again = sequenced(PRODUCER, 7, &["7"]);
    assert_eq!(first.client.acked(topic, 0, again).await, 7, "producers of both logs");
    produce(&first.client, topic, 10..12).await;
    first.stop().await.unwrap();
    let heir = cluster.start(cluster.config(3)).await;
    cluster.assign(topic, 0, 3, 3).await;
    heir.serving(&cluster, topic, 0).await;
    assert_eq!(cold_values(&cluster, &heir, topic).await, numbers(12));
    scrubbed(&cluster).await;
}

#[tokio::test]
async fn a_close_without_snapshot_is_as_good() {
    let cluster = Cluster::on_disk().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let first = cluster.start(cluster.config(1)).await;
    first.serving(&cluster, topic, 0).await;
    produce(&first.client, topic, 0..5).await;
    // The store refuses the snapshot: x/ is a file.
    std::fs::write(cluster.objects().join("x"), b"").unwrap();
    let second = cluster.start(cluster.config(2)).await;
    cluster.assign(topic, 0, 2, 1).await;
    second.serving(&cluster, topic, 0).await;
    assert_eq!(cold_values(&cluster, &second, topic).await, numbers(5));
    let again = sequenced(PRODUCER, 4, &["4"]);
    assert_eq!(second.client.acked(topic, 0, again).await, 4);
}
