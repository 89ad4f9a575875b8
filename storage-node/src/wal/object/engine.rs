//! The one task of an object front: cuts the queue into slots and tells targets what became of them.
//!
//! ```text
//!            ┌── window over, or an object full ──▶ assemble ──▶ begin slot ─┐
//!   queue ───┘                                                               ▼
//!   targets ◀── committed, slot by slot (R15) ◀── settled ◀── up to W slots in flight
//! ```
//!
//! A window is the least time between two slots, so an idle front puts a lone batch at once, and a
//! busy one fills an object per window. While the store is overloaded the window is longer (R28).
//! What is poisoned stays so: nothing is told "committed" after the first "failed".

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use segment::seqlog::{AppendError, EndReason, EndRecord, PipelinedWriter, SlotKind};
use segment::{Family, Key, keys};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::format::{self, FRAME_BYTES, HEADER_BYTES};
use super::queue::{Due, Group, Queue, Queued, Work};
use crate::limits::QUEUE_STEP;
use crate::wal::block::EntryHeader;
use crate::wal::metrics::Meter;
use crate::wal::{CommitTarget, FrontState, Lsn, LsnRange};

/// What the front and its task share.
pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    /// Signalled when [`Queue::due`] may have another answer.
    pub(super) work: Notify,
    pub(super) state: watch::Sender<FrontState>,
    pub(super) meter: Meter,
    /// All lower slots are known to be ours.
    pub(super) durable_slots: AtomicU64,
    /// The front was dropped.
    pub(super) closed: CancellationToken,
}

/// See the module.
pub(super) struct Engine {
    shared: Arc<Shared>,
    writer: PipelinedWriter,
    window: Duration,
    in_flight: VecDeque<InFlight>,
}

/// A slot on its way, and whom to tell.
enum InFlight {
    Data { object: Bytes, entries: Vec<Placed>, end: Lsn, begun: Instant },
    End,
}

/// An entry of a slot.
struct Placed {
    lsn: LsnRange,
    base_offset: i64,
    last_offset: i64,
    batch: Batch,
    target: Arc<dyn CommitTarget>,
}

/// What its target gets.
enum Batch {
    /// A part of the payload.
    In(Range<usize>),
    /// Bytes of its own: those in the payload are sealed.
    Own(Bytes),
}

enum Step {
    Cut,
    Settled(Result<u64, AppendError>),
    Closed,
}

impl Engine {
    pub(super) fn new(shared: Arc<Shared>, writer: PipelinedWriter, window: Duration) -> Self {
        Self { shared, writer, window, in_flight: VecDeque::new() }
    }

    /// Runs until the log is sealed or has failed, or the front is dropped.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _guard = PoisonOnPanic(Arc::clone(&self.shared));
        let mut next_cut = Instant::now();
        while *shared.state.borrow() == FrontState::Open {
            let step = tokio::select! {
                biased;
                () = shared.closed.cancelled() => Step::Closed,
                Some(settled) = self.writer.settled(), if self.writer.in_flight() > 0 => {
                    Step::Settled(settled)
                }
                () = shared.due(next_cut), if self.writer.has_room() => Step::Cut,
            };
            match step {
                Step::Cut => {
                    self.cut();
                    next_cut = Instant::now() + self.window.mul_f64(self.writer.pace().slowdown());
                }
                Step::Settled(Ok(slot)) => {
                    shared.durable_slots.store(slot + 1, Ordering::Release);
                    self.commit_first().await;
                }
                Step::Settled(Err(error)) => shared.poison(&error.to_string()),
                // What is under way may still land: the outcome is unknown, as after a crash.
                Step::Closed => shared.poison("closed before the log was sealed"),
            }
        }
        self.fail_all();
    }

    /// Begins the next slot.
    fn cut(&mut self) {
        let slot = self.writer.next_slot();
        let work = self.shared.queue.lock().next_work(slot);
        let begun = match work {
            Some(Work::Put(group)) => {
                let key = keys::slot(Family::Wal, self.writer.log(), slot);
                let (object, flying) = assemble(group, &key);
                self.in_flight.push_back(flying);
                self.writer.begin(SlotKind::Data, vec![object])
            }
            Some(Work::End(lsn)) => {
                self.in_flight.push_back(InFlight::End);
                let reason = EndReason::Shutdown as i32;
                self.writer.begin_end(&EndRecord { reason, lsn: lsn.0, index: None })
            }
            None => return,
        };
        begun.expect("there is room, and an object is below the limit of a slot");
    }

    /// The lowest slot in flight is made, and with it all before.
    async fn commit_first(&mut self) {
        match self.in_flight.pop_front().expect("slots settle in the order they were begun") {
            InFlight::Data { object, entries, end, begun } => {
                // In the books before anybody is told: a target may trim at once.
                let (alive, usage) = {
                    let mut queue = self.shared.queue.lock();
                    (queue.durable_up_to(end), queue.usage())
                };
                assert!(alive, "a poisoned engine settles nothing");
                self.shared.meter.wrote(object.len(), entries.len(), begun.elapsed());
                self.shared.meter.used(usage);
                self.shared.commit(&object, entries).await;
            }
            InFlight::End => {
                let mut queue = self.shared.queue.lock();
                queue.sealed();
                self.shared.state.send_replace(queue.state());
            }
        }
    }

    /// After the end of the log: everybody who waits hears of it, in LSN order.
    fn fail_all(mut self) {
        for flying in self.in_flight.drain(..) {
            if let InFlight::Data { entries, .. } = flying {
                for placed in entries {
                    self.shared.call(|| placed.target.failed(placed.base_offset));
                }
            }
        }
        let queued = self.shared.queue.lock().take_all();
        for Queued { entry, .. } in queued {
            self.shared.call(|| entry.target.failed(entry.base_offset));
        }
    }
}

