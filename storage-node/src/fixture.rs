//! For unit tests: a partition over a front that commits when the test says so.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use protocol::batch::{BatchBuilder, BatchView, EndTransactionMarker, set_offsets};
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use segment::{LogId, Manifest, ManifestStore, Store};
use tokio::sync::watch;

use crate::acks::Acks;
use crate::cache::HotCache;
use crate::partition::{
    Append, AppendError, Appended, EpochHistory, FetchPosition, HotRead, Isolation, Marker,
    MarkerError, Marks, OpenedLog, Partition, Placement, ReadLimit, TxnSupport,
};
use crate::settings::TopicSettings;
use crate::wal::{
    Entry, Front, FrontError, FrontState, FrontUsage, Lsn, LsnRange, NotProven, RecoverError,
    SealedChunk,
};

/// Holds what was appended until [`HeldFront::commit`].
pub(crate) struct HeldFront {
    pub(crate) held: Mutex<VecDeque<(LsnRange, Entry)>>,
    next: Mutex<u64>,
    state: watch::Sender<FrontState>,
    pub(crate) full: Mutex<bool>,
    /// Somebody else has ended the incarnation, and this front finds out when it looks.
    pub(crate) ended_elsewhere: Mutex<bool>,
    trimmed: Mutex<Lsn>,
    durable: Mutex<Lsn>,
}

impl HeldFront {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            next: Mutex::new(0),
            state: watch::Sender::new(FrontState::Open),
            full: Mutex::new(false),
            ended_elsewhere: Mutex::new(false),
            trimmed: Mutex::default(),
            durable: Mutex::default(),
        })
    }

    /// Makes the oldest entry durable.
    pub(crate) fn commit(&self) {
        let (lsn, entry) = self.held.lock().pop_front().expect("an entry is held");
        let mut batch = BytesMut::from(entry.batch.as_ref());
        set_offsets(&mut batch, entry.base_offset, entry.leader_epoch);
        *self.durable.lock() = lsn.end;
        entry.target.committed(lsn, entry.base_offset, entry.last_offset, batch.freeze());
    }

    /// Fails everything that is held, as an error of the device does (R68).
    pub(crate) fn fail(&self) {
        for (_, entry) in std::mem::take(&mut *self.held.lock()) {
            entry.target.failed(entry.base_offset);
        }
    }
}

impl Front for HeldFront {
    fn append(&self, entry: Entry) -> Result<LsnRange, FrontError> {
        if *self.full.lock() {
            return Err(FrontError::Full { used_bytes: 9, capacity_bytes: 10 });
        }
        let mut next = self.next.lock();
        let start = Lsn(*next);
        *next += entry.batch.len() as u64;
        let lsn = LsnRange { start, end: Lsn(*next) };
        self.held.lock().push_back((lsn, entry));
        Ok(lsn)
    }

    fn trim(&self, upto: Lsn) {
        *self.trimmed.lock() = upto;
    }

    fn usage(&self) -> FrontUsage {
        FrontUsage {
            capacity_bytes: u64::MAX,
            used_bytes: 0,
            pending_bytes: 0,
            trimmed: *self.trimmed.lock(),
            durable: *self.durable.lock(),
            end: Lsn(*self.next.lock()),
        }
    }

    fn state(&self) -> watch::Receiver<FrontState> {
        self.state.subscribe()
    }

    fn prove(&self) -> BoxFuture<'static, Result<(), NotProven>> {
        let proof = if *self.ended_elsewhere.lock() { Err(NotProven) } else { Ok(()) };
        Box::pin(std::future::ready(proof))
    }

    fn seal(&self) -> BoxFuture<'_, Result<Lsn, FrontError>> {
        unreachable!("not sealed here")
    }

    fn read_sealed(
        &self,
        _from: Lsn,
        _bytes_max: usize,
    ) -> BoxFuture<'_, Result<SealedChunk, RecoverError>> {
        unreachable!("not read here")
    }
}

