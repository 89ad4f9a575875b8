//! The disk front: a preallocated ring file, group commit, several writes in flight.
//!
//! ```text
//!   append ─► Log (queue) ─► Assembler ─► WalIo::write_at ─► Completion ─► CommitTarget
//!   any thread               one writer    all writers        one writer
//! ```
//!
//! What queued up while the writers were busy becomes the next block, so the size of writes follows
//! the load by itself and an idle front answers after one write.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use segment::Keyring;
use tokio::sync::watch;

use super::assemble::Assembler;
use super::completion::Completion;
use super::disks::{Disks, off_thread};
use super::engine::{Engine, Serial, write_superblock};
use super::io::WalIo;
use super::layout::{ALIGN, Position, Ring};
use super::life;
use super::log::{Bounds, Log};
use super::metrics::Meter;
use super::recover::{read_superblock, recover_from};
use super::superblock::{Start, Superblock};
use super::wake::Wake;
use super::{
    Entry, Front, FrontError, FrontState, FrontUsage, Lsn, LsnRange, NotProven, Promise,
    PromiseState, RecoverError, Recovered, SealedChunk,
};

/// Where the ring file is and how it is written.
#[derive(Debug, Clone)]
pub struct DiskFrontConfig {
    /// The file. Its directory must exist.
    pub path: PathBuf,
    /// Size of the file; the whole of it is written with zeros when it is created.
    pub size_bytes: u64,
    /// How it is written.
    pub tuning: Tuning,
    /// Where its path leads.
    pub disks: Disks,
}

impl DiskFrontConfig {
    /// The defaults for a ring file of `size_bytes` at `path`.
    pub fn new(path: impl Into<PathBuf>, size_bytes: u64) -> Self {
        Self { path: path.into(), size_bytes, tuning: Tuning::default(), disks: Disks::machine() }
    }
}

/// The trade-offs of a disk front.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// Threads that write, that is: writes in flight. Two to four keep a disk busy; one leaves it
    /// idle while the next block is assembled.
    pub writers: usize,
    /// A block ends at this size. Larger ones gain little throughput and cost latency.
    pub group_bytes_max: u64,
    /// Bytes that may wait to be durable before appends are refused (R28).
    pub pending_bytes_max: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { writers: 3, group_bytes_max: 1 << 20, pending_bytes_max: 64 << 20 }
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
    /// The configured size leaves no room for a ring.
    #[error("{size_bytes} bytes are too few for a log")]
    TooSmall {
        /// The configured size.
        size_bytes: u64,
    },
    /// The file is there but unreadable, damaged or in use.
    #[error(transparent)]
    Unreadable(#[from] RecoverError),
    /// The file could not be created or written.
    #[error("the log file could not be written")]
    Io(#[from] io::Error),
}

/// A [`Front`] on a preallocated ring file.
///
/// Dropping it writes what is queued, then joins its threads.
pub struct DiskFront {
    engine: Arc<Engine>,
    writers: Mutex<Vec<JoinHandle<()>>>,
    sealed: Arc<Mutex<Option<Arc<Recovered>>>>,
    /// Asked before anything is taken that could not be uploaded.
    keyring: Keyring,
}

impl DiskFront {
    /// Takes records only of tenants whose key is here, if theirs are to be sealed when they are
    /// uploaded: one tenant's missing key must not fill the log that all share.
    #[must_use]
    pub fn with_keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = keyring;
        self
    }

    /// Starts the log of incarnation `log_id` in the file, which is created when it is missing.
    ///
    /// `ended` names the incarnation whose log may be overwritten, because all of it is in the
    /// object store and END is written. Blocks: to create the file is to write all of it.
    pub fn open(
        config: &DiskFrontConfig,
        log_id: &str,
        ended: Option<&str>,
        promise: Arc<dyn Promise>,
    ) -> Result<Self, OpenError> {
        let size_bytes = config.size_bytes / ALIGN * ALIGN;
        if Ring::of_file(size_bytes).is_none() {
            return Err(OpenError::TooSmall { size_bytes: config.size_bytes });
        }
        let existing = config.disks.open(&config.path).map_err(RecoverError::from)?;
        if let Some(io) = &existing {
            check_ended(&**io, ended)?;
        }
        let io = match existing {
            Some(io) if io.size() == size_bytes => io,
            replaced => config.disks.create(&config.path, size_bytes, replaced)?,
        };
        Self::start(io, log_id, config.tuning, promise)
    }

    /// Starts the log of incarnation `log_id` behind `io`, whatever that holds.
    ///
    /// # Panics
    /// When `io` is too small for a ring, or there are no writers.
    pub fn start(
        io: Arc<dyn WalIo>,
        log_id: &str,
        tuning: Tuning,
        promise: Arc<dyn Promise>,
    ) -> Result<Self, OpenError> {
        let ring = Ring::of_file(io.size())
            .ok_or_else(|| OpenError::TooSmall { size_bytes: io.size() })?;
        let superblock = begin_incarnation(&*io, ring, log_id)?;
        let bounds = Bounds {
            ring,
            group_bytes_max: tuning.group_bytes_max.min(ring.group_bytes_max()),
            pending_bytes_max: tuning.pending_bytes_max,
        };
        let assembler = Assembler::new(superblock.nonce);
        let engine = Arc::new(Engine {
            io,
            ring,
            log: Mutex::new(Log::new(bounds)),
            work: Wake::default(),
            serial: Mutex::new(Serial { assembler, superblock }),
            completion: Mutex::new(Completion::default()),
            state: watch::Sender::new(FrontState::Open),
            promise,
            meter: Meter::new(),
        });
        let (writers, sealed, keyring) = Default::default();
        let front = Self { engine, writers, sealed, keyring };
        for number in 0..tuning.writers.max(1) {
            let engine = Arc::clone(&front.engine);
            if engine.io.is_simulated() {
                spawn_writer(engine);
                continue;
            }
            let thread = std::thread::Builder::new().name(format!("wal-writer-{number}"));
            front.writers.lock().push(thread.spawn(move || engine.run_writer_thread())?);
        }
        Ok(front)
    }
}

