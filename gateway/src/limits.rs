//! Every bound of the gateway that an operator does not set, with its source.
//!
//! What an operator does set is in [`crate::config::LimitsConfig`]; bounds on the shape of a
//! request are in [`protocol::limits`].

use std::time::Duration;

/// Listeners of one gateway. Each is a socket, an entry in the gateway's record, and a task; one per
/// security and tenant that has no host name of its own.
pub(crate) const LISTENERS_MAX: usize = 64;

/// TLS handshakes per processor that are ready to be paid for at a time (R65). Each is a signature,
/// of less than a millisecond: what waits behind so many waits some tens of milliseconds.
pub(crate) const HANDSHAKES_PER_PROCESSOR: usize = 64;

/// Pause after a failed accept. It fails when file descriptors ran out, and trying again at once
/// would only burn the processor.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// First read of a connection that has nothing buffered. All an idle connection holds; most
/// requests but produces fit.
pub(crate) const READ_BYTES: usize = 4 * 1024;

/// Slowest client that is waited for beyond the timeout of a request or an answer (R62).
pub(crate) const BYTES_PER_SECOND_MIN: u64 = 16 * 1024;

/// Who keeps us waiting for longer while it is not known yet leaves, if it is in somebody's way. A step
/// is one round trip and some milliseconds of a client's work.
pub(crate) const STRANGER_SILENCE: Duration = Duration::from_secs(1);

/// How often it is looked who does.
pub(crate) const STRANGER_SWEEP: Duration = Duration::from_millis(250);

/// How long a connection waits at the door: Kafka's clients give a request up after it.
pub(crate) const STRANGER_PATIENCE: Duration = Duration::from_secs(30);

/// Fetches of one connection that may be under way: their answers are the largest there are, and wait in
/// memory for a client that does not read (R62). Kafka's clients have one; it answers one at a time.
pub(crate) const FETCHES_IN_FLIGHT: usize = 1;

/// A connection that waits for its quota looks again this often: its share may have changed.
pub(crate) const MUTE_LOOK: Duration = Duration::from_millis(250);

/// Accounts of quotas in this gateway, of some hundred bytes each: one per connection and kind, and
/// some for names that were used a moment ago. Names beyond it share one account.
pub(crate) const QUOTA_ACCOUNTS_MAX: usize = 50_000;

/// Entities of one report to control, the neediest first: 200 KiB a second.
pub(crate) const QUOTA_WANTS_MAX: usize = 2_000;

/// How often control is told what is wanted of quotas: a third of the lease of a share.
pub(crate) const QUOTA_REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Least pause between two reports, if clients wait of whom control has not heard.
pub(crate) const QUOTA_REPORT_PAUSE: Duration = Duration::from_millis(200);

/// An answer about quotas that takes longer is not waited for: the next report asks anew.
pub(crate) const QUOTA_REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Ready responses that leave in one vectored write. Beyond some dozens the system call is no
/// longer what costs.
pub(crate) const RESPONSES_PER_WRITE: usize = 32;

/// Longest wait that a client may ask of a fetch. Kafka has no bound; a handler must have one.
pub(crate) const FETCH_WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// What a node gets on top of a fetch's own wait before it counts as lost.
pub(crate) const FETCH_GRACE: Duration = Duration::from_secs(10);

/// How long a fetch from several owners waits for all of their first answers. Long enough that a
/// slower node is not starved by a faster one, short enough that a hung one holds back nobody.
pub(crate) const FETCH_FIRST_PASS: Duration = Duration::from_millis(100);

/// How long after its wait has ended a fetch expects its owners' answers, which were to come just
/// then.
pub(crate) const FETCH_LAST_CALL: Duration = Duration::from_millis(500);

/// Calls of one fetch to one owner. More than two are rare: only a `min_bytes` that several owners
/// fill together needs them.
pub(crate) const FETCH_CALLS_PER_OWNER: u32 = 16;

/// Changes of tier of one partition in one fetch: refused by the owner, planned, and hot again.
pub(crate) const FETCH_TURNS: u32 = 3;

/// Bounds of the time a produce may take. Kafka's `timeout` guards replication only, so clients
/// may send values that no write to a disk can meet.
pub(crate) const PRODUCE_TIMEOUT: (Duration, Duration) =
    (Duration::from_secs(5), Duration::from_secs(120));

/// The longest that produces may be held while their partition has no owner: what waits longer in a
/// gateway must be refused (R37).
pub(crate) const PRODUCE_HOLD_MAX: Duration = Duration::from_secs(5);

