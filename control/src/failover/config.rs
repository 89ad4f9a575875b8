//! The `[control.failover]` table.

use std::time::Duration;

use serde::Deserialize;

use crate::config::ConfigError;

/// When a storage node counts as dead. Nothing acknowledged depends on any of these.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailoverConfig {
    /// How often every node is asked whether it is well. Default: 200 ms.
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    /// A node that was not well for this long is suspected. One that refuses connections is at
    /// once. Shorter moves partitions sooner, and more often for nothing. Default: 1 s.
    #[serde(with = "humantime_serde")]
    pub suspect_after: Duration,
    /// How long nobody is evicted after the metadata store was away: all nodes register anew
    /// meanwhile. And how long a node is waited for that this process has not seen well since it began
    /// to lead: it may be starting. One that it has seen well gets no such time. Default: 15 s.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// Nodes that may be evicted within a minute, or a share of all nodes if that is more. Beyond
    /// it something else is wrong than the nodes. Default: 2.
    pub evictions_per_minute: usize,
    /// That share. Default: 0.1.
    pub evictions_share: f64,
    /// How long a survivor is waited for to end a dead node's incarnation before another one is
    /// asked as well. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub drain_patience: Duration,
}

impl Default for FailoverConfig {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_millis(200),
            suspect_after: Duration::from_secs(1),
            grace: Duration::from_secs(15),
            evictions_per_minute: 2,
            evictions_share: 0.1,
            drain_patience: Duration::from_secs(10),
        }
    }
}

impl FailoverConfig {
    /// Refuses values that cannot work, naming the key.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason| Err(ConfigError { key, reason });
        if self.ping_interval.is_zero() {
            return refuse("failover.ping_interval", "must be more than 0s");
        }
        if self.suspect_after < self.ping_interval * 2 {
            return refuse("failover.suspect_after", "must be at least twice `ping_interval`");
        }
        if !(0.0..=1.0).contains(&self.evictions_share) {
            return refuse("failover.evictions_share", "must be between 0 and 1");
        }
        if self.drain_patience < Duration::from_secs(1) {
            return refuse("failover.drain_patience", "must be at least 1s");
        }
        Ok(())
    }
}