/// One partition over a [`HeldFront`].
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) front: Arc<HeldFront>,
    pub(crate) cache: Arc<HotCache>,
    pub(crate) manifests: ManifestStore,
    pub(crate) log: LogId,
    pub(crate) partition: Arc<Partition>,
}

impl Fixture {
    /// In epoch 3, empty.
    pub(crate) async fn new() -> Self {
        let store = Store::memory("test");
        let manifests = ManifestStore::new(store.clone());
        let id = PartitionId::new(TenantId::DEFAULT, TopicId::random(), 0);
        let log = LogId::fresh(NodeId(1), 1, 1);
        let manifest = Manifest::create(id, 3, log, 1);
        let manifest = manifests.commit(&manifest, None).await.expect("memory takes it");
        let opened =
            OpenedLog { epoch: 3, epochs: EpochHistory::new(vec![(3, 0)]), ..OpenedLog::default() };
        let (front, cache) = (HeldFront::new(), Arc::new(HotCache::new(1 << 20, 1 << 20)));
        let partition = Partition::new(
            id,
            opened,
            manifest,
            TopicSettings::default(),
            Arc::clone(&front) as _,
            Arc::clone(&cache),
        );
        Self { store, front, cache, manifests, log, partition }
    }

    pub(crate) fn append(&self, batch: &Bytes) -> (Result<Appended, AppendError>, Arc<Acks>) {
        let view = BatchView::whole(batch).expect("a batch");
        let acks = Acks::new(1);
        let append = Append::new(batch.clone(), &view);
        (self.partition.append(append, None, 1_000, acks.ack(0)), acks)
    }

    /// Appends a batch of a transaction that its client adds to itself.
    pub(crate) fn append_transactional(&self, batch: &Bytes) -> (Placement, Arc<Acks>) {
        let view = BatchView::whole(batch).expect("a batch");
        let acks = Acks::new(1);
        let (append, support) = (Append::new(batch.clone(), &view), TxnSupport::of(11));
        (self.partition.append_transactional(append, support, None, 1_000, acks.ack(0)), acks)
    }

    /// Appends a batch of a transaction, verified, and makes it durable.
    pub(crate) fn committed_transactional(&self, batch: &Bytes) -> i64 {
        let appended = match self.append_transactional(batch).0 {
            Placement::Told(appended) => appended,
            Placement::Waits(mut told, guard) => {
                let guard = guard.expect("nobody else has asked");
                self.partition.verified(guard, |_| Ok(()), 1_000);
                told.try_recv().expect("it is told")
            }
        };
        self.front.commit();
        appended.expect("it is appended").base_offset
    }

    pub(crate) fn mark(&self, marker: Marker) -> (Result<(), MarkerError>, Arc<Acks>) {
        let acks = Acks::new(1);
        (self.partition.write_marker(&marker, 1_000, acks.ack(0)), acks)
    }

    pub(crate) fn read(&self, offset: i64) -> (Marks, HotRead) {
        self.read_at(offset, Isolation::ReadUncommitted)
    }

    pub(crate) fn read_at(&self, offset: i64, isolation: Isolation) -> (Marks, HotRead) {
        let at = FetchPosition { offset, current_epoch: -1, last_fetched_epoch: -1, isolation };
        self.partition.fetch(at, ReadLimit { bytes: usize::MAX, first_batch_bytes: usize::MAX })
    }
}

/// A batch of one record of a transaction of producer 7.
pub(crate) fn transactional(epoch: i16, sequence: i32) -> Bytes {
    let builder = BatchBuilder::new().producer(7, epoch, sequence).transactional();
    builder.record(1_000, None, Some(b"value")).build()
}

/// The end of a transaction of producer 7, by a client that knows no bumped epochs.
pub(crate) fn marker(epoch: i16, commit: bool) -> Marker {
    let end = EndTransactionMarker { commit, coordinator_epoch: 1 };
    Marker { producer_id: 7, producer_epoch: epoch, end, transaction_version: 1 }
}

/// A batch of small records.
pub(crate) fn batch(values: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    (0..values).for_each(|_| builder.push(1_000, None, Some(b"value")));
    builder.build()
}
