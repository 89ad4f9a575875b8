//! What an operator may set about groups and transactions. Names and defaults follow Kafka's broker configuration.

/// Bounds and delays of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `group.min.session.timeout.ms`: a JoinGroup below it gets INVALID_SESSION_TIMEOUT.
    pub session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`: a JoinGroup above it gets INVALID_SESSION_TIMEOUT.
    pub session_timeout_max_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long the first generation of an empty group waits
    /// for more members. Zero forms it from the first member alone, which suits development.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`: members a group may have. Kafka sets no bound; we do.
    pub group_size_max: usize,
    /// `group.consumer.session.timeout.ms`: silence after which a member of a consumer group counts
    /// as gone.
    pub consumer_session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`: how often members of consumer groups are asked to
    /// send heartbeats.
    pub consumer_heartbeat_interval_ms: i32,
    /// `group.consumer.max.size`: members a consumer group may have. Kafka sets no bound; we do.
    pub consumer_group_size_max: usize,
    /// `group.consumer.migration.policy`: which way groups with members may change their protocol.
    pub consumer_migration_policy: MigrationPolicy,
    /// `offset.metadata.max.bytes`: length of the text committed with an offset. Counted like
    /// Kafka in UTF-16 units, whatever the name says.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`: offsets outlive their last use by this.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`: how often expired offsets are looked for.
    pub offsets_retention_check_ms: i64,
    /// `transaction.max.timeout.ms`: an InitProducerId that asks for more gets
    /// INVALID_TRANSACTION_TIMEOUT.
    pub transaction_timeout_max_ms: i32,
    /// `transactional.id.expiration.ms`: a transactional id is forgotten when it was idle for this.
    pub transactional_id_expiration_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`: how often idle transactional
    /// ids are looked for.
    pub transactional_id_expiration_check_ms: i64,
}

/// Which way a group may change its protocol while it has members (KIP-848). An empty group always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MigrationPolicy {
    /// It stays what it is until its last member has gone.
    Disabled,
    /// To the classic protocol, when its last member of the consumer protocol goes.
    Downgrade,
    /// To the consumer protocol, when its first such member comes.
    Upgrade,
    /// Both. Kafka's default.
    #[default]
    Bidirectional,
}

impl MigrationPolicy {
    pub(crate) fn upgrades(self) -> bool {
        matches!(self, Self::Upgrade | Self::Bidirectional)
    }

    pub(crate) fn downgrades(self) -> bool {
        matches!(self, Self::Downgrade | Self::Bidirectional)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            group_size_max: 10_000,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            consumer_group_size_max: 10_000,
            consumer_migration_policy: MigrationPolicy::default(),
            offset_metadata_max: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_ms: 600_000,
            transaction_timeout_max_ms: 900_000,
            transactional_id_expiration_ms: 7 * 24 * 60 * 60 * 1_000,
            transactional_id_expiration_check_ms: 3_600_000,
        }
    }
}
