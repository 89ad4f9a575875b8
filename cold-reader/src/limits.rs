//! Every bound of the role that is not configuration, with its reason.

use std::time::Duration;

use segment::object::{BLOCK_BYTES_MAX, BLOCK_HEADER_LEN};

/// Longest ranged GET: four blocks of full length, 16 MiB. Larger ones save little more per request
/// and keep their memory longer.
pub(crate) const RUN_BYTES_MAX: u64 = 4 * (BLOCK_BYTES_MAX + BLOCK_HEADER_LEN) as u64;

/// Read ahead of a consumer that has just turned out to be sequential; doubles from there.
pub(crate) const WINDOW_START: u64 = RUN_BYTES_MAX / 2;

/// How long a load that nobody waits for goes on. Longer than a consumer waits for one fetch
/// (`fetch.max.wait.ms`, 500 ms by default) and takes to come back for it, as long as a gateway
/// keeps asking on its behalf.
pub(crate) const LINGER: Duration = Duration::from_secs(30);

/// How long blocks that were loaded and not read yet stay in memory whatever others want: longer
/// than a consumer takes from one fetch to the next. Consumers that stopped must not stop others.
pub(crate) const UNREAD_LIFE: Duration = Duration::from_secs(2);

/// All chunks are looked at once for evicting one of so many: often enough that consumers have not
/// moved far, seldom enough that ten thousand small chunks cost nothing.
pub(crate) const EVICTION_SHARE: usize = 8;

/// A partition that a flow has not read from for this long has no part in its readahead, and nothing is
/// kept for it.
pub(crate) const STREAM_LIFE: Duration = Duration::from_secs(10);

/// Blocks that one fetch may need, whatever it asks for.
pub(crate) const FETCH_EXTENTS_MAX: usize = 1024;

/// Blocks that one search by time looks into, 64 MiB at the most: the first one has the record unless
/// a producer lied about its largest timestamp. The asker goes on from there.
pub(crate) const SEARCH_BLOCKS_MAX: usize = 16;

/// Searches that inflate batches at one time: up to 128 MiB each, besides the memory for blocks.
pub(crate) const INFLATING_MAX: usize = 1;

/// Memory for footers of compacted objects: 60 of the largest, which packs of a thousand partitions
/// have; tens of thousands of those that hold one partition.
pub(crate) const FOOTER_BYTES_MAX: u64 = 8 << 20;

/// What a footer's entry takes in memory, about.
pub(crate) const FOOTER_ENTRY_BYTES: u64 = 128;

/// Most that one answer carries beyond its first batch, whatever it asks for:
/// Kafka's own default for a whole fetch (`fetch.max.bytes`) is 50 MiB.
pub(crate) const FETCH_BYTES_MAX: usize = 64 << 20;

/// How long a failed block is not asked for again. All who waited for it fail
/// together instead of each trying a store that is away.
pub(crate) const FAILURE_LIFE: Duration = Duration::from_millis(500);

/// Failed blocks that are remembered.
pub(crate) const FAILURES_MAX: usize = 4096;

/// Sequential consumers that are remembered, by partition and next offset, and whose next blocks are
/// kept.
pub(crate) const STREAMS_MAX: usize = 16_384;

/// What a plan from a manifest covers, about.
pub(crate) const PLAN_BYTES_MAX: u64 = 64 << 20;

/// How long a plan from a manifest may be used: until the next owner serves, and again. Far below
/// the time of grace of what is collected (R31).
pub(crate) const PLAN_LIFE: Duration = Duration::from_secs(60);

/// Indexes of ended logs that are kept while partitions have no owner. Some MiB each where a node
/// has ten thousand partitions.
pub(crate) const INDEXES_MAX: usize = 8;

/// Producer snapshots that are kept for the same time, one of many partitions each.
pub(crate) const SNAPSHOTS_MAX: usize = 8;

/// How often groups are told how far they are: what a consumer's pace is, with its pauses.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Groups with series of their own; all later ones share one. Some six hundred series in all.
pub(crate) const GROUPS_NAMED_MAX: usize = 64;

const _: () = assert!(PLAN_LIFE.as_secs() < segment::plan::PLAN_LIFE_MAX.as_secs());
const _: () = assert!(RUN_BYTES_MAX >= BLOCK_BYTES_MAX as u64);
