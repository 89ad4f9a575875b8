//! Every bound of the storage node that an operator does not set, with its source.

use std::time::Duration;

/// Batches remembered per producer and partition: Kafka's `NUM_BATCHES_TO_RETAIN`, the most an
/// idempotent client keeps in flight.
pub const PRODUCER_BATCHES: usize = 5;

/// Producer ids remembered per partition. A client that takes a new id for every connection must
/// not grow a node without end: about 3 MiB per partition at the worst.
pub const PRODUCERS_PER_PARTITION_MAX: usize = 10_000;

/// Batches handled under one lock by whoever walks many of them: some tens of microseconds, which a
/// commit may wait for them.
pub const QUEUE_STEP: usize = 512;

/// Largest data-log object. A slot is one conditional PUT, never multipart (R21).
pub const OBJECT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a batch costs in an object besides its bytes: its line in the footer.
pub const OBJECT_BATCH_OVERHEAD_BYTES: usize = segment::object::BATCH_LEN_MAX;

/// What a partition costs in an object: block headers, seals and their lines in the footer, for as
/// many blocks as the largest object can have.
pub const OBJECT_PARTITION_OVERHEAD_BYTES: usize = 3_072;

/// Largest batch a node takes: it must fit one object. `max.message.bytes` is refused above it.
pub const BATCH_BYTES_MAX: usize = OBJECT_BYTES_MAX - 64 * 1024;

/// Largest fetch answer, whatever the client allows: Kafka's `fetch.max.bytes` of 55 MiB.
pub const FETCH_BYTES_MAX: usize = 55 * 1024 * 1024;

/// Longest a fetch may wait, whatever the client asks for. Gateways ask again.
pub const FETCH_WAIT_MS_MAX: u64 = 30_000;

/// In how many steps the ages differ at which incarnations make room for the next.
pub const ROLL_OVER_SPREAD_SHARES: u32 = 1 << 16;

/// Longest life of a plan: below the 30 minutes for which unlinked objects stay readable (R31, R36).
pub const PLAN_LIFE_MS_MAX: i64 = 600_000;

/// Extents in one plan. The token travels with every cold fetch: about 100 bytes each.
pub const PLAN_EXTENTS_MAX: usize = 256;

/// Used share of the front from which acknowledgements are held back (R28).
pub const FRONT_BRAKE_FROM: f64 = 0.7;

/// Used share at which they are held back longest; the front refuses producers from here on (R28).
pub const FRONT_BRAKE_FULL: f64 = 0.9;

/// The longest an acknowledgement is held back. A producer with five requests of 64 KiB in flight
/// then brings 1.3 MB/s.
pub const FRONT_BRAKE_MAX: Duration = Duration::from_millis(250);

/// Batches up to this length leave their block for a buffer of their own: a block is at least 4 KiB,
/// so one that holds a lone small batch would take many times the memory that the cache counts. For
/// the same reason they are joined when they are sent.
pub const SMALL_BATCH_BYTES: usize = 4 * 1024;

/// Hot batches cost more than their bytes: the entry in the partition, the entry in the cache's
/// queue, the reference to the block.
pub const HOT_BATCH_OVERHEAD_BYTES: usize = 160;

/// Assignments published in one metadata transaction: each is one compare and one put, and stores
/// take 128 of each.
pub const EPOCHS_PER_TXN: usize = 64;

/// Such transactions at the same time, each of another topic: stores commit several with one write.
pub const EPOCH_TXNS_IN_FLIGHT: usize = 8;

/// How often epochs are published while many partitions are opened: what clients wait for a
/// partition that could serve.
pub const EPOCHS_INTERVAL: Duration = Duration::from_millis(100);

/// Manifests committed at the same time by one request or upkeep round: bound by round trips, and
/// few enough to leave the store to uploads.
pub const MANIFEST_COMMITS_IN_FLIGHT: usize = 16;

/// Longest that records stay beyond their retention time so that manifests are written less often.
pub const RETENTION_SLACK_MS_MAX: i64 = 3_600_000;

/// The longest that a compactor may take for one unit of work before it is offered to another one:
/// the longest life of the plan that describes it.
pub const COMPACTION_LEASE_MAX: Duration = Duration::from_secs(600);

/// Extents in one answer to a compactor: about 40 bytes each on the way, far below a frame.
pub const COMPACTION_EXTENTS_MAX: usize = 100_000;

/// How often it is looked whether what a producer snapshot knows is durable: a group commit takes
/// a few milliseconds.
pub const DURABILITY_POLL: Duration = Duration::from_millis(5);

/// Records that one refused batch names as its reason: clients show some of them, and an answer is to
/// stay small.
pub const RECORD_ERRORS_MAX: usize = 100;

/// Batches of one producer that wait in one partition until its transaction is verified: more than the
/// five that a client keeps in flight.
pub const VERIFYING_BATCHES_MAX: usize = 16;

