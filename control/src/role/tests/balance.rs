//! Nodes that have more than others give some of it away, while everybody is well.

use std::time::Duration;

use metadata::{MemoryStore, MetadataStore, Op, Txn, keys::Key, model::NodeState};
use protocol::ErrorCode;

use super::{
    harness::{Cluster, Process, SOON, config, spread},
    meddled::{Meddled, Verdict},
};
use crate::{BalanceConfig, Config};

/// Counts of the internal topic's two partitions and of `orders`.
const PARTITIONS: i32 = 20;

async fn balancing<M: MetadataStore>(cluster: &Cluster<M>) -> Process {
    let balance = BalanceConfig { enabled: true, moves_at_once: 3, ..BalanceConfig::default() };
    let control = cluster.control_with(Config { balance, ..config("a") }).await;
    control.leads().await;
    control
}

/// How many partitions of `orders` each node has.
async fn numbers<M: MetadataStore>(cluster: &Cluster<M>) -> Vec<(i32, usize)> {
    spread(&cluster.owners("orders").await).into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn a_node_that_joins_gets_its_share_and_no_partition_moves_twice() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _first = cluster.node(1).await;
    let control = balancing(&cluster).await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    let second = cluster.node(2).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(numbers(&cluster).await, [(1, 10), (2, 10)]);
    let topic = cluster.topic("orders").await.unwrap();
    assert_eq!(second.opened(&topic).len(), 10, "it was told");

    let _third = cluster.node(3).await;
    tokio::time::sleep(SOON).await;
    let numbers = numbers(&cluster).await;
    assert!(numbers.iter().all(|(_, count)| (6..=8).contains(count)), "{numbers:?}");
    let epochs = cluster.owners("orders").await.into_iter().flatten().map(|(_, epoch)| epoch);
    let moves: i32 = epochs.sum();
    assert!(moves <= 10 + 7, "ten to the second and seven to the third at the most: {moves}");

    let settled = cluster.owners("orders").await;
    tokio::time::sleep(10 * SOON).await;
    assert_eq!(cluster.owners("orders").await, settled, "nothing goes back and forth");
}

#[tokio::test(start_paused = true)]
async fn a_small_difference_moves_nothing() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _first = cluster.node(1).await;
    let control = balancing(&cluster).await;
    // With the two of the internal topic: 2 here, 0 there.
    let _second = cluster.node(2).await;
    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    let before = cluster.owners("orders").await;
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.owners("orders").await, before);
}

/// Goal: Fenced and not ended yet: somebody drains it, and nothing else happens before that.
#[tokio::test(start_paused = true)]
async fn nothing_moves_while_a_node_is_failed_over() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let (_first, dying) = (cluster.node(1).await, cluster.node(2).await);
    let control = balancing(&cluster).await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    cluster.register(&dying, 1, NodeState::Fenced).await;
    let before = cluster.owners("orders").await;
    let _third = cluster.node(3).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.owners("orders").await, before);
    cluster.register(&dying, 1, NodeState::Ended).await;
    tokio::time::sleep(SOON).await;
    let numbers = numbers(&cluster).await;
    assert!(numbers.iter().all(|(_, count)| (9..=11).contains(count)), "{numbers:?}");
}

/// Goal: a disk of one machine is waited for, for hours if need be, and the others go on.
#[tokio::test(start_paused = true)]
async fn a_node_that_only_its_own_return_helps_keeps_what_it_has_and_holds_up_nobody() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let (_first, away) = (cluster.node(1).await, cluster.node(2).await);
    let control = balancing(&cluster).await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    cluster.vanish(&away).await;
    let of_away = |owners: Vec<Option<(i32, i32)>>| {
        owners.into_iter().map(|owner| owner.filter(|(node, _)| *node == 2)).collect::<Vec<_>>()
    };
    let before = of_away(cluster.owners("orders").await);
    let _third = cluster.node(3).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(of_away(cluster.owners("orders").await), before);
    let of_third = numbers(&cluster).await.into_iter().find(|(node, _)| *node == 3);
    assert!(of_third.is_some_and(|(_, count)| count >= 4), "{of_third:?}");
}

/// Goal: a node that does not open what it got is not given more and more.
#[tokio::test(start_paused = true)]
async fn the_next_moves_wait_for_the_last() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _first = cluster.node(1).await;
    let control = balancing(&cluster).await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    let slow = cluster.node(2).await;
    slow.set_stubborn(true);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(numbers(&cluster).await, [(1, PARTITIONS as usize - 3), (2, 3)]);
    slow.set_stubborn(false);
    tokio::time::sleep(SOON).await;
    assert_eq!(numbers(&cluster).await, [(1, 10), (2, 10)]);
}

/// Goal: the node that should get partitions is fenced in between. It gets none.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_fenced_in_between_gets_nothing() {
    let cluster = Cluster::found(Meddled::new()).await;
    let _first = cluster.node(1).await;
    let control = balancing(&cluster).await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    let joining = cluster.node(2).await;
    let record = std::sync::Arc::unwrap_or_clone(cluster.view.node(joining.id).unwrap());
    let fenced = metadata::model::NodeRecord { state: NodeState::Fenced, ..record };
    let fenced = metadata::model::Record::encode(&fenced);
    let fenced = Txn::new().put(Key::Node(joining.id), fenced);
    cluster.metadata.meddle(move |txn| match moves(txn) {
        true => Verdict::After(vec![fenced.clone()]),
        false => Verdict::Pass,
    });
    tokio::time::sleep(SOON).await;
    assert!(cluster.metadata.meddled() > 0, "control tried");
    assert_eq!(numbers(&cluster).await, [(1, PARTITIONS as usize)]);
}

/// Whether a transaction assigns partitions.
pub(super) fn moves(txn: &Txn) -> bool {
    let is_partition = |key: &str| matches!(Key::parse(key), Some(Key::Partition(..)));
    txn.ops.iter().any(|op| matches!(op, Op::Put { key, .. } if is_partition(key)))
}
