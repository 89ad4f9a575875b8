//! Configuration of a site that may stand by: the `[control.standby]` table.

use std::time::Duration;

use serde::Deserialize;

use crate::config::ConfigError;
use crate::limits::STANDBY_POLL_MAX;

/// Makes control follow the bucket's cluster, rather than refuse to start, while its own metadata
/// store is empty. Without effect on a site that serves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandbyConfig {
    /// Name of this site, unique among those on the bucket. A promotion is recorded under it.
    pub site: String,
    /// How often the metadata log is looked at for something new, by one GET. Default: 500 ms.
    #[serde(default = "default_poll", with = "humantime_serde")]
    pub poll: Duration,
    /// The gateway set of this site, one of `control.gateway_sets.sets`: a promotion ends with the
    /// clients' name leading there. Default: the set with the site's name, or the only one.
    #[serde(default)]
    pub gateway_set: Option<String>,
}

impl StandbyConfig {
    /// All defaults, for `site`.
    pub fn new(site: impl Into<String>) -> Self {
        Self { site: site.into(), poll: default_poll(), gateway_set: None }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason| Err(ConfigError { key, reason });
        if self.site.is_empty() {
            return refuse("standby.site", "must not be empty");
        }
        if self.poll.is_zero() || self.poll > STANDBY_POLL_MAX {
            return refuse("standby.poll", "must be more than 0s and at most 2s");
        }
        Ok(())
    }
}

fn default_poll() -> Duration {
    Duration::from_millis(500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_needs_a_name_and_cannot_be_far_behind() {
        let config: StandbyConfig = toml::from_str("site = 'b'").unwrap();
        assert_eq!((config.check(), config.poll), (Ok(()), Duration::from_millis(500)));
        assert_eq!(StandbyConfig::new("").check().unwrap_err().key, "standby.site");
        let late = StandbyConfig { poll: Duration::from_secs(3), ..config };
        assert_eq!(late.check().unwrap_err().key, "standby.poll");
    }
}