/// A writer over a simulated device. It ends as its thread would, when the front is dropped.
#[expect(clippy::disallowed_methods, reason = "stands for a thread, which no drain waits for")]
fn spawn_writer(engine: Arc<Engine>) {
    drop(tokio::spawn(async move { engine.run_writer().await }));
}

fn check_ended(io: &dyn WalIo, ended: Option<&str>) -> Result<(), OpenError> {
    let (_, superblock) = read_superblock(io)?;
    if ended == Some(&superblock.log_id) {
        return Ok(());
    }
    Err(OpenError::Occupied { log_id: superblock.log_id.to_string() })
}

/// Makes the file the log of a new incarnation, by writing both superblocks.
fn begin_incarnation(io: &dyn WalIo, ring: Ring, log_id: &str) -> io::Result<Superblock> {
    let before = read_superblock(io).map_or(0, |(_, superblock)| superblock.sequence);
    let mut superblock = Superblock {
        sequence: before,
        log_id: log_id.into(),
        // Not derived from the log id, which others know: with the nonce a client could build a
        // batch that looks like blocks of ours.
        nonce: rand::random(),
        capacity: ring.capacity(),
        start: Start::default(),
        durable: Position::default(),
    };
    for _copy in 0..2 {
        superblock.sequence += 1;
        write_superblock(io, &superblock)?;
    }
    Ok(superblock)
}

impl Front for DiskFront {
    fn append(&self, entry: Entry) -> Result<LsnRange, FrontError> {
        // Nothing here is sealed, but all of it has to be before its upload.
        let _key = self.keyring.current(entry.partition.tenant)?;
        let admitted = self.engine.log.lock().admit(entry);
        if admitted.is_ok() {
            self.engine.work.notify_one();
        }
        admitted
    }

    /// A part of the ring: what is left of a lap is skipped when a block does not fit.
    fn batch_bytes_max(&self) -> usize {
        self.engine.log.lock().batch_bytes_max()
    }

    fn trim(&self, upto: Lsn) {
        if self.engine.log.lock().trim(upto) {
            self.engine.work.notify_one();
        }
    }

    fn usage(&self) -> FrontUsage {
        self.engine.log.lock().usage()
    }

    fn state(&self) -> watch::Receiver<FrontState> {
        self.engine.state.subscribe()
    }

    /// Others wait for the promise to end before they read the volume (R4).
    fn prove(&self) -> BoxFuture<'static, Result<(), NotProven>> {
        let held = self.engine.promise.state() == PromiseState::Held;
        let open = matches!(*self.state().borrow(), FrontState::Open);
        let proof = if held && open { Ok(()) } else { Err(NotProven) };
        Box::pin(std::future::ready(proof))
    }

    fn vacate(&self) {
        self.close();
        self.engine.io.unlock();
    }

    fn seal(&self) -> BoxFuture<'_, Result<Lsn, FrontError>> {
        Box::pin(async {
            let state = self.engine.state.subscribe();
            self.engine.log.lock().begin_seal();
            self.engine.work.notify_one();
            life::ended(state).await
        })
    }

    fn read_sealed(
        &self,
        from: Lsn,
        bytes_max: usize,
    ) -> BoxFuture<'_, Result<SealedChunk, RecoverError>> {
        Box::pin(async move {
            if !matches!(*self.engine.state.borrow(), FrontState::Sealed(_)) {
                return Err(RecoverError::NotSealed);
            }
            let io = Arc::clone(&self.engine.io);
            let simulated = io.is_simulated();
            let sealed = Arc::clone(&self.sealed);
            let read = move || {
                let mut sealed = sealed.lock();
                let log = match &*sealed {
                    Some(log) => Arc::clone(log),
                    None => Arc::clone(sealed.insert(Arc::new(recover_from(io)?))),
                };
                drop(sealed);
                log.read(from, bytes_max)
            };
            off_thread(simulated, read).await
        })
    }
}

impl DiskFront {
    /// Writes what is queued, then joins the threads.
    fn close(&self) {
        self.engine.log.lock().close();
        self.engine.work.notify_one();
        let writers = std::mem::take(&mut *self.writers.lock());
        for writer in writers {
            // A target may own the front: then the last call to it drops the front, on a writer.
            if writer.thread().id() != std::thread::current().id() {
                // The thread has reported its panic by poisoning the log.
                let _panicked = writer.join();
            }
        }
    }
}

impl Drop for DiskFront {
    fn drop(&mut self) {
        self.close();
    }
}
