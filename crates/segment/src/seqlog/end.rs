//! Placing END from outside: what makes a dead or paused writer harmless.
//!
//! END goes to the first hole and nowhere else. Placed after the highest key it
//! would leave a hole before it for the paused writer to fill, and that record
//! would be acknowledged and never read (found by the model, RELIABILITY §4.7).

use super::frozen::header_of;
use super::reader::{ReadError, SeqLogReader};
use super::record::{self, EndRecord};
use super::slot::{SlotHeader, SlotKind};
use crate::keys::{self, Family};
use crate::log_id::LogId;
use crate::store::{Created, Op, Store, StoreError};
use crate::token::WriterToken;

/// What became of an attempt to end a log at one slot.
#[derive(Debug, Clone, PartialEq)]
pub enum EndOutcome {
    /// END is there, and it is ours.
    Placed,
    /// Somebody ended the log at this slot before.
    Ended(EndRecord),
    /// The slot holds something else: the log is longer than the caller thinks.
    Occupied(SlotHeader),
}

/// Ends the log at `slot`, which the caller found to be its first hole.
///
/// A drainer uses this: its END carries an index over exactly the slots before,
/// so when the slot turns out to be occupied the index must be made anew.
pub async fn try_end(
    store: &Store,
    family: Family,
    log: &LogId,
    slot: u64,
    end: &EndRecord,
) -> Result<EndOutcome, ReadError> {
    let token = WriterToken::random();
    let payload = vec![record::encode(end)];
    let header = header_of(family, log, slot, SlotKind::End, token, &payload);
    let object = std::iter::once(header.encode()).chain(payload).collect();
    let key = keys::slot(family, log, slot);
    if let Created::Ours(_) = store.create(&key, object, token).await? {
        return Ok(EndOutcome::Placed);
    }
    let reader = SeqLogReader::new(store.clone(), family, *log);
    let gone = || StoreError::damaged(Op::Get, &key, "slot existed and is gone");
    let header = reader.header(slot).await?.ok_or_else(gone)?;
    if header.kind != SlotKind::End {
        return Ok(EndOutcome::Occupied(header));
    }
    let unreadable = || StoreError::damaged(Op::Get, &key, "END record is unreadable");
    let end = reader.read(slot).await?.and_then(|slot| slot.end()).ok_or_else(unreadable)?;
    Ok(EndOutcome::Ended(end))
}

/// Ends the log at its first hole, wherever that is by now, and returns where
/// END is and what it says. Anyone may do this, at any time, any number of times.
///
/// `end` must hold for whatever the log turns out to contain, so it names no index.
pub async fn place_end(
    store: &Store,
    family: Family,
    log: &LogId,
    end: &EndRecord,
) -> Result<(u64, EndRecord), ReadError> {
    assert!(end.index.is_none(), "an index covers a known set of slots: use try_end");
    let reader = SeqLogReader::new(store.clone(), family, *log);
    let listed = reader.listed_slots().await?;
    if let Some(ended) = reader.end_near_tail(&listed).await? {
        return Ok(ended);
    }
    // What the listing leaves out only costs a failed attempt (R20).
    let mut slot = (0..).zip(&listed).take_while(|(slot, listed)| slot == *listed).count() as u64;
    loop {
        match try_end(store, family, log, slot, end).await? {
            EndOutcome::Placed => return Ok((slot, end.clone())),
            EndOutcome::Ended(existing) => return Ok((slot, existing)),
            EndOutcome::Occupied(_) => slot += 1,
        }
    }
}
