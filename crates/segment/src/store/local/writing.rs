//! Writes to a directory that share the disk with a write-ahead log.
//!
//! Written as usual, a large object lies in the page cache until it is synced, and then all of it is in
//! the disk's queue before the log's next write. So it is written past the page cache, piece by
//! piece: what a log's write finds before it is one piece. Its last sync has nothing left to write
//! but the file system's own notes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use object_store::PutPayload;
use rustix::fs::OFlags;

use super::{PIECE_BYTES, with_suffix};

/// What memory, offset and length of a direct write are multiples of, on any disk.
const ALIGNMENT: usize = 4096;

/// A file beside its final name, not yet visible; removed when dropped.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
}

/// Memory that direct writes can start from.
struct Piece {
    memory: Vec<u8>,
    start: usize,
    filled: usize,
}

// === impl Staged ===

impl Staged {
    /// Writes and syncs all of `payload`. Fails with `InvalidInput` where the file system has no
    /// direct writes.
    pub(super) fn write(target: &Path, payload: &PutPayload) -> io::Result<Self> {
        // Its `#digits` ending hides the file from listings (see `LocalFileSystem`).
        let path = with_suffix(target, &format!("#{}", uuid::Uuid::new_v4().as_u128()));
        let mut options = File::options();
        options.create_new(true).write(true).custom_flags(OFlags::DIRECT.bits().cast_signed());
        let mut file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().expect("an object's file lies below the root");
                fs::create_dir_all(parent)?;
                options.open(&path)?
            }
            opened => opened?,
        };
        let staged = Self { path };
        let mut piece = Piece::new();
        for chunk in payload {
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                rest = piece.fill(rest);
                if piece.is_full() {
                    piece.write_to(&mut file)?;
                }
            }
        }
        piece.write_to(&mut file)?;
        file.set_len(payload.content_length() as u64)?;
        file.sync_all()?;
        Ok(staged)
    }

    /// Gives the file its name, unless there is such a file.
    pub(super) fn create(self, target: &Path) -> io::Result<()> {
        fs::hard_link(&self.path, target)?;
        drop(self);
        sync_directory_of(target)
    }

    /// Gives the file its name, whatever had it before.
    pub(super) fn overwrite(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        sync_directory_of(target)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone already if it was renamed.
        let _gone = fs::remove_file(&self.path);
    }
}

pub(super) fn sync_directory_of(file: &Path) -> io::Result<()> {
    let parent = file.parent().expect("an object's file lies below the root");
    File::open(parent)?.sync_all()
}

// === impl Piece ===

impl Piece {
    fn new() -> Self {
        let memory = vec![0; PIECE_BYTES + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Self { memory, start, filled: 0 }
    }

    fn is_full(&self) -> bool {
        self.filled == PIECE_BYTES
    }

    /// Takes as much of `bytes` as there is room for; the rest comes back.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.filled));
        let at = self.start + self.filled;
        self.memory[at..at + taken.len()].copy_from_slice(taken);
        self.filled += taken.len();
        rest
    }

    /// Writes what there is, and beyond it up to a multiple of the alignment.
    fn write_to(&mut self, file: &mut File) -> io::Result<()> {
        let length = self.filled.next_multiple_of(ALIGNMENT);
        self.filled = 0;
        file.write_all(&self.memory[self.start..self.start + length])
    }
}
