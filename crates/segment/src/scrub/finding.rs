//! What a scrub finds: which object, whose records, which rule is broken, and how.

use std::fmt;

use protocol::batch::BatchError;
use protocol::ids::PartitionId;

use crate::keys::Key;
use crate::log_id::LogId;
use crate::manifest::InvalidManifest;
use crate::object::BlockError;
use crate::seqlog::SlotKind;

/// One broken promise. Its text is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The object to look at.
    pub key: Key,
    /// Whose records are concerned; `None` where it may be several partitions'.
    pub partition: Option<PartitionId>,
    /// What is wrong.
    pub defect: Defect,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, partition, defect } = self;
        write!(f, "{}: `{key}`", defect.rule())?;
        if let Some(partition) = partition {
            write!(f, ", partition {partition}")?;
        }
        write!(f, ": {defect}")
    }
}

/// The rule that a finding breaks, by its number in the project's reliability rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A log is slots 0, 1, 2, … from OPEN to one END, and nothing after END is served.
    S1,
    /// The links of a manifest's chain follow each other, and each but the last is closed.
    S2,
    /// Every referenced object is there, intact, and of the partition that refers to it.
    S3,
    /// Offsets are dense and never used twice.
    D6,
    /// Epochs never go back along the offsets, and each has one owner.
    D10,
    /// A partition with records has a readable manifest.
    R23,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the blanks of the texts")]
pub enum Defect {
    /// The first of one or more slots that are not there, although later ones are.
    #[error("slot is missing, and later slots of the log exist")]
    MissingSlot,
    /// Slot 0 says who writes the log.
    #[error("log begins with {0:?} instead of OPEN")]
    NoOpen(SlotKind),
    /// A second writer's OPEN.
    #[error("OPEN inside the log")]
    LateOpen,
    /// END is placed at the first hole only, so there cannot be two.
    #[error("second END; the log ended at slot {first}")]
    SecondEnd { first: u64 },
    /// Records of the front that no slot covers.
    #[error("covers the front from {found}, the slots before it only up to {covered}")]
    LsnGap { covered: u64, found: u64 },
    /// The same part of the front twice.
    #[error("covers the front from {found}, which the slots before it cover up to {covered}")]
    LsnOverlap { covered: u64, found: u64 },
    /// END promises records that are not in the log.
    #[error("END says the front was sealed at {sealed}, the log covers it up to {covered}")]
    LsnShort { covered: u64, sealed: u64 },
    /// A reference to a slot that is no part of the log.
    #[error("refers to slot {slot} of log {log}, which stops at slot {stop}")]
    BeyondLog { log: LogId, slot: u64, stop: u64 },

