//! Transactions as a partition's owner sees them: verification, markers, what committed reads get,
//! and all of it after failovers.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::ids::TopicId;

use crate::coordinator::{Coordinator, PRODUCER, marker, transactional};
use crate::failover::end;
use crate::harness::{Cluster, NOW_MS, TestNode, batch, error, sequenced};
use crate::moves::scrubbed;

async fn node() -> (Cluster, std::sync::Arc<Coordinator>, TestNode, TopicId) {
    let cluster = Cluster::new().await;
    let coordinator = cluster.coordinator().await;
    let topic = cluster.topic(1, 2, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    node.serving(&cluster, topic, 1).await;
    (cluster, coordinator, node, topic)
}

/// A committed transaction at 0..2, an aborted one at 2..4, an open one from 4 on, and at 5 the record
/// of a producer that is in none.
async fn three_transactions(node: &TestNode, topic: TopicId) {
    let client = &node.client;
    for (sequence, commit) in [(0, Some(true)), (1, Some(false)), (2, None)] {
        client.acked_transactional(topic, transactional(0, sequence, "x")).await;
        if let Some(commit) = commit {
            client.end_transaction(topic, 0, commit).await;
        }
    }
    assert_eq!(client.acked(topic, 0, batch(&["plain"])).await, 5);
}

#[tokio::test]
async fn the_coordinator_is_asked_once_per_transaction() {
    let (_cluster, coordinator, node, topic) = node().await;
    let client = &node.client;
    for sequence in 0..3 {
        let offset = client.acked_transactional(topic, transactional(0, sequence, "x")).await;
        assert_eq!(offset, i64::from(sequence));
    }
    client.end_transaction(topic, 0, true).await;
    assert_eq!(client.acked_transactional(topic, transactional(0, 3, "x")).await, 4);
    let asked = coordinator.asked.lock().clone();
    assert_eq!(asked.len(), 2);
    assert_eq!((asked[0].producer_id, asked[0].producer_epoch), (PRODUCER, 0));
    assert_eq!((asked[0].transactional_id.as_str(), asked[0].verify_only), ("transfers", false));
}

#[tokio::test]
async fn what_the_coordinator_denies_is_not_appended_and_clients_hear_what_they_know() {
    let (_cluster, coordinator, node, topic) = node().await;
    for (says, version, hears) in [
        (ErrorCode::InvalidTxnState, 10, ErrorCode::InvalidTxnState),
        (ErrorCode::InvalidTxnState, 12, ErrorCode::TransactionAbortable),
        (ErrorCode::ProducerFenced, 12, ErrorCode::InvalidProducerEpoch),
        (ErrorCode::ConcurrentTransactions, 11, ErrorCode::NotEnoughReplicas),
        (ErrorCode::ConcurrentTransactions, 12, ErrorCode::ConcurrentTransactions),
        (ErrorCode::NotCoordinator, 12, ErrorCode::NotEnoughReplicas),
    ] {
        *coordinator.says.lock() = says;
        let batch = transactional(0, 0, "x");
        let answer = node.client.start_transactional(version, topic, 0, batch).await;
        assert_eq!(error(answer.error_code), hears, "{says} to version {version}");
        let asked = coordinator.asked.lock().pop().expect("it was asked");
        assert_eq!(asked.verify_only, version < 12, "KIP-890");
    }
    assert_eq!(node.client.list_offsets(topic, 0, -1).await.offset, 0);
}

#[tokio::test]
async fn only_the_producer_waits_for_its_verification_and_its_batches_keep_their_order() {
    let (_cluster, coordinator, node, topic) = node().await;
    coordinator.answers.send_replace(false);
    let client = &node.client;
    let waiting: Vec<_> = (0..4)
        .map(|sequence| client.start_transactional(12, topic, 0, transactional(0, sequence, "x")))
        .collect();
    assert_eq!(client.acked(topic, 0, sequenced((1, 0), 0, &["other"])).await, 0);
    coordinator.answers.send_replace(true);
    for (offset, answer) in (1..).zip(waiting) {
        assert_eq!(answer.await.base_offset, offset);
    }
    assert_eq!(coordinator.asked.lock().len(), 1);
}

/// KIP-890: the verification was under way when the coordinator aborted.
#[tokio::test]
async fn a_transaction_that_ended_meanwhile_takes_no_late_batch() {
    let (_cluster, coordinator, node, topic) = node().await;
    coordinator.answers.send_replace(false);
    let client = &node.client;
    let late = client.start_transactional(12, topic, 0, transactional(0, 0, "late"));
    client.end_transaction(topic, 1, false).await;
    coordinator.answers.send_replace(true);
    let answer = late.await;
    assert_eq!(error(answer.error_code), ErrorCode::TransactionAbortable);
    let again = client.start_transactional(12, topic, 0, transactional(0, 0, "late")).await;
    assert_eq!(error(again.error_code), ErrorCode::InvalidProducerEpoch, "T7");
    assert_eq!(client.last_stable(topic).await, 1, "nothing hangs");
}

#[tokio::test]
async fn committed_reads_end_where_something_is_undecided() {
    let (_cluster, _coordinator, node, topic) = node().await;
    three_transactions(&node, topic).await;
    let client = &node.client;
    assert_eq!(client.list_offsets(topic, 0, -1).await.offset, 6);
    assert_eq!(client.last_stable(topic).await, 4);
    let (bytes, aborted) = client.committed(topic, 0).await;
    assert_eq!(aborted, [2]);
    let all = client.read(topic, 0, 0).await.len();
    assert!(0 < bytes && bytes < all, "read_uncommitted shows the rest (T12)");
    assert_eq!(client.committed(topic, 4).await, (0, vec![]));

    // A consumer that waits at the last stable offset is woken by the marker.
    let waiting = client.start_committed(topic, 4, 20_000);
    client.end_transaction(topic, 0, false).await;
    let answer = waiting.await;
    assert_eq!((answer.last_stable_offset, answer.records.is_empty()), (7, false));
    assert_eq!(answer.aborted_transactions.unwrap()[0].first_offset, 4);
}

#[tokio::test]
async fn a_request_with_many_markers_is_answered_one_by_one() {
    let (cluster, _coordinator, node, topic) = node().await;
    let client = &node.client;
    client.acked_transactional(topic, transactional(3, 0, "x")).await;
    let gone = cluster.topic(1, 1, &[]).await;
    cluster.delete_topic(gone).await;
    let elsewhere = cluster.topic(7, 1, &[]).await;
    let markers = vec![
        marker(topic, &[0, 1], 3, true),
        marker(topic, &[0], 2, true),
        marker(gone, &[0], 3, true),
        marker(elsewhere, &[0], 3, true),
        marker(topic, &[9], 3, true),
        marker(topic, &[0], 3, true),
    ];
    let codes = client.write_markers(markers).await;
    assert_eq!(
        codes,
        [
            ErrorCode::None,
            ErrorCode::None,
            ErrorCode::InvalidProducerEpoch,
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::None,
        ]
    );
    assert_eq!(client.last_stable(topic).await, 2);
}

#[tokio::test]
async fn producers_are_described_with_their_open_transactions() {
    let (_cluster, _coordinator, node, topic) = node().await;
    three_transactions(&node, topic).await;
    node.client.acked(topic, 0, sequenced((1, 2), 7, &["plain"])).await;
    let described = node.client.producers(topic, 0).await;
    let shown: Vec<_> = described
        .iter()
        .map(|it| (it.producer_id.0, it.producer_epoch, it.last_sequence, it.coordinator_epoch))
        .collect();
    assert_eq!(shown, [(1, 2, 7, -1), (PRODUCER, 0, 2, 1)]);
    assert_eq!(described[0].current_txn_start_offset, -1);
    assert_eq!(described[1].current_txn_start_offset, 4);
    assert_eq!(described[1].last_timestamp, NOW_MS);
}

/// However a partition gets its next owner, that knows what is open and what was aborted before its
/// first append (T1, T4).
async fn goes_on(coordinator: &Coordinator, heir: &TestNode, topic: TopicId) {
    let client = &heir.client;
    assert_eq!(client.last_stable(topic).await, 4);
    assert_eq!(client.committed_plan(topic, 0).await, (4, vec![2]), "from logs alone");
    assert_eq!(client.committed(topic, 4).await, (0, vec![]), "it waits, and is not sent away");
    // The transaction is known to be open: nobody is asked about its next batch.
    let before = coordinator.asked.lock().len();
    assert_eq!(client.acked_transactional(topic, transactional(0, 3, "x")).await, 6);
    assert_eq!(coordinator.asked.lock().len(), before);
    client.end_transaction(topic, 0, false).await;
    client.end_transaction(topic, 0, false).await;
    assert_eq!(client.last_stable(topic).await, 8, "a repeat appends nothing");
    let zombie = marker(topic, &[0], 0, true);
    let zombie = hop::internal::TxnMarker { coordinator_epoch: 0, ..zombie };
    let fenced = ErrorCode::TransactionCoordinatorFenced;
    assert_eq!(client.write_markers(vec![zombie]).await, [fenced]);
}

#[tokio::test]
async fn a_survivor_knows_the_transactions_of_the_dead() {
    let (cluster, coordinator, zombie, topic) = node().await;
    three_transactions(&zombie, topic).await;
    let heir = cluster.start(cluster.config(2)).await;
    cluster.fail_over(1, &heir, 2, topic).await;
    goes_on(&coordinator, &heir, topic).await;
    // And the next one, of what two logs say together: data in one, its marker in the other.
    let third = cluster.start(cluster.config(3)).await;
    cluster.fail_over(2, &third, 3, topic).await;
    assert_eq!(third.client.committed_plan(topic, 0).await, (8, vec![2, 4]));
    assert_eq!(third.client.committed_plan(topic, 7).await, (8, vec![4]), "its marker touches");
    third.stop().await.unwrap();
    scrubbed(&cluster).await;
}

#[tokio::test]
async fn a_restart_after_a_crash_finds_them_in_the_write_ahead_log() {
    let (cluster, coordinator, zombie, topic) = node().await;
    three_transactions(&zombie, topic).await;
    let node = cluster.start(cluster.crash(1)).await;
    node.serving(&cluster, topic, 0).await;
    goes_on(&coordinator, &node, topic).await;
}

#[tokio::test]
async fn a_shutdown_hands_them_over_in_its_index() {
    let (cluster, coordinator, node, topic) = node().await;
    three_transactions(&node, topic).await;
    node.stop().await.unwrap();
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    goes_on(&coordinator, &node, topic).await;
    node.stop().await.unwrap();
    scrubbed(&cluster).await;
}

#[tokio::test]
async fn a_move_hands_them_over_in_its_close() {
    let (cluster, coordinator, node, topic) = node().await;
    three_transactions(&node, topic).await;
    let heir = cluster.start(cluster.config(2)).await;
    cluster.assign(topic, 0, 2, 1).await;
    cluster.view.refresh().await.unwrap();
    heir.serving(&cluster, topic, 0).await;
    goes_on(&coordinator, &heir, topic).await;
}

/// The marker was written, and its owner died before it could say so (T11).
#[tokio::test]
async fn a_marker_repeated_to_the_next_owner_is_a_success() {
    let (cluster, _coordinator, zombie, topic) = node().await;
    zombie.client.acked_transactional(topic, transactional(5, 0, "x")).await;
    let bumped =
        || hop::internal::TxnMarker { transaction_version: 2, ..marker(topic, &[0], 6, true) };
    assert_eq!(zombie.client.write_markers(vec![bumped()]).await, [ErrorCode::None]);
    let heir = cluster.start(cluster.config(2)).await;
    cluster.fail_over(1, &heir, 2, topic).await;
    assert_eq!(heir.client.write_markers(vec![bumped()]).await, [ErrorCode::None]);
    assert_eq!(heir.client.last_stable(topic).await, 2);
    let late = heir.client.start_transactional(12, topic, 0, transactional(5, 1, "late")).await;
    assert_eq!(
        error(late.error_code),
        ErrorCode::InvalidProducerEpoch,
        "T7, also after a failover"
    );
}

/// R6: a coordinator gives up a marker that is refused for good, so a node that has been replaced may
/// not refuse one.
#[tokio::test]
async fn a_zombie_refuses_no_marker_for_good() {
    let cluster = Cluster::new().await;
    let _coordinator = cluster.coordinator().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.wal.kind = storage_node::WalKind::Object;
    config.wal.object.window = Duration::from_millis(10);
    let zombie = cluster.start(config).await;
    zombie.serving(&cluster, topic, 0).await;
    zombie.client.acked_transactional(topic, transactional(3, 0, "x")).await;
    let stale = || vec![marker(topic, &[0], 2, true)];
    assert_eq!(zombie.client.write_markers(stale()).await, [ErrorCode::InvalidProducerEpoch]);
    let heir = cluster.start(cluster.config(2)).await;
    let record = cluster.node_record(1).await;
    let request =
        hop::internal::EndIncarnationRequest { log_id: record.log_id, front: record.front };
    assert_eq!(end(&heir.client, request).await, ErrorCode::None);
    assert_eq!(zombie.client.write_markers(stale()).await, [ErrorCode::NotLeaderOrFollower]);
}

/// The hot part and the stored one say the same, whichever a consumer is sent to.
#[tokio::test]
async fn plans_and_memory_agree_about_transactions() {
    let cluster = Cluster::new().await;
    let _coordinator = cluster.coordinator().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(5);
    let node = cluster.start(config).await;
    node.serving(&cluster, topic, 0).await;
    three_transactions(&node, topic).await;
    node.uploaded(topic, 0, 6).await;
    let client = &node.client;
    for offset in 0..4 {
        let (end, planned) = client.committed_plan(topic, offset).await;
        let (_, read) = client.committed(topic, offset).await;
        assert_eq!((end, planned), (4, read), "from offset {offset}");
    }
    assert_eq!(client.committed_plan(topic, 4).await, (4, vec![]), "no plan: it is undecided");
    client.end_transaction(topic, 0, true).await;
    node.uploaded(topic, 0, 7).await;
    assert_eq!(client.committed_plan(topic, 4).await, (7, vec![]));
}
