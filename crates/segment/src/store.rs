//! The object store as this system uses it: one prefix, counted requests,
//! conditional writes with trustworthy answers.
//!
//! In: keys from [`crate::keys`] and payloads of several `Bytes`, which are
//! uploaded as they are, without being copied together.
//! Out: whole objects, exact byte ranges, versions for compare-and-swap.
//! Never: a conditional write other than by [`Store::create`] and
//! [`Store::update`]. The client library answers 409 and 412 alike, and both may
//! hide our own write (R13, R17).

mod backend;
mod conditional;
mod config;
mod error;
mod local;
mod metrics;
mod skew;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, PutPayload, UpdateVersion,
};

use crate::keys::Key;
use crate::seal::Keyring;

pub use backend::OpenError;
pub use conditional::{Created, Updated};
pub use config::{Secret, StoreConfig};
pub use error::{StoreError, StoreErrorKind};
pub use metrics::{Op, describe as describe_metrics};
pub use skew::Skew;

/// Objects on one page of a listing, by which it is paid for.
const LIST_PAGE: usize = 1_000;

/// A handle on the object store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<backend::Backend>,
    /// As configured, for error texts.
    url: Arc<str>,
    /// Who answers, for error texts.
    address: Arc<str>,
    role: &'static str,
    write_deadline: Duration,
    keyring: Keyring,
}

/// Version of an object, for [`Store::update`]. Opaque, and never the same for two contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(UpdateVersion);

impl Version {
    fn of(e_tag: Option<String>, version: Option<String>) -> Option<Self> {
        (e_tag.is_some() || version.is_some()).then_some(Self(UpdateVersion { e_tag, version }))
    }
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, by the store's clock, in Unix milliseconds. To be compared with
    /// [`Store::now_ms`], never with a local clock (R71).
    pub modified_ms: i64,
}

impl Store {
    /// Opens the store of a role. Sends no request: [`crate::probe()`] does that.
    pub fn open(config: &StoreConfig, role: &'static str) -> Result<Self, OpenError> {
        Ok(Self {
            backend: Arc::new(backend::open(config)?),
            url: Arc::from(config.url.as_str()),
            address: Arc::from(address_of(config)),
            role,
            write_deadline: config.write_deadline,
            keyring: Keyring::default(),
        })
    }

    /// An empty store in memory, for tests.
    pub fn memory(role: &'static str) -> Self {
        Self::open(&StoreConfig::new("memory:"), role).expect("memory needs nothing that can fail")
    }

    /// A store over any implementation: faults and broken promises for tests and simulations.
    pub fn over(store: Arc<dyn object_store::ObjectStore>, role: &'static str) -> Self {
        Self {
            backend: Arc::new(backend::Backend::of(store)),
            write_deadline: Duration::from_secs(5),
            ..Self::memory(role)
        }
    }

    /// The same store, counted for another role of this process.
    pub fn for_role(&self, role: &'static str) -> Self {
        Self { role, ..self.clone() }
    }