/// Partitions of one connection of which a batch has failed and not come again. More than a producer
/// writes to at once; beyond it order is the owner's to refuse.
pub(crate) const INTERRUPTED_MAX: usize = 4_096;

/// Memory that a compiled pattern of ListTransactions may take: a pattern of ordinary length takes
/// some KiB, and repetitions of repetitions any amount.
pub(crate) const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// Bounds of the time an administrative request may take.
pub(crate) const ADMIN_TIMEOUT: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(120));

/// How long a change of configs or quotas may take, which names no time itself: what Kafka's clients wait for a
/// request.
pub(crate) const ALTER_SETTINGS_TIMEOUT_MS: i32 = 30_000;

/// Resources whose configs one request may change. Control has the same bound.
pub(crate) const CONFIG_RESOURCES_MAX: usize = 1_000;

/// Partitions in one answer to DescribeTopicPartitions (Kafka's `max.request.partition.size.limit`).
pub(crate) const DESCRIBED_PARTITIONS_MAX: i32 = 2_000;

/// How long reads of metadata-like state (offsets, groups) wait for a node.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// What a join gets on top of the rebalance it waits for (Kafka's clients add the same 5 s).
pub(crate) const JOIN_GRACE: Duration = Duration::from_secs(5);

/// Longest wait for a rebalance: a join names it, a sync does not.
pub(crate) const REBALANCE_MAX: Duration = Duration::from_secs(30 * 60);

/// How long what clients do not repeat themselves is tried again while a group's coordinator moves or
/// loads (R41).
pub(crate) const COORDINATOR_PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two such tries.
pub(crate) const COORDINATOR_PAUSE: Duration = Duration::from_millis(100);

/// How long a request waits until this gateway's own view shows a change it asked for.
pub(crate) const VIEW_PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two looks at the control leader while there is none.
pub(crate) const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// Partitions whose hot floor is remembered. It is a hint of 40 bytes; when full, all are
/// forgotten and learned again by one refused fetch each.
pub(crate) const TIDES_MAX: usize = 200_000;

/// Places where cold reads ended that are remembered, to know who comes from below at the seam: one
/// per consumer and partition that catches up, of about 100 bytes.
pub(crate) const COLD_ENDS_MAX: usize = 16_384;

/// Partitions whose last owner is remembered, to notice that they moved. When full, all are
/// forgotten: a move that falls into that moment costs a client one back-off.
pub(crate) const OWNERS_SEEN_MAX: usize = 200_000;

/// Plans remembered, over all partitions. Each is a few KiB and covers tens of megabytes.
pub(crate) const PLANS_MAX: usize = 8_192;

/// Bytes that one plan is asked to cover.
pub(crate) const PLAN_BYTES: i32 = 64 * 1024 * 1024;

/// How often a cold read asks for a new plan when a reader refuses the old one (R31).
pub(crate) const PLAN_ATTEMPTS: usize = 3;

/// Readers tried for one cold read: the one that likely has it cached, and the next two. More than
/// two that are away at once are the end of a zone, and the client's next fetch finds the rest.
pub(crate) const READER_ATTEMPTS: usize = 3;

/// How long one reader is waited for. It answers an error when the store does not answer it, so who
/// says nothing for this long is stuck; within [`COLD_READ_TIMEOUT`] every reader has its chance.
pub(crate) const READER_TIMEOUT: Duration = Duration::from_secs(10);

/// Offsets of a partition that go to one reader: enough for it to read ahead, few enough that one
/// partition's replay is spread over all readers. 256 MiB of records of 1 KiB.
pub(crate) const READER_WINDOW_OFFSETS: i64 = 1 << 18;

/// How long a finished cold read waits to be fetched before it counts as forgotten.
pub(crate) const COLD_READ_LIFE: Duration = Duration::from_secs(60);

/// The same for one that failed: long enough for a client that polls without waiting, and short enough
/// that nobody hears of troubles that are over.
pub(crate) const COLD_FAILURE_LIFE: Duration = Duration::from_secs(1);

/// How long a cold read may take in the background.
pub(crate) const COLD_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Groups with series of their own, of three counters each; all later ones share one.
pub(crate) const GROUPS_NAMED_MAX: usize = 64;

/// Searches by time of one request that go to cold readers at the same time. Each is some calls and one
/// block in a reader's memory.
pub(crate) const SEARCHES_AT_ONCE: usize = 16;

