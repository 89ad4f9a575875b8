//! A compactor that stops at any step: between reading, uploading, committing and hearing of it.

use std::sync::Arc;
use std::time::Duration;

use compactor::{Collector, Rounds};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hop::internal::CommitCompactionResponse;
use hop::{Handler, HopRequest, Request, Response};
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::ids::TopicId;
use segment::faulty::FaultyStore;

use crate::harness::{Cluster, TestNode, batch};
use crate::support::{
    collect, config, count, deps, manifest, reachable, rounds, scrubs_clean, stop, stored,
};

/// Where it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Objects are uploaded, the owner never hears of them.
    BeforeCommit,
    /// The owner commits, the compactor never hears of it.
    AfterCommit,
}

/// A node behind a compactor that stops.
struct Stopping {
    node: Arc<dyn Handler>,
    stop: Mutex<Option<Stop>>,
}

impl Handler for Stopping {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        let commits = matches!(request.body, Request::CommitCompaction(_));
        let stop = if commits { self.stop.lock().take() } else { None };
        let failed = || {
            let code = i32::from(ErrorCode::RequestTimedOut.code());
            Response::CommitCompaction(CommitCompactionResponse { error_codes: vec![code] })
        };
        match stop {
            None => self.node.call(request),
            Some(Stop::BeforeCommit) => futures::future::ready(failed()).boxed(),
            Some(Stop::AfterCommit) => {
                let committed = self.node.call(request);
                async move {
                    committed.await;
                    failed()
                }
                .boxed()
            }
        }
    }
}

async fn loaded(cluster: &Cluster) -> (TestNode, TopicId) {
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(5);
    let node = cluster.start(config).await;
    reachable(cluster, &node).await;
    node.serving(cluster, topic, 0).await;
    for value in ["a", "b", "c"] {
        node.client.acked(topic, 0, batch(&[value])).await;
    }
    node.uploaded(topic, 0, 3).await;
    (node, topic)
}

/// The next compactor that comes to the node stops at this point.
pub(crate) fn stop_next(cluster: &Cluster, node: &TestNode, stop: Stop) {
    let stopping = Stopping { node: node.handle.handler(), stop: Mutex::new(Some(stop)) };
    cluster.peers.register_local(node.handle.address(), Arc::new(stopping));
}

async fn stopped(cluster: &Cluster, node: &TestNode, stop: Stop) {
    stop_next(cluster, node, stop);
    let round = rounds(cluster).round().await;
    assert_eq!(round.committed, 0, "{stop:?}");
}

#[tokio::test]
async fn objects_that_were_never_committed_are_collected_and_nothing_else() {
    let cluster = Cluster::new().await;
    let (node, topic) = loaded(&cluster).await;
    let before = stored(&cluster, &node, topic, 0, 0).await;
    stopped(&cluster, &node, Stop::BeforeCommit).await;
    assert_eq!(
        (count(&cluster, "d").await, manifest(&cluster, topic, 0).await.objects.len()),
        (1, 0)
    );
    scrubs_clean(&cluster).await;
    let mut collector = Collector::new(config().gc, &deps(&cluster).0);
    assert_eq!(collect(&mut collector).await, 1);
    assert_eq!(count(&cluster, "d").await, 0);
    assert_eq!(stored(&cluster, &node, topic, 0, 0).await, before);
}

#[tokio::test]
async fn a_commit_that_nobody_heard_of_is_a_commit() {
    let cluster = Cluster::new().await;
    let (node, topic) = loaded(&cluster).await;
    let before = stored(&cluster, &node, topic, 0, 0).await;
    stopped(&cluster, &node, Stop::AfterCommit).await;
    assert_eq!(manifest(&cluster, topic, 0).await.objects.len(), 1);
    let mut collector = Collector::new(config().gc, &deps(&cluster).0);
    assert_eq!(collect(&mut collector).await, 0, "what the manifest names stays");
    assert_eq!(stored(&cluster, &node, topic, 0, 0).await, before);
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn work_that_was_given_up_is_offered_again_when_its_lease_ends() {
    let cluster = Cluster::new().await;
    let (node, topic) = loaded(&cluster).await;
    stopped(&cluster, &node, Stop::BeforeCommit).await;
    assert_eq!(rounds(&cluster).round().await.committed, 0, "another may still be at it");
    tokio::time::pause();
    tokio::time::advance(config().lease).await;
    tokio::time::resume();
    assert_eq!(rounds(&cluster).round().await.committed, 1);
    assert_eq!(manifest(&cluster, topic, 0).await.objects.len(), 1);
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn a_block_that_cannot_be_read_holds_up_no_other_partition() {
    let cluster = Cluster::new().await;
    let (node, damaged) = loaded(&cluster).await;
    let slots = cluster.store.list("l").await.unwrap();
    let healthy = cluster.topic(1, 1, &[]).await;
    node.serving(&cluster, healthy, 0).await;
    node.client.acked(healthy, 0, batch(&["d"])).await;
    node.uploaded(healthy, 0, 1).await;
    for slot in slots {
        let bytes = cluster.store.get(&slot.key).await.unwrap();
        let mut torn = bytes.to_vec();
        torn.iter_mut().skip(64).for_each(|byte| *byte ^= 0xff);
        cluster.store.put_unconditional(&slot.key, vec![torn.into()]).await.unwrap();
    }
    let rounds = rounds(&cluster);
    let round = rounds.round().await;
    assert_eq!((round.committed, round.failed), (0, 1), "all of it was one rewrite");
    let round = rounds.round().await;
    assert_eq!((round.committed, round.failed), (1, 0), "the healthy one was given back");
    assert_eq!(manifest(&cluster, healthy, 0).await.objects.len(), 1);
    assert_eq!(manifest(&cluster, damaged, 0).await.objects.len(), 0);
}

#[tokio::test]
async fn work_is_offered_again_at_once_after_the_store_failed() {
    let cluster = Cluster::new().await;
    let (_node, topic) = loaded(&cluster).await;
    let (mut deps, _) = deps(&cluster);
    let away = FaultyStore::with([]);
    away.set_down(true);
    deps.store = away.store();
    let round = Rounds::new(config(), deps).round().await;
    assert_eq!((round.committed, round.failed), (0, 1));
    assert_eq!(rounds(&cluster).round().await.committed, 1);
    assert_eq!(manifest(&cluster, topic, 0).await.objects.len(), 1);
}

#[tokio::test]
async fn a_collector_that_stops_only_makes_garbage_live_longer() {
    let cluster = Cluster::new().await;
    let (node, topic) = loaded(&cluster).await;
    let before = stored(&cluster, &node, topic, 0, 0).await;
    rounds(&cluster).round().await;
    stop(&cluster, node).await;
    let node = cluster.start(cluster.config(1)).await;
    reachable(&cluster, &node).await;
    node.serving(&cluster, topic, 0).await;
    let mut gc = config().gc;
    gc.grace = Duration::from_secs(3_600);
    let (deps, _) = deps(&cluster);
    // Each begins its own grace time.
    for _ in 0..3 {
        let cycle = Collector::new(gc.clone(), &deps).cycle().await.unwrap();
        assert_eq!(cycle.deleted, 0);
    }
    let mut collector = Collector::new(gc.clone(), &deps);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let waiting = collector.cycle().await.unwrap().waiting;
    assert!(waiting > 0);
    tokio::time::pause();
    tokio::time::advance(gc.grace).await;
    tokio::time::resume();
    assert_eq!(collector.cycle().await.unwrap().deleted, waiting);
    assert_eq!(stored(&cluster, &node, topic, 0, 0).await, before);
    scrubs_clean(&cluster).await;
}
