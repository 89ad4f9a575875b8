//! A node that is told to stop gives its partitions away first, if there is somebody to take them.

use std::time::Duration;

use protocol::ids::NodeId;
use storage_node::config::Config;

use crate::failover::produce;
use crate::harness::{Cluster, PATIENCE, batch};
use crate::moves::scrubbed;

/// Far longer than anything here takes: a node that waits for nobody is found out.
const GIVE_AWAY: Duration = Duration::from_secs(20);

fn leaver(cluster: &Cluster) -> Config {
    Config { give_away: GIVE_AWAY, ..cluster.config(1) }
}

#[tokio::test]
async fn it_serves_until_others_have_its_partitions() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 2, &[]).await;
    let leaver = cluster.start(leaver(&cluster)).await;
    leaver.serving(&cluster, topic, 0).await;
    leaver.serving(&cluster, topic, 1).await;
    let heir = cluster.start(cluster.config(2)).await;
    let client = leaver.client.clone();
    let balance = async {
        let says = async {
            while !cluster.view.node_is_leaving(NodeId(1)) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, says).await.expect("it says so");
        cluster.assign(topic, 0, 2, 1).await;
        heir.serving(&cluster, topic, 0).await;
        let records = batch(&["while it leaves"]);
        assert_eq!(client.acked(topic, 1, records).await, 0, "it serves what nobody took yet");
        cluster.assign(topic, 1, 2, 1).await;
        heir.serving(&cluster, topic, 1).await;
        produce(&heir.client, topic, 0..3).await;
    };
    let (stopped, ()) = tokio::join!(leaver.stop(), balance);
    stopped.unwrap();
    heir.stop().await.unwrap();
    scrubbed(&cluster).await;
}

/// Goal: a cluster of one node, or one that stops as a whole, does not wait for nobody.
#[tokio::test]
async fn the_last_one_does_not_wait() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let last = cluster.start(leaver(&cluster)).await;
    last.serving(&cluster, topic, 0).await;
    let stopped = tokio::time::timeout(GIVE_AWAY, last.stop()).await.expect("it does not wait");
    stopped.unwrap();
}
