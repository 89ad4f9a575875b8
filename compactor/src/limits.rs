//! Every bound of the role that is not configuration, with its reason.

use std::time::Duration;

/// Longest lease on a unit of work: the longest life of the plan that describes it (R36).
pub(crate) const LEASE_MAX: Duration = segment::plan::PLAN_LIFE_MAX;

/// Blocks in one pack: its footer then fits the 128 KiB that readers get with one request.
pub(crate) const PACK_BLOCKS_MAX: usize = 1_500;

/// Neighbouring blocks are read with one request if no more than this lies between them: a request
/// costs as much as the transfer of about a megabyte.
pub(crate) const GAP_BYTES_MAX: u64 = 256 << 10;

/// Longest ranged GET.
pub(crate) const READ_BYTES_MAX: u64 = 16 << 20;

/// Ranged GETs at one time.
pub(crate) const READS_IN_FLIGHT: usize = 8;

/// A family of objects of which the collector lists all at once: about 30 MiB, and a hundred pages.
pub(crate) const LISTED_WHOLE_MAX: usize = 100_000;

/// Manifests, footers or deletions at one time while collecting garbage.
pub(crate) const GC_IN_FLIGHT: usize = 16;

/// How long a node may take to say what work there is.
pub(crate) const WORK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a node may take to commit: a thousand manifests, sixteen at a time.
pub(crate) const COMMIT_TIMEOUT: Duration = Duration::from_secs(120);

/// END is looked for in this many of the highest slots of a log: a fenced writer has at most four
/// slots in flight beyond it (R15).
pub(crate) const END_HINT_SLOTS: usize = 8;

/// What a batch may inflate to when its keys are needed (R63). Nodes refuse larger ones to a compacted
/// topic. One from before the topic was compacted is stored and served as any other, and its partition
/// is not compacted by key.
pub(crate) const CLEANED_BATCH_BYTES_MAX: usize =
    protocol::limits::COMPACTED_BATCH_INFLATED_BYTES_MAX;

/// Blocks in memory at one time while a partition is compacted by key: two of the longest GETs.
pub(crate) const CLEANING_READ_BYTES: u64 = 2 * READ_BYTES_MAX;
