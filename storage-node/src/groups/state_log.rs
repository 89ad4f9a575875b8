//! The log that keeps one shard's state, as the shard needs it.
//!
//! One implementation is the internal partition itself ([`super::partition_log`]); the other is in
//! memory and fails on demand, for the tests. Guarantees: what [`StateLog::append`] takes, in the
//! order it takes it, is what [`StateLog::replay`] of the next owner finds, all of it once an
//! append has resolved and a prefix of it otherwise.

use async_trait::async_trait;
use bytes::Bytes;
use coordinator::RecordError;
use futures::future::BoxFuture;
use thiserror::Error;

/// See the module.
#[async_trait]
pub(crate) trait StateLog: Send + Sync + 'static {
    /// Hands every record from the log start to the end to `each`. Returns the next offset.
    async fn replay(&self, each: &mut ReplayFn<'_>) -> Result<i64, ReplayError>;

    /// The epoch under which the log is ours.
    fn epoch(&self) -> i32;

    /// Appends records as one batch. Calls are in log order; nothing is appended on error.
    fn append(&self, records: &[Bytes]) -> Result<Appended, AppendError>;

    /// Moves the log start up to `offset`.
    async fn move_start(&self, offset: i64) -> Result<(), MoveStartError>;

    /// Resolves with proof that, after this call, the log was still ours (R6).
    fn prove_ownership(&self) -> BoxFuture<'static, Result<(), Lost>>;
}

/// Takes a record of the log.
pub(crate) type ReplayFn<'a> = dyn FnMut(&[u8]) -> Result<(), RecordError> + Send + 'a;

/// A batch on its way.
pub(crate) struct Appended {
    /// Offset of its first record.
    pub(crate) first_offset: i64,
    /// Resolves when the batch is durable, or when nobody can tell any more.
    pub(crate) durable: BoxFuture<'static, Result<(), Lost>>,
}

/// The log is not ours any more, or its front has failed. What was appended last may or may not be
/// there for the next owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the group log is not this incarnation's any more")]
pub(crate) struct Lost;

/// Why nothing was appended.
#[derive(Debug, Error)]
pub(crate) enum AppendError {
    /// There is no room just now.
    #[error("the front is full")]
    Full,
    /// See [`Lost`].
    #[error(transparent)]
    Lost(#[from] Lost),
    /// No room will ever suffice: our own bug, for records are bounded.
    #[error("a batch of {bytes} bytes is too large")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Why a replay ended early.
#[derive(Debug, Error)]
pub(crate) enum ReplayError {
    /// See [`Lost`].
    #[error(transparent)]
    Lost(#[from] Lost),
    /// A record is not one. Nothing may be skipped (R41).
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The log cannot be read now.
    #[error("{0}")]
    Read(String),
}

/// Why the log start did not move.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct MoveStartError(pub(crate) String);
