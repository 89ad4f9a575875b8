//! What the tests share: a file with faults, a target that remembers, and entries.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use protocol::ids::{PartitionId, TenantId, TopicId};
use uuid::Uuid;

use crate::wal::block::{ENTRY_HEADER_BYTES, HEADER_BYTES};
use crate::wal::io::{MemoryIo, WalIo};
use crate::wal::layout::{ALIGN, RING_START};
use crate::wal::recover::recover_from;
use crate::wal::{
    CommitTarget, DiskFront, Entry, Front, LoggedEntry, Lsn, LsnRange, NoPromise, RecoverError,
    Recovered, Tuning,
};

/// How long a test waits for another thread before it gives up. Not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a faulty file does to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing lands, the caller gets this error.
    Error(io::ErrorKind),
    /// These sectors of 512 bytes land (bit by bit, repeated), the caller gets an error.
    Torn(u64),
}

/// A file in memory whose writes fail, tear and stall on demand.
pub(crate) struct FaultIo {
    memory: MemoryIo,
    state: Mutex<FaultState>,
    changed: Condvar,
}

#[derive(Default)]
struct FaultState {
    started: usize,
    held: HashSet<u64>,
    all_held: bool,
    fault: Option<(usize, Fault)>,
}

impl FaultIo {
    /// A zeroed file with a ring of `sectors`.
    pub(crate) fn new(sectors: u64) -> Arc<Self> {
        Self::holding(vec![0; usize::try_from(RING_START + sectors * ALIGN).unwrap()])
    }

    /// A file with these contents.
    pub(crate) fn holding(image: Vec<u8>) -> Arc<Self> {
        let memory = MemoryIo::holding(image);
        Arc::new(Self { memory, state: Mutex::default(), changed: Condvar::new() })
    }

    /// From the `nth` write on, counted from 0 and from the creation of the file, all writes fail.
    pub(crate) fn fail_from(&self, nth: usize, fault: Fault) {
        self.state.lock().fault = Some((nth, fault));
    }

    /// From the next write on, all writes fail.
    pub(crate) fn fail_now(&self, fault: Fault) {
        let mut state = self.state.lock();
        state.fault = Some((state.started, fault));
    }

    /// Writes to the ring at `sector` wait until released.
    pub(crate) fn hold(&self, sector: u64) {
        self.state.lock().held.insert(RING_START + sector * ALIGN);
    }

    pub(crate) fn release(&self, sector: u64) {
        self.state.lock().held.remove(&(RING_START + sector * ALIGN));
        self.changed.notify_all();
    }

    /// All writes wait from now on, or no more.
    pub(crate) fn hold_all(&self, held: bool) {
        self.state.lock().all_held = held;
        self.changed.notify_all();
    }

    /// Waits until `writes` have begun since the creation of the file.
    pub(crate) fn wait_started(&self, writes: usize) {
        let mut state = self.state.lock();
        let late = self.changed.wait_while_for(&mut state, |s| s.started < writes, PATIENCE);
        assert!(!late.timed_out(), "{} of {writes} writes began", state.started);
    }

    pub(crate) fn started(&self) -> usize {
        self.state.lock().started
    }

    /// What a power cut now would leave.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.memory.image()
    }
}

impl WalIo for FaultIo {
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        assert!(offset.is_multiple_of(ALIGN) && (data.len() as u64).is_multiple_of(ALIGN));
        assert_eq!(data.as_ptr().align_offset(4096), 0, "buffers are aligned");
        let mut state = self.state.lock();
        let number = state.started;
        state.started += 1;
        self.changed.notify_all();
        self.changed.wait_while(&mut state, |state| state.all_held || state.held.contains(&offset));
        let fault = state.fault.filter(|(from, _)| number >= *from);
        drop(state);
        match fault {
            None => self.memory.write_at(data, offset),
            Some((_, Fault::Error(kind))) => Err(kind.into()),
            Some((_, Fault::Torn(sectors))) => {
                for (at, sector) in data.chunks(512).enumerate() {
                    if sectors >> ((at + number) % 64) & 1 == 1 {
                        self.memory.write_at(sector, offset + at as u64 * 512)?;
                    }
                }
                Err(io::Error::other("power cut"))
            }
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        assert_eq!(buffer.as_ptr().align_offset(4096), 0, "buffers are aligned");
        self.memory.read_at(buffer, offset)
    }

    fn size(&self) -> u64 {
        self.memory.size()
    }
}

/// What a target was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Committed { lsn: LsnRange, base_offset: i64, last_offset: i64, batch: Bytes },
    Failed { base_offset: i64 },
}

