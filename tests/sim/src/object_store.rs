//! The simulated S3: one bucket in memory, behind latency and everything that S3 is known to do.
//!
//! Each host has its own [`Bucket`] handle, so that the nemesis can cut one host off. A request
//! travels to the store's host and is carried out there ([`crate::remote`]); so it may be applied
//! after its sender gave up, crashed, or was replaced (R13).

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use std::sync::Arc;

use crate::faults::Faults;
use crate::remote::Service;
use crate::trace::Trace;

/// Median time of a request, there and back.
const MEDIAN: Duration = Duration::from_millis(12);
/// The same for a listing. Quicker than any store's, so that garbage collection, which lists each of
/// 256 prefixes, sees the whole bucket several times in a run.
const LIST_MEDIAN: Duration = Duration::from_millis(1);
/// After this a client gives a request up.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(3);
/// A request that the network kept is applied at most this much later.
const LATE_MS: u64 = 45_000;

/// One host's way to the bucket; cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    host: String,
    memory: Arc<InMemory>,
    service: Service,
    faults: Faults,
    trace: Trace,
}

// === impl Bucket ===

impl Bucket {
    /// An empty bucket, seen from nowhere in particular.
    pub fn new(service: Service, faults: Faults, trace: Trace) -> Self {
        Self { host: String::new(), memory: Arc::new(InMemory::new()), service, faults, trace }
    }

    /// The same bucket as a host sees it.
    pub fn seen_from(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// The bucket itself, without network and faults: for the scrub at the end.
    pub fn contents(&self) -> Arc<InMemory> {
        Arc::clone(&self.memory)
    }

    /// Sends a request and waits for its answer as a client does.
    async fn request<T: Send + 'static>(
        &self,
        what: String,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.request_within(MEDIAN, what, work).await
    }

    async fn request_within<T: Send + 'static>(
        &self,
        median: Duration,
        what: String,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let faults = self.faults.store();
        if self.faults.is_cut_from_store(&self.host) {
            self.trace.line(format_args!("{} store {what}: cut", self.host));
            tokio::time::sleep(CLIENT_TIMEOUT).await;
            return Err(failed("no route"));
        }
        let latency = || self.faults.latency(median / 2, faults.slowdown);
        let (mut there, back) = (latency(), latency());
        if self.faults.happens(faults.refused) {
            tokio::time::sleep(there + back).await;
            self.trace.line(format_args!("{} store {what}: 503", self.host));
            return Err(failed("503 SlowDown"));
        }
        if self.faults.happens(faults.late) {
            there = CLIENT_TIMEOUT + Duration::from_millis(self.faults.pick(LATE_MS));
        }
        let lost = self.faults.happens(faults.answer_lost);
        let (trace, host) = (self.trace.clone(), self.host.clone());
        let work = async move {
            let result = work.await;
            let outcome = match &result {
                Ok(_) => "ok".to_owned(),
                Err(error) => short(error).to_owned(),
            };
            trace.line(format_args!("{host} store {what}: {outcome}"));
            result
        };
        let call = self.service.call(there, back, work);
        match tokio::time::timeout(CLIENT_TIMEOUT, call).await {
            Ok(Some(result)) if !lost => result,
            Ok(_) => Err(failed("connection closed before the answer")),
            Err(_) => Err(failed("request timed out")),
        }
    }

    fn damage(&self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() || !self.faults.happens(self.faults.store().damaged_read) {
            return bytes;
        }
        let at = usize::try_from(self.faults.pick(bytes.len() as u64)).unwrap_or_default();
        if self.faults.happens(0.5) {
            return bytes.slice(..at);
        }
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x10;
        flipped.into()
    }
}

fn failed(why: &'static str) -> Error {
    Error::Generic { store: "simulated", source: why.into() }
}

fn short(error: &Error) -> &'static str {
    match error {
        Error::NotFound { .. } => "404",
        Error::AlreadyExists { .. } => "exists",
        Error::Precondition { .. } => "412",
        _ => "failed",
    }
}

fn kind(mode: &PutMode) -> &'static str {
    match mode {
        PutMode::Create => "create",
        PutMode::Update(_) => "update",
        PutMode::Overwrite => "put",
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated bucket")
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.host)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait::async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let what = format!("{} {location} {}", kind(&options.mode), payload.content_length());
        let faults = self.faults.store();
        if options.mode != PutMode::Overwrite && self.faults.happens(faults.conflict) {
            self.trace.line(format_args!("{} store {what}: 409", self.host));
            tokio::time::sleep(MEDIAN).await;
            let path = location.to_string();
            return Err(Error::AlreadyExists { path, source: "409 conflict".into() });
        }
        let put = {
            let (memory, location) = (Arc::clone(&self.memory), location.clone());
            move |payload: PutPayload, options: PutOptions| async move {
                memory.put_opts(&location, payload, options).await
            }
        };
        if self.faults.happens(faults.twice) {
            let again = (put.clone())(payload.clone(), options.clone());
            let pause = Duration::from_millis(self.faults.pick(LATE_MS));
            self.service.run(async move {
                tokio::time::sleep(pause).await;
                drop(again.await);
            });
        }
        self.request(what, put(payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.memory.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let what = format!("get {location} {:?}", options.range);
        let (memory, location) = (Arc::clone(&self.memory), location.clone());
        let get = async move {
            let result = memory.get_opts(&location, options).await?;
            let (meta, range) = (result.meta.clone(), result.range.clone());
            let (attributes, extensions) = (result.attributes.clone(), result.extensions.clone());
            Ok((meta, range, attributes, extensions, result.bytes().await?))
        };
        let (meta, range, attributes, extensions, bytes) = self.request(what, get).await?;
        let bytes = self.damage(bytes);
        let payload = GetResultPayload::Stream(futures::stream::iter([Ok(bytes)]).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (memory, path) = (Arc::clone(&self.memory), location.clone());
        let wanted = ranges.to_vec();
        let get = async move { memory.get_ranges(&path, &wanted).await };
        self.request(format!("ranges {location}"), get).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |location: Result<Path>| {
            let this = this.clone();
            async move {
                let location = location?;
                let (memory, path) = (Arc::clone(&this.memory), location.clone());
                let paths = futures::stream::iter([Ok(path)]).boxed();
                let work = async move { memory.delete_stream(paths).try_collect::<Vec<_>>().await };
                this.request(format!("delete {location}"), work).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let memory = Arc::clone(&this.memory);
            let what = format!("list {}", prefix.as_ref().map_or("", Path::as_ref));
            let work = async move { memory.list(prefix.as_ref()).try_collect::<Vec<_>>().await };
            let mut listed = this.request_within(LIST_MEDIAN, what, work).await?;
            if this.faults.happens(this.faults.store().stale_list) {
                // What is new is missing from it (R20).
                listed.truncate(listed.len() / 2);
            }
            Ok::<_, Error>(futures::stream::iter(listed.into_iter().map(Ok)))
        };
        futures::stream::once(listed).try_flatten().boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.memory.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (memory, prefix) = (Arc::clone(&self.memory), prefix.cloned());
        let list = async move { memory.list_with_delimiter(prefix.as_ref()).await };
        self.request("list prefixes".to_owned(), list).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.memory.copy_opts(from, to, options).await
    }

    async fn rename_opts(
        &self,
        from: &Path,
        to: &Path,
        options: object_store::RenameOptions,
    ) -> Result<()> {
        self.memory.rename_opts(from, to, options).await
    }
}
