//! The promise against a clock that stands still, and a metadata store that fences.

use std::time::Duration;

use async_trait::async_trait;
use metadata::{Entry, LeaseId, Listing, MemoryStore, WatchStream};
use parking_lot::Mutex;
use protocol::ids::NodeId;

use super::*;
use crate::wal::io::WalIo;
use crate::wal::tests::harness::{FaultIo, Recorder, Told, entry, tuning};
use crate::wal::{DiskFront, Front, FrontError};

const NODE: NodeId = NodeId(3);

/// A metadata store whose transactions take a while to get there, and a while to come back.
struct Slow {
    memory: MemoryStore,
    clock: Clock,
    way: Mutex<Duration>,
    away: AtomicBool,
}

#[async_trait]
impl MetadataStore for Slow {
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError> {
        self.memory.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError> {
        self.memory.list(prefix).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError> {
        let way = *self.way.lock();
        self.clock.advance(way);
        if self.away.load(Ordering::Acquire) {
            return Err(MetadataError::Unavailable("away".to_owned()));
        }
        let outcome = self.memory.txn(txn).await;
        self.clock.advance(way);
        outcome
    }

    async fn watch(&self, prefix: &str, from: i64) -> Result<WatchStream, MetadataError> {
        self.memory.watch(prefix, from).await
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError> {
        self.memory.grant_lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.memory.keep_alive(lease).await
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.memory.revoke_lease(lease).await
    }
}

/// A node that registered, with its promise not renewed yet.
struct Registered {
    clock: Clock,
    metadata: Arc<Slow>,
    promise: Arc<NodePromise>,
    renewal: Renewal,
}

fn record(log_id: &str, state: NodeState) -> NodeRecord {
    NodeRecord {
        node: NODE,
        incarnation: 1,
        log_id: log_id.to_owned(),
        state,
        address: "node:1".to_owned(),
        zone: String::new(),
        front: "shared-disk:/mnt/wal".to_owned(),
        batch_bytes_max: 0,
    }
}

async fn write(metadata: &MemoryStore, record: &NodeRecord) -> i64 {
    let txn = Txn::new().put(Key::Node(NODE), record.encode());
    match metadata.txn(txn).await.unwrap() {
        TxnOutcome::Committed { revision } => revision,
        TxnOutcome::Conflict => unreachable!("nothing is compared"),
    }
}

async fn registered() -> Registered {
    let clock = Clock::manual(1_000_000);
    let (way, away) = (Mutex::default(), AtomicBool::new(false));
    let memory = MemoryStore::new();
    let metadata = Arc::new(Slow { memory, clock: clock.clone(), way, away });
    let live = record("log-1", NodeState::Live);
    let revision = write(&metadata.memory, &live).await;
    let promise = NodePromise::new(clock.clone());
    let store = Arc::clone(&metadata) as Arc<dyn MetadataStore>;
    let renewal = Renewal::new(Arc::clone(&promise), store, live, revision);
    Registered { clock, metadata, promise, renewal }
}

fn front(promise: &Arc<NodePromise>) -> (Arc<FaultIo>, DiskFront) {
    let io = FaultIo::new(64);
    let promise = Arc::clone(promise) as Arc<dyn Promise>;
    let front = DiskFront::start(Arc::clone(&io) as Arc<dyn WalIo>, "log-1", tuning(1), promise);
    (io, front.unwrap())
}

#[tokio::test]
async fn a_promise_lasts_from_before_it_was_sent() {
    let mut node = registered().await;
    assert_eq!(node.promise.state(), PromiseState::Expired, "nothing was promised yet");
    *node.metadata.way.lock() = Duration::from_millis(300);
    assert_eq!(node.renewal.renew().await.unwrap(), PromiseState::Held);
    let kept = node.metadata.get(&Key::NodePromise(NODE).to_string()).await.unwrap();
    assert_eq!(kept.expect("others see it").value, b"log-1"[..]);
    // 600 ms of the 2 s went by on the way.
    node.clock.advance(Duration::from_millis(1_399));
    assert_eq!(node.promise.state(), PromiseState::Held);
    node.clock.advance(Duration::from_millis(1));
    assert_eq!(node.promise.state(), PromiseState::Expired);
    assert_eq!(node.renewal.renew().await.unwrap(), PromiseState::Held, "and may be renewed");
}

#[tokio::test]
async fn a_renewal_that_comes_back_after_its_deadline_promises_nothing() {
    let mut node = registered().await;
    node.renewal.renew().await.unwrap();
    *node.metadata.way.lock() = Duration::from_millis(1_000);
    assert_eq!(node.renewal.renew().await.unwrap(), PromiseState::Expired);
}

#[tokio::test]
async fn a_metadata_store_that_is_away_ends_nothing() {
    let mut node = registered().await;
    node.metadata.away.store(true, Ordering::Release);
    assert!(node.renewal.renew().await.is_err());
    assert_eq!(node.promise.state(), PromiseState::Expired);
    node.metadata.away.store(false, Ordering::Release);
    assert_eq!(node.renewal.renew().await.unwrap(), PromiseState::Held);
}

#[tokio::test]
async fn a_promise_is_lost_with_the_record_and_not_by_a_rewrite_of_it() {
    for (change, lost) in [
        (Some(record("log-1", NodeState::Live)), false),
        (Some(record("log-1", NodeState::Fenced)), true),
        (Some(record("log-1", NodeState::Ended)), true),
        (Some(record("log-2", NodeState::Live)), true),
        (None, true),
    ] {
        let mut node = registered().await;
        node.renewal.renew().await.unwrap();
        match &change {
            Some(record) => drop(write(&node.metadata.memory, record).await),
            None => {
                let gone = Txn::new().delete(Key::Node(NODE));
                let outcome = node.metadata.memory.txn(gone).await.unwrap();
                assert!(matches!(outcome, TxnOutcome::Committed { .. }));
            }
        }
        node.renewal.renew().await.unwrap();
        let expected = if lost { PromiseState::Lost } else { PromiseState::Held };
        assert_eq!(node.promise.state(), expected, "{change:?}");
        node.clock.advance(Duration::from_secs(3));
        node.renewal.renew().await.unwrap();
        assert_eq!(node.promise.state(), expected, "{change:?}: for ever");
    }
}

/// The zombie of R4: durable before the pause, told after it, fenced meanwhile.
#[tokio::test]
async fn a_paused_node_acknowledges_nothing_past_its_deadline() {
    let mut node = registered().await;
    node.renewal.renew().await.unwrap();
    let (io, front) = front(&node.promise);
    let recorder = Recorder::new();
    front.append(entry(0, 100, &recorder)).unwrap();
    recorder.wait(1);
    io.hold(1);
    let lsn = front.append(entry(1, 100, &recorder)).unwrap();
    io.wait_started(4);

    // The process stops with a write on its way. A survivor fences it and waits out the promise.
    write(&node.metadata.memory, &record("log-1", NodeState::Fenced)).await;
    node.clock.advance(Duration::from_millis(2_240));
    io.release(1);
    while front.usage().durable < lsn.end {
        std::thread::yield_now();
    }
    for _ in 0..20 {
        assert_eq!(recorder.told().len(), 1, "durable, and nobody hears of it");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(node.renewal.renew().await.unwrap(), PromiseState::Lost);
    assert_eq!(recorder.wait(2)[1], Told::Failed { base_offset: 1 });
    assert!(matches!(front.append(entry(2, 100, &recorder)), Err(FrontError::Poisoned(_))));
}

/// The same pause without a fence: the metadata store was away, and nothing is lost for it.
#[tokio::test]
async fn what_was_held_back_is_acknowledged_when_the_promise_is_renewed() {
    let mut node = registered().await;
    node.renewal.renew().await.unwrap();
    let (_io, front) = front(&node.promise);
    let recorder = Recorder::new();
    node.clock.advance(Duration::from_secs(60));
    let lsn = front.append(entry(0, 100, &recorder)).unwrap();
    while front.usage().durable < lsn.end {
        std::thread::yield_now();
    }
    assert_eq!(recorder.told(), []);
    node.renewal.renew().await.unwrap();
    assert!(matches!(recorder.wait(1)[..], [Told::Committed { .. }]));
}
