//! What produces see while a partition is on its way from one owner to the next.

use std::sync::atomic::Ordering;
use std::time::Duration;

use metadata::model::NodeState;
use protocol::ErrorCode;
use protocol::messages::ProduceRequest;

use crate::admin::{epoch_end, latest, offsets};
use crate::fetch::{at_once, fetch, fetched};
use crate::produce::{outcome, produce};
use crate::support::{Cluster, EPOCH, Gateway, Seen, batch, eventually};

/// A gateway that holds produces for longer than any test needs.
async fn patient(cluster: &Cluster) -> Gateway {
    cluster.gateway_with(1, |config| config.produce_hold = Duration::from_secs(5)).await
}

#[tokio::test]
async fn nobody_waits_for_a_stuck_node_once_it_is_fenced() {
    let mut cluster = Cluster::start().await;
    cluster.serve_over_sockets().await;
    cluster.topic("orders", &[1, 2]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produces.close();
    let sent = client.send(9, &produce("orders", &[(0, "a"), (1, "b")])).await;
    eventually("the produce has arrived", || cluster.nodes[0].produced().len() == 1).await;

    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    // The node took the first batch and may have kept it (R44).
    let unknown = ErrorCode::RequestTimedOut.code();
    let response = client.receive::<ProduceRequest>(9, sent).await;
    assert_eq!(outcome(&response), [(0, unknown, -1), (1, 0, 0)]);
}

#[tokio::test]
async fn a_produce_waits_for_the_next_owner_and_what_follows_it_stays_behind_it() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    let first = client.send(9, &produce("orders", &[(0, "a")])).await;
    let second = client.send(9, &produce("orders", &[(0, "b")])).await;
    // If they arrive later nevertheless, they have nothing to wait for, and this proves less.
    tokio::time::sleep(Duration::from_millis(20)).await;

    let partition = Cluster::partition(topic, 0);
    cluster.reassign(&gateway, partition, 2, EPOCH + 1).await;
    for (offset, sent) in (0..).zip([first, second]) {
        let response = client.receive::<ProduceRequest>(9, sent).await;
        assert_eq!(outcome(&response), [(0, 0, offset)]);
    }
    assert!(cluster.nodes[0].seen().is_empty());
    let seen = cluster.nodes[1].seen();
    let (epoch, records) = (Some(EPOCH + 1), batch(&["a"]));
    assert!(seen.contains(&Seen::Produce { partition, epoch, records }));
    assert_eq!(cluster.nodes[1].produced(), [batch(&["a"]), batch(&["b"])]);
    // One more that was seen to wait could be overtaken by what comes when that is over.
    assert_eq!(cluster.nodes[1].asked().len(), 1, "whoever waited for it knows that it serves");
}

#[tokio::test]
async fn a_node_that_came_back_is_waited_for_until_it_serves() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    cluster.change_node(&gateway, 1, NodeState::Live, 2).await;
    let response = gateway.client().await.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(outcome(&response), [(0, 0, 0)]);
    let partitions = vec![Cluster::partition(topic, 0)];
    assert_eq!(cluster.nodes[0].seen()[0], Seen::Open { partitions });
}

#[tokio::test]
async fn a_produce_that_found_no_owner_in_time_was_surely_not_appended() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1, 2]).await;
    let hold = Duration::from_millis(20);
    let gateway = cluster.gateway_with(1, |config| config.produce_hold = hold).await;
    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    let request = produce("orders", &[(0, "a"), (1, "b")]);
    let response = gateway.client().await.call(9, request).await;
    let refused = ErrorCode::NotLeaderOrFollower.code();
    assert_eq!(outcome(&response), [(0, refused, -1), (1, 0, 0)]);
    assert!(cluster.nodes[0].seen().is_empty());
}

/// Node 1 refuses everything from here on.
fn let_go(cluster: &Cluster) {
    let refused = ErrorCode::NotLeaderOrFollower.code();
    cluster.nodes[0].produce_error.store(refused, Ordering::SeqCst);
}

#[tokio::test]
async fn a_partition_that_moves_is_served_by_the_node_that_it_leaves() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    let partition = Cluster::partition(topic, 0);
    for (offset, value) in [(0, "a"), (1, "b"), (2, "c")] {
        let response = client.call(9, produce("orders", &[(0, value)])).await;
        assert_eq!(outcome(&response), [(0, 0, offset)]);
        cluster.reassign(&gateway, partition, 2, EPOCH + 1).await;
    }
    let served = |value| Seen::Produce { partition, epoch: Some(EPOCH), records: batch(&[value]) };
    assert_eq!(cluster.nodes[0].seen(), [served("a"), served("b"), served("c")]);
    assert!(cluster.nodes[1].seen().is_empty());
}

