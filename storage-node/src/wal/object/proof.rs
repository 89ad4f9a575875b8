//! Proof that nobody has ended the log (R6): the lowest slot that is not known to be ours is free.
//!
//! END goes to the first free slot. So if that slot is free now, there was no END when the proof
//! began. A slot that is taken holds our own PUT, whose answer is on its way, and then the one after
//! it counts, or END. One HEAD at a time, begun at most every 20 ms, is for everybody who asked
//! before it began: never for those who came later, for their samples are younger than its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared as SharedFuture};
use parking_lot::Mutex;
use segment::seqlog::{SeqLogReader, SlotKind};
use tokio::time::Instant;

use super::engine::Shared;
use crate::limits::PROOF_INTERVAL;
use crate::wal::{FrontState, NotProven};

type Proof = SharedFuture<BoxFuture<'static, Result<(), NotProven>>>;

/// Proves, in rounds. Cheap to clone.
#[derive(Clone)]
pub(super) struct Proofs {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    reader: SeqLogReader,
    /// The round that has not begun: whoever asks now may join it.
    next: Mutex<Option<Proof>>,
    /// Held by the round that runs; when it began.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

impl Proofs {
    pub(super) fn new(shared: Arc<Shared>, reader: SeqLogReader) -> Self {
        let (next, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Inner { shared, reader, next, turn }) }
    }

    /// A proof that begins after this call.
    pub(super) fn prove(&self) -> BoxFuture<'static, Result<(), NotProven>> {
        let mut next = self.inner.next.lock();
        if let Some(round) = &*next {
            return round.clone().boxed();
        }
        let inner = Arc::clone(&self.inner);
        let round = async move { inner.round().await }.boxed().shared();
        *next = Some(round.clone());
        round.boxed()
    }
}

impl Inner {
    async fn round(&self) -> Result<(), NotProven> {
        let mut began = self.turn.lock().await;
        if let Some(last) = *began {
            tokio::time::sleep_until(last + PROOF_INTERVAL).await;
        }
        // From here on nobody joins.
        drop(self.next.lock().take());
        *began = Some(Instant::now());
        self.look().await
    }

    async fn look(&self) -> Result<(), NotProven> {
        let mut slot = self.shared.durable_slots.load(Ordering::Acquire);
        while *self.shared.state.borrow() == FrontState::Open {
            match self.reader.header(slot).await {
                Ok(None) => return Ok(()),
                Ok(Some(header)) if header.kind != SlotKind::End => slot += 1,
                Ok(Some(_)) => break,
                Err(error) => {
                    tracing::warn!(%error, "ownership is not proven");
                    break;
                }
            }
        }
        Err(NotProven)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use protocol::ids::NodeId;
    use segment::seqlog::{EndReason, EndRecord, OpenSlot, SeqLogWriter, place_end};
    use segment::{Family, LogId, Store};
    use tokio::sync::{Notify, watch};
    use tokio_util::sync::CancellationToken;

    use super::super::queue::{Bounds, Queue};
    use super::*;
    use crate::wal::metrics::Meter;

    struct Log {
        store: Store,
        log: LogId,
        writer: SeqLogWriter,
        proofs: Proofs,
    }

    /// A log with OPEN, and proofs that know of it.
    async fn log() -> Log {
        let (store, log) = (Store::memory("test"), LogId::fresh(NodeId(1), 1, 1));
        let open = OpenSlot::default();
        let writer = SeqLogWriter::create(store.clone(), Family::Wal, log, &open).await.unwrap();
        let bounds = Bounds { capacity_bytes: 1, pending_bytes_max: 1, object_bytes_max: 1 };
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(bounds)),
            work: Notify::new(),
            state: watch::Sender::new(FrontState::Open),
            meter: Meter::new(),
            durable_slots: AtomicU64::new(1),
            closed: CancellationToken::new(),
        });
        let reader = SeqLogReader::new(store.clone(), Family::Wal, log);
        Log { store, log, writer, proofs: Proofs::new(shared, reader) }
    }

    async fn end(log: &Log) {
        let end = EndRecord { reason: EndReason::Failover as i32, lsn: 0, index: None };
        place_end(&log.store, Family::Wal, &log.log, &end).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_goes_on_is_proven_also_when_answers_are_on_their_way() {
        let mut log = log().await;
        assert_eq!(log.proofs.prove().await, Ok(()));
        log.writer.append(SlotKind::Data, vec!["ours".into()]).await.unwrap();
        assert_eq!(log.proofs.prove().await, Ok(()), "slot 1 is taken, by us");
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_was_ended_is_not() {
        let mut log = log().await;
        log.writer.append(SlotKind::Data, vec!["ours".into()]).await.unwrap();
        end(&log).await;
        assert_eq!(log.proofs.prove().await, Err(NotProven));
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_that_has_begun_is_not_for_those_who_come_later() {
        let log = log().await;
        assert_eq!(log.proofs.prove().await, Ok(()));
        // Joins no round that ended, and one that it waits for with others is begun after END.
        let (one, other) = (log.proofs.prove(), log.proofs.prove());
        end(&log).await;
        assert_eq!(tokio::join!(one, other), (Err(NotProven), Err(NotProven)));
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_keep_their_distance() {
        let log = log().await;
        let began = Instant::now();
        for _ in 0..5 {
            assert_eq!(log.proofs.prove().await, Ok(()));
        }
        assert!(began.elapsed() >= PROOF_INTERVAL * 4);
        assert!(began.elapsed() < PROOF_INTERVAL * 4 + Duration::from_millis(10), "simulated");
    }
}