/// A transaction whose producer has been silent for this long hangs: Kafka's default of
/// `transaction.max.timeout.ms`, after which its coordinator aborts it, and the minute that R40 gives it.
pub const TRANSACTION_LATE_MS: i64 = 15 * 60_000 + 60_000;

/// How long a coordinator is waited for before batches are refused, to be sent again.
pub const VERIFICATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Footers read at the same time while a log is ended: bound by round trips.
pub const FOOTERS_IN_FLIGHT: usize = 16;

/// What one object of a drain covers of the front, besides a batch that is larger: objects are cut
/// where the front crosses a multiple of this (§4.5 step 3). A footer is at most as long as its
/// batches when these are as small as a batch can be, so half of the largest object is left for it.
pub const DRAIN_CUT_BYTES: u64 = OBJECT_BYTES_MAX as u64 / 2;

/// Pause before an incarnation that could not be ended is tried again.
pub const END_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Incarnations that one node ends for others at the same time: each holds an object of a drain in
/// memory, and uploads of this node's own records come first.
pub const ENDINGS_MAX: usize = 4;

/// How long a node waits for the answer of another that it looks for on behalf of control. Below
/// control's own patience with this node.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(300);

/// How often the assignments are compared with what is open, besides after every change (R10).
pub const RECONCILE_INTERVAL: Duration = Duration::from_secs(30);

/// First pause before partitions that could not be opened are tried again; it doubles each time.
pub const OPEN_RETRY_MIN: Duration = Duration::from_millis(250);

/// Longest such pause. Each attempt looks for an END that may be long in coming.
pub const OPEN_RETRY_MAX: Duration = Duration::from_secs(8);

/// How long a node waits at its start for control to write the cluster's identity.
pub const CLUSTER_WAIT: Duration = Duration::from_secs(60);

/// How often silent producers are looked for.
pub const PRODUCER_EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// Partitions that wait for their CLOSE. Beyond it the next owners wait: each CLOSE is two PUTs, one
/// after the other.
pub const LEAVING_MAX: usize = 64;

/// Of those, the partitions that are closed for appends at the same time. One upload takes the rest of
/// all of them; the CLOSE of each is some ten milliseconds, for which the producers of all wait.
pub const CLOSED_AT_ONCE: usize = 4;

/// How long the next owner waits for the present one to let go of a partition: an upload of what
/// waits, a snapshot and a slot.
pub const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// Proofs of ownership begin at most this often: each is a request to the object store, for
/// everybody who asked meanwhile (R6).
pub const PROOF_INTERVAL: Duration = Duration::from_millis(20);

/// How often the watchdog looks: a tenth of what it has to notice at the least.
pub const WATCHDOG_INTERVAL: Duration = Duration::from_millis(100);

/// A front that has something to write and writes nothing for this long makes its node unhealthy
/// (R7).
pub const STALL_MAX: Duration = Duration::from_secs(2);

/// How long callers that are still connected may take to hear their last answers once the
/// incarnation is over.
pub const SERVER_GRACE: Duration = Duration::from_secs(2);

/// First pause after a failed upload.
pub const UPLOAD_BACKOFF_MIN: Duration = Duration::from_millis(100);

/// How long a node with a log on a shared volume may acknowledge after it sent a renewal of its
/// promise (R4): twice a hiccup of the metadata store, half of what a client waits for.
pub const PROMISE_LIFE: Duration = Duration::from_secs(2);

/// How far a node's clock may be from the object store's before it gets no more partitions (R71).
pub const CLOCK_SKEW_MS_MAX: i64 = 500;

/// Renewals sent within one life: three of four may be lost.
pub const PROMISE_RENEWALS: u32 = 4;

/// Over how long the rates are smoothed that control balances by: longer than a burst, shorter than
/// anybody waits for a hot partition to move.
pub const LOAD_SMOOTHING: Duration = Duration::from_secs(10);

/// Seconds that a partition is watched before it is spoken of.
pub const LOAD_WARM_UP_SAMPLES: u32 = 3;

/// Partitions that a report names, the busiest: twice what a node has in the largest cluster that is
/// designed for, in some 24 KiB once a second.
pub const LOAD_PARTITIONS_MAX: usize = 2_000;

/// From fencing an incarnation on a shared volume to reading that volume: 1.02 times the promise,
/// for clocks that do not run alike, and 200 ms for a write on its way (R4).
pub const PROMISE_WAIT: Duration = Duration::from_millis(2_240);

const _: () = assert!(PRODUCER_BATCHES == segment::index::PRODUCER_BATCHES_MAX);
const _: () = assert!(OBJECT_BYTES_MAX as u64 <= segment::seqlog::PAYLOAD_BYTES_MAX);
const _: () = assert!(OBJECT_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(BATCH_BYTES_MAX == protocol::limits::BATCH_BYTES_MAX);
const _: () = assert!(
    BATCH_BYTES_MAX + OBJECT_BATCH_OVERHEAD_BYTES + OBJECT_PARTITION_OVERHEAD_BYTES
        <= OBJECT_BYTES_MAX
);
const _: () = assert!(FETCH_BYTES_MAX < i32::MAX as usize);