#[tokio::test]
async fn a_partition_that_moved_is_waited_for_once() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    let response = client.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(outcome(&response), [(0, 0, 0)]);
    assert_eq!(cluster.nodes[0].asked(), [], "nothing to wait for");

    let partition = Cluster::partition(topic, 0);
    cluster.reassign(&gateway, partition, 2, EPOCH + 1).await;
    let_go(&cluster);
    for (offset, value) in [(1, "b"), (2, "c")] {
        let response = client.call(9, produce("orders", &[(0, value)])).await;
        assert_eq!(outcome(&response), [(0, 0, offset)]);
    }
    let asked = Seen::Open { partitions: vec![partition] };
    assert_eq!(cluster.nodes[1].asked(), std::slice::from_ref(&asked));
    assert_eq!(cluster.nodes[1].seen()[0], asked, "before anything was sent");
    assert_eq!(cluster.nodes[0].produced(), [batch(&["a"]), batch(&["b"])], "it has let go");
}

#[tokio::test]
async fn what_a_node_refused_that_lets_go_is_appended_by_the_next_one_in_its_order() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    client.call(9, produce("orders", &[(0, "first")])).await;

    cluster.reassign(&gateway, Cluster::partition(topic, 0), 2, EPOCH + 1).await;
    let_go(&cluster);
    cluster.nodes[0].produces.close();
    let mut sent = Vec::new();
    for value in ["a", "b", "c"] {
        sent.push(client.send(9, &produce("orders", &[(0, value), (1, value)])).await);
    }
    eventually("all are under way", || cluster.nodes[0].produced().len() == 4).await;
    cluster.nodes[0].produces.open();
    // This one comes when some may be on their way to the next owner and some not yet.
    sent.push(client.send(9, &produce("orders", &[(0, "d"), (1, "d")])).await);
    for (offset, sent) in (0..).zip(sent) {
        let response = client.receive::<ProduceRequest>(9, sent).await;
        assert_eq!(outcome(&response), [(0, 0, offset + 1), (1, 0, offset)]);
    }
    let seen = cluster.nodes[1].seen();
    let moved = seen.iter().filter_map(|seen| match seen {
        Seen::Produce { partition, epoch, records } if partition.index == 0 => {
            Some((*epoch, records.clone()))
        }
        _ => None,
    });
    let expected = ["a", "b", "c", "d"].map(|value| (Some(EPOCH + 1), batch(&[value])));
    assert_eq!(moved.collect::<Vec<_>>(), expected);
}

/// What was sent before the move was seen may fail yet, and come again: then it comes first.
#[tokio::test]
async fn what_has_no_answer_yet_is_not_overtaken() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produces.close();
    let first = client.send(9, &produce("orders", &[(0, "a")])).await;
    eventually("it is under way", || cluster.nodes[0].produced().len() == 1).await;
    cluster.reassign(&gateway, Cluster::partition(topic, 0), 2, EPOCH + 1).await;
    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    let second = client.send(9, &produce("orders", &[(0, "b")])).await;
    eventually("the next owner is asked", || cluster.nodes[1].asked().len() == 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(cluster.nodes[1].produced().is_empty());

    cluster.nodes[0].produces.open();
    for (offset, sent) in (0..).zip([first, second]) {
        let response = client.receive::<ProduceRequest>(9, sent).await;
        assert_eq!(outcome(&response), [(0, 0, offset)]);
    }
    assert_eq!(cluster.nodes[1].produced(), [batch(&["b"])]);
}

#[tokio::test]
async fn a_consumer_reads_a_partition_that_moves_where_it_is() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    let partition = Cluster::partition(topic, 0);
    cluster.logs.change(partition, |log| log.epoch = Some(EPOCH));
    client.call(9, produce("orders", &[(0, "a")])).await;
    cluster.reassign(&gateway, partition, 2, EPOCH + 1).await;
    // Clients hear of the new epoch before the new owner serves.
    let mut request = at_once(fetch("orders", &[(0, 0)]));
    request.topics[0].partitions[0].current_leader_epoch = EPOCH + 1;
    let response = client.call(12, request.clone()).await;
    assert_eq!(fetched(&response), [(0, 0, vec!["a".to_owned()])]);
    let reads = |node: usize| {
        let asked = cluster.nodes[node].asked();
        asked.iter().filter(|seen| matches!(seen, Seen::Fetch { .. })).count()
    };
    assert_eq!((reads(0), reads(1)), (1, 0));

    let_go(&cluster);
    cluster.logs.change(partition, |log| log.epoch = Some(EPOCH + 1));
    client.call(9, produce("orders", &[(0, "b")])).await;
    let response = client.call(12, request).await;
    assert_eq!(fetched(&response), [(0, 0, vec!["a".to_owned(), "b".to_owned()])]);
    assert_eq!((reads(0), reads(1)), (1, 1));
}

