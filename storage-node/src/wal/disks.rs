//! Where ring files are: on the machine's disks, or on simulated ones.
//!
//! Everything about the disk front runs against either. A simulated disk must not block, and no
//! thread may write to it: its host has one, and the order of everything comes from a seed.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::file::Draft;
use super::io::{FileIo, WalIo};

/// The disks of a process; cheap to clone.
#[derive(Clone, Default)]
pub struct Disks(Option<Arc<dyn Files>>);

/// Ring files on something that is no file system.
pub trait Files: Send + Sync {
    /// Opens a file, for its holder alone if `locked`. `NotFound` and `WouldBlock` as a file system.
    fn open(&self, path: &Path, locked: bool) -> io::Result<Arc<dyn WalIo>>;

    /// Makes a file of zeros in place of whatever is there, and opens it for its holder alone.
    fn create(&self, path: &Path, size: u64) -> io::Result<Arc<dyn WalIo>>;
}

impl Disks {
    /// The machine's file systems.
    pub fn machine() -> Self {
        Self(None)
    }

    /// Others.
    pub fn over(files: Arc<dyn Files>) -> Self {
        Self(Some(files))
    }

    /// Opens the ring file; `None` when there is none.
    pub(super) fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn WalIo>>> {
        let opened = match &self.0 {
            None => FileIo::open(path).map(shared),
            Some(files) => files.open(path, true),
        };
        found(opened)
    }

    /// The same without its lock, to read only; see [`FileIo::open_unlocked`].
    pub(super) fn open_unlocked(&self, path: &Path) -> io::Result<Option<Arc<dyn WalIo>>> {
        let opened = match &self.0 {
            None => FileIo::open_unlocked(path).map(shared),
            Some(files) => files.open(path, false),
        };
        found(opened)
    }

    /// Makes the ring file. What is there now is replaced only if `replaced` says so, which holds
    /// its lock.
    pub(super) fn create(
        &self,
        path: &Path,
        size: u64,
        replaced: Option<Arc<dyn WalIo>>,
    ) -> io::Result<Arc<dyn WalIo>> {
        match &self.0 {
            None => Draft::create(path, size)?.publish(replaced).map(shared),
            Some(files) => files.create(path, size),
        }
    }

    /// Runs `work`, which uses these disks, where it may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        off_thread(self.0.is_some(), work).await
    }
}

impl fmt::Debug for Disks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Disks(other)" } else { "Disks(machine)" })
    }
}

/// Runs `work` on a thread that may block, or right here if nothing in it does.
pub(super) async fn off_thread<T: Send + 'static>(
    simulated: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if simulated {
        return work();
    }
    tokio::task::spawn_blocking(work).await.expect("work on a log does not panic")
}

fn shared(io: FileIo) -> Arc<dyn WalIo> {
    Arc::new(io)
}

fn found(opened: io::Result<Arc<dyn WalIo>>) -> io::Result<Option<Arc<dyn WalIo>>> {
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}
