//! Reads back the log that an earlier incarnation left in the ring file (R69).
//!
//! Blocks are read from the superblock's start on. The log ends at the first block that is not
//! whole. Then the rest of the ring is searched:
//!
//! ```text
//!   start                     end
//!   │ block │ block │ block │ bad │ block A │ bad │ block B │ old lap ...
//!                             A, written together with the bad one: a torn tail, not acknowledged
//!                             B, begun when the bad one was durable: it was damaged later
//! ```
//!
//! Each header says up to where the log was durable when the block was begun. Blocks are
//! acknowledged only once they are, so a bad block below any such mark may have been acknowledged,
//! and nothing is recovered: to drop it silently would lose data. Blocks of an earlier lap have
//! another position, blocks of an earlier incarnation another nonce, and neither counts.
//!
//! One case cannot be told apart by any log: damage to the blocks that were written last.

use std::io;
use std::path::Path;
use std::sync::Arc;

use segment::StoreError;

use segment::seal::OpenError;

use super::block::decode_entries;
use super::buffer::AlignedBuffer;
use super::cursor::{Cursor, Place};
use super::io::WalIo;
use super::layout::{ALIGN, Position, Ring};
use super::superblock::{SUPERBLOCK_BYTES, Superblock};
use super::{Disks, LoggedEntry, Lsn, SealedChunk};

/// Log between two places where reading may begin.
const INDEX_SPACING_BYTES: u64 = 1 << 20;

/// Why a log could not be read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// Something that was durable is damaged. Nothing of this log may be dropped silently: its
    /// partitions stay offline until an operator decides (R69).
    #[error("the log is damaged at position {position}: {damage}")]
    Corrupt {
        /// Where, in bytes of log.
        position: u64,
        /// In which way.
        damage: Damage,
    },
    /// Another process has the file.
    #[error("the log file is in use by another process")]
    Locked,
    /// Only a sealed log has an end.
    #[error("the log is not sealed")]
    NotSealed,
    /// The place holds the log of another incarnation.
    #[error("the log found there is that of `{log_id}`")]
    Foreign {
        /// Whose it is.
        log_id: String,
    },
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sealed batch does not open.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// The file could not be read.
    #[error("the log file could not be read")]
    Io(#[source] io::Error),
}

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file does not say whose log it holds.
    #[error("neither superblock is readable")]
    Superblocks,
    /// The file was truncated or extended.
    #[error("the file has another size than when the log was begun")]
    FileSize,
    /// A whole block that does not fit behind the one before it.
    #[error("a block does not continue the log")]
    Chain,
    /// A whole block whose contents make no sense.
    #[error("the entries of a block do not fill it")]
    Entries,
    /// A bad block that was durable once.
    #[error("a block is bad that was whole when the one at {later} was begun")]
    BadBlock {
        /// The position of the later block.
        later: u64,
    },
    /// The log ends too early.
    #[error("the log ends here, but the superblock knows of more")]
    Short,
    /// A block was whole at first and is not any more.
    #[error("a block that was read before can no longer be read")]
    Unreadable,
}

impl RecoverError {
    pub(super) fn corrupt(position: Position, damage: Damage) -> Self {
        Self::Corrupt { position: position.0, damage }
    }
}

impl From<io::Error> for RecoverError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::Locked,
            _ => Self::Io(error),
        }
    }
}

/// The log an earlier incarnation left behind, checked from start to end.
///
/// Holds the lock on the file until it is dropped, unless it is a shared one.
pub struct Recovered {
    io: Arc<dyn WalIo>,
    ring: Ring,
    superblock: Superblock,
    index: Vec<Place>,
    end: Lsn,
}

/// Reads the ring file at `path`; `None` when there is no such file.
///
/// Blocks: reads the used part of the ring, and looks through the rest.
pub fn recover(disks: &Disks, path: &Path) -> Result<Option<Recovered>, RecoverError> {
    disks.open(path)?.map(recover_from).transpose()
}

/// The same for a file whose writer may still hold it: a paused process keeps its lock. Only after
/// that writer's promise has run out (R4); what it may still write was never acknowledged.
pub(super) fn recover_unlocked(
    disks: &Disks,
    path: &Path,
) -> Result<Option<Recovered>, RecoverError> {
    disks.open_unlocked(path)?.map(recover_from).transpose()
}

