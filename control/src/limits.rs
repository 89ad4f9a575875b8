//! Every bound of control, with its source.

use std::time::Duration;

/// Requests waiting for the leader. Each is small and takes milliseconds; more than this waiting
/// means that the store is away, and clients should rather hear so.
pub(crate) const COMMANDS_QUEUED_MAX: usize = 1024;

/// Partitions that one request may create, as in Kafka (KRaft's MAX_PARTITIONS_PER_BATCH).
pub(crate) const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// Topics whose configs one request may change. Their configs are written whole, some hundred bytes
/// each and a few KiB at most, and a record of the metadata log is one object.
pub(crate) const TOPICS_ALTERED_PER_REQUEST_MAX: usize = 1_000;

/// Users whose credentials one request may alter: at a few hundred bytes each, a record of the
/// metadata log stays small.
pub(crate) const CREDENTIALS_ALTERED_PER_REQUEST_MAX: usize = 1_000;
/// Entities whose quotas one request may change. Each is some hundred bytes; Kafka's tools change one.
pub(crate) const QUOTAS_ALTERED_PER_REQUEST_MAX: usize = 1_000;

/// Access control entries that one request may create, and filters by which one may delete: each
/// filter looks at every entry of the tenant.
pub(crate) const ACLS_PER_REQUEST_MAX: usize = 1_000;

/// Quotas on changes that are looked through for idle ones, so that their number stays that of the
/// clients who change something.
pub(crate) const MUTATION_QUOTAS_MAX: usize = 10_000;

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

/// Manifests and logs read at the same time by a rebuild or a promotion: 100,000 partitions at 30 ms a
/// read take 12 s, of the 30 s in which a standby is to serve. They are spread over 256 prefixes (R29).
pub(crate) const SURVEY_IN_FLIGHT: usize = 256;

/// A standby's poll may not be longer: it is to be at most 2 s behind (R54).
pub(crate) const STANDBY_POLL_MAX: Duration = Duration::from_secs(2);

/// How often a standby says that it is there, and for how long that holds.
pub(crate) const STANDBY_WORD: Duration = Duration::from_secs(3);
/// Of the key that says so.
pub(crate) const STANDBY_LEASE: Duration = Duration::from_secs(10);

/// Logs that a promotion ends at the same time. Each holds up to a cut of its drain in memory, 32 MiB
/// at most.
pub(crate) const ENDS_IN_FLIGHT: usize = 16;

/// How often a demotion looks whether the processes of its cluster have gone.
pub(crate) const DEMOTE_POLL: Duration = Duration::from_millis(200);

/// How long a committed change waits to be seen by the leader's own view, so that placement
/// counts it. Only balance depends on it.
pub(crate) const OWN_VIEW_WAIT: Duration = Duration::from_secs(1);

/// Changes of the metadata within this time cause one reconciliation.
pub(crate) const RECONCILE_PAUSE: Duration = Duration::from_millis(20);

/// How long a change that the log has is offered to a metadata store that fails before its caller
/// hears of doubt: longer than a cluster of three takes to replace the member that led it.
pub(crate) const COPY_PATIENCE: Duration = Duration::from_secs(5);

/// Pause before it is offered again.
pub(crate) const COPY_PAUSE: Duration = Duration::from_millis(100);

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

/// The lane of pings: another connection than that of everything else control says to a node.
pub(crate) const PING_LANE: u64 = 1;

/// Refused pings in a row that make a suspect: one may be a connection that was closed for other
/// reasons.
pub(crate) const REFUSED_MAX: u32 = 2;

/// Nodes asked about one suspect: one that cannot answer must not decide.
pub(crate) const WITNESSES_MAX: usize = 3;

/// How long a witness is waited for. Longer than it waits for the suspect itself.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_millis(600);

/// How often the metadata store is asked whether it is there.
pub(crate) const METADATA_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A metadata store that takes longer than this to answer is away.
pub(crate) const METADATA_CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// From fencing a node on a shared volume to reading that volume: 1.02 times the node's promise of
/// 2 s, for clocks that do not run alike, and 200 ms for a renewal on its way (R4).
pub(crate) const PROMISE_WAIT: Duration = Duration::from_millis(2_240);

/// First pause after no survivor could end an incarnation; it doubles each time.
pub(crate) const DRAIN_RETRY_MIN: Duration = Duration::from_millis(200);

/// Longest such pause.
pub(crate) const DRAIN_RETRY_MAX: Duration = Duration::from_secs(5);

/// How often every node is asked for its load.
pub(crate) const LOAD_INTERVAL: Duration = Duration::from_secs(1);

/// How long an answer to that is waited for.
pub(crate) const LOAD_PATIENCE: Duration = Duration::from_millis(900);

/// The lane of those questions: what they ask for is larger than a ping.
pub(crate) const LOAD_LANE: u64 = 2;

/// A report that is older says nothing any more.
pub(crate) const LOAD_LIFE: Duration = Duration::from_secs(10);

