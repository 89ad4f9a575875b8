//! The broker configs that give topic configs their defaults in Kafka (`ServerTopicConfigSynonyms`).
//!
//! DescribeConfigs names them as synonyms, and tools look a topic's default up under them.

/// Topic config and broker config, in the order of the former. A topic config that is missing here
/// has no default of the brokers, or one that is configured in another unit.
pub(super) const BROKER_CONFIGS: &[(&str, &str)] = &[
    ("cleanup.policy", "log.cleanup.policy"),
    ("compression.gzip.level", "compression.gzip.level"),
    ("compression.lz4.level", "compression.lz4.level"),
    ("compression.type", "compression.type"),
    ("compression.zstd.level", "compression.zstd.level"),
    ("delete.retention.ms", "log.cleaner.delete.retention.ms"),
    ("file.delete.delay.ms", "log.segment.delete.delay.ms"),
    ("flush.messages", "log.flush.interval.messages"),
    ("index.interval.bytes", "log.index.interval.bytes"),
    ("local.retention.bytes", "log.local.retention.bytes"),
    ("local.retention.ms", "log.local.retention.ms"),
    ("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"),
    ("max.message.bytes", "message.max.bytes"),
    ("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms"),
    ("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms"),
    ("message.timestamp.type", "log.message.timestamp.type"),
    ("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"),
    ("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"),
    ("min.insync.replicas", "min.insync.replicas"),
    ("preallocate", "log.preallocate"),
    ("retention.bytes", "log.retention.bytes"),
    ("segment.bytes", "log.segment.bytes"),
    ("segment.index.bytes", "log.index.size.max.bytes"),
    ("unclean.leader.election.enable", "unclean.leader.election.enable"),
];

/// The broker config behind a topic config, if it has one.
pub fn broker_config(topic_config: &str) -> Option<&'static str> {
    let found = BROKER_CONFIGS.binary_search_by_key(&topic_config, |(topic, _)| topic);
    found.ok().map(|at| BROKER_CONFIGS[at].1)
}
