//! A node whose ring file is on a volume that others can attach: it acknowledges under a promise
//! (R4). The clock stands still unless a test moves it.

use std::time::Duration;

use metadata::keys::Key;
use metadata::model::{NodeRecord, NodeState, Record};
use metadata::{MetadataStore, Txn, TxnOutcome};
use protocol::ErrorCode;
use protocol::ids::NodeId;

use crate::crash::cold_values;
use crate::harness::{Cluster, PATIENCE, error, sequenced};

const PRODUCER: (i64, i16) = (4000, 0);

#[tokio::test]
async fn a_node_that_was_fenced_while_it_slept_acknowledges_nothing_more() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.wal.shared = true;
    let zombie = cluster.start(config).await;
    zombie.serving(&cluster, topic, 0).await;
    assert!(cluster.node_record(1).await.front.starts_with("shared-disk:"));
    for number in 0..10 {
        let records = sequenced(PRODUCER, number, &[&number.to_string()]);
        zombie.client.acked(topic, 0, records).await;
    }
    let kept = cluster.metadata.get(&Key::NodePromise(NodeId(1)).to_string()).await.unwrap();
    assert!(kept.is_some(), "the promise is in the metadata store");

    // It sleeps past its deadline; meanwhile it is fenced.
    cluster.clock.advance(Duration::from_secs(3));
    let live = cluster.node_record(1).await;
    let fenced = NodeRecord { state: NodeState::Fenced, ..live };
    let fence = Txn::new().put(Key::Node(NodeId(1)), fenced.encode());
    let outcome = cluster.metadata.txn(fence).await.unwrap();
    assert!(matches!(outcome, TxnOutcome::Committed { .. }));
    let late = sequenced(PRODUCER, 10, &["10"]);
    let late = zombie.client.produce(topic, 0, late).await;
    assert_ne!(error(late.error_code), ErrorCode::None);
    let over = tokio::time::timeout(PATIENCE, zombie.handle.finished()).await.expect("it stops");
    assert!(over.is_err());

    // Whoever has the volume goes on; what the zombie wrote late may be there, acknowledged or not.
    let mut config = cluster.crash(1);
    config.wal.shared = true;
    let node = cluster.start(config).await;
    node.serving(&cluster, topic, 0).await;
    let values = cold_values(&cluster, &node, topic).await;
    let expected: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(values[..10], expected);
    let next = values.len() as i64;
    let records = sequenced(PRODUCER, i32::try_from(next).unwrap(), &["on"]);
    assert_eq!(node.client.acked(topic, 0, records).await, next);
}
