//! The `[control.balance]` table.

use std::time::Duration;

use serde::Deserialize;

use crate::{config::ConfigError, limits::MOVES_AT_ONCE_MAX};

/// When partitions move so that nodes have about the same load.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BalanceConfig {
    /// Whether they do by themselves. Without it only failovers, new partitions and operators (drain,
    /// pin, move) change what nodes have. Default: true.
    pub enabled: bool,
    /// How long no node must have been in trouble (dead, or dying) before anything moves. One that
    /// joins gets its share at once. Default: 3 s.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
    /// Partitions that move at the same time, in all. More are faster, and more clients feel it at
    /// once. Default: 64.
    pub moves_at_once: usize,
    /// And from the same node, and to the same node. Each is away for some ten milliseconds, and the
    /// longer the more leave or arrive together: a node writes their CLOSE slots one after the other.
    /// Default: 8.
    pub moves_per_node: usize,
}

impl Default for BalanceConfig {
    fn default() -> Self {
        Self { enabled: true, settle: Duration::from_secs(3), moves_at_once: 64, moves_per_node: 8 }
    }
}

impl BalanceConfig {
    /// Refuses values that cannot work, naming the key.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason| Err(ConfigError { key, reason });
        if !(1..=MOVES_AT_ONCE_MAX).contains(&self.moves_at_once) {
            return refuse("balance.moves_at_once", "must be between 1 and 256");
        }
        if !(1..=MOVES_AT_ONCE_MAX).contains(&self.moves_per_node) {
            return refuse("balance.moves_per_node", "must be between 1 and 256");
        }
        Ok(())
    }
}
