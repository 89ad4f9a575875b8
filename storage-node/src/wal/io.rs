//! Reads and durable writes of the ring file: the wall behind which faults come from.
//!
//! [`FileIo`] is the real one, [`MemoryIo`] serves tests. Nothing above knows about files.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, OFlags};

use super::buffer::AlignedBuffer;
use super::layout::ALIGN;

/// A preallocated file, or something that behaves like one.
///
/// Callers pass buffers and offsets that are multiples of 4096. Calls may run in parallel.
pub trait WalIo: Send + Sync + 'static {
    /// Writes all of `data`; when it returns `Ok` a power cut no longer loses them.
    ///
    /// After an error the bytes are in an unknown state, and no later success can be trusted (R68).
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Fills `buffer`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Length in bytes. Never changes.
    fn size(&self) -> u64;

    /// Lets another opening of the same place have it. Nothing may be written here any more.
    fn unlock(&self) {}

    /// [`WalIo::write_at`] as a future. A file blocks and is done at once; a simulated device takes
    /// its time, and if the future is dropped meanwhile, the write is torn.
    fn write<'a>(&'a self, data: &'a [u8], offset: u64) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(std::future::ready(self.write_at(data, offset)))
    }

    /// Whether this is a simulated device: it never blocks, and no thread may be made for it.
    fn is_simulated(&self) -> bool {
        false
    }
}

/// A file of the local file system, locked against other processes.
#[derive(Debug)]
pub struct FileIo {
    file: File,
    size: u64,
    durability: Durability,
}

/// How a write becomes durable (R67).
#[derive(Debug)]
enum Durability {
    /// The file is open with `O_DIRECT | O_DSYNC`: by the write itself.
    OfWrite,
    /// By an fdatasync after it.
    OfSync(SyncGate),
}

/// Lets syncs run one at a time, and none after one that failed.
///
/// The kernel reports a failed write-back once, to whichever sync comes first. If that is another
/// writer's, one's own sync succeeds although one's bytes are lost.
#[derive(Debug, Default)]
struct SyncGate {
    failed: Mutex<bool>,
}

impl SyncGate {
    fn pass(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut failed = self.failed.lock();
        if *failed {
            return Err(io::Error::other("an earlier fdatasync failed"));
        }
        let synced = sync();
        *failed = synced.is_err();
        synced
    }
}

impl FileIo {
    /// Opens and locks the file at `path`, which must have its final size.
    ///
    /// Direct I/O where the file system has it (tmpfs and some overlays do not), else buffered
    /// writes each followed by fdatasync. A lock held by another is `ErrorKind::WouldBlock`.
    pub fn open(path: &Path) -> io::Result<Self> {
        match Self::open_direct(path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                tracing::warn!(
                    path = %path.display(),
                    "no direct i/o on this file system, writing through the page cache with fdatasync"
                );
                Self::open_buffered(path)
            }
            opened => opened,
        }
    }

    /// Opens the file for reading only and without its lock: its writer may be paused and hold that
    /// for ever. For readers that something else protects from its late writes (R4).
    pub fn open_unlocked(path: &Path) -> io::Result<Self> {
        // Direct, so that what another machine wrote is not hidden by this one's page cache.
        let flags = i32::try_from(OFlags::DIRECT.bits()).expect("open flags fit into a C int");
        let direct = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let file = match direct {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => File::open(path)?,
            opened => opened?,
        };
        let size = file.metadata()?.len();
        Ok(Self { file, size, durability: Durability::OfWrite })
    }

    /// Fails with `InvalidInput` (EINVAL) where direct I/O is not to be had: some file systems
    /// refuse it at open, others at the first read.
    fn open_direct(path: &Path) -> io::Result<Self> {
        let flags = (OFlags::DIRECT | OFlags::DSYNC).bits();
        let flags = i32::try_from(flags).expect("open flags fit into a C int");
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        let direct = Self::lock(path, file, Durability::OfWrite)?;
        direct.read_at(AlignedBuffer::zeroed(ALIGN as usize).as_mut(), 0)?;
        Ok(direct)
    }

    fn open_buffered(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Self::lock(path, file, Durability::OfSync(SyncGate::default()))
    }

    fn lock(path: &Path, file: File, durability: Durability) -> io::Result<Self> {
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let metadata = file.metadata()?;
        // Another process may have replaced the file between our open and our lock.
        if std::fs::metadata(path)?.ino() != metadata.ino() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Self { file, size: metadata.len(), durability })
    }
}

impl WalIo for FileIo {
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(data, offset)?;
        match &self.durability {
            Durability::OfWrite => Ok(()),
            Durability::OfSync(gate) => gate.pass(|| self.file.sync_data()),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn unlock(&self) {
        if let Err(error) = rustix::fs::flock(&self.file, FlockOperation::Unlock) {
            // Whoever opens it next is refused, and says so.
            tracing::warn!(%error, "the log file stays locked");
        }
    }
}

/// A file that is only memory: for tests, and for a front that need not survive its process.
#[derive(Debug)]
pub struct MemoryIo {
    bytes: Mutex<Vec<u8>>,
    size: u64,
}

impl MemoryIo {
    /// `size` zeros.
    pub fn zeroed(size: usize) -> Self {
        Self::holding(vec![0; size])
    }

    /// A file with these contents.
    pub fn holding(bytes: Vec<u8>) -> Self {
        Self { size: bytes.len() as u64, bytes: Mutex::new(bytes) }
    }

    /// The present contents: what a crash at this moment would leave.
    pub fn image(&self) -> Vec<u8> {
        self.bytes.lock().clone()
    }
}

impl WalIo for MemoryIo {
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.bytes.lock();
        let place = within(&bytes, data.len(), offset)?;
        bytes[place].copy_from_slice(data);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.bytes.lock();
        let place = within(&bytes, buffer.len(), offset)?;
        buffer.copy_from_slice(&bytes[place]);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.size
    }
}

fn within(bytes: &[u8], length: usize, offset: u64) -> io::Result<std::ops::Range<usize>> {
    usize::try_from(offset)
        .ok()
        .and_then(|start| Some(start..start.checked_add(length)?))
        .filter(|place| place.end <= bytes.len())
        .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffered_file_reads_back_and_is_locked() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8192).unwrap();
        let io = FileIo::open_buffered(file.path()).unwrap();
        io.write_at(&[7; 4096], 4096).unwrap();
        let mut read = [0; 4096];
        io.read_at(&mut read, 4096).unwrap();
        assert_eq!((read, io.size()), ([7; 4096], 8192));
        let second = FileIo::open(file.path()).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn no_sync_succeeds_after_one_that_failed() {
        let gate = SyncGate::default();
        gate.pass(|| Ok(())).unwrap();
        gate.pass(|| Err(io::ErrorKind::Other.into())).unwrap_err();
        gate.pass(|| Ok(())).unwrap_err();
    }

    #[test]
    fn memory_ends_where_it_ends() {
        let io = MemoryIo::zeroed(8192);
        io.write_at(&[1; 4096], 4096).unwrap();
        io.write_at(&[1; 4096], 8192).unwrap_err();
        io.read_at(&mut [0; 8192], 4096).unwrap_err();
        io.read_at(&mut [0; 1], u64::MAX).unwrap_err();
    }
}
