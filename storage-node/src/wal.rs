//! The front: where a batch becomes durable, and with that acknowledged.
//!
//! In: batches whose offsets the partition has assigned, in the order of [`Front::append`].
//! Out: [`CommitTarget::committed`], strictly in that order, once the bytes cannot be lost.
//! Never: uploads, offsets of its own, partition state.
//!
//! ```text
//!   append ──► queue ──► assemble ──► write ──► complete ──► CommitTarget
//!   (any thread)         one at a     up to W   lowest LSN    the slices handed out are
//!                        time         at once   first (R15)   the written block itself
//! ```
//!
//! A front is one stream of entries for all partitions of a node incarnation. Its positions are
//! [`Lsn`]s: the entries tile the stream from 0 without a gap, whatever a front puts around them
//! (padding, blocks, objects), so "everything below this LSN is uploaded" means the same for every
//! kind of front:
//!
//! ```text
//!   0          trimmed                 durable            end of what was accepted
//!   ├─ uploaded ─┼─ acknowledged, here only ─┼─ in flight or queued ─┤
//! ```
//!
//! [`DiskFront`] is a ring file, [`ObjectFront`] one conditional PUT per group. A replicated front
//! (the disk format on three acceptors) would implement the same trait. [`open_sealed`] ends and
//! reads the log of a front whose incarnation is over.

pub mod descriptor;
pub mod disk;
pub mod disks;
pub mod io;
pub mod object;
pub mod recover;
pub mod sealed;

mod assemble;
mod block;
mod buffer;
mod completion;
mod cursor;
mod engine;
mod file;
mod layout;
mod life;
mod log;
mod metrics;
mod room;
mod space;
mod superblock;
mod wake;

use std::fmt;
use std::sync::Arc;

use crate::limits::BATCH_BYTES_MAX;
use bytes::Bytes;
use futures::future::BoxFuture;
use protocol::ids::PartitionId;
use segment::seal::KeyMissing;
use tokio::sync::watch;

pub use self::descriptor::{FrontDescriptor, ParseFrontError};
pub use self::disk::{DiskFront, DiskFrontConfig, OpenError, Tuning};
pub use self::disks::Disks;
pub use self::object::{ObjectFront, ObjectTuning};
pub use self::recover::{Damage, RecoverError, Recovered, recover};
pub use self::sealed::{SealedFront, open_sealed};

/// A position in the front's stream of entries. Every incarnation starts at 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The part of the stream one entry occupies: from `start` to just before `end`.
///
/// `end` is the `start` of the next entry. Whoever has uploaded this entry and all before it trims
/// to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LsnRange {
    /// The entry's first position.
    pub start: Lsn,
    /// The first position after it.
    pub end: Lsn,
}

/// A batch on its way into the log.
#[derive(Clone)]
pub struct Entry {
    /// Whose batch.
    pub partition: PartitionId,
    /// The offset assigned to its first record; the front patches it into the batch header.
    pub base_offset: i64,
    /// The epoch of the owner; patched into the batch header too.
    pub leader_epoch: i32,
    /// The offset of its last record.
    pub last_offset: i64,
    /// One record batch as the client sent it.
    pub batch: Bytes,
    /// True for partitions of internal topics, which may use the last of the space (R28).
    pub internal: bool,
    /// Who hears about the outcome.
    pub target: Arc<dyn CommitTarget>,
}

/// Hears what became of accepted entries.
///
/// Calls come from a thread or task of the front, strictly in LSN order (R15), one at a time for the whole
/// front, and never while a lock of the front is held. So an implementation may take the lock under
/// which [`Front::append`] is called, must be quick, and must not block on anything slower.
pub trait CommitTarget: Send + Sync {
    /// The entry is durable: from now on it may be acknowledged and read.
    ///
    /// `batch` has its base offset and leader epoch set. It is a slice of the written block, which
    /// stays in memory until the last such slice is dropped.
    fn committed(&self, lsn: LsnRange, base_offset: i64, last_offset: i64, batch: Bytes);

    /// The entry will never be acknowledged by this incarnation. It may nevertheless come back in
    /// recovery: the outcome is unknown, not negative.
    fn failed(&self, base_offset: i64);
}

/// Durable, ordered storage for the batches not yet in the object store.
///
/// Guarantees: the order of successful `append` calls is the order of the log and of the
/// [`CommitTarget`] calls; a committed entry survives whatever this kind of front promises to
/// survive; after the first error of the storage below nothing is committed any more (R68). An
/// entry that was accepted but neither committed nor trimmed may or may not be found by recovery.
pub trait Front: Send + Sync {
    /// Takes an entry into the log. Never blocks; returns the place the entry will have.
    ///
    /// On error the entry was not taken and its target will not be called.
    fn append(&self, entry: Entry) -> Result<LsnRange, FrontError>;

    /// The largest batch that [`Front::append`] takes. A topic's `max.message.bytes` may not be larger.
    fn batch_bytes_max(&self) -> usize {
        BATCH_BYTES_MAX
    }

    /// Gives up everything below `upto`.
    ///
    /// Only for what the caller's own successful uploads cover (R25). Space comes back later, when
    /// the new start of the log is itself durable.
    fn trim(&self, upto: Lsn);

    /// How full the front is and how far it got.
    fn usage(&self) -> FrontUsage;

    /// Follows the state of the front; the first value is the present one.
    fn state(&self) -> watch::Receiver<FrontState>;

    /// Ends the log: refuses appends from now on, waits for those in flight, and returns the end of
    /// the log. Safe to repeat.
    fn seal(&self) -> BoxFuture<'_, Result<Lsn, FrontError>>;

