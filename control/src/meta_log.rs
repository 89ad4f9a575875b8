//! The metadata log: the authority for topics and producer ids (R9).
//!
//! One SeqLog for the cluster's whole life, on the object store. Its writers are the successive
//! leaders. Nobody but the store decides who writes: a slot is created by one writer only, and
//! a leader that loses a slot has been succeeded and stops (R11).
//!
//! ```text
//! slot   0     1        2       3        4        5
//!       OPEN Founded  Leader  Topics   Leader   Topics ...
//!                     └─ term of A ─┘  └─ term of B ─
//! ```
//!
//! A new leader first appends a [`MetaRecord::Leader`]. Whatever an earlier leader left
//! undecided at that slot is decided by it: the late write finds the slot taken.

pub(crate) mod record;

use futures::StreamExt;
use protocol::ids::NodeId;
use segment::{
    Family, LogId, Store, StoreError,
    seqlog::{AppendError, OpenSlot, ReadError, SeqLogReader, SeqLogWriter, Slot, SlotKind},
};

pub(crate) use self::record::MetaRecord;
use self::record::RecordError;
use crate::limits::REPLAY_IN_FLIGHT;

/// Why the log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MetaLogError {
    /// Another writer has the slot: there is a newer leader, or there was an older one's late
    /// write. Read again.
    #[error("another leader wrote to the metadata log")]
    Overtaken,
    /// Unknown whether the slot was written. Read again, after a new slot decided it.
    #[error("metadata log is not writable for now: {0}")]
    Undecided(StoreError),
    /// The log cannot be read for now.
    #[error("metadata log cannot be read: {0}")]
    Unreadable(#[from] ReadError),
    /// A slot holds what this version does not understand. Nothing must be written after it.
    #[error("slot {slot} of the metadata log: {reason}")]
    Foreign {
        /// The slot.
        slot: u64,
        /// What is wrong with it.
        reason: RecordError,
    },
    /// The log was closed.
    #[error("metadata log ended at slot {0}: this cluster was taken over")]
    Ended(u64),
    /// The record does not fit a slot: our own bug, limits keep records small.
    #[error("record is too large for the metadata log")]
    TooLarge,
}

/// The tail of the log, to append to.
#[derive(Debug)]
pub(crate) struct MetaLog {
    store: Store,
    writer: SeqLogWriter,
}

impl MetaLog {
    /// Reads the whole log. `term` names the reader in the slots that it will write.
    pub(crate) async fn open(
        store: &Store,
        term: u64,
    ) -> Result<(Self, Vec<MetaRecord>), MetaLogError> {
        let log = LogId::fresh(NodeId(0), 0, term);
        let reader = SeqLogReader::new(store.clone(), Family::Meta, log);
        let (records, next) = read_from(&reader, 0).await?;
        let writer = SeqLogWriter::at(store.clone(), Family::Meta, log, next);
        Ok((Self { store: store.clone(), writer }, records))
    }

    /// Appends a record and returns its slot once it is durable. After an error the log must be
    /// opened again: what became of the record, only a later reader knows.
    pub(crate) async fn append(&mut self, record: &MetaRecord) -> Result<u64, MetaLogError> {
        if self.writer.next_slot() == 0 {
            let log = *self.writer.log();
            let open = OpenSlot::default();
            self.writer =
                SeqLogWriter::create(self.store.clone(), Family::Meta, log, &open).await?;
        }
        Ok(self.writer.append(SlotKind::Data, vec![record.encode()]).await?)
    }

    /// The first slot that is not written.
    pub(crate) fn next_slot(&self) -> u64 {
        self.writer.next_slot()
    }

    /// Whether somebody else has written the slot that would be ours. A leader that has nothing to
    /// write would not notice.
    pub(crate) async fn is_overtaken(&self) -> Result<bool, MetaLogError> {
        let log = *self.writer.log();
        let reader = SeqLogReader::new(self.store.clone(), Family::Meta, log);
        Ok(reader.header(self.next_slot()).await?.is_some())
    }
}

/// The log as somebody follows it who never writes.
pub(crate) struct MetaTail {
    reader: SeqLogReader,
    next: u64,
}

impl MetaTail {
    pub(crate) fn new(store: &Store) -> Self {
        let log = LogId::fresh(NodeId(0), 0, 0);
        Self { reader: SeqLogReader::new(store.clone(), Family::Meta, log), next: 0 }
    }

    /// Everything up to the end of the log that was not read before.
    pub(crate) async fn read(&mut self) -> Result<Vec<MetaRecord>, MetaLogError> {
        // Mostly there is nothing, and then one request is enough to know.
        if self.reader.header(self.next).await?.is_none() {
            return Ok(Vec::new());
        }
        let (records, next) = read_from(&self.reader, self.next).await?;
        self.next = next;
        Ok(records)
    }

    /// The first slot that was not read.
    pub(crate) fn next_slot(&self) -> u64 {
        self.next
    }
}

/// The records from `slot` to the end of the log, and the slot where that is.
async fn read_from(
    reader: &SeqLogReader,
    slot: u64,
) -> Result<(Vec<MetaRecord>, u64), MetaLogError> {
    let mut slots = futures::stream::iter(slot..)
        .map(|number| {
            let reader = reader.clone();
            async move { reader.read(number).await }
        })
        .buffered(REPLAY_IN_FLIGHT);
    let mut records = Vec::new();
    let mut next = slot;
    while let Some(slot) = slots.next().await.expect("numbers do not end")? {
        records.extend(read(next, &slot)?);
        next += 1;
    }
    Ok((records, next))
}

/// What a slot says; nothing for OPEN.
fn read(number: u64, slot: &Slot) -> Result<Option<MetaRecord>, MetaLogError> {
    match slot.header.kind {
        SlotKind::Open => Ok(None),
        SlotKind::End => Err(MetaLogError::Ended(number)),
        SlotKind::Data | SlotKind::Front | SlotKind::Close => MetaRecord::decode(&slot.payload)
            .map(Some)
            .map_err(|reason| MetaLogError::Foreign { slot: number, reason }),
    }
}

impl From<AppendError> for MetaLogError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Fenced { .. } | AppendError::Closed | AppendError::Pending => {
                Self::Overtaken
            }
            AppendError::Unavailable(error) => Self::Undecided(error),
            AppendError::TooLarge { .. } => Self::TooLarge,
        }
    }
}

#[cfg(test)]
mod tests;