/// Reads the log behind `io`.
pub fn recover_from(io: Arc<dyn WalIo>) -> Result<Recovered, RecoverError> {
    let (ring, superblock) = read_superblock(&*io)?;
    let start = superblock.start;
    let place =
        Place { position: start.position, lsn: start.lsn, previous_crc: start.previous_crc };
    let mut cursor = Cursor::new(&*io, ring, superblock.nonce, place);
    let mut index = vec![place];
    while let Some(block) = cursor.next()? {
        let header = block.header;
        if decode_entries(block.payload, header.lsn, header.entries).is_none() {
            return Err(RecoverError::corrupt(header.position, Damage::Entries));
        }
        let last = index.last().expect("the start is in the index");
        if cursor.place().position.since(last.position) >= INDEX_SPACING_BYTES {
            index.push(cursor.place());
        }
    }

    let end = cursor.place();
    let limit = start.position.plus(ring.capacity());
    if !process::mutation::on("R69")
        && let Some(later) = cursor.find_later(end.position, limit)?
    {
        let damage = Damage::BadBlock { later: later.0 };
        return Err(RecoverError::corrupt(end.position, damage));
    }
    if end.position < superblock.durable && !process::mutation::on("R69") {
        return Err(RecoverError::corrupt(end.position, Damage::Short));
    }
    Ok(Recovered { end: end.lsn, io, ring, superblock, index })
}

/// The newest superblock behind `io`, and the ring it describes.
pub(super) fn read_superblock(io: &dyn WalIo) -> Result<(Ring, Superblock), RecoverError> {
    let corrupt = |damage| RecoverError::corrupt(Position(0), damage);
    let ring = Ring::of_file(io.size()).ok_or_else(|| corrupt(Damage::FileSize))?;
    let mut copies = AlignedBuffer::zeroed(2 * SUPERBLOCK_BYTES);
    io.read_at(copies.as_mut(), 0)?;
    let (first, second) = copies.as_ref().split_at(SUPERBLOCK_BYTES);
    let superblock = Superblock::newest([Superblock::decode(first), Superblock::decode(second)])
        .ok_or_else(|| corrupt(Damage::Superblocks))?;
    if superblock.capacity != ring.capacity() {
        return Err(corrupt(Damage::FileSize));
    }
    Ok((ring, superblock))
}

impl Recovered {
    /// Whether reading never blocks.
    pub(super) fn is_simulated(&self) -> bool {
        self.io.is_simulated()
    }

    /// The incarnation that wrote the log.
    pub fn log_id(&self) -> &str {
        &self.superblock.log_id
    }

    /// Everything below was trimmed, that is: uploaded. More may have been uploaded since.
    pub fn start(&self) -> Lsn {
        self.superblock.start.trimmed
    }

    /// The end of the durable prefix. Everything acknowledged lies below.
    pub fn end(&self) -> Lsn {
        self.end
    }

    /// The entries from `start` to `end` in LSN order. Reads the file as it goes: blocks.
    pub fn entries(&self) -> impl Iterator<Item = Result<LoggedEntry, RecoverError>> + '_ {
        self.entries_from(self.start())
    }

    /// The entries that end above `from`, about `bytes_max` of them but at least one. Blocks.
    pub fn read(&self, from: Lsn, bytes_max: usize) -> Result<SealedChunk, RecoverError> {
        let mut chunk = SealedChunk { entries: Vec::new(), next: from };
        let mut bytes = 0;
        for entry in self.entries_from(from.max(self.start())) {
            let entry = entry?;
            bytes += entry.batch.len();
            if bytes > bytes_max && !chunk.entries.is_empty() {
                break;
            }
            chunk.next = entry.lsn.end;
            chunk.entries.push(entry);
        }
        Ok(chunk)
    }

    fn entries_from(
        &self,
        from: Lsn,
    ) -> impl Iterator<Item = Result<LoggedEntry, RecoverError>> + '_ {
        let after = self.index.partition_point(|place| place.lsn <= from);
        let place = self.index[after.saturating_sub(1)];
        let mut cursor = Cursor::new(&*self.io, self.ring, self.superblock.nonce, place);
        let mut block = Vec::new().into_iter();
        std::iter::from_fn(move || {
            loop {
                match block.next() {
                    Some(entry) if lies_below(&entry, from) => {}
                    Some(entry) => return Some(Ok(entry)),
                    None if cursor.place().lsn >= self.end => return None,
                    None => match next_entries(&mut cursor) {
                        Ok(entries) => block = entries.into_iter(),
                        Err(error) => return Some(Err(error)),
                    },
                }
            }
        })
        .scan(false, stop_after_error)
    }
}

fn lies_below(entry: &LoggedEntry, from: Lsn) -> bool {
    entry.lsn.end <= from
}

fn next_entries(cursor: &mut Cursor<'_>) -> Result<Vec<LoggedEntry>, RecoverError> {
    let position = cursor.place().position;
    let unreadable = || RecoverError::corrupt(position, Damage::Unreadable);
    let block = cursor.next()?.ok_or_else(unreadable)?;
    decode_entries(block.payload, block.header.lsn, block.header.entries).ok_or_else(unreadable)
}

/// An error ends the iteration: what would follow it has a gap before it.
fn stop_after_error<T>(
    failed: &mut bool,
    item: Result<T, RecoverError>,
) -> Option<Result<T, RecoverError>> {
    let go_on = !*failed;
    *failed = item.is_err();
    go_on.then_some(item)
}

const _: () = assert!(SUPERBLOCK_BYTES as u64 == ALIGN);
