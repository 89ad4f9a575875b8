//! The simulated disks: ring files in memory that outlive processes, behind what disks are known to
//! do.
//!
//! A write takes its time, and several are under way at once. If its process dies meanwhile, each
//! sector of it is there or not (R69). A write may fail, and then too nobody knows what is there
//! (R68). What was written before is never harmed: a disk that forgets is not survived by anybody.
//!
//! A path below [`SHARED`] is a volume that every host can attach; any other is a host's own.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use storage_node::Disks;
use storage_node::wal::disks::Files;
use storage_node::wal::io::{MemoryIo, WalIo};

use crate::faults::Faults;
use crate::trace::Trace;

/// Where the volumes are that every host can attach.
pub const SHARED: &str = "/shared";
/// Median time of a durable write.
const MEDIAN: Duration = Duration::from_micros(1_500);
/// What a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// The disks of all hosts; cheap to clone.
#[derive(Clone)]
pub struct Machines {
    files: Arc<Mutex<BTreeMap<PathBuf, Arc<Stored>>>>,
    faults: Faults,
    trace: Trace,
}

/// A process: of those on one host only the newest lives, and holds locks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    host: String,
    started: Duration,
}

/// One process's way to the disks of its host.
struct Attached {
    process: Process,
    machines: Machines,
}

/// A file.
struct Stored {
    memory: MemoryIo,
    locked_by: Mutex<Option<Process>>,
}

/// A file that a process has open.
struct Open {
    process: Process,
    stored: Arc<Stored>,
    faults: Faults,
    trace: Trace,
    /// Whether the lock is this handle's. Given up once: then another of this process may have it.
    owns: AtomicBool,
}

/// A write under way. Dropped before it is done, it leaves some of its sectors.
struct Write<'a> {
    open: &'a Open,
    data: &'a [u8],
    offset: u64,
    done: bool,
}

// === impl Machines ===

impl Machines {
    /// Empty disks.
    pub fn new(faults: Faults, trace: Trace) -> Self {
        Self { files: Arc::default(), faults, trace }
    }

    /// The disks as a process that starts on `host` sees them.
    pub fn seen_from(&self, host: &str) -> Disks {
        let started = turmoil::sim_elapsed().unwrap_or_default();
        let process = Process { host: host.to_owned(), started };
        Disks::over(Arc::new(Attached { process, machines: self.clone() }))
    }
}

// === impl Attached ===

impl Attached {
    fn place(&self, path: &Path) -> PathBuf {
        match path.starts_with(SHARED) {
            true => path.to_owned(),
            false => Path::new(&self.process.host).join(path.strip_prefix("/").unwrap_or(path)),
        }
    }

    fn attach(&self, stored: Arc<Stored>, locked: bool) -> io::Result<Arc<dyn WalIo>> {
        if locked {
            stored.lock(&self.process)?;
        }
        let Machines { faults, trace, .. } = self.machines.clone();
        Ok(Arc::new(Open {
            process: self.process.clone(),
            stored,
            faults,
            trace,
            owns: AtomicBool::new(locked),
        }))
    }
}

impl Files for Attached {
    fn open(&self, path: &Path, locked: bool) -> io::Result<Arc<dyn WalIo>> {
        let stored = self.machines.files.lock().get(&self.place(path)).cloned();
        self.attach(stored.ok_or(io::ErrorKind::NotFound)?, locked)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Arc<dyn WalIo>> {
        let size = usize::try_from(size).expect("simulated disks are small");
        let memory = MemoryIo::zeroed(size);
        let stored = Arc::new(Stored { memory, locked_by: Mutex::default() });
        self.machines.files.lock().insert(self.place(path), Arc::clone(&stored));
        self.attach(stored, true)
    }
}

// === impl Stored ===

impl Stored {
    fn lock(&self, process: &Process) -> io::Result<()> {
        let mut holder = self.locked_by.lock();
        let taken = |holder: &Process| holder.host != process.host || holder == process;
        if holder.as_ref().is_some_and(taken) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        *holder = Some(process.clone());
        Ok(())
    }

    fn unlock(&self, process: &Process) {
        self.locked_by.lock().take_if(|holder| holder == process);
    }
}

// === impl Open ===

impl WalIo for Open {
    /// Only before a front serves: nothing is acknowledged by it.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.stored.memory.write_at(data, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.stored.memory.read_at(buffer, offset)
    }

    fn size(&self) -> u64 {
        self.stored.memory.size()
    }

    fn write<'a>(&'a self, data: &'a [u8], offset: u64) -> BoxFuture<'a, io::Result<()>> {
        let write = Write { open: self, data, offset, done: false };
        write.carry_out().boxed()
    }

    fn unlock(&self) {
        if self.owns.swap(false, Ordering::SeqCst) {
            self.stored.unlock(&self.process);
        }
    }

    fn is_simulated(&self) -> bool {
        true
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.unlock();
    }
}

// === impl Write ===

impl Write<'_> {
    async fn carry_out(mut self) -> io::Result<()> {
        let Open { faults, stored, process, trace, .. } = self.open;
        let disk = faults.disk();
        tokio::time::sleep(faults.latency(MEDIAN, disk.slowdown)).await;
        if faults.happens(disk.failed) {
            trace.line(format_args!("{} disk write at {}: failed", process.host, self.offset));
            return Err(io::Error::other("simulated write error"));
        }
        self.done = true;
        stored.memory.write_at(self.data, self.offset)
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        for (number, sector) in self.data.chunks(SECTOR_BYTES).enumerate() {
            if self.open.faults.happens(0.5) {
                let offset = self.offset + (number * SECTOR_BYTES) as u64;
                self.open.stored.memory.write_at(sector, offset).expect("it lies within the file");
            }
        }
    }
}
