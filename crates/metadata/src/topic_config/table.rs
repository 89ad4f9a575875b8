//! The table itself, in name order.

use super::{
    ConfigKind::{self, Boolean, Double, Int, List, Long, String},
    TopicConfig,
    Valid::{self, Any, AtLeast, Between, EachOf, OneOf, Only, Ratio},
};

/// `i64::MAX`, Kafka's "never".
const NEVER: &str = "9223372036854775807";

/// The largest batch a node can take.
const BATCH_BYTES_MAX: i64 = protocol::limits::BATCH_BYTES_MAX as i64;

/// Every topic config of Kafka 4.x and our own, in name order.
pub const TOPIC_CONFIGS: &[TopicConfig] = &[
    row(
        "cleanup.policy",
        List,
        "delete",
        EachOf(&["delete", "compact"]),
        "What happens to old records: `delete` by age and size, `compact` to the last value of \
         each key, or both.",
    ),
    row(
        "compression.gzip.level",
        Int,
        "-1",
        Between(-1, 9),
        "How hard gateways compress with `compression.type=gzip`; -1 is zlib's default.",
    ),
    row(
        "compression.lz4.level",
        Int,
        "9",
        Between(1, 17),
        "Accepted, without effect: our encoder for `compression.type=lz4` has one level.",
    ),
    row(
        "compression.type",
        String,
        "producer",
        OneOf(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
        "How batches are stored: as the producer compressed them, or so. Gateways pack those anew \
         that come otherwise; they may inflate to 64 MiB.",
    ),
    row(
        "compression.zstd.level",
        Int,
        "3",
        Between(-131_072, 22),
        "How hard gateways compress with `compression.type=zstd`. Levels above 19 count as 19: they \
         take too much memory for a machine that serves others.",
    ),
    row(
        "delete.retention.ms",
        Long,
        "86400000",
        AtLeast(0),
        "How long compaction keeps the tombstones of deleted keys.",
    ),
    row(
        "file.delete.delay.ms",
        Long,
        "60000",
        AtLeast(0),
        "Accepted, without effect: objects are deleted by garbage collection after a grace time.",
    ),
    row(
        "flush.messages",
        Long,
        NEVER,
        AtLeast(1),
        "Accepted, without effect: every record is durable before it is acknowledged.",
    ),
    row(
        "flush.ms",
        Long,
        NEVER,
        AtLeast(0),
        "Accepted, without effect: every record is durable before it is acknowledged.",
    ),
    row(
        "follower.replication.throttled.replicas",
        List,
        "",
        Any,
        "Accepted, without effect: there are no follower replicas on shared storage.",
    ),
    row(
        "index.interval.bytes",
        Int,
        "4096",
        AtLeast(0),
        "Accepted, without effect: every batch is in the index.",
    ),
    row(
        "leader.replication.throttled.replicas",
        List,
        "",
        Any,
        "Accepted, without effect: there are no follower replicas on shared storage.",
    ),
    row(
        "local.retention.bytes",
        Long,
        "-2",
        AtLeast(-2),
        "Accepted, without effect: what is hot follows the node's memory, not the topic.",
    ),
    row(
        "local.retention.ms",
        Long,
        "-2",
        AtLeast(-2),
        "Accepted, without effect: what is hot follows the node's memory, not the topic.",
    ),
    row(
        "max.compaction.lag.ms",
        Long,
        NEVER,
        AtLeast(1),
        "The longest time a record stays out of compaction.",
    ),
    row(
        "max.message.bytes",
        Int,
        "1048588",
        Between(0, BATCH_BYTES_MAX),
        "The largest record batch that is accepted, as compressed by the producer.",
    ),
    row(
        "message.timestamp.after.max.ms",
        Long,
        "3600000",
        AtLeast(0),
        "How far in the future a record's timestamp may lie. With CreateTime only.",
    ),
    row(
        "message.timestamp.before.max.ms",
        Long,
        NEVER,
        AtLeast(0),
        "How far in the past a record's timestamp may lie. With CreateTime only.",
    ),
    row(
        "message.timestamp.type",
        String,
        "CreateTime",
        OneOf(&["CreateTime", "LogAppendTime"]),
        "Whether records keep the producer's timestamp or get the time they were appended.",
    ),
    row(
        "min.cleanable.dirty.ratio",
        Double,
        "0.5",
        Ratio,
        "How much of a partition must be new before compaction looks at it again.",
    ),
    row(
        "min.compaction.lag.ms",
        Long,
        "0",
        AtLeast(0),
        "The least time a record stays out of compaction.",
    ),
    row(
        "min.insync.replicas",
        Int,
        "1",
        AtLeast(1),
        "Accepted, without effect: an acknowledged record is durable in the front, whatever the \
         number of replicas.",
    ),
    row(
        "preallocate",
        Boolean,
        "false",
        Any,
        "Accepted, without effect: there are no segment files.",
    ),
    row(
        "remote.log.copy.disable",
        Boolean,
        "false",
        Only("false"),
        "All records go to the object store; that cannot be switched off.",
    ),
    row(
        "remote.log.delete.on.disable",
        Boolean,
        "false",
        Any,
        "Accepted, without effect: the object store cannot be switched off.",
    ),
    row(
        "remote.storage.enable",
        Boolean,
        "false",
        Any,
        "Accepted, without effect: every topic lives on the object store.",
    ),
    row(
        "retention.bytes",
        Long,
        "-1",
        Any,
        "The size a partition may grow to before its oldest records go; -1 is no limit.",
    ),
    row(
        "retention.ms",
        Long,
        "604800000",
        AtLeast(-1),
        "How long records are kept; -1 is for ever.",
    ),
    row(
        "segment.bytes",
        Int,
        "1073741824",
        AtLeast(1024 * 1024),
        "Accepted, without effect: the sizes of stored objects are the cluster's business.",
    ),
    row(
        "segment.index.bytes",
        Int,
        "10485760",
        AtLeast(4),
        "Accepted, without effect: there are no index files.",
    ),
    row(
        "segment.jitter.ms",
        Long,
        "0",
        AtLeast(0),
        "Accepted, without effect: the cluster spreads its uploads by itself.",
    ),
    row(
        "segment.ms",
        Long,
        "604800000",
        AtLeast(1),
        "Accepted, without effect: records reach the object store within seconds.",
    ),
    row(
        "thermocline.front",
        String,
        "default",
        OneOf(&["default", "disk", "object"]),
        "Where records are durable before they are acknowledged: on a node's disk, or on the object \
         store. `default` is what the cluster says. Partitions go to nodes that have it.",
    ),
    row(
        "unclean.leader.election.enable",
        Boolean,
        "false",
        Any,
        "Accepted, without effect: a new owner always has every acknowledged record.",
    ),
];

const fn row(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    valid: Valid,
    doc: &'static str,
) -> TopicConfig {
    TopicConfig { name, kind, default, doc, valid }
}
