//! One slot on its way: bytes that are decided, and a fate that is not.
//!
//! ```text
//! freeze ──▶ FrozenSlot ──try_put──▶ Ok: made, by this or an earlier attempt
//!                 ▲            ├───▶ Fenced: another's object, for ever
//!                 └────────────┴───  Unavailable: undecided, the same bytes again (R14)
//! ```
//!
//! Attempts of one slot may run at the same time (R18): they carry the same bytes, so whichever
//! lands first makes the slot and the others find it made (R13).

use bytes::Bytes;

use super::reader::{ReadError, SeqLogReader};
use super::slot::{SlotHeader, SlotKind};
use super::writer::{AppendError, PAYLOAD_BYTES_MAX};
use crate::keys::{self, Family, Key};
use crate::log_id::LogId;
use crate::store::{Created, Op, Store, StoreError};
use crate::token::WriterToken;

/// A slot whose bytes are decided. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct FrozenSlot {
    store: Store,
    header: SlotHeader,
    key: Key,
    object: Vec<Bytes>,
}

impl FrozenSlot {
    /// Decides the bytes of `slot`, with a token that no other attempt has.
    pub(super) fn freeze(
        store: Store,
        family: Family,
        log: &LogId,
        slot: u64,
        kind: SlotKind,
        payload: Vec<Bytes>,
    ) -> Result<Self, AppendError> {
        let header = header_of(family, log, slot, kind, WriterToken::random(), &payload);
        if header.payload_len > PAYLOAD_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes: header.payload_len });
        }
        let object = std::iter::once(header.encode()).chain(payload).collect();
        Ok(Self { store, key: keys::slot(family, log, slot), header, object })
    }

    /// Its number.
    pub(super) fn slot(&self) -> u64 {
        self.header.slot
    }

    /// What it holds.
    pub(super) fn kind(&self) -> SlotKind {
        self.header.kind
    }

    /// Tries for the store's write deadline. Returns the slot's number once it is made.
    pub(super) async fn put(&self) -> Result<u64, AppendError> {
        let created = self.store.create(&self.key, self.object.clone(), self.header.token).await;
        self.judge(created).await
    }

    /// Tries once, and reads back if the answer does not settle it (R13).
    pub(super) async fn try_put(&self) -> Result<u64, AppendError> {
        let created =
            self.store.try_create(&self.key, self.object.clone(), self.header.token).await;
        self.judge(created).await
    }

    async fn judge(&self, created: Result<Created, StoreError>) -> Result<u64, AppendError> {
        let slot = self.header.slot;
        match created? {
            Created::Ours(_) => Ok(slot),
            Created::Exists => {
                let SlotHeader { family, log, .. } = self.header;
                let reader = SeqLogReader::new(self.store.clone(), family, log);
                Err(AppendError::Fenced { slot, by: occupant(&reader, slot).await? })
            }
        }
    }
}

/// What is in a slot that was seen to exist.
async fn occupant(reader: &SeqLogReader, slot: u64) -> Result<SlotKind, StoreError> {
    match reader.header(slot).await {
        Ok(Some(header)) => Ok(header.kind),
        // Only a store that breaks its promises takes a slot back.
        Ok(None) => Err(StoreError::damaged(Op::GetRange, slot, "slot existed and is gone")),
        Err(ReadError::Store(error)) => Err(error),
    }
}

/// The header over a payload.
pub(super) fn header_of(
    family: Family,
    log: &LogId,
    slot: u64,
    kind: SlotKind,
    token: WriterToken,
    payload: &[Bytes],
) -> SlotHeader {
    let payload_crc = if SlotHeader::payload_checks_itself(family, kind) {
        0
    } else {
        payload.iter().fold(0, |crc, chunk| crc32c::crc32c_append(crc, chunk))
    };
    let payload_len = payload.iter().map(|chunk| chunk.len() as u64).sum();
    SlotHeader { family, kind, token, slot, log: *log, payload_len, payload_crc }
}
