//! Reading a log: slots in order, until END or the first hole.

use bytes::Bytes;
use futures::StreamExt as _;

use super::record::{self, CloseRecord, EndRecord, OpenSlot};
use super::slot::{HEADER_LEN, SlotHeader, SlotKind};
use crate::keys::{self, Family, Key, Parsed};
use crate::log_id::LogId;
use crate::store::{Op, Store, StoreError};

/// Slot headers asked for at the same time. A scan is bound by round trips.
const SCAN_IN_FLIGHT: usize = 16;

/// END is looked for in this many of the highest slots before the log is scanned:
/// a writer has at most 4 slots in flight beyond END (R15).
const END_HINT_SLOTS: usize = 8;

/// One slot with its payload.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its header.
    pub header: SlotHeader,
    /// What follows the header.
    pub payload: Bytes,
}

impl Slot {
    /// The payload of slot 0.
    pub fn open(&self) -> Option<OpenSlot> {
        (self.header.kind == SlotKind::Open).then(|| record::decode(&self.payload))?
    }

    /// The payload of CLOSE.
    pub fn close(&self) -> Option<CloseRecord> {
        (self.header.kind == SlotKind::Close).then(|| record::decode(&self.payload))?
    }

    /// The payload of END.
    pub fn end(&self) -> Option<EndRecord> {
        (self.header.kind == SlotKind::End).then(|| record::decode(&self.payload))?
    }
}

/// Where a log stops.
#[derive(Debug, Clone, PartialEq)]
pub enum Tail {
    /// This slot is free: the log may still grow.
    Hole(u64),
    /// END is at this slot.
    End(u64, EndRecord),
}

/// The slots of a log.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Headers from the first slot asked for, END not included.
    pub slots: Vec<SlotHeader>,
    /// What follows them.
    pub tail: Tail,
}

/// A log cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The store failed, or a slot is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads one log. Cheap to make.
#[derive(Debug, Clone)]
pub struct SeqLogReader {
    store: Store,
    family: Family,
    log: LogId,
}