#[tokio::test]
async fn a_partition_on_its_way_holds_up_no_other_one() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    client.call(9, produce("orders", &[(0, "first")])).await;
    cluster.reassign(&gateway, Cluster::partition(topic, 0), 2, EPOCH + 1).await;
    let_go(&cluster);
    cluster.nodes[1].opens.close();
    let mut sent = vec![client.send(9, &produce("orders", &[(0, "a")])).await];
    eventually("the next owner is asked", || cluster.nodes[1].asked().len() == 1).await;
    for (partition, value) in [(1, "b"), (0, "c"), (1, "d")] {
        sent.push(client.send(9, &produce("orders", &[(partition, value)])).await);
    }
    eventually("the others go on", || {
        cluster.nodes[1].produced() == [batch(&["b"]), batch(&["d"])]
    })
    .await;
    assert_eq!(cluster.nodes[0].produced().len(), 2, "it is not asked again");

    cluster.nodes[1].opens.open();
    for ((partition, offset), sent) in [(0, 1), (1, 0), (0, 2), (1, 1)].into_iter().zip(sent) {
        let response = client.receive::<ProduceRequest>(9, sent).await;
        assert_eq!(outcome(&response), [(partition, 0, offset)]);
    }
    let produced = cluster.nodes[1].produced();
    assert_eq!(produced[2..], [batch(&["a"]), batch(&["c"])]);
}

/// librdkafka tells its users of a refusal, and does not ask again.
#[tokio::test]
async fn the_end_of_a_partition_that_moves_is_told_by_who_serves_it() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    let partition = Cluster::partition(topic, 0);
    client.call(9, produce("orders", &[(0, "a")])).await;
    cluster.reassign(&gateway, partition, 2, EPOCH + 1).await;
    assert_eq!(offsets(&client.call(4, latest(&[1, 0])).await), [(1, 0, 0), (0, 0, 1)]);
    let listed = |node: usize| {
        let asked = cluster.nodes[node].asked();
        let of_it =
            |seen: &&Seen| matches!(seen, Seen::List { partition: id, .. } if *id == partition);
        asked.iter().filter(of_it).count()
    };
    assert_eq!((listed(0), listed(1)), (1, 0), "the node that it leaves serves it");

    let refused = ErrorCode::NotLeaderOrFollower.code();
    cluster.nodes[0].list_error.store(refused, Ordering::SeqCst);
    assert_eq!(offsets(&client.call(4, latest(&[1, 0])).await), [(1, 0, 0), (0, 0, 1)]);
    assert_eq!((listed(0), listed(1)), (2, 1), "asked again where it is now");
    let opened = Seen::Open { partitions: vec![partition] };
    assert!(cluster.nodes[1].asked().contains(&opened), "once it serves there");

    // Nobody waits for ever.
    cluster.nodes[1].list_error.store(refused, Ordering::SeqCst);
    assert_eq!(offsets(&client.call(4, latest(&[0])).await), [(0, refused, -1)]);
}

/// Where the epoch of the one before ends is not known before it has ended, and an answer that comes
/// late is compared with where the client is by then: it would take either for a truncation.
#[tokio::test]
async fn where_an_epoch_ends_is_told_by_the_next_owner_only_and_at_once() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    client.call(9, produce("orders", &[(0, "a")])).await;
    cluster.reassign(&gateway, Cluster::partition(topic, 0), 2, EPOCH + 1).await;
    let mut ask = async || client.call(4, epoch_end(&[0])).await.topics[0].partitions[0].error_code;
    let asked = || [cluster.nodes[0].epochs_asked(), cluster.nodes[1].epochs_asked()];
    assert_eq!((ask().await, asked()), (0, [0, 1]));

    let refused = ErrorCode::NotLeaderOrFollower.code();
    cluster.nodes[1].epoch_error.store(refused, Ordering::SeqCst);
    assert_eq!((ask().await, asked()), (refused, [0, 2]), "not held until it serves");
}

/// Another refusal is the client's: only of this one is it certain that the next owner may append.
#[tokio::test]
async fn what_may_have_been_appended_is_sent_to_nobody_else() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    client.call(9, produce("orders", &[(0, "a")])).await;
    cluster.reassign(&gateway, Cluster::partition(topic, 0), 2, EPOCH + 1).await;
    for error in [ErrorCode::RequestTimedOut, ErrorCode::KafkaStorageError] {
        cluster.nodes[0].produce_error.store(error.code(), Ordering::SeqCst);
        let response = client.call(9, produce("orders", &[(0, "b")])).await;
        assert_eq!(outcome(&response), [(0, error.code(), -1)]);
    }
    assert!(cluster.nodes[1].seen().is_empty());
}