impl Shared {
    /// Waits until a slot should be begun: at `next_cut` if something waits by then.
    async fn due(&self, next_cut: Instant) {
        loop {
            let changed = self.work.notified();
            let due = self.queue.lock().due();
            match due {
                Due::Never => changed.await,
                Due::InTime => tokio::select! {
                    () = tokio::time::sleep_until(next_cut) => return,
                    () = changed => {}
                },
                Due::Now => return,
            }
        }
    }

    /// Hands each target its batch: a slice of the object.
    async fn commit(&self, object: &Bytes, entries: Vec<Placed>) {
        let mut alive = true;
        for (told, placed) in entries.into_iter().enumerate() {
            if told % QUEUE_STEP == QUEUE_STEP - 1 {
                tokio::task::yield_now().await;
            }
            let Placed { lsn, base_offset, last_offset, batch, target } = placed;
            let batch = match batch {
                Batch::In(range) => object.slice(range),
                Batch::Own(batch) => batch,
            };
            alive = alive && self.call(|| target.committed(lsn, base_offset, last_offset, batch));
            if !alive {
                self.call(|| target.failed(base_offset));
            }
        }
    }

    /// Ends the log: nothing is acknowledged from here on (R1).
    fn poison(&self, reason: &str) {
        let reason = Arc::from(reason);
        if self.queue.lock().poison(&reason) {
            tracing::error!(%reason, "the log has failed, this incarnation ends");
            self.meter.failed();
            self.state.send_replace(FrontState::Poisoned(reason));
        }
    }

    /// Calls a target. False if it panicked, which ends the log: the entries behind this one still
    /// get their answer.
    fn call(&self, target: impl FnOnce()) -> bool {
        let returned = catch_unwind(AssertUnwindSafe(target)).is_ok();
        if !returned {
            self.poison("a commit target panicked");
        }
        returned
    }
}

/// A task that panics would leave an open front that commits nothing any more.
struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison("the task of the object front panicked");
        }
    }
}

/// Turns a group of entries into the payload of a slot: the one copy on the produce path, of batches
/// that are not sealed.
fn assemble(group: Group, slot: &Key) -> (Bytes, InFlight) {
    let framed_bytes = usize::try_from(group.framed_bytes).expect("an object is at most 32 MiB");
    let mut payload = BytesMut::zeroed(HEADER_BYTES + framed_bytes);
    let (header, mut rest) = payload.split_at_mut(HEADER_BYTES);
    group.header.encode(header);
    let mut at = HEADER_BYTES;
    let mut entries = Vec::with_capacity(group.entries.len());
    for queued in group.entries {
        let framed_bytes = usize::try_from(queued.framed_bytes()).expect("part of the object");
        let Queued { lsn, entry, key } = queued;
        let (framed, after) = rest.split_at_mut(framed_bytes);
        let stored = framed_bytes - FRAME_BYTES;
        let header = EntryHeader {
            batch_bytes: u32::try_from(stored).expect("a batch is at most 32 MiB"),
            partition: entry.partition,
            leader_epoch: entry.leader_epoch,
            base_offset: entry.base_offset,
            last_offset: entry.last_offset,
        };
        let batch = match key {
            None => {
                format::encode_entry(&header, &entry.batch, framed);
                Batch::In(at + FRAME_BYTES..at + framed_bytes)
            }
            Some(key) => {
                let plain = format::encode_sealed_entry(&header, &entry.batch, &key, slot, framed);
                Batch::Own(plain)
            }
        };
        at += framed_bytes;
        let (base_offset, last_offset, target) =
            (entry.base_offset, entry.last_offset, entry.target);
        entries.push(Placed { lsn, base_offset, last_offset, batch, target });
        rest = after;
    }
    let object = payload.freeze();
    let end = Lsn(group.header.first.0 + group.framed_bytes);
    (object.clone(), InFlight::Data { object, entries, end, begun: Instant::now() })
}
