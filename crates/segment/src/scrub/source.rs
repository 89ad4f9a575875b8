//! Reading for a scrub: few reads at a time, every byte counted.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::finding::Defect;
use super::{Depth, ScrubError, ScrubOptions};
use crate::keys::Key;
use crate::object::{Footer, FooterError};
use crate::seal::Keyring;
use crate::seqlog::{HEADER_LEN, ReadError, SeqLogReader, Slot, SlotHeader};
use crate::store::{Listed, Op, Store, StoreError, StoreErrorKind};

/// First guess at a footer; a longer one takes a second read.
const FOOTER_GUESS: u64 = 128 << 10;

/// A trailer that claims a longer footer is damaged: slots are at most 32 MiB (R21).
const FOOTER_BYTES_MAX: u64 = 32 << 20;

/// The store, behind as many permits as reads may run at the same time.
pub(super) struct Source<'a> {
    store: &'a Store,
    pub(super) depth: Depth,
    pub(super) parallel: usize,
    pub(super) findings_max: usize,
    permits: Semaphore,
    bytes_read: AtomicU64,
}

/// A permit to read one object, request after request.
pub(super) struct Reads<'a> {
    source: &'a Source<'a>,
    _permit: SemaphorePermit<'a>,
}

/// Why a read gave nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The object's fault: goes into the report.
    Defect(Defect),
    /// The store's: nothing is known about the object, so the scrub stops.
    Store(StoreError),
}

impl<'a> Source<'a> {
    pub(super) fn new(store: &'a Store, options: &ScrubOptions) -> Self {
        let parallel = options.parallel.max(1);
        Self {
            store,
            depth: options.depth,
            parallel,
            findings_max: options.findings_max,
            permits: Semaphore::new(parallel),
            bytes_read: AtomicU64::new(0),
        }
    }

    /// Waits until one more object may be read.
    pub(super) async fn reads(&self) -> Reads<'_> {
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        Reads { source: self, _permit: permit }
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.store.list(prefix).await
    }

    pub(super) fn store(&self) -> &Store {
        self.store
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

impl Reads<'_> {
    /// What opens sealed blocks, as far as it has their keys.
    pub(super) fn keyring(&self) -> &Keyring {
        self.source.store.keyring()
    }

    /// The whole object.
    pub(super) async fn object(&self, key: &Key) -> Result<Bytes, StoreError> {
        let object = self.source.store.get(key).await?;
        Ok(self.counted(object))
    }

    /// Exactly these bytes of it.
    pub(super) async fn range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let bytes = self.source.store.get_range(key, range).await?;
        Ok(self.counted(bytes))
    }

    /// Its footer, and the object's length.
    pub(super) async fn footer(&self, key: &Key) -> Result<(Footer, u64), StoreError> {
        let mut want = FOOTER_GUESS;
        loop {
            let (tail, length) = self.source.store.get_suffix(key, want).await?;
            let tail = self.counted(tail);
            let cut = (tail.len() as u64) < length && want < FOOTER_BYTES_MAX;
            match Footer::decode(&tail, length) {
                Ok(footer) => return Ok((footer, length)),
                Err(FooterError::Short) if cut => want = FOOTER_BYTES_MAX,
                Err(error) => return Err(StoreError::damaged(Op::GetRange, key, error)),
            }
        }
    }

    /// The header of a slot; `None` where there is none.
    pub(super) async fn header(
        &self,
        log: &SeqLogReader,
        slot: u64,
    ) -> Result<Option<SlotHeader>, ReadError> {
        let header = log.header(slot).await?;
        self.count(if header.is_some() { HEADER_LEN as u64 } else { 0 });
        Ok(header)
    }

    /// A slot with its payload; `None` where there is none.
    pub(super) async fn slot(
        &self,
        log: &SeqLogReader,
        slot: u64,
    ) -> Result<Option<Slot>, ReadError> {
        let slot = log.read(slot).await?;
        let length = |slot: &Slot| (HEADER_LEN + slot.payload.len()) as u64;
        self.count(slot.as_ref().map_or(0, length));
        Ok(slot)
    }

    fn counted(&self, bytes: Bytes) -> Bytes {
        self.count(bytes.len() as u64);
        bytes
    }

    fn count(&self, bytes: u64) {
        self.source.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Fault {
    /// The defect to report, or the error that ends the scrub.
    pub(super) fn defect(self) -> Result<Defect, ScrubError> {
        match self {
            Self::Defect(defect) => Ok(defect),
            Self::Store(error) => Err(error.into()),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error.kind {
            StoreErrorKind::NotFound => Self::Defect(Defect::Missing),
            StoreErrorKind::Damaged => Self::Defect(Defect::Damaged(error.cause)),
            _ => Self::Store(error),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(ReadError::Store(error): ReadError) -> Self {
        error.into()
    }
}

impl From<Defect> for Fault {
    fn from(defect: Defect) -> Self {
        Self::Defect(defect)
    }
}
