//! Bounds that are not an operator's to set, with their source.

/// What the members of one group may say about their protocols, together. A settled group is one
/// record of the log: this much, as much again for the assignments, and the members' names must fit
/// into one batch. Kafka's bound is a batch of 1 MiB, after compression.
pub(crate) const GROUP_PROTOCOL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a leader may assign to all members together; see [`GROUP_PROTOCOL_BYTES_MAX`].
pub(crate) const GROUP_ASSIGNMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

const _: () = assert!(
    2 * (GROUP_PROTOCOL_BYTES_MAX + GROUP_ASSIGNMENT_BYTES_MAX)
        <= protocol::limits::BATCH_BYTES_MAX
);
