//! An object store that lies about its writes, as real ones do. For tests, also of other crates:
//! the feature `test-support` makes it public.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result,
};
use parking_lot::Mutex;

use crate::store::Store;

/// What happens to one conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Applied, and the answer is lost: the client sees a time-out.
    LostAnswer,
    /// Applied, and a retry inside the client made it "exists" or "precondition failed".
    AppliedButRefused,
    /// Not applied: 409, please try again, which the client shows as "exists".
    Conflict409,
    /// Not applied: connection refused.
    NotSent,
    /// Not applied: 503 SlowDown.
    SlowDown,
    /// Not applied, and never answered.
    Hang,
    /// Applied, and never answered.
    AppliedButHang,
    /// The client sees a time-out; applied this long afterwards.
    AppliedLate(Duration),
}

/// How a store can break the promise of conditional writes (R16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsound {
    /// It ignores the condition.
    Unconditional,
    /// It checks that the key is free, and creates it a moment later.
    RacyCreate,
    /// It checks the version, and replaces it a moment later.
    RacyUpdate,
}

/// Memory with faults: the next conditional writes meet the next faults.
#[derive(Debug)]
pub struct FaultyStore {
    memory: Arc<InMemory>,
    faults: Mutex<VecDeque<Fault>>,
    unsound: Option<Unsound>,
    attempts: Mutex<Vec<PutPayload>>,
    down: AtomicBool,
    read_delay: Mutex<Duration>,
}

impl FaultyStore {
    /// A store whose first conditional writes meet these faults.
    pub fn with(faults: impl IntoIterator<Item = Fault>) -> Arc<Self> {
        Arc::new(Self {
            memory: Arc::new(InMemory::new()),
            faults: Mutex::new(faults.into_iter().collect()),
            unsound: None,
            attempts: Mutex::default(),
            down: AtomicBool::new(false),
            read_delay: Mutex::default(),
        })
    }

    /// A store without faults that breaks a promise.
    pub fn unsound(how: Unsound) -> Arc<Self> {
        Arc::new(Self {
            memory: Arc::new(InMemory::new()),
            faults: Mutex::default(),
            unsound: Some(how),
            attempts: Mutex::default(),
            down: AtomicBool::new(false),
            read_delay: Mutex::default(),
        })
    }

    /// A handle on it, as its users have.
    pub fn store(self: &Arc<Self>) -> Store {
        let store = Arc::clone(self);
        Store::over(store, "test")
    }

    /// One more fault, behind those that wait.
    pub fn push(&self, fault: Fault) {
        self.faults.lock().push_back(fault);
    }

    /// While it is down every request fails.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// From now on every read takes this long.
    pub fn set_read_delay(&self, delay: Duration) {
        *self.read_delay.lock() = delay;
    }

    fn check_up(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) { Err(failure("the store is down")) } else { Ok(()) }
    }

    /// True when the write shall go on without its condition.
    async fn breaks_the_condition(&self, location: &Path, mode: &PutMode) -> bool {
        let holds = match (self.unsound, mode) {
            (Some(Unsound::Unconditional), _) => true,
            (Some(Unsound::RacyCreate), PutMode::Create) => {
                self.memory.head(location).await.is_err()
            }
            (Some(Unsound::RacyUpdate), PutMode::Update(expected)) => {
                let current = self.memory.head(location).await;
                current.is_ok_and(|meta| meta.e_tag == expected.e_tag)
            }
            _ => return false,
        };
        tokio::task::yield_now().await;
        holds
    }

    #[expect(clippy::disallowed_methods, reason = "a request that outlives its client")]
    fn apply_late(
        &self,
        after: Duration,
        location: Path,
        payload: PutPayload,
        options: PutOptions,
    ) {
        let memory = Arc::clone(&self.memory);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            // If the key is taken by then, the request is refused, and nobody hears of that either.
            let _refused = memory.put_opts(&location, payload, options).await;
        });
    }

    /// The bytes of every conditional attempt so far.
    pub fn attempts(&self) -> Vec<Bytes> {
        self.attempts.lock().iter().map(|payload| payload.clone().into()).collect()
    }
}

fn failure(what: &str) -> Error {
    Error::Generic { store: "faulty", source: what.into() }
}

fn refusal(location: &Path, mode: &PutMode) -> Error {
    let (path, source) = (location.to_string(), "injected".into());
    match mode {
        PutMode::Create => Error::AlreadyExists { path, source },
        PutMode::Update(_) | PutMode::Overwrite => Error::Precondition { path, source },
    }
}

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("faulty memory")
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait::async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        self.check_up()?;
        if options.mode == PutMode::Overwrite {
            return self.memory.put_opts(location, payload, options).await;
        }
        self.attempts.lock().push(payload.clone());
        let fault = self.faults.lock().pop_front();
        let mode = options.mode.clone();
        if self.breaks_the_condition(location, &mode).await {
            options.mode = PutMode::Overwrite;
        }
        match fault {
            None => self.memory.put_opts(location, payload, options).await,
            Some(Fault::NotSent) => Err(failure("injected")),
            Some(Fault::SlowDown) => Err(failure("status code: 503: <Code>SlowDown</Code>")),
            Some(Fault::Conflict409) => Err(refusal(location, &mode)),
            Some(Fault::LostAnswer) => {
                self.memory.put_opts(location, payload, options).await?;
                Err(failure("injected"))
            }
            Some(Fault::AppliedButRefused) => {
                self.memory.put_opts(location, payload, options).await?;
                Err(refusal(location, &mode))
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::AppliedButHang) => {
                self.memory.put_opts(location, payload, options).await?;
                std::future::pending().await
            }
            Some(Fault::AppliedLate(after)) => {
                self.apply_late(after, location.clone(), payload, options);
                Err(failure("injected"))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.memory.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let delay = *self.read_delay.lock();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.check_up()?;
        self.memory.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.memory.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.memory.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.memory.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.memory.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.memory.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.memory.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.memory.rename_opts(from, to, options).await
    }
}
