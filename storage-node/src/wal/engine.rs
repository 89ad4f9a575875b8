//! What the threads of a disk front share, and what each of them does.
//!
//! One writer at a time holds [`Serial`]: it waits for work, takes everything queued and builds
//! the block. Then it lets the next writer in and writes, so up to `writers` writes are in flight
//! while blocks are assembled, and chained, one after the other.
//!
//! A writer is one future. Over a file it blocks where it would wait, and has a thread to itself;
//! over a simulated device it waits, and is a task.

use std::io;
use std::sync::Arc;

use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::assemble::{Assembler, Block};
use super::buffer::AlignedBuffer;
use super::completion::{Completion, Outcome};
use super::io::WalIo;
use super::layout::Ring;
use super::log::{Log, Queued, Work};
use super::metrics::Meter;
use super::superblock::{SUPERBLOCK_BYTES, Superblock};
use super::wake::Wake;
use super::{FrontState, Promise};

/// `serial` is taken before `log`, `completion` is held alone, and none while a target is called.
pub(super) struct Engine {
    pub(super) io: Arc<dyn WalIo>,
    pub(super) ring: Ring,
    pub(super) log: Mutex<Log>,
    /// Signalled when [`Log::next_work`] may have another answer.
    pub(super) work: Wake,
    pub(super) serial: Mutex<Serial>,
    pub(super) completion: Mutex<Completion>,
    pub(super) state: watch::Sender<FrontState>,
    pub(super) promise: Arc<dyn Promise>,
    pub(super) meter: Meter,
}

/// What only one writer at a time may use.
pub(super) struct Serial {
    pub(super) assembler: Assembler,
    /// The last superblock that was written or is being written.
    pub(super) superblock: Superblock,
}

/// A step of a writer with what it needs outside the locks.
enum Step {
    Write(u64, Block),
    Fail(u64, Vec<Queued>),
    Superblock { superblock: Superblock, seals: bool },
    Abandon,
    Stop,
}

impl Engine {
    /// The life of a writer thread.
    pub(super) fn run_writer_thread(&self) {
        self.run_writer().now_or_never().expect("a file blocks and never lets its writer wait");
    }

    /// The life of a writer.
    pub(super) async fn run_writer(&self) {
        let guard = PoisonOnPanic(self);
        loop {
            match self.next_step().await {
                Step::Write(sequence, block) => self.write_block(sequence, block).await,
                Step::Fail(sequence, entries) => {
                    self.complete(sequence, Outcome::Dropped(entries)).await;
                }
                Step::Superblock { superblock, seals } => {
                    self.write_superblock(&superblock, seals).await;
                }
                Step::Abandon => self.poison("closed while the log was full"),
                Step::Stop => break,
            }
        }
        drop(guard);
    }

    async fn next_step(&self) -> Step {
        if !self.io.is_simulated() {
            return self.block_for_step();
        }
        loop {
            let woken = self.work.woken();
            if let Some(step) = self.try_step() {
                // There may be more than this writer takes.
                self.work.notify_one();
                return step;
            }
            woken.await;
        }
    }

    fn block_for_step(&self) -> Step {
        let mut serial = self.serial.lock();
        let mut log = self.log.lock();
        loop {
            if let Some(work) = log.next_work() {
                drop(log);
                return serial.step(work);
            }
            self.work.block(&mut log);
        }
    }

    fn try_step(&self) -> Option<Step> {
        let mut serial = self.serial.lock();
        let work = self.log.lock().next_work()?;
        Some(serial.step(work))
    }

    async fn write_block(&self, sequence: u64, block: Block) {
        let started = Instant::now();
        let offset = self.ring.offset(block.position);
        let outcome = match self.io.write(block.buffer.as_ref(), offset).await {
            Ok(()) => {
                let bytes = block.buffer.as_ref().len();
                self.meter.wrote(bytes, block.entries.len(), started.elapsed());
                Outcome::Written(block)
            }
            Err(_) if process::mutation::on("R68") => Outcome::Written(block),
            Err(error) => {
                self.poison_by(&error);
                Outcome::Failed(block)
            }
        };
        self.complete(sequence, outcome).await;
    }

    async fn write_superblock(&self, superblock: &Superblock, seals: bool) {
        match self.io.write(superblock.sector().as_ref(), superblock.offset()).await {
            Ok(()) => {
                let mut log = self.log.lock();
                log.superblock_durable(superblock.start, seals);
                let (state, usage) = (log.state(), log.usage());
                drop(log);
                self.meter.used(usage);
                if seals {
                    self.state.send_replace(state);
                }
                self.work.notify_one();
            }
            Err(error) => self.poison_by(&error),
        }
    }

    fn poison_by(&self, error: &io::Error) {
        self.poison(&format!("a write failed: {error}"));
    }

    /// Ends the log: nothing is acknowledged from here on (R68).
    pub(super) fn poison(&self, reason: &str) {
        let reason = Arc::from(reason);
        if self.log.lock().poison(&reason) {
            tracing::error!(%reason, "the log has failed, this incarnation ends");
            self.meter.failed();
            self.state.send_replace(FrontState::Poisoned(reason));
        } else {
            tracing::debug!(%reason, "another error after the end of the log");
        }
        self.work.notify_one();
    }
}

/// Writes one copy of the superblock, durably.
pub(super) fn write_superblock(io: &dyn WalIo, superblock: &Superblock) -> io::Result<()> {
    io.write_at(superblock.sector().as_ref(), superblock.offset())
}

impl Serial {
    /// What is to be written or told, with everything that is fixed one after the other.
    fn step(&mut self, work: Work) -> Step {
        match work {
            Work::Write(group) => Step::Write(group.sequence, self.assembler.assemble(group)),
            Work::Fail { sequence, entries } => Step::Fail(sequence, entries),
            Work::Superblock { start, durable, seals } => {
                self.superblock.sequence += 1;
                self.superblock.start = start;
                self.superblock.durable = durable;
                Step::Superblock { superblock: self.superblock.clone(), seals }
            }
            Work::Abandon => Step::Abandon,
            Work::Stop => Step::Stop,
        }
    }
}

impl Superblock {
    /// One copy, as it is written.
    fn sector(&self) -> AlignedBuffer {
        let mut sector = AlignedBuffer::zeroed(SUPERBLOCK_BYTES);
        self.encode(sector.as_mut());
        sector
    }
}

/// A writer that panics leaves a group without an outcome: the log cannot go on.
struct PoisonOnPanic<'engine>(&'engine Engine);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison("a writer thread panicked");
        }
    }
}
