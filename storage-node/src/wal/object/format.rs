//! The payload of a slot of the object WAL: the entries of one PUT.
//!
//! Persisted, keep stable: a change needs a new version number. Integers are little endian.
//!
//! ```text
//!   ┌─────────────┬────────┬──────────────┬─────┬───────┬──────────────┬─────┬───────┐
//!   │ slot header │ header │ entry header │ CRC │ batch │ entry header │ CRC │ batch │
//!   └─────────────┴────────┴──────────────┴─────┴───────┴──────────────┴─────┴───────┘
//!                 0        40
//!
//!   header              size
//!    0  magic "TCOW"       4
//!    4  version            2   1, or 2 if some of its batches are sealed
//!    6  zero               2
//!    8  first LSN          8   of the first entry
//!   16  trimmed            8   LSN below which all was uploaded when this was assembled
//!   24  needed slot        8   the first slot with an entry above that
//!   32  entries            4
//!   36  header CRC         4   CRC-32C of bytes 0..36
//! ```
//!
//! In version 2 the highest bit of an entry's batch length says that the batch is sealed (see
//! [`segment::seal`]), with the entry header and the key of the slot as what is authenticated.
//!
//! The entry header is that of a disk block; the CRC-32C behind it covers it and the batch (R27), so
//! that an entry can be checked by itself. `trimmed` and `needed slot` are hints that spare whoever
//! ends the log the slots before; what they leave out is checked against the data log (R25).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use segment::seal::{self, DataKey, OpenError, Purpose, SEAL_OVERHEAD, SEAL_PREFIX_LEN};
use segment::{Key, Keyring};

use crate::wal::block::{ENTRY_HEADER_BYTES, EntryHeader};
use crate::wal::{LoggedEntry, Lsn, LsnRange};

const MAGIC: [u8; 4] = *b"TCOW";
const VERSION: u16 = 1;
const VERSION_SEALED: u16 = 2;
/// In the length of a batch; batches are at most 32 MiB.
const SEALED: u32 = 1 << 31;
const CRC_BYTES: usize = 4;

/// Length of a payload's header.
pub(super) const HEADER_BYTES: usize = 40;

/// What an entry takes besides its batch.
pub(super) const FRAME_BYTES: usize = ENTRY_HEADER_BYTES + CRC_BYTES;

/// The start of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PayloadHeader {
    pub(super) first: Lsn,
    pub(super) trimmed: Lsn,
    pub(super) needed_slot: u64,
    pub(super) entries: u32,
    /// Whether a batch among them is sealed.
    pub(super) sealed: bool,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredEntry {
    entry: LoggedEntry,
    /// Its header, if its batch is sealed: what it was sealed with.
    sealed: Option<Bytes>,
}

impl PayloadHeader {
    /// Writes the header into `out`, which has exactly its length.
    pub(super) fn encode(&self, out: &mut [u8]) {
        assert_eq!(out.len(), HEADER_BYTES, "a header has a fixed length");
        let mut rest = &mut out[..];
        rest.put_slice(&MAGIC);
        rest.put_u16_le(if self.sealed { VERSION_SEALED } else { VERSION });
        rest.put_u16_le(0);
        rest.put_u64_le(self.first.0);
        rest.put_u64_le(self.trimmed.0);
        rest.put_u64_le(self.needed_slot);
        rest.put_u32_le(self.entries);
        let crc = crc32c::crc32c(&out[..HEADER_BYTES - CRC_BYTES]);
        (&mut out[HEADER_BYTES - CRC_BYTES..]).put_u32_le(crc);
    }