/// Plans that one search by time looks along. The first has the record unless a producer lied about
/// largest timestamps in all of its blocks.
pub(crate) const SEARCH_STEPS: usize = 64;

/// How long one search may take: below the 30 s after which Java's clients give a request up.
pub(crate) const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);

/// Bits of a fetch session's id that name the gateway (see [`crate::route`]'s sessions).
pub(crate) const SESSION_GATEWAY_BITS: u32 = 10;

/// Longest SCRAM message. Names are a few hundred bytes, nonces some dozens; a client that writes
/// more than this is up to something.
pub(crate) const SCRAM_MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// Longest nonce of a SCRAM client. Kafka's clients send some 30 characters.
pub(crate) const SCRAM_NONCE_BYTES_MAX: usize = 512;

/// Random bytes of our own part of a nonce.
pub(crate) const SCRAM_OWN_NONCE_BYTES: usize = 24;

/// How long one turn of an authentication may take: hashing a password waits for a processor, and
/// reading an issuer's keys for the issuer. A connection has ten seconds for all of it (R62).
pub(crate) const TURN_TIMEOUT: Duration = Duration::from_secs(8);

/// Longest delay of an answer that an authentication has failed. The connection counts all the
/// while.
pub(crate) const FAILURE_DELAY_MAX: Duration = Duration::from_secs(5);

/// Shortest time between two authentications of a connection that can be configured: clients prove
/// who they are at 85 % of it, and not more than once a second.
pub(crate) const REAUTHENTICATION_MIN: Duration = Duration::from_secs(2);

/// A connection may begin another authentication this long after the last, as in Kafka.
pub(crate) const REAUTHENTICATION_PAUSE: Duration = Duration::from_secs(1);

/// Longest time that a token is believed, whatever it says of itself. A connection lasts no longer
/// without another.
pub(crate) const TOKEN_LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest name of a user that a token may give.
pub(crate) const PRINCIPAL_BYTES_MAX: usize = 512;

/// Longest JWKS document. A key is some 500 bytes.
pub(crate) const JWKS_BYTES_MAX: usize = 256 * 1024;

/// Keys in it. Issuers have two or three.
pub(crate) const JWKS_KEYS_MAX: usize = 64;

/// How long its issuer is waited for, below [`TURN_TIMEOUT`].
pub(crate) const JWKS_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between two readings that unknown keys cause: clients can make up as many as they like.
pub(crate) const JWKS_REFETCH_PAUSE: Duration = Duration::from_secs(10);

/// Clients that are sent to another gateway set go within this time: some thousand a second arrive
/// there at most.
pub(crate) const DEPARTURE_SPREAD: Duration = Duration::from_secs(5);

/// How often clients that came back are sent away again: what they remember of DNS ends some time.
pub(crate) const DEPARTURE_INTERVAL: Duration = Duration::from_secs(60);

const _: () = assert!(JWKS_TIMEOUT.as_millis() < TURN_TIMEOUT.as_millis());
const _: () = assert!(PRODUCE_TIMEOUT.0.as_millis() < PRODUCE_TIMEOUT.1.as_millis());
const _: () = assert!(ADMIN_TIMEOUT.0.as_millis() < ADMIN_TIMEOUT.1.as_millis());
const _: () = assert!(
    READER_ATTEMPTS as u64 * READER_TIMEOUT.as_secs() <= COLD_READ_TIMEOUT.as_secs(),
    "a cold read has time for every reader it may try"
);
const _: () = assert!(SESSION_GATEWAY_BITS < 31);

/// Lines of the audit log that wait to be written; beyond that they are dropped. Some MiB at most,
/// and more than a burst of ordinary denials.
pub(crate) const AUDIT_LINES_QUEUED: usize = 4_096;

/// What repeats within this time becomes one line of the audit log and a count.
pub(crate) const AUDIT_WINDOW: Duration = Duration::from_secs(10);

/// Lines that one address gets in a window; the rest is counted.
pub(crate) const AUDIT_LINES_PER_CLIENT: usize = 50;

/// Addresses whose events are told apart in a window. With the bound above some 50 MiB at worst,
/// which takes a thousand addresses that are all denied everything.
pub(crate) const AUDIT_CLIENTS_PER_WINDOW: usize = 1_000;

/// Characters of a client's text in the audit log (R66).
pub(crate) const AUDIT_TEXT_CHARS_MAX: usize = 256;

/// Parts of one request that the audit log tells one by one; the rest is counted.
pub(crate) const AUDIT_PARTS_MAX: usize = 100;
