//! The object WAL of an incarnation that is over: ending it from outside, and reading it.
//!
//! ```text
//!   find the first hole ──▶ END there ──▶ read back from the first slot still needed
//!          ▲                   │
//!          └── taken meanwhile ┘
//! ```
//!
//! END first, then reading (R3): what is read before it may not be all. Nothing is concluded from a
//! listing (R20). Anybody may do this, any number of times, also while the writer is alive: it is
//! fenced by then.

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use segment::seqlog::{
    EndOutcome, EndReason, EndRecord, ReadError, SeqLogReader, SlotKind, Tail, try_end,
};
use segment::store::Op;
use segment::{Family, Keyring, LogId, Store, StoreError, keys};

use super::format::{self, HEADER_BYTES, PayloadHeader};
use crate::limits::FOOTERS_IN_FLIGHT;
use crate::wal::{LoggedEntry, Lsn, RecoverError, SealedChunk, SealedFront};

/// Slots read ahead: objects of up to 8 MiB, so not many.
const SLOTS_READ_AHEAD: usize = 4;

/// See the module.
pub(crate) struct SealedObject {
    reader: SeqLogReader,
    keyring: Keyring,
    log: LogId,
    start: Lsn,
    end: Lsn,
    /// The slots that hold `start` to `end`.
    slots: Vec<Place>,
}

/// A slot and the LSNs of its entries.
#[derive(Debug, Clone, Copy)]
struct Place {
    slot: u64,
    first: Lsn,
    end: Lsn,
    trimmed: Lsn,
    needed_slot: u64,
}

impl From<ReadError> for RecoverError {
    fn from(ReadError::Store(error): ReadError) -> Self {
        Self::Store(error)
    }
}

impl SealedObject {
    /// Ends the object WAL of `log` if nobody did, and finds what has to be read.
    pub(crate) async fn open(store: &Store, log: LogId) -> Result<Self, RecoverError> {
        let reader = SeqLogReader::new(store.clone(), Family::Wal, log);
        let end_slot = end_log(store, &reader, log).await?;
        let (keyring, slots) = (store.keyring().clone(), Vec::new());
        let mut sealed = Self { reader, keyring, log, start: Lsn(0), end: Lsn(0), slots };
        // Without entries there is nothing before END, or OPEN alone.
        let Some(last_slot) = end_slot.checked_sub(1) else { return Ok(sealed) };
        let Some(last) = place_of(&sealed.reader, log, last_slot).await? else {
            return Ok(sealed);
        };
        (sealed.start, sealed.end) = (last.trimmed, last.end);
        sealed.slots = sealed.places(last).await?;
        Ok(sealed)
    }

    /// The slots from the first needed one to the last, which must tile the log.
    async fn places(&self, last: Place) -> Result<Vec<Place>, RecoverError> {
        let (reader, log) = (&self.reader, self.log);
        let mut places: Vec<Place> = futures::stream::iter(last.needed_slot..last.slot)
            .map(|slot| async move {
                let place = place_of(reader, log, slot).await?;
                place.ok_or_else(|| damaged(log, slot, "holds no entries"))
            })
            .buffered(FOOTERS_IN_FLIGHT)
            .try_collect()
            .await?;
        places.push(last);
        for pair in places.windows(2) {
            if pair[0].end != pair[1].first {
                return Err(damaged(log, pair[1].slot, "does not continue the slot before"));
            }
        }
        match places.first() {
            Some(first) if first.first <= self.start => Ok(places),
            _ => Err(damaged(log, last.needed_slot, "begins above what was trimmed")),
        }
    }

    async fn entries_of(&self, place: Place) -> Result<Vec<LoggedEntry>, RecoverError> {
        let slot = self.reader.read(place.slot).await?;
        let decoded = slot.and_then(|slot| format::decode(slot.payload));
        let whole = decoded.filter(|(header, entries)| {
            header.first == place.first
                && entries.last().is_none_or(|entry| entry.lsn().end == place.end)
        });
        let (_, entries) =
            whole.ok_or_else(|| damaged(self.log, place.slot, "its entries are damaged"))?;
        let key = keys::slot(Family::Wal, &self.log, place.slot);
        let opened = entries.into_iter().map(|entry| entry.open(&key, &self.keyring));
        Ok(opened.collect::<Result<_, _>>()?)
    }
}

impl SealedFront for SealedObject {
    fn start(&self) -> Lsn {
        self.start
    }

    fn end(&self) -> Lsn {
        self.end
    }

    fn read_sealed(
        &self,
        from: Lsn,
        bytes_max: usize,
    ) -> BoxFuture<'_, Result<SealedChunk, RecoverError>> {
        Box::pin(async move {
            let from = from.max(self.start);
            let mut chunk = SealedChunk { entries: Vec::new(), next: from };
            let mut bytes = 0;
            let before = self.slots.partition_point(|place| place.end <= from);
            let mut slots = futures::stream::iter(self.slots[before..].to_vec())
                .map(|place| self.entries_of(place))
                .buffered(SLOTS_READ_AHEAD);
            while let Some(entries) = slots.next().await {
                for entry in entries?.into_iter().filter(|entry| entry.lsn.end > from) {
                    bytes += entry.batch.len();
                    if bytes > bytes_max && !chunk.entries.is_empty() {
                        return Ok(chunk);
                    }
                    chunk.next = entry.lsn.end;
                    chunk.entries.push(entry);
                }
            }
            Ok(chunk)
        })
    }
}

/// Places END at the first hole, or finds it; returns its slot.
async fn end_log(store: &Store, reader: &SeqLogReader, log: LogId) -> Result<u64, RecoverError> {
    loop {
        let slot = match reader.find_tail().await?.tail {
            Tail::End(slot, _) => return Ok(slot),
            Tail::Hole(slot) => slot,
        };
        let last = match slot.checked_sub(1) {
            Some(last) => place_of(reader, log, last).await?,
            None => None,
        };
        let lsn = last.map_or(0, |place| place.end.0);
        let end = EndRecord { reason: EndReason::Failover as i32, lsn, index: None };
        match try_end(store, Family::Wal, &log, slot, &end).await? {
            EndOutcome::Placed | EndOutcome::Ended(_) => return Ok(slot),
            // Its writer, or a PUT of its that was under way: look again.
            EndOutcome::Occupied(_) => {}
        }
    }
}

/// Where the entries of a slot belong; `None` for OPEN, which has none.
async fn place_of(
    reader: &SeqLogReader,
    log: LogId,
    slot: u64,
) -> Result<Option<Place>, RecoverError> {
    if slot == 0 {
        return Ok(None);
    }
    let prefix = reader.prefix(slot, HEADER_BYTES).await?;
    let (header, payload) = prefix.ok_or_else(|| damaged(log, slot, "is gone"))?;
    let payload = PayloadHeader::decode(&payload).filter(|_| header.kind == SlotKind::Data);
    let payload = payload.ok_or_else(|| damaged(log, slot, "its header is damaged"))?;
    let framed_bytes = header.payload_len.checked_sub(HEADER_BYTES as u64);
    let framed_bytes = framed_bytes.ok_or_else(|| damaged(log, slot, "is too short"))?;
    Ok(Some(Place {
        slot,
        first: payload.first,
        end: Lsn(payload.first.0 + framed_bytes),
        trimmed: payload.trimmed,
        needed_slot: payload.needed_slot,
    }))
}

fn damaged(log: LogId, slot: u64, what: &str) -> RecoverError {
    StoreError::damaged(Op::Get, keys::slot(Family::Wal, &log, slot), what).into()
}