impl SeqLogReader {
    /// A reader of the log `log`; of the metadata log whatever `log` is.
    pub fn new(store: Store, family: Family, log: LogId) -> Self {
        Self { store, family, log }
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    pub(super) fn log(&self) -> &LogId {
        &self.log
    }

    /// A slot with its payload, or `None` when it is free.
    pub async fn read(&self, slot: u64) -> Result<Option<Slot>, ReadError> {
        let key = self.key(slot);
        let Some(object) = found(self.store.get(&key).await)? else { return Ok(None) };
        let header = self.checked_header(slot, &key, &object)?;
        let payload = object.slice(HEADER_LEN..);
        let checked = SlotHeader::payload_checks_itself(header.family, header.kind)
            || crc32c::crc32c(&payload) == header.payload_crc;
        if payload.len() as u64 != header.payload_len || !checked {
            return Err(
                StoreError::damaged(Op::Get, &key, "payload fails its length or CRC").into()
            );
        }
        Ok(Some(Slot { header, payload }))
    }

    /// A slot's header, or `None` when the slot is free.
    pub async fn header(&self, slot: u64) -> Result<Option<SlotHeader>, ReadError> {
        let key = self.key(slot);
        let range = 0..HEADER_LEN as u64;
        match found(self.store.get_range(&key, range).await)? {
            Some(bytes) => self.checked_header(slot, &key, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// A slot's header with the first `bytes` of its payload, which are not checked, or `None` when
    /// the slot is free. The payload must have as many.
    pub async fn prefix(
        &self,
        slot: u64,
        bytes: usize,
    ) -> Result<Option<(SlotHeader, Bytes)>, ReadError> {
        let key = self.key(slot);
        let range = 0..(HEADER_LEN + bytes) as u64;
        let Some(object) = found(self.store.get_range(&key, range).await)? else { return Ok(None) };
        let header = self.checked_header(slot, &key, &object)?;
        Ok(Some((header, object.slice(HEADER_LEN..))))
    }

    /// All slots from `from` to the end of the log; of an ended log, those that are left.
    pub async fn scan(&self, from: u64) -> Result<Scan, ReadError> {
        let scan = self.scan_to_hole(from).await?;
        match scan.tail {
            Tail::Hole(hole) => self.scan_behind_hole(hole, scan.slots).await,
            Tail::End(..) => Ok(scan),
        }
    }

    /// All slots from `from` to END or the first hole, whatever lies behind that.
    pub(super) async fn scan_to_hole(&self, from: u64) -> Result<Scan, ReadError> {
        let mut slots = Vec::new();
        let mut headers = futures::stream::iter(from..)
            .map(|slot| async move { (slot, self.header(slot).await) })
            .buffered(SCAN_IN_FLIGHT);
        while let Some((slot, header)) = headers.next().await {
            match header? {
                None => return Ok(Scan { slots, tail: Tail::Hole(slot) }),
                Some(header) if header.kind == SlotKind::End => {
                    let tail = Tail::End(slot, self.end_record(slot).await?);
                    return Ok(Scan { slots, tail });
                }
                Some(header) => slots.push(header),
            }
        }
        unreachable!("slot numbers do not run out before a hole")
    }

    /// A hole is where a log may still grow, unless there is END behind it: then what was in the
    /// hole has been collected, for END and nothing else is kept for ever (R8).
    async fn scan_behind_hole(
        &self,
        hole: u64,
        mut slots: Vec<SlotHeader>,
    ) -> Result<Scan, ReadError> {
        let listed = self.listed_slots().await?;
        let Some((end, record)) = self.end_near_tail(&listed).await? else {
            return Ok(Scan { slots, tail: Tail::Hole(hole) });
        };
        let left: Vec<u64> = listed.into_iter().filter(|slot| (hole..end).contains(slot)).collect();
        let mut headers =
            futures::stream::iter(left).map(|slot| self.header(slot)).buffered(SCAN_IN_FLIGHT);
        while let Some(header) = headers.next().await {
            slots.extend(header?);
        }
        Ok(Scan { slots, tail: Tail::End(end, record) })
    }

    /// END, or `None` when the log is not over.
    ///
    /// A log has one END at most, because it is placed at the first hole only.
    /// So a listing may be trusted for where END is, and never for its absence (R20).
    pub async fn find_end(&self) -> Result<Option<(u64, EndRecord)>, ReadError> {
        let listed = self.listed_slots().await?;
        if let Some(end) = self.end_near_tail(&listed).await? {
            return Ok(Some(end));
        }
        match self.scan(0).await?.tail {
            Tail::End(slot, record) => Ok(Some((slot, record))),
            Tail::Hole(_) => Ok(None),
        }
    }

    /// END among the highest listed slots.
    pub(super) async fn end_near_tail(
        &self,
        listed: &[u64],
    ) -> Result<Option<(u64, EndRecord)>, ReadError> {
        for &slot in listed.iter().rev().take(END_HINT_SLOTS) {
            let header = self.header(slot).await?;
            if header.is_some_and(|header| header.kind == SlotKind::End) {
                return Ok(Some((slot, self.end_record(slot).await?)));
            }
        }
        Ok(None)
    }

    /// Slot numbers in the store's listing, ascending: a hint (R20).
    pub(super) async fn listed_slots(&self) -> Result<Vec<u64>, StoreError> {
        let listed = self.store.list(&keys::log_prefix(self.family, &self.log)).await?;
        let slots = listed.iter().filter_map(|object| match keys::parse(&object.key)? {
            Parsed::MetaSlot(slot) | Parsed::LogSlot(_, _, slot) => Some(slot),
            _ => None,
        });
        Ok(slots.collect())
    }

    async fn end_record(&self, slot: u64) -> Result<EndRecord, ReadError> {
        let end = self.read(slot).await?.and_then(|slot| slot.end());
        let damaged = || StoreError::damaged(Op::Get, self.key(slot), "END record is unreadable");
        Ok(end.ok_or_else(damaged)?)
    }

    fn key(&self, slot: u64) -> Key {
        keys::slot(self.family, &self.log, slot)
    }

    /// The object at a slot's key must be that slot of that log (R27).
    fn checked_header(&self, slot: u64, key: &Key, object: &[u8]) -> Result<SlotHeader, ReadError> {
        let damaged = |what: String| StoreError::damaged(Op::Get, key, what);
        let header = SlotHeader::decode(object).map_err(|error| damaged(error.to_string()))?;
        let in_place = header.family == self.family
            && header.slot == slot
            && (self.family == Family::Meta || header.log == self.log);
        if in_place {
            return Ok(header);
        }
        Err(damaged(format!("holds slot {} of log {}", header.slot, header.log)).into())
    }
}

fn found<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