    /// Reads the header at the start of a payload; `None` when there is none.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let guarded = payload.get(..HEADER_BYTES - CRC_BYTES)?;
        let crc = (&payload[HEADER_BYTES - CRC_BYTES..]).try_get_u32_le().ok()?;
        let mut rest = guarded.strip_prefix(&MAGIC)?;
        let version = rest.get_u16_le();
        if crc != crc32c::crc32c(guarded) || !matches!(version, VERSION | VERSION_SEALED) {
            return None;
        }
        rest.advance(2);
        Some(Self {
            first: Lsn(rest.get_u64_le()),
            trimmed: Lsn(rest.get_u64_le()),
            needed_slot: rest.get_u64_le(),
            entries: rest.get_u32_le(),
            sealed: version == VERSION_SEALED,
        })
    }
}

/// Frames one entry into `out`, which has exactly its length: the one copy of the batch.
pub(super) fn encode_entry(header: &EntryHeader, batch: &[u8], out: &mut [u8]) {
    let (head, rest) = out.split_at_mut(ENTRY_HEADER_BYTES);
    let (mut crc_at, copy) = rest.split_at_mut(CRC_BYTES);
    header.encode(head);
    copy.copy_from_slice(batch);
    protocol::batch::set_offsets(copy, header.base_offset, header.leader_epoch);
    crc_at.put_u32_le(crc32c::crc32c_append(crc32c::crc32c(head), copy));
}

/// Frames one entry into `out`, which has exactly its length, with its batch sealed for `slot`.
/// Returns the batch as readers get it.
pub(super) fn encode_sealed_entry(
    header: &EntryHeader,
    batch: &[u8],
    key: &DataKey,
    slot: &Key,
    out: &mut [u8],
) -> Bytes {
    let mut plain = BytesMut::from(batch);
    protocol::batch::set_offsets(&mut plain, header.base_offset, header.leader_epoch);
    let (head, rest) = out.split_at_mut(ENTRY_HEADER_BYTES);
    let (mut crc_at, sealed) = rest.split_at_mut(CRC_BYTES);
    EntryHeader { batch_bytes: header.batch_bytes | SEALED, ..*header }.encode(head);
    sealed[SEAL_PREFIX_LEN..SEAL_PREFIX_LEN + plain.len()].copy_from_slice(&plain);
    key.seal(Purpose::WalEntry, &identity(head, slot), sealed);
    crc_at.put_u32_le(crc32c::crc32c_append(crc32c::crc32c(head), sealed));
    plain.freeze()
}

/// What is authenticated with a sealed batch.
fn identity(head: &[u8], slot: &Key) -> Vec<u8> {
    [head, slot.as_str().as_bytes()].concat()
}

impl StoredEntry {
    /// The entry as it was appended.
    pub(super) fn open(self, slot: &Key, keyring: &Keyring) -> Result<LoggedEntry, OpenError> {
        let Self { mut entry, sealed } = self;
        if let Some(head) = sealed {
            let mut batch = BytesMut::from(&entry.batch[..]);
            let (tenant, identity) = (entry.partition.tenant, identity(&head, slot));
            seal::open(keyring, tenant, Purpose::WalEntry, &identity, &mut batch)?;
            let plain = SEAL_PREFIX_LEN..SEAL_PREFIX_LEN + batch.len() - SEAL_OVERHEAD;
            entry.batch = batch.freeze().slice(plain);
        }
        Ok(entry)
    }

    /// Where it is in the log.
    pub(super) fn lsn(&self) -> LsnRange {
        self.entry.lsn
    }
}

/// The header and the entries of a payload; `None` when any of it is damaged.
pub(super) fn decode(mut payload: Bytes) -> Option<(PayloadHeader, Vec<StoredEntry>)> {
    let header = PayloadHeader::decode(&payload)?;
    payload.advance(HEADER_BYTES);
    let mut entries = Vec::new();
    let mut start = header.first;
    while !payload.is_empty() {
        let entry = decode_entry(&mut payload, start, header.sealed)?;
        start = entry.lsn().end;
        entries.push(entry);
    }
    (entries.len() == usize::try_from(header.entries).ok()?).then_some((header, entries))
}

