//! Every bound of the role that is not configuration, with its reason.

use std::time::Duration;

/// Longest ranged GET. Larger ones save little more per request and make others
/// wait longer for the connection; blocks are cut at 4 MiB, so two fit.
pub(crate) const RUN_BYTES_MAX: u64 = 8 << 20;

/// Ranged GETs of one fetch at one time: a partition that shares its objects with
/// a thousand others needs many small ones.
pub(crate) const RUNS_IN_FLIGHT: usize = 8;

/// Blocks that one fetch may need, whatever it asks for.
pub(crate) const FETCH_EXTENTS_MAX: usize = 1024;

/// Footers of compacted objects that are kept: about 130 KiB each at the most, for a pack of a
/// thousand partitions.
pub(crate) const FOOTERS_MAX: usize = 512;

/// Most that one answer carries beyond its first batch, whatever it asks for:
/// Kafka's own default for a whole fetch (`fetch.max.bytes`) is 50 MiB.
pub(crate) const FETCH_BYTES_MAX: usize = 64 << 20;

/// How long a failed block is not asked for again. All who waited for it fail
/// together instead of each trying a store that is away.
pub(crate) const FAILURE_LIFE: Duration = Duration::from_millis(500);

/// Failed blocks that are remembered.
pub(crate) const FAILURES_MAX: usize = 4096;

/// Sequential consumers that are remembered, by partition and next offset.
pub(crate) const STREAMS_MAX: usize = 16_384;

/// Room that a block takes in the cache beside its bytes.
pub(crate) const BLOCK_OVERHEAD_BYTES: u64 = 256;

/// Smallest part of the cache that one shard may have: a shard admits nothing
/// larger than itself, and must hold several 4 MiB blocks to choose among.
pub(crate) const CACHE_SHARD_BYTES_MIN: u64 = 64 << 20;

const _: () = assert!(RUN_BYTES_MAX <= CACHE_SHARD_BYTES_MIN);
const _: () = assert!(RUN_BYTES_MAX >= segment::object::BLOCK_BYTES_MAX as u64);
