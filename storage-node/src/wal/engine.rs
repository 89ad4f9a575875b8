//! What the threads of a disk front share, and what each of them does.
//!
//! One writer at a time holds [`Serial`]: it waits for work, takes everything queued and builds
//! the block. Then it lets the next writer in and writes, so up to `writers` writes are in flight
//! while blocks are assembled, and chained, one after the other.

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
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
use super::{FrontState, Promise};

/// `serial` is taken before `log`, `completion` is held alone, and none while a target is called.
pub(super) struct Engine {
    pub(super) io: Arc<dyn WalIo>,
    pub(super) ring: Ring,
    pub(super) log: Mutex<Log>,
    /// Signalled when [`Log::next_work`] may have another answer.
    pub(super) work: Condvar,
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
    pub(super) fn run_writer(&self) {
        let guard = PoisonOnPanic(self);
        loop {
            match self.next_step() {
                Step::Write(sequence, block) => self.write_block(sequence, block),
                Step::Fail(sequence, entries) => {
                    self.complete(sequence, Outcome::Dropped(entries));
                }
                Step::Superblock { superblock, seals } => {
                    self.write_superblock(&superblock, seals);
                }
                Step::Abandon => self.poison("closed while the log was full"),
                Step::Stop => break,
            }
        }
        drop(guard);
    }

    fn next_step(&self) -> Step {
        let mut serial = self.serial.lock();
        let work = {
            let mut log = self.log.lock();
            loop {
                if let Some(work) = log.next_work() {
                    break work;
                }
                self.work.wait(&mut log);
            }
        };
        match work {
            Work::Write(group) => Step::Write(group.sequence, serial.assembler.assemble(group)),
            Work::Fail { sequence, entries } => Step::Fail(sequence, entries),
            Work::Superblock { start, durable, seals } => {
                let superblock = &mut serial.superblock;
                superblock.sequence += 1;
                superblock.start = start;
                superblock.durable = durable;
                Step::Superblock { superblock: superblock.clone(), seals }
            }
            Work::Abandon => Step::Abandon,
            Work::Stop => Step::Stop,
        }
    }

    fn write_block(&self, sequence: u64, block: Block) {
        let started = Instant::now();
        let written = self.io.write_at(block.buffer.as_ref(), self.ring.offset(block.position));
        match written {
            Ok(()) => {
                let bytes = block.buffer.as_ref().len();
                self.meter.wrote(bytes, block.entries.len(), started.elapsed());
                self.complete(sequence, Outcome::Written(block));
            }
            Err(_) if process::mutation::on("R68") => {
                self.complete(sequence, Outcome::Written(block))
            }
            Err(error) => {
                self.poison_by(&error);
                self.complete(sequence, Outcome::Failed(block));
            }
        }
    }

    fn write_superblock(&self, superblock: &Superblock, seals: bool) {
        match write_superblock(&*self.io, superblock) {
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
    let mut sector = AlignedBuffer::zeroed(SUPERBLOCK_BYTES);
    superblock.encode(sector.as_mut());
    io.write_at(sector.as_ref(), superblock.offset())
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