fn decode_entry(payload: &mut Bytes, start: Lsn, may_be_sealed: bool) -> Option<StoredEntry> {
    let head =
        (ENTRY_HEADER_BYTES <= payload.len()).then(|| payload.slice(..ENTRY_HEADER_BYTES))?;
    let header = EntryHeader::decode(payload)?;
    let crc = payload.try_get_u32_le().ok()?;
    let sealed = may_be_sealed && header.batch_bytes & SEALED != 0;
    let batch_bytes = if sealed { header.batch_bytes & !SEALED } else { header.batch_bytes };
    let batch_bytes = usize::try_from(batch_bytes).ok()?;
    let batch = (batch_bytes <= payload.len()).then(|| payload.split_to(batch_bytes))?;
    if crc != crc32c::crc32c_append(crc32c::crc32c(&head), &batch) {
        return None;
    }
    let entry = LoggedEntry {
        lsn: LsnRange { start, end: Lsn(start.0 + (FRAME_BYTES + batch_bytes) as u64) },
        partition: header.partition,
        base_offset: header.base_offset,
        last_offset: header.last_offset,
        leader_epoch: header.leader_epoch,
        batch,
    };
    Some(StoredEntry { entry, sealed: sealed.then_some(head) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wal::tests::harness::{batch, logged, partition};

    fn payload(sizes: &[usize]) -> (Vec<u8>, Vec<LoggedEntry>) {
        let first = Lsn(1000);
        let header = PayloadHeader {
            first,
            trimmed: Lsn(500),
            needed_slot: 7,
            entries: u32::try_from(sizes.len()).unwrap(),
            sealed: false,
        };
        let mut payload = vec![0; HEADER_BYTES];
        header.encode(&mut payload);
        let mut entries = Vec::new();
        let mut start = first;
        for (offset, &bytes) in (0..).zip(sizes) {
            let mut framed = vec![0; FRAME_BYTES + bytes];
            let head = EntryHeader {
                batch_bytes: u32::try_from(bytes).unwrap(),
                partition: partition((offset % 3) as i32),
                leader_epoch: 5,
                base_offset: offset,
                last_offset: offset + 9,
            };
            encode_entry(&head, &batch(offset, bytes), &mut framed);
            payload.extend(framed);
            let end = Lsn(start.0 + (FRAME_BYTES + bytes) as u64);
            entries.push(logged(LsnRange { start, end }, offset, bytes));
            start = end;
        }
        (payload, entries)
    }

    fn opened(entries: Vec<StoredEntry>) -> Vec<LoggedEntry> {
        let (slot, keyring) = (Key::from_text("w/any"), Keyring::default());
        entries.into_iter().map(|entry| entry.open(&slot, &keyring).expect("plain")).collect()
    }

    #[test]
    fn the_persisted_header_stays_stable() {
        let (payload, _) = payload(&[]);
        let fields = [
            &b"TCOW"[..],
            &[1, 0, 0, 0],
            &1000_u64.to_le_bytes(),
            &500_u64.to_le_bytes(),
            &7_u64.to_le_bytes(),
            &[0, 0, 0, 0],
        ];
        assert_eq!(payload[..36], fields.concat());
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let (payload, entries) = payload(&[61, 100]);
        let decoded = decode(Bytes::from(payload.clone())).expect("it is whole");
        assert_eq!(opened(decoded.1), entries);
        for position in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[position] ^= 1;
            assert_eq!(decode(Bytes::from(damaged)), None, "byte {position}");
        }
        for length in 0..payload.len() {
            assert_eq!(decode(Bytes::copy_from_slice(&payload[..length])), None, "cut at {length}");
        }
    }

    proptest! {
        #[test]
        fn payloads_round_trip(sizes in proptest::collection::vec(61..3000_usize, 0..20)) {
            let (payload, entries) = payload(&sizes);
            let decoded = decode(Bytes::from(payload)).expect("it is whole");
            prop_assert_eq!(opened(decoded.1), entries);
        }

        #[test]
        fn any_bytes_are_a_payload_or_refused(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(decode(Bytes::from(bytes)), None);
        }
    }
}
