//! The view follows a store, and knows what was answered elsewhere.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use protocol::release::Release;

use super::*;
use crate::{
    LeaseId, Listing, MemoryStore, Txn, TxnOutcome,
    store::{Entry, WatchStream},
};

const TENANT: TenantId = TenantId(1);
const SOON: Duration = Duration::from_secs(60);

fn topic(name: &str) -> TopicRecord {
    TopicRecord {
        tenant: TENANT,
        id: TopicId::random(),
        name: name.to_owned(),
        partitions: 1,
        configs: BTreeMap::new(),
        internal: false,
        created_ms: 0,
    }
}

fn create(record: &TopicRecord) -> Txn {
    let owner = Assignment { node: NodeId(1), epoch: 4 };
    Txn::new()
        .put(Key::Topic(record.tenant, record.id), record.encode())
        .put(Key::Partition(record.id, 0), owner.encode())
}

async fn start<S: MetadataStore>(
    store: &Arc<S>,
    drain: &Drain,
) -> Result<ClusterView, MetadataError> {
    let store: Arc<S> = Arc::clone(store);
    ClusterView::start(store, drain).await
}

async fn commit(store: &dyn MetadataStore, txn: Txn) -> i64 {
    match store.txn(txn).await.unwrap() {
        TxnOutcome::Committed { revision } => revision,
        TxnOutcome::Conflict => panic!("conflict"),
    }
}

