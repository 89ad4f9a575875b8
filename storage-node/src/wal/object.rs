//! The object front: batches of all partitions go into one conditional PUT, before they are
//! acknowledged. No disk at all; any node ends it and reads it back.
//!
//! ```text
//!   append ─► Queue ─► Engine: one slot per window ─► PipelinedWriter ─► CommitTarget
//!   any thread         one task on the runtime        `w/` slots of the incarnation
//! ```
//!
//! An acknowledgement rests on our own PUT having created the slot, and all slots before it (R1,
//! R13, R15). So there is no promise to keep and no clock in the argument: END in the first free
//! slot, placed by anybody, makes every later acknowledgement impossible, and the front learns of it
//! with its next slot and is poisoned for ever.
//!
//! The store slow or away: what was accepted is put for ever, the same bytes; what does not fit
//! behind it is refused (R28). Nothing is lost, and nothing is promised.

mod engine;
mod format;
mod proof;
mod queue;
mod sealed;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use process::Drain;
use segment::seqlog::{AppendError, IN_FLIGHT_MAX, OpenSlot, PipelinedWriter, SeqLogReader};
use segment::{Family, LogId, Store};
use tokio::sync::{Notify, OnceCell, watch};
use tokio_util::sync::CancellationToken;

use self::engine::{Engine, Shared};
use self::proof::Proofs;
use self::queue::{Bounds, Queue};
pub(crate) use self::sealed::SealedObject;
use super::life;
use super::metrics::Meter;
use super::{
    Entry, Front, FrontDescriptor, FrontError, FrontState, FrontUsage, Lsn, LsnRange, NotProven,
    RecoverError, SealedChunk, SealedFront,
};

/// The trade-offs of an object front.
#[derive(Debug, Clone, Copy)]
pub struct ObjectTuning {
    /// The least time between two PUTs: shorter costs more requests, longer more latency.
    pub window: Duration,
    /// PUTs in flight.
    pub in_flight: usize,
    /// An object ends at this size, whatever the window.
    pub object_bytes_max: u64,
    /// Bytes that may wait to be durable before appends are refused (R28).
    pub pending_bytes_max: u64,
    /// Bytes that may wait for upload: they stay in memory until then.
    pub capacity_bytes: u64,
}

impl Default for ObjectTuning {
    fn default() -> Self {
        Self {
            window: Duration::from_millis(50),
            in_flight: 2,
            object_bytes_max: 8 << 20,
            pending_bytes_max: 64 << 20,
            capacity_bytes: 256 << 20,
        }
    }
}

/// A [`Front`] on the object WAL of its incarnation.
///
/// Dropping it stops it where it is: what was not committed has an unknown outcome.
pub struct ObjectFront {
    shared: Arc<Shared>,
    proofs: Proofs,
    store: Store,
    log: LogId,
    sealed: OnceCell<SealedObject>,
}

impl ObjectFront {
    /// Starts the object WAL of incarnation `log`. It runs as a task of `drain`, and goes on while
    /// that drains: until it is sealed, has failed or is dropped.
    ///
    /// # Panics
    /// When `tuning.in_flight` is not from 1 to 4 (R15).
    pub async fn create(
        store: Store,
        log: LogId,
        tuning: ObjectTuning,
        drain: &Drain,
    ) -> Result<Self, AppendError> {
        assert!((1..=IN_FLIGHT_MAX).contains(&tuning.in_flight), "checked with the configuration");
        let descriptor = FrontDescriptor::Object;
        let open = OpenSlot {
            wal_kind: descriptor.wal_kind() as i32,
            front: Bytes::from(descriptor.to_string()),
            control_slot: 0,
        };
        let (family, in_flight) = (Family::Wal, tuning.in_flight);
        let writer = PipelinedWriter::create(store.clone(), family, log, &open, in_flight).await?;
        let bounds = Bounds {
            capacity_bytes: tuning.capacity_bytes,
            pending_bytes_max: tuning.pending_bytes_max,
            object_bytes_max: tuning.object_bytes_max,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(bounds)),
            work: Notify::new(),
            state: watch::Sender::new(FrontState::Open),
            meter: Meter::new(),
            durable_slots: AtomicU64::new(writer.next_slot()),
            closed: CancellationToken::new(),
        });
        let reader = SeqLogReader::new(store.clone(), Family::Wal, log);
        let proofs = Proofs::new(Arc::clone(&shared), reader);
        let engine = Engine::new(Arc::clone(&shared), writer, tuning.window);
        drain.spawn("storage-node object front", engine.run());
        Ok(Self { shared, proofs, store, log, sealed: OnceCell::new() })
    }
}

impl Front for ObjectFront {
    fn append(&self, entry: Entry) -> Result<LsnRange, FrontError> {
        let key = self.store.keyring().current(entry.partition.tenant)?;
        let (admitted, changed) = {
            let mut queue = self.shared.queue.lock();
            let before = queue.due();
            (queue.admit(entry, key), queue.due() != before)
        };
        // Most appends only add to what is due anyway: the task sleeps on.
        if changed {
            self.shared.work.notify_one();
        }
        admitted
    }

    fn trim(&self, upto: Lsn) {
        self.shared.queue.lock().trim(upto);
    }

    fn usage(&self) -> FrontUsage {
        self.shared.queue.lock().usage()
    }

    fn state(&self) -> watch::Receiver<FrontState> {
        self.shared.state.subscribe()
    }

    fn abandon(&self) {
        self.shared.closed.cancel();
    }

    fn prove(&self) -> BoxFuture<'static, Result<(), NotProven>> {
        self.proofs.prove()
    }

    fn seal(&self) -> BoxFuture<'_, Result<Lsn, FrontError>> {
        Box::pin(async {
            let state = self.shared.state.subscribe();
            self.shared.queue.lock().begin_seal();
            self.shared.work.notify_one();
            life::ended(state).await
        })
    }

    fn read_sealed(
        &self,
        from: Lsn,
        bytes_max: usize,
    ) -> BoxFuture<'_, Result<SealedChunk, RecoverError>> {
        Box::pin(async move {
            if !matches!(*self.shared.state.borrow(), FrontState::Sealed(_)) {
                return Err(RecoverError::NotSealed);
            }
            let opened = self.sealed.get_or_try_init(|| SealedObject::open(&self.store, self.log));
            opened.await?.read_sealed(from, bytes_max).await
        })
    }
}

impl Drop for ObjectFront {
    fn drop(&mut self) {
        self.abandon();
    }
}

#[cfg(test)]
mod tests;
