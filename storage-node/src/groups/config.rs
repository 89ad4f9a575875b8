//! What an operator may set about groups and transactions.

use std::time::Duration;

use serde::Deserialize;

/// Consumer groups whose state this node keeps. Names follow Kafka's broker configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupsConfig {
    /// Shortest session timeout that a member may ask for (Kafka's `group.min.session.timeout.ms`).
    /// Shorter finds dead members sooner and costs more heartbeats. Default: 6 s.
    #[serde(with = "humantime_serde")]
    pub min_session_timeout: Duration,
    /// Longest session timeout that a member may ask for (Kafka's `group.max.session.timeout.ms`).
    /// Default: 30 min.
    #[serde(with = "humantime_serde")]
    pub max_session_timeout: Duration,
    /// How long the first generation of an empty group waits for more members (Kafka's
    /// `group.initial.rebalance.delay.ms`). Zero forms it from the first one alone. Default: 3 s.
    #[serde(with = "humantime_serde")]
    pub initial_rebalance_delay: Duration,
    /// Members that a group may have (Kafka's `group.max.size`). Default: 10,000.
    pub max_size: usize,
    /// Silence after which a member of a consumer group (KIP-848) counts as gone (Kafka's
    /// `group.consumer.session.timeout.ms`). Default: 45 s.
    #[serde(with = "humantime_serde")]
    pub consumer_session_timeout: Duration,
    /// How often members of consumer groups are asked to send heartbeats (Kafka's
    /// `group.consumer.heartbeat.interval.ms`). Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub consumer_heartbeat_interval: Duration,
    /// Members that a consumer group may have (Kafka's `group.consumer.max.size`). Default: 10,000.
    pub consumer_max_size: usize,
    /// Which way groups with members may change between the classic and the consumer protocol (Kafka's
    /// `group.consumer.migration.policy`). All nodes should say the same. Default: `bidirectional`.
    pub consumer_migration_policy: MigrationPolicy,
    /// Longest text that may be committed with an offset (Kafka's `offset.metadata.max.bytes`).
    /// Default: 4096.
    pub offset_metadata_max: usize,
    /// How long offsets of an empty group, or of topics that it no longer reads, are kept (Kafka's
    /// `offsets.retention.minutes`). Default: 7 days.
    #[serde(with = "humantime_serde")]
    pub offsets_retention: Duration,
    /// How often expired offsets are looked for (Kafka's `offsets.retention.check.interval.ms`).
    /// Default: 10 min.
    #[serde(with = "humantime_serde")]
    pub offsets_retention_check_interval: Duration,
    /// Records after which a snapshot replaces the log. Fewer make a failover faster and the log
    /// longer. Default: 10,000.
    pub snapshot_records: usize,
    /// Transactions: their coordinators live beside those of groups.
    pub transactions: TransactionsConfig,
}

/// Kafka's values of `group.consumer.migration.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MigrationPolicy {
    /// A group stays what it is until its last member has gone.
    Disabled,
    /// A group becomes classic again when its last member of the consumer protocol goes.
    Downgrade,
    /// A classic group becomes one of consumers when its first such member comes.
    Upgrade,
    /// Both.
    #[default]
    Bidirectional,
}

/// Transactions whose state this node keeps. Names follow Kafka's broker configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransactionsConfig {
    /// Longest `transaction.timeout.ms` that a producer may ask for (Kafka's
    /// `transaction.max.timeout.ms`). An open transaction holds back its readers for as long.
    /// Default: 15 min.
    #[serde(with = "humantime_serde")]
    pub max_timeout: Duration,
    /// How long a transactional id that nobody uses is remembered (Kafka's
    /// `transactional.id.expiration.ms`). Default: 7 days.
    #[serde(with = "humantime_serde")]
    pub id_expiration: Duration,
    /// How often such ids are looked for (Kafka's
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`). Default: 1 h.
    #[serde(with = "humantime_serde")]
    pub id_expiration_check_interval: Duration,
}

impl Default for GroupsConfig {
    fn default() -> Self {
        Self {
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
            initial_rebalance_delay: Duration::from_secs(3),
            max_size: 10_000,
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
            consumer_max_size: 10_000,
            consumer_migration_policy: MigrationPolicy::default(),
            offset_metadata_max: 4_096,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            offsets_retention_check_interval: Duration::from_secs(600),
            snapshot_records: 10_000,
            transactions: TransactionsConfig::default(),
        }
    }
}

impl Default for TransactionsConfig {
    fn default() -> Self {
        Self {
            max_timeout: Duration::from_secs(15 * 60),
            id_expiration: Duration::from_secs(7 * 24 * 60 * 60),
            id_expiration_check_interval: Duration::from_secs(60 * 60),
        }
    }
}

impl From<MigrationPolicy> for coordinator::MigrationPolicy {
    fn from(policy: MigrationPolicy) -> Self {
        match policy {
            MigrationPolicy::Disabled => Self::Disabled,
            MigrationPolicy::Downgrade => Self::Downgrade,
            MigrationPolicy::Upgrade => Self::Upgrade,
            MigrationPolicy::Bidirectional => Self::Bidirectional,
        }
    }
}

impl GroupsConfig {
    /// The part that the state machine enforces. What does not fit its field is as good as for ever.
    pub(crate) fn coordinator(&self) -> coordinator::Config {
        let short = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
        let long = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        coordinator::Config {
            session_timeout_min_ms: short(self.min_session_timeout),
            session_timeout_max_ms: short(self.max_session_timeout),
            initial_rebalance_delay_ms: short(self.initial_rebalance_delay),
            group_size_max: self.max_size,
            consumer_session_timeout_ms: short(self.consumer_session_timeout),
            consumer_heartbeat_interval_ms: short(self.consumer_heartbeat_interval),
            consumer_group_size_max: self.consumer_max_size,
            consumer_migration_policy: self.consumer_migration_policy.into(),
            offset_metadata_max: self.offset_metadata_max,
            offsets_retention_ms: long(self.offsets_retention),
            offsets_retention_check_ms: long(self.offsets_retention_check_interval),
            transaction_timeout_max_ms: short(self.transactions.max_timeout),
            transactional_id_expiration_ms: long(self.transactions.id_expiration),
            transactional_id_expiration_check_ms: long(
                self.transactions.id_expiration_check_interval,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error;

    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_state_machine() {
        assert_eq!(GroupsConfig::default().coordinator(), coordinator::Config::default());
    }

    #[test]
    fn migration_policies_are_kafka_s_words() {
        for (word, policy) in [
            ("disabled", coordinator::MigrationPolicy::Disabled),
            ("downgrade", coordinator::MigrationPolicy::Downgrade),
            ("upgrade", coordinator::MigrationPolicy::Upgrade),
            ("bidirectional", coordinator::MigrationPolicy::Bidirectional),
        ] {
            let read: Result<MigrationPolicy, Error> =
                MigrationPolicy::deserialize(word.into_deserializer());
            assert_eq!(coordinator::MigrationPolicy::from(read.unwrap()), policy);
        }
        let both: Result<MigrationPolicy, Error> =
            MigrationPolicy::deserialize("both".into_deserializer());
        assert!(both.is_err());
    }

    #[test]
    fn a_time_beyond_all_fields_means_for_ever() {
        let config = GroupsConfig { max_session_timeout: Duration::MAX, ..GroupsConfig::default() };
        assert_eq!(config.coordinator().session_timeout_max_ms, i32::MAX);
    }
}
