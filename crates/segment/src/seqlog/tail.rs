//! Finding the end of a log that has many slots, without reading them all and without a listing.
//!
//! An object WAL grows by some slots per second for as long as its node lives, so neither a scan nor
//! a listing of it is quick. Its writer begins no slot before the one [`IN_FLIGHT_MAX`] back is made
//! (see [`super::pipeline`]), so every probe narrows the place of the first hole:
//!
//! ```text
//!   slot k is there  ─▶ the first hole is not below k - IN_FLIGHT_MAX + 1
//!   slot k is free   ─▶ the first hole is not above k
//!   END at k         ─▶ END is there, and nothing behind it counts
//! ```
//!
//! What is left after the probing is read slot by slot: END goes to the first *hole* (§4.7).

use futures::future::try_join_all;

use super::pipeline::IN_FLIGHT_MAX;
use super::reader::{ReadError, Scan, SeqLogReader, Tail};
use super::slot::SlotKind;
use crate::keys;
use crate::store::{Op, StoreError};

/// Slots probed at the same time: a round trip then divides what is left by 17.
const PROBES: u64 = 16;

/// No log has that many: slot numbers have 12 digits.
const SLOT_MAX: u64 = 1_000_000_000_000;

impl SeqLogReader {
    /// The last slots of a log that a [`PipelinedWriter`](super::PipelinedWriter) writes or wrote,
    /// and what follows them. The scan begins a few slots before the end, or at 0.
    pub async fn find_tail(&self) -> Result<Scan, ReadError> {
        let slack = IN_FLIGHT_MAX as u64;
        let mut low = 0;
        let mut high = SLOT_MAX;
        while high - low > slack {
            let probes = probes(low, high);
            let headers = try_join_all(probes.iter().map(|slot| self.header(*slot))).await?;
            for (slot, header) in probes.into_iter().zip(headers) {
                if header.is_none_or(|header| header.kind == SlotKind::End) {
                    high = slot;
                    break;
                }
                low = low.max((slot + 1).saturating_sub(slack));
            }
        }
        let scan = self.scan_to_hole(low.saturating_sub(slack)).await?;
        if let Tail::Hole(slot) = scan.tail
            && self.was_made(slot).await?
        {
            // A writer that is alive has filled it since. Otherwise it was lost, and to end the log
            // there would lose what lies behind it as well (R69).
            return match self.header(slot).await? {
                Some(_) => Box::pin(self.find_tail()).await,
                None => {
                    let key = keys::slot(self.family(), self.log(), slot);
                    Err(StoreError::damaged(Op::Get, key, "the slot was made and is gone").into())
                }
            };
        }
        Ok(scan)
    }

    /// Whether later slots prove that `slot` was made: the writer waited for it before it began the
    /// one [`IN_FLIGHT_MAX`] on, and END follows what is made only.
    async fn was_made(&self, slot: u64) -> Result<bool, ReadError> {
        let last = slot + IN_FLIGHT_MAX as u64;
        let later = try_join_all((slot + 1..=last).map(|slot| self.header(slot))).await?;
        Ok(later.into_iter().flatten().any(|it| it.slot == last || it.kind == SlotKind::End))
    }
}

/// Slots from `low` to `high` to look at, ascending. Near `low` they double their distance, because
/// most logs are short; an end that is known to be near is approached in equal steps.
fn probes(low: u64, high: u64) -> Vec<u64> {
    let range = high - low;
    let distance =
        |nth| if high == SLOT_MAX { 2_u64 << (2 * nth) } else { range * nth / (PROBES + 1) };
    let mut probes: Vec<u64> = (1..=PROBES).map(|nth| low + distance(nth)).collect();
    probes.retain(|slot| (low + 1..high).contains(slot));
    probes.dedup();
    probes
}
