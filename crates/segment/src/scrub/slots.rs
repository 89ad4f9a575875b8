//! One slot of a log: what is in it, read as deep as the scrub asks for.

use super::Depth;
use super::ScrubError;
use super::finding::Defect;
use super::segment::{Offsets, Segment, read_segment};
use super::source::{Fault, Source};
use crate::keys::{self, Family};
use crate::log_id::LogId;
use crate::seqlog::{CloseRecord, EndRecord, HEADER_LEN, SeqLogReader, SlotHeader, SlotKind};

/// A gap in a listing is looked into this far, because listings may lag (R20).
/// More slots in a row are not late, they are gone.
const GAP_PROBES: u64 = 16;

/// What a slot turned out to be.
#[derive(Debug)]
pub(super) enum Content {
    Missing,
    Damaged(Defect),
    Open,
    End(EndRecord),
    Close(CloseRecord),
    /// DATA of a data log.
    Segment(Segment),
    /// Intact, and nothing to look into.
    Other(SlotKind),
}

/// Reads the slots of one log.
pub(super) struct SlotReader<'a> {
    source: &'a Source<'a>,
    family: Family,
    log: LogId,
    reader: SeqLogReader,
}

impl<'a> SlotReader<'a> {
    pub(super) fn new(source: &'a Source<'a>, family: Family, log: LogId) -> Self {
        let reader = SeqLogReader::new(source.store().clone(), family, log);
        Self { source, family, log, reader }
    }

    /// What is in a slot, all of it checked.
    pub(super) async fn content(&self, slot: u64) -> Result<Content, ScrubError> {
        self.read(slot, self.source.depth).await.or_else(damaged)
    }

    /// As [`SlotReader::content`] for END; of other slots no more than the kind.
    pub(super) async fn end_or_kind(&self, slot: u64) -> Result<Content, ScrubError> {
        let read = async {
            match self.header(slot).await? {
                Some(header) if header.kind == SlotKind::End => self.whole(slot).await,
                Some(header) => Ok(Content::Other(header.kind)),
                None => Ok(Content::Missing),
            }
        };
        read.await.or_else(damaged)
    }

    async fn read(&self, slot: u64, depth: Depth) -> Result<Content, Fault> {
        let Some(header) = self.header(slot).await? else { return Ok(Content::Missing) };
        match header.kind {
            SlotKind::Data if self.family == Family::Data => {
                let key = keys::slot(self.family, &self.log, slot);
                let length = HEADER_LEN as u64 + header.payload_len;
                let reads = self.source.reads().await;
                let segment = read_segment(&reads, &key, length, Offsets::Dense, depth).await?;
                Ok(Content::Segment(segment))
            }
            // Payloads that could be large, and that no other slot depends on.
            SlotKind::Data | SlotKind::Front if depth == Depth::Quick => {
                Ok(Content::Other(header.kind))
            }
            _ => self.whole(slot).await,
        }
    }

    async fn header(&self, slot: u64) -> Result<Option<SlotHeader>, Fault> {
        Ok(self.source.reads().await.header(&self.reader, slot).await?)
    }

    /// Reads header and payload, checksums included.
    async fn whole(&self, number: u64) -> Result<Content, Fault> {
        let reads = self.source.reads().await;
        let Some(slot) = reads.slot(&self.reader, number).await? else {
            return Ok(Content::Missing);
        };
        let unreadable = || Defect::Damaged("record of this slot does not decode".to_owned());
        match slot.header.kind {
            SlotKind::Open => slot.open().map(|_| Content::Open).ok_or_else(|| unreadable().into()),
            SlotKind::End => slot.end().map(Content::End).ok_or_else(|| unreadable().into()),
            SlotKind::Close => slot.close().map(Content::Close).ok_or_else(|| unreadable().into()),
            kind => Ok(Content::Other(kind)),
        }
    }
}

/// A slot that is there and cannot be used is a finding, not the end of the scrub.
fn damaged(fault: Fault) -> Result<Content, ScrubError> {
    match fault.defect()? {
        // Between two of our requests: the next scrub will say so if it stays.
        Defect::Missing => Ok(Content::Missing),
        defect => Ok(Content::Damaged(defect)),
    }
}

/// The slots to ask for, given those listed: gaps too, for a listing is a hint (R20).
pub(super) fn slots_to_read(listed: &[u64]) -> Vec<u64> {
    let mut slots = Vec::with_capacity(listed.len());
    let mut next = 0;
    for &slot in listed {
        slots.extend((next..slot).take(GAP_PROBES as usize));
        slots.push(slot);
        next = slot + 1;
    }
    slots
}