    /// Stops it where it is: the incarnation is over, and what was not committed has an unknown
    /// outcome. For a front that would go on by itself for as long as somebody holds it.
    fn abandon(&self) {}

    /// Lets go of the place of a sealed log, so that the process's next incarnation can have it.
    /// Afterwards nothing is written there any more, nor to be read. May block.
    fn vacate(&self) {}

    /// Proves that nobody had ended this incarnation when this was called (R6): what was read of its
    /// state before may be told as final.
    ///
    /// Here for a front that only its own process can end: it is ours while it is open. A front that
    /// others can end has to look where its bytes are.
    fn prove(&self) -> BoxFuture<'static, Result<(), NotProven>> {
        let proof = match &*self.state().borrow() {
            FrontState::Open => Ok(()),
            FrontState::Sealed(_) | FrontState::Poisoned(_) => Err(NotProven),
        };
        Box::pin(std::future::ready(proof))
    }

    /// Reads entries of a sealed log from `from` on, about `bytes_max` of them but at least one.
    ///
    /// An empty chunk means the end of the log. What lies below the trim point is gone.
    fn read_sealed(
        &self,
        from: Lsn,
        bytes_max: usize,
    ) -> BoxFuture<'_, Result<SealedChunk, RecoverError>>;
}

/// The incarnation may be over, for all the front knows. Nothing final may be said in its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody knows whether this incarnation is over")]
pub struct NotProven;

/// What makes an acknowledgement legal besides durability (R4).
///
/// Asked after the bytes are durable and before anybody is told. A front on a device that fences
/// its old owner itself needs none: [`NoPromise`].
pub trait Promise: Send + Sync {
    /// May this incarnation acknowledge what is durable now?
    fn state(&self) -> PromiseState;
}

/// The answer of a [`Promise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseState {
    /// The deadline lies ahead: acknowledge.
    Held,
    /// The deadline has passed but may still be extended: hold the acknowledgement back.
    Expired,
    /// Fenced: this incarnation never acknowledges again.
    Lost,
}

/// The promise of a node that nobody but its own device can replace.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPromise;

impl Promise for NoPromise {
    fn state(&self) -> PromiseState {
        PromiseState::Held
    }
}

/// A snapshot of the front's bookkeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontUsage {
    /// Bytes the front can hold.
    pub capacity_bytes: u64,
    /// Bytes not yet given back, including padding and what is queued.
    pub used_bytes: u64,
    /// Bytes accepted and not yet durable.
    pub pending_bytes: u64,
    /// Everything below was trimmed by the caller.
    pub trimmed: Lsn,
    /// Everything below is durable.
    pub durable: Lsn,
    /// The end of what was accepted.
    pub end: Lsn,
}

impl FrontUsage {
    /// The used share of the capacity, 0 to 1. Producers are throttled from 0.7 on (R28).
    pub fn used_share(&self) -> f64 {
        self.used_bytes as f64 / self.capacity_bytes as f64
    }
}

/// Where the front is in its life. Both ends are final.
///
/// ```text
///   Open ──► Sealed
///     └────► Poisoned
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontState {
    /// Takes appends.
    Open,
    /// Ended by [`Front::seal`]; the log goes up to this position.
    Sealed(Lsn),
    /// Ended by an error; the incarnation is over (R68).
    Poisoned(Arc<str>),
}

/// Why an entry was not taken, or the log could not be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrontError {
    /// Not enough space until more is uploaded and trimmed (R28, R70).
    #[error("the log is full: {used_bytes} of {capacity_bytes} bytes wait for upload")]
    Full {
        /// Bytes in use.
        used_bytes: u64,
        /// Bytes there are.
        capacity_bytes: u64,
    },
    /// The device does not keep up: too many bytes wait to be written.
    #[error("the log is busy: {pending_bytes} bytes wait to be written")]
    Busy {
        /// Bytes accepted and not yet durable.
        pending_bytes: u64,
    },
    /// Too many offsets are not in the object store: no more are reserved until something is (R52).
    #[error("{offsets} offsets of the partition wait for upload")]
    Ahead {
        /// So many.
        offsets: i64,
    },
    /// Its tenant's records are to be sealed, and the key is not here.
    #[error(transparent)]
    Key(#[from] KeyMissing),
    /// The batch is no batch, or larger than this front takes.
    #[error("a batch of {bytes} bytes does not fit: this log takes {bytes_min} to {bytes_max}")]
    BatchSize {
        /// The length of the batch.
        bytes: usize,
        /// The least: a batch header.
        bytes_min: usize,
        /// The most.
        bytes_max: usize,
    },
    /// The log was sealed.
    #[error("the log is sealed")]
    Sealed,
    /// An earlier error ended the log.
    #[error("the log has failed: {0}")]
    Poisoned(Arc<str>),
}

impl FrontError {
    /// Whether there may be room, or the key, in a moment: the producer sends the batch again.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Busy { .. } | Self::Ahead { .. } | Self::Key(_))
    }
}

/// One entry read back from a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEntry {
    /// Its place.
    pub lsn: LsnRange,
    /// Whose batch.
    pub partition: PartitionId,
    /// The offset of the first record.
    pub base_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
    /// The epoch under which it was written.
    pub leader_epoch: i32,
    /// The batch, with offset and epoch set in its header.
    pub batch: Bytes,
}

/// A piece of a sealed log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedChunk {
    /// Entries in LSN order, without a gap.
    pub entries: Vec<LoggedEntry>,
    /// Where to read on.
    pub next: Lsn,
}

#[cfg(test)]
pub(crate) mod tests;