/// A target that remembers what it was told, in order.
#[derive(Default)]
pub(crate) struct Recorder {
    told: Mutex<Vec<Told>>,
    changed: Condvar,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().clone()
    }

    /// Waits for `count` answers of either kind.
    pub(crate) fn wait(&self, count: usize) -> Vec<Told> {
        let mut told = self.told.lock();
        let late = self.changed.wait_while_for(&mut told, |told| told.len() < count, PATIENCE);
        assert!(!late.timed_out(), "{} of {count} answers", told.len());
        told.clone()
    }

    /// The end of what was committed.
    pub(crate) fn committed_end(&self) -> Lsn {
        let told = self.told.lock();
        let ends = told.iter().filter_map(|told| match told {
            Told::Committed { lsn, .. } => Some(lsn.end),
            Told::Failed { .. } => None,
        });
        ends.last().unwrap_or_default()
    }

    fn push(&self, told: Told) {
        self.told.lock().push(told);
        self.changed.notify_all();
    }
}

impl CommitTarget for Recorder {
    fn committed(&self, lsn: LsnRange, base_offset: i64, last_offset: i64, batch: Bytes) {
        self.push(Told::Committed { lsn, base_offset, last_offset, batch });
    }

    fn failed(&self, base_offset: i64) {
        self.push(Told::Failed { base_offset });
    }
}

pub(crate) fn partition(index: i32) -> PartitionId {
    PartitionId::new(TenantId::DEFAULT, TopicId(Uuid::from_u128(7)), index)
}

/// A batch of `bytes` bytes that no other `offset` has. Its header fields are as a client sends them.
pub(crate) fn batch(offset: i64, bytes: usize) -> Bytes {
    let mut batch: Vec<u8> = (0..bytes).map(|at| (offset * 31 + at as i64 % 251) as u8).collect();
    batch[..8].fill(0);
    batch[12..16].fill(0xff);
    batch.into()
}

/// An entry for offset `offset`, in partition `offset % 3`.
pub(crate) fn entry(offset: i64, bytes: usize, target: &Arc<Recorder>) -> Entry {
    Entry {
        partition: partition((offset % 3) as i32),
        base_offset: offset,
        leader_epoch: 5,
        last_offset: offset + 9,
        batch: batch(offset, bytes),
        internal: false,
        target: Arc::clone(target) as Arc<dyn CommitTarget>,
    }
}

/// How `entry(offset, bytes, _)` looks in the log at `lsn`.
pub(crate) fn logged(lsn: LsnRange, offset: i64, bytes: usize) -> LoggedEntry {
    let mut patched = batch(offset, bytes).to_vec();
    patched[..8].copy_from_slice(&offset.to_be_bytes());
    patched[12..16].copy_from_slice(&5_i32.to_be_bytes());
    LoggedEntry {
        lsn,
        partition: partition((offset % 3) as i32),
        base_offset: offset,
        last_offset: offset + 9,
        leader_epoch: 5,
        batch: patched.into(),
    }
}

pub(crate) fn tuning(writers: usize) -> Tuning {
    Tuning { writers, ..Tuning::default() }
}

pub(crate) fn start(io: &Arc<FaultIo>, writers: usize) -> DiskFront {
    let io = Arc::clone(io) as Arc<dyn WalIo>;
    DiskFront::start(io, "log-1", tuning(writers), Arc::new(NoPromise)).unwrap()
}

/// Writes `sizes` as one block each, offsets counting from 0; returns what the log holds then.
pub(crate) fn write_blocks(front: &DiskFront, sizes: &[usize]) -> Vec<LoggedEntry> {
    let recorder = Recorder::new();
    let mut expected = Vec::new();
    for (at, &bytes) in sizes.iter().enumerate() {
        let lsn = front.append(entry(at as i64, bytes, &recorder)).unwrap();
        recorder.wait(at + 1);
        expected.push(logged(lsn, at as i64, bytes));
    }
    expected
}

/// Brings a ring of 256 sectors, 227 of them in use, to where its next block does not fit into the
/// lap and the next lap has no room for it yet; returns the place of the entry that waits, which has
/// offset 16.
pub(crate) fn stall(front: &DiskFront, recorder: &Arc<Recorder>) -> LsnRange {
    let append = |offset, sectors: usize| {
        let bytes = sectors * 4096 - HEADER_BYTES - ENTRY_HEADER_BYTES;
        front.append(Entry { internal: true, ..entry(offset, bytes, recorder) }).unwrap()
    };
    let mut first = None;
    let sizes = [14].into_iter().chain([16; 14]).chain([3]);
    for (offset, sectors) in sizes.enumerate() {
        let lsn = append(offset as i64, sectors);
        recorder.wait(offset + 1);
        first.get_or_insert(lsn);
    }
    front.trim(first.unwrap().end);
    while front.usage().used_bytes > 227 * ALIGN {
        std::thread::yield_now();
    }
    append(16, 16)
}

pub(crate) fn recover_image(image: Vec<u8>) -> Result<Recovered, RecoverError> {
    recover_from(Arc::new(MemoryIo::holding(image)))
}

pub(crate) fn all(recovered: &Recovered) -> Vec<LoggedEntry> {
    recovered.entries().collect::<Result<_, _>>().unwrap()
}
