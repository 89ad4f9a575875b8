//! Bounds of the group host, with their source.

use std::time::Duration;

/// Commands that wait for one shard. Each is one client's; beyond it clients are told to come back.
pub(crate) const INBOX_COMMANDS_MAX: usize = 4_096;

/// Commands carried out before their records are appended together: group commit for offsets.
pub(crate) const STEP_COMMANDS_MAX: usize = 256;

/// Steps whose records are on their way to the disk. The front holds a few writes in flight; more
/// steps only wait there.
pub(crate) const STEPS_IN_FLIGHT_MAX: usize = 64;

/// Records are appended in batches of about this size, as a client would.
pub(crate) const BATCH_BYTES_TARGET: usize = 1024 * 1024;

/// A shard looks at the clock at least this often.
pub(crate) const WAKE_INTERVAL: Duration = Duration::from_millis(500);

/// R42: time that went by beyond [`WAKE_INTERVAL`], or backwards, and nobody knows where. A process
/// that was paused has not heard its members' heartbeats.
pub(crate) const CLOCK_JUMP_MS: i64 = 1_000;

/// First pause before a shard tries again: to load, or to append to a full front.
pub(crate) const RETRY_MIN: Duration = Duration::from_millis(20);

/// Longest such pause.
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long one node may take to write markers before it is told again: several times what a
/// durable write takes, and little of what readers would wait for.
pub(crate) const MARKER_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Markers that are this late are worth a look: an owner is away for longer than a takeover takes,
/// and its readers wait (R40).
pub(crate) const MARKER_ALARM: Duration = Duration::from_secs(60);

/// How long to wait for a producer id before trying again.
pub(crate) const PRODUCER_IDS_TIMEOUT: Duration = Duration::from_secs(5);

const _: () = assert!(BATCH_BYTES_TARGET <= crate::limits::BATCH_BYTES_MAX);
const _: () =
    assert!(coordinator::RECORD_BYTES_MAX + BATCH_BYTES_TARGET <= crate::limits::BATCH_BYTES_MAX);
