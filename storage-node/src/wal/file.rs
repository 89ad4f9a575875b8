//! Makes the ring file: preallocated, written once, and never there half-made.
//!
//! A file that is merely allocated makes every first write of a region change the file system's
//! metadata too, which doubles the time of a durable write (R67). So all of it is written with zeros
//! before the first block, under another name; the rename publishes it. Whatever is found under the
//! final name was therefore complete once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, FallocateFlags, FlockOperation, OFlags, RenameFlags};
use rustix::io::Errno;

use super::buffer::AlignedBuffer;
use super::io::{FileIo, WalIo};

/// Bytes of zeros per write: the largest that pays.
const FILL_BYTES: usize = 4 << 20;

/// A new ring file, under a temporary name until [`Draft::publish`].
pub(super) struct Draft {
    temporary: PathBuf,
    path: PathBuf,
    /// The file, locked already.
    pub(super) io: FileIo,
}

impl Draft {
    /// Allocates and zeroes `size` bytes beside `path`.
    pub(super) fn create(path: &Path, size: u64) -> io::Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        tracing::info!(path = %path.display(), size_bytes = size, "creating the log file");
        match fill(&temporary, size, OFlags::DIRECT) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                fill(&temporary, size, OFlags::empty())?;
            }
            filled => filled?,
        }
        let io = FileIo::open(&temporary)?;
        Ok(Self { temporary, path: path.to_owned(), io })
    }

    /// Gives the file its final name. What has that name now is replaced only if `replace` says so,
    /// which takes the lock on it: another process may have published its own meanwhile.
    pub(super) fn publish(self, replace: Option<Arc<dyn WalIo>>) -> io::Result<FileIo> {
        let flags = if replace.is_some() { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        rustix::fs::renameat_with(CWD, &self.temporary, CWD, &self.path, flags)?;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        Ok(self.io)
    }
}

fn fill(path: &Path, size: u64, flags: OFlags) -> io::Result<()> {
    let flags = i32::try_from(flags.bits()).expect("open flags fit into a C int");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(flags)
        .open(path)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.set_len(0)?;
    // Reserves the space in one piece and finds out now, not later, that there is none (R70).
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = AlignedBuffer::zeroed(FILL_BYTES);
    let mut left = size;
    while left > 0 {
        let bytes = left.min(FILL_BYTES as u64);
        file.write_all(&zeros.as_ref()[..usize::try_from(bytes).expect("at most FILL_BYTES")])?;
        left -= bytes;
    }
    file.sync_all()
}
