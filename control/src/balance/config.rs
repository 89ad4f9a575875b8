//! The `[control.balance]` table.

use std::time::Duration;

use serde::Deserialize;

use crate::{config::ConfigError, limits::MOVES_AT_ONCE_MAX};

/// When partitions move so that nodes have about as many.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BalanceConfig {
    /// Whether they do at all. Without it only failovers and new partitions change what nodes have.
    /// Default: true.
    pub enabled: bool,
    /// How long all nodes must have been well, with none joining or leaving, before anything moves.
    /// Default: 3 s.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
    /// Partitions that move at the same time; the next ones when these serve. Each is away for some
    /// hundred milliseconds. More are faster, and more clients feel it at once. Default: 8.
    pub moves_at_once: usize,
}

impl Default for BalanceConfig {
    fn default() -> Self {
        Self { enabled: true, settle: Duration::from_secs(3), moves_at_once: 8 }
    }
}

impl BalanceConfig {
    /// Refuses values that cannot work, naming the key.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if (1..=MOVES_AT_ONCE_MAX).contains(&self.moves_at_once) {
            return Ok(());
        }
        Err(ConfigError { key: "balance.moves_at_once", reason: "must be between 1 and 32" })
    }
}
