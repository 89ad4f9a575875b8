//! Every bound of control, with its source.

use std::time::Duration;

/// Requests waiting for the leader. Each is small and takes milliseconds; more than this waiting
/// means that the store is away, and clients should rather hear so.
pub(crate) const COMMANDS_QUEUED_MAX: usize = 1024;

/// Partitions that one request may create, as in Kafka (KRaft's MAX_PARTITIONS_PER_BATCH).
pub(crate) const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// Operations of one of our transactions: leaves room for the leader's compare and a few more
/// below the store's limit.
pub(crate) const OPS_PER_TXN: usize = 100;

/// Partitions assigned in one transaction. Each compares itself and, when it moves, the node it
/// leaves.
pub(crate) const ASSIGNMENTS_PER_TXN: usize = 60;

/// Producer ids per answer to a node (R43).
pub(crate) const PRODUCER_IDS_PER_BLOCK: i64 = 1000;

/// Producer ids reserved by one slot of the metadata log. What a leader has not handed out when
/// it stops is never used; there are 2^47.
pub(crate) const PRODUCER_IDS_PER_RESERVATION: i64 = 100 * PRODUCER_IDS_PER_BLOCK;

/// Producer ids of one cluster generation: 47 bits, so that 16 bits of generation still leave
/// the id positive (R43).
pub(crate) const PRODUCER_ID_COUNTER_BITS: u32 = 47;

/// Slots of the metadata log read at the same time. A replay is bound by round trips.
pub(crate) const REPLAY_IN_FLIGHT: usize = 16;

/// How long a committed change waits to be seen by the leader's own view, so that placement
/// counts it. Only balance depends on it.
pub(crate) const OWN_VIEW_WAIT: Duration = Duration::from_secs(1);

/// Changes of the metadata within this time cause one reconciliation.
pub(crate) const RECONCILE_PAUSE: Duration = Duration::from_millis(20);

/// Pause before a failed campaign, replay or repair is tried again.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Pause before a process stands for election again whose log it cannot read: another version may
/// lead meanwhile.
pub(crate) const HOPELESS_PAUSE: Duration = Duration::from_secs(10);

/// A candidate that saw the leader go waits this long before it looks, so that a view that is
/// wrong does not make it spin.
pub(crate) const VACANCY_PAUSE: Duration = Duration::from_millis(50);

/// A candidate looks again this often, in case it missed that the leader is gone.
pub(crate) const CANDIDATE_PAUSE: Duration = Duration::from_secs(1);

/// Pause before a node that could not open a partition is asked again.
pub(crate) const OPEN_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Partitions of one OpenPartitions call.
pub(crate) const OPENS_PER_CALL: usize = 1000;

const _: () = assert!(OPS_PER_TXN + 8 <= metadata::limits::TXN_OPS_MAX);
const _: () = assert!(2 * ASSIGNMENTS_PER_TXN + 2 <= metadata::limits::TXN_OPS_MAX);
