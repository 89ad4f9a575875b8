//! The kinds of front, and what only their places know.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use process::Drain;
use protocol::ids::NodeId;
use segment::faulty::FaultyStore;
use segment::seqlog::{EndRecord, place_end};
use segment::store::Secret;
use segment::{Family, LogId, Store, StoreConfig};

use super::{CAPACITY_BYTES, Kind, PENDING_BYTES_MAX};
use crate::wal::io::WalIo;
use crate::wal::layout::{ALIGN, RING_START};
use crate::wal::object::{ObjectFront, ObjectTuning};
use crate::wal::tests::harness::{Fault, FaultIo, recover_image};
use crate::wal::{
    DiskFront, DiskFrontConfig, Disks, Front, FrontDescriptor, NoPromise, RecoverError,
    SealedFront, Tuning, open_sealed,
};

fn fresh_log() -> LogId {
    LogId::fresh(NodeId(1), 1, 1)
}

fn disk_tuning() -> Tuning {
    Tuning { pending_bytes_max: PENDING_BYTES_MAX, ..Tuning::default() }
}

/// A ring in memory that stalls and fails on demand.
pub(super) struct DiskMemory {
    io: Mutex<Arc<FaultIo>>,
}

impl DiskMemory {
    pub(super) fn new() -> Self {
        Self { io: Mutex::new(FaultIo::new(CAPACITY_BYTES / ALIGN)) }
    }
}

impl Kind for DiskMemory {
    fn begin(&self) -> BoxFuture<'_, (LogId, Box<dyn Front>)> {
        Box::pin(async {
            // A device that failed stays so; the next incarnation has another.
            let io = FaultIo::holding(self.io.lock().image());
            *self.io.lock() = Arc::clone(&io);
            let log = fresh_log();
            let io = io as Arc<dyn WalIo>;
            let front = DiskFront::start(io, &log.to_string(), disk_tuning(), Arc::new(NoPromise));
            (log, Box::new(front.unwrap()) as Box<dyn Front>)
        })
    }

    fn crash(&self, front: Box<dyn Front>) {
        let io = Arc::clone(&*self.io.lock());
        *self.io.lock() = FaultIo::holding(io.image());
        // Nothing it does from here on reaches the image.
        io.hold_all(false);
        drop(front);
    }

    fn open_sealed(
        &self,
        _log: LogId,
    ) -> BoxFuture<'_, Result<Arc<dyn SealedFront>, RecoverError>> {
        let image = self.io.lock().image();
        Box::pin(async {
            let sealed: Arc<dyn SealedFront> = Arc::new(Arc::new(recover_image(image)?));
            Ok(sealed)
        })
    }

    fn stall(&self, stalled: bool) -> bool {
        self.io.lock().hold_all(stalled);
        true
    }

    fn fail(&self, _log: LogId) -> BoxFuture<'_, bool> {
        self.io.lock().fail_now(Fault::Error(std::io::ErrorKind::StorageFull));
        Box::pin(async { true })
    }

    fn seals_the_living(&self) -> bool {
        false
    }
}

/// A ring file, locked by its user.
pub(super) struct DiskFile {
    directory: tempfile::TempDir,
    last: Mutex<Option<LogId>>,
}

impl DiskFile {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), last: Mutex::default() }
    }

    fn descriptor(&self) -> FrontDescriptor {
        FrontDescriptor::SharedDisk { path: self.directory.path().join("wal") }
    }
}

impl Kind for DiskFile {
    fn begin(&self) -> BoxFuture<'_, (LogId, Box<dyn Front>)> {
        Box::pin(async move {
            let path = self.directory.path().join("wal");
            let tuning = disk_tuning();
            let config = DiskFrontConfig {
                tuning,
                ..DiskFrontConfig::new(path, RING_START + CAPACITY_BYTES)
            };
            let log = fresh_log();
            let ended = self.last.lock().replace(log).map(|log| log.to_string());
            let promise = Arc::new(NoPromise);
            let front = DiskFront::open(&config, &log.to_string(), ended.as_deref(), promise);
            (log, Box::new(front.unwrap()) as Box<dyn Front>)
        })
    }

    fn crash(&self, front: Box<dyn Front>) {
        // Ends like a process that is killed after its last write: without a seal.
        drop(front);
    }

    fn open_sealed(&self, log: LogId) -> BoxFuture<'_, Result<Arc<dyn SealedFront>, RecoverError>> {
        Box::pin(async move {
            let store = Store::memory("test");
            Ok(open_sealed(&self.descriptor(), log, &store, &Disks::machine())
                .await?
                .expect("the file is there"))
        })
    }

    fn seals_the_living(&self) -> bool {
        false
    }
}

/// The object front on some store.
pub(super) struct ObjectStore {
    store: Store,
    faulty: Option<Arc<FaultyStore>>,
    drain: Drain,
}

impl ObjectStore {
    pub(super) fn memory() -> Self {
        let faulty = FaultyStore::with([]);
        Self { store: faulty.store(), faulty: Some(faulty), drain: Drain::new() }
    }

    pub(super) fn directory(path: &Path) -> Self {
        Self::on(&StoreConfig::new(format!("file://{}", path.display())))
    }

    /// The server that the test scripts started, if they did.
    pub(super) fn s3() -> Option<Self> {
        let endpoint = std::env::var("THERMOCLINE_TEST_S3").ok()?;
        let variable = |name| std::env::var(name).expect("set together with THERMOCLINE_TEST_S3");
        let bucket = variable("THERMOCLINE_TEST_S3_BUCKET");
        let mut config = StoreConfig::new(format!("s3://{bucket}/fronts"));
        config.endpoint = Some(endpoint);
        config.access_key_id = Some(variable("AWS_ACCESS_KEY_ID"));
        config.secret_access_key = Some(Secret::new(variable("AWS_SECRET_ACCESS_KEY")));
        Some(Self::on(&config))
    }

    fn on(config: &StoreConfig) -> Self {
        let store = Store::open(config, "test").unwrap();
        Self { store, faulty: None, drain: Drain::new() }
    }
}

impl Kind for ObjectStore {
    fn begin(&self) -> BoxFuture<'_, (LogId, Box<dyn Front>)> {
        Box::pin(async {
            let log = fresh_log();
            let tuning = ObjectTuning {
                window: Duration::from_millis(10),
                in_flight: 3,
                object_bytes_max: 64 << 10,
                pending_bytes_max: PENDING_BYTES_MAX,
                capacity_bytes: CAPACITY_BYTES,
            };
            let front = ObjectFront::create(self.store.clone(), log, tuning, &self.drain).await;
            (log, Box::new(front.unwrap()) as Box<dyn Front>)
        })
    }

    fn crash(&self, front: Box<dyn Front>) {
        drop(front);
    }

    fn open_sealed(&self, log: LogId) -> BoxFuture<'_, Result<Arc<dyn SealedFront>, RecoverError>> {
        Box::pin(async move {
            let sealed =
                open_sealed(&FrontDescriptor::Object, log, &self.store, &Disks::machine()).await?;
            Ok(sealed.expect("an object log can always be ended"))
        })
    }

    fn stall(&self, stalled: bool) -> bool {
        self.faulty.as_ref().inspect(|faulty| faulty.set_down(stalled)).is_some()
    }

    fn fail(&self, log: LogId) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            // The one thing that ends an object front: somebody else's slot in its log.
            place_end(&self.store, Family::Wal, &log, &EndRecord::default()).await.unwrap();
            true
        })
    }

    fn seals_the_living(&self) -> bool {
        true
    }
}
