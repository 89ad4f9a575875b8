//! The disk front: a ring file, written block by block.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;

use super::{
    Entry, Front, FrontError, FrontState, FrontUsage, Lsn, LsnRange, Promise, RecoverError,
    SealedChunk,
};

/// Where the ring file is and how it is written.
#[derive(Debug, Clone)]
pub struct DiskFrontConfig {
    /// The file. Its directory must exist.
    pub path: PathBuf,
    /// Size of the file; the whole of it is written with zeros when it is created.
    pub size_bytes: u64,
    /// Threads that write, that is: writes in flight.
    pub writers: usize,
    /// A group ends when it has this many bytes.
    pub group_bytes_max: usize,
    /// Bytes that may wait to be written before appends are refused (R28).
    pub pending_bytes_max: u64,
}

impl DiskFrontConfig {
    /// The defaults for a ring file of `size_bytes` at `path`.
    pub fn new(path: impl Into<PathBuf>, size_bytes: u64) -> Self {
        Self {
            path: path.into(),
            size_bytes,
            writers: 3,
            group_bytes_max: 1 << 20,
            pending_bytes_max: 64 << 20,
        }
    }
}

/// Why the ring file could not be opened for a new incarnation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file still holds the log of another incarnation, and the caller did not say that it ended.
    #[error("the file holds the log of `{log_id}`, which has not ended")]
    Occupied {
        /// That incarnation's log id.
        log_id: String,
    },
    /// The file could not be opened, created or written.
    #[error("i/o error")]
    Io(#[from] std::io::Error),
}

/// A [`Front`] on a preallocated ring file.
pub struct DiskFront {
    _state: watch::Receiver<FrontState>,
}

impl DiskFront {
    /// Starts the log of incarnation `log_id` in the file, which is created when it is missing.
    ///
    /// `ended` names the incarnation whose log may be overwritten because all of it is in the object
    /// store and END is written. Blocks: creating the file takes as long as writing all of it.
    pub fn open(
        _config: DiskFrontConfig,
        log_id: &str,
        _ended: Option<&str>,
        _promise: Arc<dyn Promise>,
    ) -> Result<Self, OpenError> {
        Err(OpenError::Occupied { log_id: log_id.to_owned() })
    }
}

impl Front for DiskFront {
    fn append(&self, _entry: Entry) -> Result<LsnRange, FrontError> {
        Err(FrontError::Sealed)
    }

    fn trim(&self, _upto: Lsn) {}

    fn usage(&self) -> FrontUsage {
        FrontUsage {
            capacity_bytes: 1,
            used_bytes: 0,
            pending_bytes: 0,
            trimmed: Lsn(0),
            durable: Lsn(0),
            end: Lsn(0),
        }
    }

    fn state(&self) -> watch::Receiver<FrontState> {
        self._state.clone()
    }

    fn seal(&self) -> BoxFuture<'_, Result<Lsn, FrontError>> {
        Box::pin(async { Err(FrontError::Sealed) })
    }

    fn read_sealed(
        &self,
        from: Lsn,
        _bytes_max: usize,
    ) -> BoxFuture<'_, Result<SealedChunk, RecoverError>> {
        Box::pin(async move { Ok(SealedChunk { entries: Vec::new(), next: from }) })
    }
}