    /// The keys that tenants' records are sealed with in this store, shared by all clones: none,
    /// until somebody puts them there.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The store's URL, for log lines.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Who answers: the endpoint, the region of AWS, or the directory itself.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The whole object.
    pub async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let (bytes, _) = self.fetch(Op::Get, key, None).await?;
        Ok(bytes)
    }

    /// The whole object and its version, or `None` when there is none.
    pub async fn get_versioned(&self, key: &Key) -> Result<Option<(Bytes, Version)>, StoreError> {
        match self.fetch(Op::Get, key, None).await {
            Ok((bytes, meta)) => {
                let version = Version::of(meta.e_tag, meta.version)
                    .ok_or_else(|| StoreError::damaged(Op::Get, key, "answered without an ETag"))?;
                Ok(Some((bytes, version)))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Exactly the bytes of `range`; an object that ends before is damaged (R27).
    pub async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let bounded = Some(GetRange::Bounded(range.clone()));
        let size = match self.fetch(Op::GetRange, key, bounded).await {
            Ok((bytes, _)) if bytes.len() as u64 == range.end - range.start => return Ok(bytes),
            Ok((_, meta)) => meta.size,
            Err(error) if error.kind != StoreErrorKind::Unavailable => return Err(error),
            // A range that starts beyond the object's end is refused in as many
            // ways as there are stores; the size tells it from a passing failure.
            Err(error) => match self.head(key).await? {
                Some((size, _)) if size < range.end => size,
                _ => return Err(error),
            },
        };
        let what = format!("bytes {range:?} wanted of an object of {size}");
        Err(StoreError::damaged(Op::GetRange, key, what))
    }

    /// The last `length` bytes, or all of a shorter object, and the object's size.
    pub async fn get_suffix(&self, key: &Key, length: u64) -> Result<(Bytes, u64), StoreError> {
        let (bytes, meta) = self.fetch(Op::GetRange, key, Some(GetRange::Suffix(length))).await?;
        Ok((bytes, meta.size))
    }

    /// Size and version of the object, or `None` when there is none.
    pub async fn head(&self, key: &Key) -> Result<Option<(u64, Version)>, StoreError> {
        let path = self.path(Op::Head, key)?;
        metrics::request(self.role, Op::Head);
        match self.backend.retrying.head(&path).await {
            Ok(meta) => {
                let version = Version::of(meta.e_tag, meta.version).ok_or_else(|| {
                    StoreError::damaged(Op::Head, key, "answered without an ETag")
                })?;
                Ok(Some((meta.size, version)))
            }
            Err(error) => {
                let error = self.failed(Op::Head, key, &error);
                if error.is_not_found() { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Objects whose keys lie below `prefix` (whole path segments), by key.
    ///
    /// A listing is a hint: it finds garbage and gives a good first guess, and
    /// nothing is concluded from what it leaves out (R20).
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.list_first(prefix, usize::MAX).await
    }

    /// As [`Store::list`], unless there are more than `count` of them.
    pub async fn list_at_most(
        &self,
        prefix: &str,
        count: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError> {
        let listed = self.list_first(prefix, count.saturating_add(1)).await?;
        Ok((listed.len() <= count).then_some(listed))
    }

    /// The folders right below `prefix`, without what is in them. A hint like every listing.
    pub async fn list_folders(&self, prefix: &str) -> Result<Vec<Key>, StoreError> {
        let path = self.path(Op::List, &Key::from_text(prefix))?;
        metrics::request(self.role, Op::List);
        let listed = self.backend.retrying.list_with_delimiter(Some(&path)).await;
        let listed = listed.map_err(|error| self.failed(Op::List, prefix, &error))?;
        Ok(listed.common_prefixes.iter().filter_map(|folder| self.key_of(folder)).collect())
    }

    async fn list_first(&self, prefix: &str, count: usize) -> Result<Vec<Listed>, StoreError> {
        let path = self.path(Op::List, &Key::from_text(prefix.trim_end_matches('/')))?;
        metrics::request(self.role, Op::List);
        let listing = self.backend.retrying.list(Some(&path)).take(count);
        let listed = listing.try_collect::<Vec<_>>().await;
        let listed = listed.map_err(|error| self.failed(Op::List, prefix, &error))?;
        (0..listed.len().saturating_sub(1) / LIST_PAGE).for_each(|_| {
            metrics::request(self.role, Op::List);
        });
        let mut objects: Vec<Listed> = listed
            .into_iter()
            .filter_map(|meta| {
                let key = self.key_of(&meta.location)?;
                let modified_ms = meta.last_modified.timestamp_millis();
                Some(Listed { key, size: meta.size, modified_ms })
            })
            .collect();
        // A directory lists in any order.
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// Writes an object whose key nobody else writes: one with a unique name.
    pub async fn put_unconditional(
        &self,
        key: &Key,
        payload: Vec<Bytes>,
    ) -> Result<(), StoreError> {
        let path = self.path(Op::Put, key)?;
        let payload = PutPayload::from_iter(payload);
        let length = payload.content_length() as u64;
        metrics::request(self.role, Op::Put);
        let result = self.backend.retrying.put(&path, payload).await;
        result.map_err(|error| self.failed(Op::Put, key, &error))?;
        metrics::bytes(self.role, Op::Put, length);
        Ok(())
    }

    /// As [`Store::put_unconditional`], in parts of `part_bytes`: for objects too large to be
    /// tried again as a whole (R21). Nothing is there until all of it is; an upload that breaks off
    /// leaves invisible parts, which the bucket's lifecycle removes. A directory takes it whole.
    pub async fn put_in_parts(
        &self,
        key: &Key,
        payload: Vec<Bytes>,
        part_bytes: usize,
    ) -> Result<(), StoreError> {
        let length: usize = payload.iter().map(Bytes::len).sum();
        if length <= part_bytes || !self.backend.parts {
            return self.put_unconditional(key, payload).await;
        }
        let path = self.path(Op::PutPart, key)?;
        let upload = async {
            let mut upload = self.backend.retrying.put_multipart(&path).await?;
            for part in parts(payload, part_bytes) {
                metrics::request(self.role, Op::PutPart);
                upload.put_part(PutPayload::from_iter(part)).await?;
            }
            upload.complete().await
        };
        // Begun and completed: two more requests than parts.
        metrics::request(self.role, Op::Put);
        metrics::request(self.role, Op::Put);
        upload.await.map_err(|error| self.failed(Op::PutPart, key, &error))?;
        metrics::bytes(self.role, Op::PutPart, length as u64);
        Ok(())
    }

    /// The store's own clock, in Unix milliseconds: the time of an object written for this (R71).
    pub async fn now_ms(&self) -> Result<i64, StoreError> {
        let key = crate::keys::probe(uuid::Uuid::new_v4(), "clock");
        self.put_unconditional(&key, vec![Bytes::from_static(b"clock")]).await?;
        let path = self.path(Op::Head, &key)?;
        metrics::request(self.role, Op::Head);
        let meta = self.backend.retrying.head(&path).await;
        let now_ms = meta.map(|meta| meta.last_modified.timestamp_millis());
        let now_ms = now_ms.map_err(|error| self.failed(Op::Head, &key, &error));
        self.delete(&key).await?;
        now_ms
    }

    /// How far this machine's clock is from the store's, as far as answers have told; `None` for a
    /// store that is no server (R71).
    pub fn clock_skew(&self) -> Option<Skew> {
        let skew = self.backend.skew.as_ref()?.skew();
        if let Some(skew) = skew {
            metrics::skew(self.role, skew.certain_ms());
        }
        skew
    }

    /// Removes an object; one that is not there is removed already. Never for
    /// keys that may be written again (R17), never for END (R8).
    pub async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let path = self.path(Op::Delete, key)?;
        metrics::request(self.role, Op::Delete);
        match self.backend.retrying.delete(&path).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = self.failed(Op::Delete, key, &error);
                if error.is_not_found() { Ok(()) } else { Err(error) }
            }
        }
    }

    async fn fetch(
        &self,
        op: Op,
        key: &Key,
        range: Option<GetRange>,
    ) -> Result<(Bytes, object_store::ObjectMeta), StoreError> {
        let path = self.path(op, key)?;
        metrics::request(self.role, op);
        let read = async {
            let options = GetOptions { range, ..GetOptions::default() };
            let result = self.backend.retrying.get_opts(&path, options).await?;
            let meta = result.meta.clone();
            Ok((result.bytes().await?, meta))
        };
        let (bytes, meta) = read.await.map_err(|error| self.failed(op, key, &error))?;
        metrics::bytes(self.role, op, bytes.len() as u64);
        Ok((bytes, meta))
    }

    fn failed(&self, op: Op, key: impl fmt::Display, error: &object_store::Error) -> StoreError {
        let error = StoreError::new(op, key, error);
        if !error.is_not_found() {
            metrics::error(self.role, op);
        }
        error
    }

    fn path(&self, op: Op, key: &Key) -> Result<Path, StoreError> {
        let key_path = Path::parse(key.as_str())
            .map_err(|error| StoreError::damaged(op, key, error.to_string()))?;
        Ok(self.backend.prefix.parts().chain(key_path.parts()).collect())
    }

    fn key_of(&self, path: &Path) -> Option<Key> {
        let parts: Vec<_> = path.prefix_match(&self.backend.prefix)?.collect();
        let parts: Vec<&str> = parts.iter().map(|part| part.as_ref()).collect();
        Some(Key::from_text(&parts.join("/")))
    }
}

/// Cuts a payload into parts of exactly `part_bytes`, the last one shorter, without copying.
fn parts(payload: Vec<Bytes>, part_bytes: usize) -> impl Iterator<Item = Vec<Bytes>> {
    let mut chunks = payload.into_iter();
    let mut rest = Bytes::new();
    std::iter::from_fn(move || {
        let (mut part, mut room) = (Vec::new(), part_bytes);
        while room > 0 {
            if rest.is_empty() {
                let Some(next) = chunks.next() else { break };
                rest = next;
                continue;
            }
            let taken = rest.split_to(room.min(rest.len()));
            room -= taken.len();
            part.push(taken);
        }
        (!part.is_empty()).then_some(part)
    })
}

fn address_of(config: &StoreConfig) -> String {
    match &config.endpoint {
        Some(endpoint) => format!("`{endpoint}`"),
        None if config.url.starts_with("s3:") => format!("AWS S3 in `{}`", config.region),
        None => format!("`{}`", config.url),
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("url", &self.url).field("role", &self.role).finish()
    }
}

#[cfg(test)]
pub(crate) mod tests;
