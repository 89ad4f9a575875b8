//! The topic configs a node enforces, read once per change instead of once per batch.

use protocol::limits::BATCH_BYTES_MAX_DEFAULT;

use crate::limits::BATCH_BYTES_MAX;

/// What a topic allows its producers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    /// `max.message.bytes`: the largest batch, compressed as it comes.
    pub batch_bytes_max: usize,
    /// `message.timestamp.type` is `LogAppendTime`: the node's clock replaces the producer's.
    pub log_append_time: bool,
    /// `message.timestamp.before.max.ms`: how old a producer's timestamp may be.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far ahead it may be (R71).
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` has `delete`: retention and DeleteRecords may remove old records. A topic
    /// that is only compacted keeps the last value of every key, so neither touches it.
    pub deletes_records: bool,
}

impl Default for TopicSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            batch_bytes_max: BATCH_BYTES_MAX_DEFAULT,
            log_append_time: false,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            deletes_records: true,
        }
    }
}

impl TopicSettings {
    /// Reads the configs through `config`, which knows what is in force for a name. Control has
    /// validated them; what cannot be read counts as not set.
    pub(crate) fn read<'a>(config: impl Fn(&str) -> Option<&'a str>) -> Self {
        let default = Self::default();
        let milliseconds = |name: &str, default: i64| {
            config(name).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        Self {
            batch_bytes_max: config("max.message.bytes")
                .and_then(|text| text.parse().ok())
                .map_or(default.batch_bytes_max, |bytes: usize| bytes.min(BATCH_BYTES_MAX)),
            log_append_time: config("message.timestamp.type") == Some("LogAppendTime"),
            timestamp_before_max_ms: milliseconds(
                "message.timestamp.before.max.ms",
                default.timestamp_before_max_ms,
            ),
            timestamp_after_max_ms: milliseconds(
                "message.timestamp.after.max.ms",
                default.timestamp_after_max_ms,
            ),
            deletes_records: config("cleanup.policy")
                .is_none_or(|policy| policy.split(',').any(|word| word.trim() == "delete")),
        }
    }

    /// The settings of internal topics: only this node writes them.
    pub(crate) fn internal() -> Self {
        Self { batch_bytes_max: BATCH_BYTES_MAX, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_in_force_are_read_and_the_rest_is_kafkas_default() {
        let settings = TopicSettings::read(|name| match name {
            "max.message.bytes" => Some("2000"),
            "message.timestamp.type" => Some("LogAppendTime"),
            "message.timestamp.after.max.ms" => Some("60000"),
            _ => None,
        });
        assert_eq!(settings.batch_bytes_max, 2_000);
        assert!(settings.log_append_time);
        assert_eq!(settings.timestamp_after_max_ms, 60_000);
        assert_eq!(settings.timestamp_before_max_ms, i64::MAX);
    }

    #[test]
    fn no_topic_may_take_batches_larger_than_an_object() {
        let settings = TopicSettings::read(|_| Some("2147483647"));
        assert_eq!(settings.batch_bytes_max, BATCH_BYTES_MAX);
    }
}