    /// Offsets between two links that are in no log.
    #[error("link of epoch {epoch} starts at offset {found}, the one before ends at {expected}")]
    ChainGap { epoch: i32, expected: i64, found: i64 },
    /// Offsets that two links claim.
    #[error(
        "link of epoch {epoch} starts at offset {found}, below {expected} where the one before ends"
    )]
    ChainOverlap { epoch: i32, expected: i64, found: i64 },
    /// Epochs of links only grow.
    #[error("link of epoch {found} follows a link of epoch {previous}")]
    ChainEpoch { previous: i32, found: i32 },
    /// Any other contradiction of a manifest with itself.
    #[error("manifest is invalid: {0}")]
    Manifest(InvalidManifest),
    /// A consumer that asks for this epoch gets the wrong answer (C8).
    #[error("epoch history does not say that epoch {epoch} starts at offset {start}")]
    History { epoch: i32, start: i64 },
    /// A closed link of a log that its owner may still write.
    #[error("link of epoch {epoch} is closed by END, but log {log} has none")]
    NotEnded { epoch: i32, log: LogId },
    /// A closed link of a log in which its owner may still write the partition's records.
    #[error("link of epoch {epoch} is closed by slot {slot} of log {log}, which is no CLOSE")]
    NotClosed { epoch: i32, log: LogId, slot: u64 },
    /// The CLOSE is another partition's, or ends another epoch, or elsewhere.
    #[error(
        "link of epoch {epoch} is not what slot {slot} of log {log} closes: epoch {close_epoch} \
         at offset {close_end}"
    )]
    OtherClose { epoch: i32, log: LogId, slot: u64, close_epoch: i32, close_end: i64 },
    /// The log's first record of the partition is not where the link starts.
    #[error("link of epoch {epoch} starts at offset {link}, its records in log {log} at {found}")]
    LinkStart { epoch: i32, log: LogId, link: i64, found: i64 },
    /// The log's last record of the partition is not where the link ends.
    #[error("link of epoch {epoch} ends at offset {link}, its records in log {log} at {found}")]
    LinkEnd { epoch: i32, log: LogId, link: i64, found: i64 },
    /// The index, which the next owner goes by, ends elsewhere than the footers.
    #[error("index ends at offset {index}, the records of log {log} at {found}")]
    IndexEnd { log: LogId, index: i64, found: i64 },
    /// The index has other blocks than the footers.
    #[error("index and footers of log {log} list different blocks")]
    IndexBlocks { log: LogId },
    /// Records that no link leads to.
    #[error(
        "holds offsets up to {end} in log {log}, which the chain of the partition does not name"
    )]
    OutsideChain { log: LogId, end: i64 },
    /// Records in a slot that no reader of the link looks at.
    #[error(
        "link of epoch {epoch} begins at slot {first_slot} of log {log}, its records at slot {slot}"
    )]
    BeforeLink { epoch: i32, log: LogId, slot: u64, first_slot: u64 },
    /// Readable offsets that are in no object.
    #[error("nothing holds offsets {from}..{to}")]
    Uncovered { from: i64, to: i64 },

    /// Somebody refers to it.
    #[error("object is missing")]
    Missing,
    /// A log that a manifest names has no slots.
    #[error("log {log} is missing; a link of epoch {epoch} names it")]
    MissingLog { log: LogId, epoch: i32 },
    /// It is there, and not what it must be.
    #[error("object is damaged: {0}")]
    Damaged(String),
    /// A block that a reader would refuse (R27).
    #[error("{error} (block at byte {at})")]
    Block { at: u64, error: BlockError },
    /// The footer leads to a block with other records than it says.
    #[error(
        "footer lists offsets {base}..={last} at byte {at}, the block there holds {block_base}..={block_last}"
    )]
    FooterOffsets { at: u64, base: i64, last: i64, block_base: i64, block_last: i64 },
    /// The footer sums a block or a batch up wrongly.
    #[error("footer and block disagree on the {what} of offset {offset}")]
    Footer { what: &'static str, offset: i64 },
    /// A batch that no client could read.
    #[error("batch at offset {offset}: {error}")]
    Batch { offset: i64, error: BatchError },
    /// The manifest and the object disagree on how much of the partition is in it.
    #[error("manifest says that {listed} bytes of the partition are here, there are {found}")]
    PartSize { listed: u64, found: u64 },
    /// A producer snapshot without the partition that refers to it.
    #[error("snapshot knows nothing of the partition's producers")]
    NoProducers,
    /// A compacted object with another partition's block, or with other offsets than named.
    #[error("block of partition {partition}, offsets {base}..={last}, does not belong here")]
    ForeignBlock { partition: PartitionId, base: i64, last: i64 },

    /// A record is missing.
    #[error("offset {expected} is missing: records continue at {found}")]
    OffsetGap { expected: i64, found: i64 },
    /// An offset has two records.
    #[error("records at offset {found} follow, although all below {expected} were there before")]
    OffsetOverlap { expected: i64, found: i64 },
    /// Records of another epoch than their link's, block's or predecessor's.
    #[error("records from offset {offset} on have epoch {found} instead of {expected}")]
    Epoch { offset: i64, expected: i32, found: i32 },

    /// Rebuild it from logs and compacted objects.
    #[error("manifest is damaged: {0}")]
    ManifestDamaged(String),
    /// The next claim would start the partition anew.
    #[error("log {log} has records of the partition, which has no manifest")]
    ManifestMissing { log: LogId },
}

impl Defect {
    /// The rule it breaks.
    pub fn rule(&self) -> Rule {
        match self {
            Self::MissingSlot
            | Self::NoOpen(_)
            | Self::LateOpen
            | Self::SecondEnd { .. }
            | Self::LsnGap { .. }
            | Self::LsnOverlap { .. }
            | Self::LsnShort { .. }
            | Self::BeyondLog { .. } => Rule::S1,
            Self::ChainGap { .. }
            | Self::ChainOverlap { .. }
            | Self::ChainEpoch { .. }
            | Self::Manifest(_)
            | Self::History { .. }
            | Self::NotEnded { .. }
            | Self::NotClosed { .. }
            | Self::OtherClose { .. }
            | Self::LinkStart { .. }
            | Self::LinkEnd { .. }
            | Self::IndexEnd { .. }
            | Self::IndexBlocks { .. }
            | Self::OutsideChain { .. }
            | Self::BeforeLink { .. } => Rule::S2,
            Self::Uncovered { .. }
            | Self::Missing
            | Self::MissingLog { .. }
            | Self::Damaged(_)
            | Self::Block { .. }
            | Self::FooterOffsets { .. }
            | Self::Footer { .. }
            | Self::Batch { .. }
            | Self::PartSize { .. }
            | Self::NoProducers
            | Self::ForeignBlock { .. } => Rule::S3,
            Self::OffsetGap { .. } | Self::OffsetOverlap { .. } => Rule::D6,
            Self::Epoch { .. } => Rule::D10,
            Self::ManifestDamaged(_) | Self::ManifestMissing { .. } => Rule::R23,
        }
    }

    /// True where a manifest was compared with objects that may have changed
    /// after it was read: a claim, a new log start, a deletion.
    pub(super) fn compares_with_manifest(&self) -> bool {
        matches!(
            self,
            Self::BeyondLog { .. }
                | Self::NotEnded { .. }
                | Self::NotClosed { .. }
                | Self::OtherClose { .. }
                | Self::LinkStart { .. }
                | Self::LinkEnd { .. }
                | Self::IndexBlocks { .. }
                | Self::OutsideChain { .. }
                | Self::BeforeLink { .. }
                | Self::Missing
                | Self::Epoch { .. }
                | Self::ManifestMissing { .. }
        )
    }
}