fn node(id: i32, state: NodeState) -> NodeRecord {
    NodeRecord {
        node: NodeId(id),
        incarnation: 1,
        log_id: "log".to_owned(),
        state,
        address: "127.0.0.1:1".to_owned(),
        zone: String::new(),
        front: String::new(),
        batch_bytes_max: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_loads_and_follows() {
    let store = Arc::new(MemoryStore::new());
    let (early, late) = (topic("early"), topic("late"));
    commit(&*store, create(&early)).await;
    let drain = Drain::new();
    let view = start(&store, &drain).await.unwrap();
    assert_eq!(view.topic_by_id(TENANT, early.id).unwrap().name(), "early");
    assert!(view.topic_by_id(TenantId(2), early.id).is_none(), "not that tenant's");

    let revision = commit(&*store, create(&late)).await;
    assert!(view.wait_for_revision(revision, SOON).await);
    let names: Vec<_> = view.topics(TENANT).iter().map(|t| t.name().to_owned()).collect();
    assert_eq!(names, ["early", "late"]);
    assert!(!view.wait_for_revision(revision + 1, SOON).await);
    assert!(drain.finish(SOON).await);
}

#[tokio::test(start_paused = true)]
async fn an_owner_is_a_node_and_an_epoch() {
    let store = Arc::new(MemoryStore::new());
    let record = topic("a");
    let partition = PartitionId { tenant: TENANT, topic: record.id, index: 0 };
    commit(&*store, create(&record)).await;
    let drain = Drain::new();
    let view = start(&store, &drain).await.unwrap();
    assert!(view.owner(partition).is_none(), "its node never registered");

    let put = Txn::new().put(Key::Node(NodeId(1)), node(1, NodeState::Live).encode());
    view.wait_for_revision(commit(&*store, put).await, SOON).await;
    let (owner, epoch) = view.owner(partition).unwrap();
    assert_eq!((owner.node, epoch), (NodeId(1), 4));
    let foreign = PartitionId { tenant: TenantId(2), ..partition };
    assert!(view.owner(foreign).is_none(), "not that tenant's");
    assert_eq!(view.assigned_to(NodeId(1)), [partition]);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_up_while_it_is_live_and_its_lease_is_there() {
    let store = Arc::new(MemoryStore::new());
    let drain = Drain::new();
    let view = start(&store, &drain).await.unwrap();
    let lease = store.grant_lease(SOON).await.unwrap();
    let register = |state| {
        Txn::new().put(Key::Node(NodeId(1)), node(1, state).encode()).put_leased(
            Key::NodeLive(NodeId(1)),
            "",
            lease,
        )
    };
    let mut revision = commit(&*store, register(NodeState::Live)).await;
    view.wait_for_revision(revision, SOON).await;
    assert!(view.node_is_up(NodeId(1)));
    revision = commit(&*store, register(NodeState::Ended)).await;
    view.wait_for_revision(revision, SOON).await;
    assert!(!view.node_is_up(NodeId(1)));
    revision = commit(&*store, register(NodeState::Live)).await;
    store.revoke_lease(lease).await.unwrap();
    view.wait_for_revision(revision + 1, SOON).await;
    assert!(!view.node_is_up(NodeId(1)), "gone");
    assert!(view.node(NodeId(1)).is_some(), "but not forgotten");
}

/// A store whose watches are silent, and which can be away.
struct Deaf {
    store: MemoryStore,
    away: AtomicBool,
}

impl Deaf {
    fn check(&self) -> Result<(), MetadataError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(MetadataError::Unavailable("away".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl MetadataStore for Deaf {
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError> {
        self.store.get(key).await
    }
    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError> {
        self.check()?;
        self.store.list(prefix).await
    }
    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError> {
        self.store.txn(txn).await
    }
    async fn watch(&self, _: &str, _: i64) -> Result<WatchStream, MetadataError> {
        self.check()?;
        Ok(WatchStream::new(futures::stream::pending()))
    }
    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError> {
        self.store.grant_lease(ttl).await
    }
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.store.keep_alive(lease).await
    }
    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.store.revoke_lease(lease).await
    }
}

fn deaf() -> Arc<Deaf> {
    Arc::new(Deaf { store: MemoryStore::new(), away: AtomicBool::new(false) })
}

/// R10: a lost watch event is noticed at the next full listing.
#[tokio::test(start_paused = true)]
async fn lost_events_are_listed_later() {
    let store = deaf();
    let drain = Drain::new();
    let view = start(&store, &drain).await.unwrap();
    let revision = commit(&*store, create(&topic("a"))).await;
    store.away.store(true, Ordering::SeqCst);
    assert!(!view.wait_for_revision(revision, 2 * SOON).await);
    store.away.store(false, Ordering::SeqCst);
    assert!(view.wait_for_revision(revision, SOON).await);
    assert!(view.topic_by_name(TENANT, "a").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_knows_what_was_committed_before_it() {
    for store in [Arc::new(MemoryStore::new()) as Arc<dyn MetadataStore>, deaf()] {
        let drain = Drain::new();
        let view = ClusterView::start(Arc::clone(&store), &drain).await.unwrap();
        for name in ["a", "b"] {
            commit(&*store, create(&topic(name))).await;
            let refreshes = (0..8).map(|_| view.refresh_topic(TENANT, name));
            for found in futures::future::join_all(refreshes).await {
                let found = found.unwrap().expect("it was committed");
                assert!(found.owner(0).is_some(), "with its owners");
            }
        }
        assert_eq!(view.refresh_topic(TENANT, "never").await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_of_a_store_that_is_away_says_so() {
    let store = deaf();
    let drain = Drain::new();
    let view = start(&store, &drain).await.unwrap();
    store.away.store(true, Ordering::SeqCst);
    let refreshed = view.refresh_topic(TENANT, "a").await;
    assert!(matches!(refreshed, Err(MetadataError::Unavailable(_))));
}

fn cluster(generation: u16) -> ClusterRecord {
    ClusterRecord {
        cluster_id: "c".to_owned(),
        generation,
        secret: [1; 32],
        group_state_topic: TopicId::random(),
        group_state_partitions: 1,
        retired: false,
        release: Release::THIS,
    }
}

#[tokio::test(start_paused = true)]
async fn a_rebuilt_store_is_noticed_and_an_emptied_or_older_one_is_not() {
    let (store, drain) = (Arc::new(MemoryStore::new()), Drain::new());
    let put = |generation| Txn::new().put(Key::Cluster, cluster(generation).encode());
    assert!(store.txn(put(2)).await.unwrap().is_committed());
    let as_store: Arc<MemoryStore> = Arc::clone(&store);
    let view = ClusterView::start(as_store, &drain).await.unwrap();
    let rebuilt = view.over_since(2, Releases::OURS);
    tokio::pin!(rebuilt);
    for lost in [Txn::new().delete(Key::Cluster), put(1), put(2)] {
        assert!(store.txn(lost).await.unwrap().is_committed());
        let noticed = tokio::time::timeout(10 * REBUILT_INTERVAL, &mut rebuilt).await;
        assert!(noticed.is_err(), "{noticed:?}");
    }
    assert!(store.txn(put(3)).await.unwrap().is_committed());
    assert_eq!(tokio::time::timeout(SOON, rebuilt).await, Ok(Over::Rebuilt { generation: 3 }));
    let retired = ClusterRecord { retired: true, ..cluster(3) };
    assert!(
        store.txn(Txn::new().put(Key::Cluster, retired.encode())).await.unwrap().is_committed()
    );
    assert_eq!(view.over_since(3, Releases::OURS).await, Over::TakenOver);
}

/// Whoever was not seen when a release was finished, for its lease had run out or its role has none.
#[tokio::test(start_paused = true)]
async fn a_process_that_the_cluster_has_outgrown_leaves_it() {
    let (store, drain) = (Arc::new(MemoryStore::new()), Drain::new());
    let view =
        ClusterView::start(Arc::clone(&store) as Arc<dyn MetadataStore>, &drain).await.unwrap();
    let put = |release| {
        let record = ClusterRecord { release, ..cluster(3) };
        store.txn(Txn::new().put(Key::Cluster, record.encode()))
    };
    assert!(put(Release::FIRST).await.unwrap().is_committed());
    let over = view.over_since(3, Releases::UNSAID);
    tokio::pin!(over);
    assert!(tokio::time::timeout(Duration::from_secs(60), &mut over).await.is_err());
    assert!(put(Release::THIS).await.unwrap().is_committed());
    let Over::Outgrown(beyond) = over.await else { panic!("it knows release 1 alone") };
    assert_eq!(
        beyond.to_string(),
        "the cluster's release is 2, and this process knows release 1; start a newer program, and \
         raise cluster.release if that is what holds it back"
    );
}