/// What a partition did counts for as long: it may be on its way between nodes.
pub(crate) const LOAD_OF_PARTITION_LIFE: Duration = Duration::from_secs(60);

/// A node whose process takes more of its machine's CPU time gets no more partitions until it takes
/// less.
pub(crate) const TARGET_CPU_PERMILLE_MAX: u32 = 900;

/// How often it is looked whether nodes are uneven, when nothing else makes it look.
pub(crate) const BALANCE_INTERVAL: Duration = Duration::from_millis(500);

/// A plan that takes longer to carry out is made anew: loads change.
pub(crate) const PLAN_LIFE: Duration = Duration::from_secs(5);

/// The most partitions that move at the same time: a quarter of a node of the largest cluster that is
/// designed for.
pub(crate) const MOVES_AT_ONCE_MAX: usize = 256;

/// Moves of one transaction: each compares its partition and at worst two nodes of its own.
pub(crate) const MOVES_PER_TXN: usize = 32;

/// Planned moves that are looked at for one whose node may give.
pub(crate) const AGENDA_SCAN_MAX: usize = 4_096;

/// Moves that operators ask for by hand and that wait.
pub(crate) const ORDERS_QUEUED_MAX: usize = 64;

/// Moves that are over and still shown.
pub(crate) const MOVES_DONE_SHOWN_MAX: usize = 100;

/// Planned moves that are shown, besides their number.
pub(crate) const MOVES_WAITING_SHOWN_MAX: usize = 1_000;

/// How long moved partitions are waited for before others follow: what a node waits for the present
/// owner, and once more, because its first attempt may find that owner busy.
pub(crate) const MOVE_PATIENCE: Duration = Duration::from_secs(20);

/// Connections to the admin API: operators are few.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Those of one address: whoever takes all that he gets keeps no operator out who comes from elsewhere.
pub(crate) const ADMIN_CONNECTIONS_PER_ADDRESS_MAX: usize = 16;

/// One connection, which is one request: head, body, the commit, and the answer being taken.
pub(crate) const ADMIN_CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's head: a token, and some hundred more.
pub(crate) const ADMIN_HEAD_BYTES_MAX: usize = 16 << 10;

/// A request's head, and then its body, that takes longer to arrive is not one of ours.
pub(crate) const ADMIN_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Bodies of the admin API name one node or partition.
pub(crate) const ADMIN_BODY_BYTES_MAX: usize = 64 << 10;

/// How long the admin API waits for a change to be committed.
pub(crate) const ADMIN_PATIENCE: Duration = Duration::from_secs(10);

/// Partitions of one answer: a few MiB of JSON.
pub(crate) const PARTITIONS_SHOWN_MAX: usize = 10_000;

/// Gateway sets: a site or a zone each.
pub(crate) const GATEWAY_SETS_MAX: usize = 16;

/// Vantage points below which nobody is believed (R55).
pub(crate) const VANTAGE_POINTS_MIN: usize = 3;

/// How often it is looked whether the active gateway set is to be left.
pub(crate) const SWITCH_INTERVAL: Duration = Duration::from_secs(1);

/// How often DNS is compared with what it should say, when nothing changes here.
pub(crate) const DNS_RECHECK_INTERVAL: Duration = Duration::from_secs(30);

/// How long a name server, or a webhook, is waited for.
pub(crate) const DNS_TIMEOUT: Duration = Duration::from_secs(5);

/// Seconds by which our clock and the name server's may differ: RFC 8945 (10) recommends 300.
pub(crate) const TSIG_FUDGE: u16 = 300;

/// A webhook's answer is one line of JSON.
pub(crate) const WEBHOOK_ANSWER_BYTES_MAX: usize = 16 << 10;

/// Switches that operators ask for and that wait: operators are few.
pub(crate) const SWITCHES_QUEUED_MAX: usize = 8;

/// The shortest lease of what a vantage point says, which a metadata store that is slow for a
/// moment must not end.
pub(crate) const FINDINGS_LEASE_MIN: Duration = Duration::from_secs(10);

/// Bytes that a vantage point says about one set: a line.
pub(crate) const PROBLEM_BYTES_MAX: usize = 300;

/// An answer to a probe: one partition with one record, or a topic that was created.
pub(crate) const PROBE_ANSWER_BYTES_MAX: usize = 64 << 10;

/// How long probes' records are kept.
pub(crate) const PROBE_RETENTION: Duration = Duration::from_secs(3_600);

const _: () = assert!(
    2 * ADMIN_HEAD_TIMEOUT.as_secs() + ADMIN_PATIENCE.as_secs()
        < ADMIN_CONNECTION_TIMEOUT.as_secs()
);
const _: () = assert!(OPS_PER_TXN + 8 <= metadata::limits::TXN_OPS_MAX);
const _: () = assert!(2 * ASSIGNMENTS_PER_TXN + 2 <= metadata::limits::TXN_OPS_MAX);
const _: () = assert!(3 * MOVES_PER_TXN < metadata::limits::TXN_OPS_MAX);
