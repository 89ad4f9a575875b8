//! Bounds that are not an operator's to set, with their source.

/// What the members of one group may say about themselves, together: names and protocol metadata. A
/// settled group is one record of the log, so this, the assignments and the framing must fit into
/// [`RECORD_BYTES_MAX`]. Kafka's bound is a batch of 1 MiB, after compression.
pub(crate) const GROUP_MEMBERS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a leader may assign to all members together; see [`GROUP_MEMBERS_BYTES_MAX`].
pub(crate) const GROUP_ASSIGNMENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest group id, instance id, protocol type or protocol name: what Kafka's older STRING can
/// carry. In flexible versions a string could be as long as its frame.
pub(crate) const TEXT_BYTES_MAX: usize = i16::MAX as usize;

/// A subscription's regular expression when compiled: enough for any list of topics, and far from
/// what a malicious one could ask for.
pub(crate) const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// What a member costs besides its texts: lengths and tags, in the log and on the wire.
pub(crate) const MEMBER_OVERHEAD_BYTES: usize = 128;

/// Partitions in one transaction. Each of them takes about 26 bytes of the record that is written
/// whenever one is added, and a call when the transaction ends.
pub(crate) const TRANSACTION_PARTITIONS_MAX: usize = 100_000;

/// When fewer producer ids are at hand the host is asked for more: one is needed for each new
/// transactional id, and a client without one has to come again.
pub(crate) const PRODUCER_IDS_LOW: usize = 8;

/// How many it is asked for. What is left when the coordinator goes is lost, so not many more.
pub(crate) const PRODUCER_IDS_WANTED: usize = 32;

/// No record is larger when encoded. The host must be able to append one of this size.
pub const RECORD_BYTES_MAX: usize = 20 * 1024 * 1024;

const _: () = assert!(TRANSACTION_PARTITIONS_MAX * 32 <= RECORD_BYTES_MAX);
const _: () =
    assert!(GROUP_MEMBERS_BYTES_MAX + GROUP_ASSIGNMENT_BYTES_MAX + 1024 * 1024 <= RECORD_BYTES_MAX);
