//! Tells targets what became of their entries, in LSN order, whatever order writes finish in (R15).
//!
//! ```text
//!   written:    0  1  ·  3  4        1 is the last that is told: 2 is still being written
//!   told:       0  1
//! ```
//!
//! Whichever writer finds the lowest unfinished group done tells its targets, and goes on with the
//! next as long as it is done too; the others drop their result here and write on.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use process::mutation;

use super::PromiseState;
use super::assemble::{Block, Placed};
use super::engine::Engine;
use super::log::Queued;

/// How often an expired promise is looked at again.
const PROMISE_POLL: Duration = Duration::from_millis(5);

/// A block that would pin more than this many times its payload in memory is copied out instead.
const PINNED_FACTOR_MAX: usize = 2;

/// Results that wait for an earlier one.
#[derive(Default)]
pub(super) struct Completion {
    next: u64,
    waiting: BTreeMap<u64, Outcome>,
    telling: bool,
}

/// The end of a group.
pub(super) enum Outcome {
    /// On the disk.
    Written(Block),
    /// Not known to be on the disk, and never acknowledged.
    Failed(Block),
    /// Never assembled.
    Dropped(Vec<Queued>),
}

impl Completion {
    /// Takes a result. Says which is to be told next, unless somebody is telling already.
    fn begin(&mut self, sequence: u64, outcome: Outcome) -> Option<Outcome> {
        self.waiting.insert(sequence, outcome);
        if self.telling { None } else { self.take_next() }
    }

    /// The next to be told, if it is there: then its taker tells, and goes on.
    fn take_next(&mut self) -> Option<Outcome> {
        let next = match mutation::on("R15") {
            true => self.waiting.keys().next().copied(),
            false => Some(self.next),
        };
        let outcome = next.and_then(|next| self.waiting.remove(&next));
        self.telling = outcome.is_some();
        self.next += u64::from(self.telling);
        outcome
    }
}

impl Engine {
    /// Takes the outcome of group `sequence` and tells all targets whose turn has come.
    pub(super) async fn complete(&self, sequence: u64, outcome: Outcome) {
        let mut next = self.completion.lock().begin(sequence, outcome);
        while let Some(outcome) = next {
            self.tell(outcome).await;
            next = self.completion.lock().take_next();
        }
    }

    async fn tell(&self, outcome: Outcome) {
        let payload_bytes = match outcome {
            Outcome::Written(block) => {
                let payload_bytes = block.payload_bytes;
                // Durable in the books before anybody is told: later blocks then carry a `durable`
                // above everything acknowledged, and a target may trim at once.
                if self.enter_durable(&block) && self.may_acknowledge().await {
                    self.commit(block);
                } else {
                    self.fail(&block);
                }
                payload_bytes
            }
            Outcome::Failed(block) => {
                self.fail(&block);
                block.payload_bytes
            }
            Outcome::Dropped(entries) => {
                for Queued { entry, .. } in &entries {
                    self.call(|| entry.target.failed(entry.base_offset));
                }
                entries.iter().map(Queued::framed_bytes).sum()
            }
        };
        self.log.lock().group_finished(payload_bytes);
        self.work.notify_one();
    }

    fn enter_durable(&self, block: &Block) -> bool {
        let mut log = self.log.lock();
        let entered = log.group_durable(block.mark);
        let usage = log.usage();
        drop(log);
        self.meter.used(usage);
        entered
    }

    /// The order is the rule: durable first, then the promise, then the acknowledgement (R4).
    async fn may_acknowledge(&self) -> bool {
        loop {
            match self.promise.state() {
                PromiseState::Held => return true,
                _ if mutation::on("R4") => return true,
                PromiseState::Lost => {
                    self.poison("the promise to be the only owner was lost");
                    return false;
                }
                PromiseState::Expired if self.log.lock().is_closing() => {
                    self.poison("closed while the promise to be the only owner was expired");
                    return false;
                }
                PromiseState::Expired if self.io.is_simulated() => {
                    tokio::time::sleep(PROMISE_POLL).await;
                }
                PromiseState::Expired => std::thread::sleep(PROMISE_POLL),
            }
        }
    }

    /// Hands each target its batch: a slice of the block, or a copy where slices would pin too much.
    fn commit(&self, block: Block) {
        let batches_bytes = usize::try_from(block.payload_bytes).unwrap_or(usize::MAX);
        let copied = block.buffer.memory_bytes() / PINNED_FACTOR_MAX > batches_bytes;
        let whole = Bytes::from_owner(block.buffer);
        let mut alive = true;
        for placed in &block.entries {
            let Placed { lsn, base_offset, last_offset, batch, target } = placed;
            alive = alive
                && self.call(|| {
                    let batch = whole.slice(batch.clone());
                    let batch = if copied { Bytes::copy_from_slice(&batch) } else { batch };
                    target.committed(*lsn, *base_offset, *last_offset, batch);
                });
            if !alive {
                self.call(|| target.failed(*base_offset));
            }
        }
    }

    fn fail(&self, block: &Block) {
        for placed in &block.entries {
            self.call(|| placed.target.failed(placed.base_offset));
        }
    }

    /// Calls a target. False if it panicked, which ends the log: the entries behind this one still
    /// get their answer, and this thread goes on.
    fn call(&self, target: impl FnOnce()) -> bool {
        let returned = catch_unwind(AssertUnwindSafe(target)).is_ok();
        if !returned {
            self.poison("a commit target panicked");
        }
        returned
    }
}
