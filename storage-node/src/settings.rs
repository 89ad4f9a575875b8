//! The topic configs a node enforces, read once per change instead of once per batch.

use std::ops::RangeInclusive;

use metadata::topic_config::elements;
use protocol::limits::BATCH_BYTES_MAX_DEFAULT;

use crate::cleaning::Cleaning;
use crate::limits::BATCH_BYTES_MAX;
use crate::retention::Retention;

/// Kafka's default: a week.
const RETENTION_MS_DEFAULT: i64 = 7 * 24 * 60 * 60 * 1_000;

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
    /// `cleanup.policy` has `compact`: every record needs a key.
    pub compacts: bool,
    /// `cleanup.policy` has `delete`: retention and DeleteRecords may remove old records. A topic
    /// that is only compacted keeps the last value of every key, so neither touches it.
    pub deletes_records: bool,
    /// `retention.ms` and `retention.bytes`.
    pub retention: Retention,
    /// `cleanup.policy` has `compact`: when the older values of keys go.
    pub cleaning: Option<Cleaning>,
}

impl Default for TopicSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            batch_bytes_max: BATCH_BYTES_MAX_DEFAULT,
            log_append_time: false,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compacts: false,
            deletes_records: true,
            retention: Retention { ms: Some(RETENTION_MS_DEFAULT), bytes: None },
            cleaning: None,
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
        let cleans_by = |policy: &str| {
            Some(elements(config("cleanup.policy")?).any(|element| element == policy))
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
            compacts: cleans_by("compact").unwrap_or(default.compacts),
            deletes_records: cleans_by("delete").unwrap_or(default.deletes_records),
            retention: Retention {
                ms: match milliseconds("retention.ms", RETENTION_MS_DEFAULT) {
                    ..0 => None,
                    ms => Some(ms),
                },
                bytes: config("retention.bytes").and_then(|text| text.parse().ok()),
            },
            cleaning: cleans_by("compact").unwrap_or_default().then(|| Cleaning::read(&config)),
        }
    }

    /// Which timestamps a producer may give its records; any if the node's clock replaces them.
    pub(crate) fn legal_timestamps(&self, now_ms: i64) -> Option<RangeInclusive<i64>> {
        let oldest = now_ms.saturating_sub(self.timestamp_before_max_ms);
        let newest = now_ms.saturating_add(self.timestamp_after_max_ms);
        (!self.log_append_time).then_some(oldest..=newest)
    }

    /// The settings of internal topics: only this node writes them, and moves their log starts.
    pub(crate) fn internal() -> Self {
        let retention = Retention::default();
        Self { batch_bytes_max: BATCH_BYTES_MAX, retention, ..Self::default() }
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
    fn a_cleanup_policy_is_a_list_which_may_be_empty() {
        let read = |policy| {
            let settings = TopicSettings::read(|name| (name == "cleanup.policy").then_some(policy));
            assert_eq!(settings.cleaning.is_some(), settings.compacts);
            (settings.compacts, settings.deletes_records)
        };
        assert_eq!(read("delete"), (false, true));
        assert_eq!(read("compact"), (true, false));
        assert_eq!(read("compact,delete"), (true, true));
        assert_eq!(read(""), (false, false));
        let default = TopicSettings::read(|_| None);
        assert!(default.deletes_records && !default.compacts);
    }

    #[test]
    fn a_negative_limit_of_retention_is_none() {
        let read = |ms, bytes| {
            let settings = TopicSettings::read(|name| match name {
                "retention.ms" => Some(ms),
                "retention.bytes" => Some(bytes),
                _ => None,
            });
            settings.retention
        };
        assert_eq!(read("-1", "-1"), Retention { ms: None, bytes: None });
        assert_eq!(read("0", "7"), Retention { ms: Some(0), bytes: Some(7) });
        let default = TopicSettings::read(|_| None).retention;
        assert_eq!(default, Retention { ms: Some(604_800_000), bytes: None });
    }

    #[test]
    fn no_topic_may_take_batches_larger_than_an_object() {
        let settings = TopicSettings::read(|_| Some("2147483647"));
        assert_eq!(settings.batch_bytes_max, BATCH_BYTES_MAX);
    }
}
