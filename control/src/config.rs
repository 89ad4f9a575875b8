//! Configuration of the role: the `[control]` table.

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

use crate::{
    api::AdminConfig,
    balance::BalanceConfig,
    dns::{GatewaySetConfig, GatewaySetsConfig},
    failover::FailoverConfig,
    front_choice::FrontChoice,
    standby::StandbyConfig,
};

/// How control runs. Every control process of a cluster should have the same, apart from id and
/// addresses: whichever leads applies its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of this process, unique in the cluster. A process that starts again under its name
    /// takes over from its dead predecessor at once.
    pub control_id: String,
    /// Address of the internal port. Keep it inside the cluster's network.
    /// Default: `127.0.0.1:9703`.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Address that gateways and nodes connect to, `host:port`, when it differs from `listen`.
    #[serde(default)]
    pub advertised: Option<String>,
    /// How long the cluster waits for a leader that fell silent before it elects another.
    /// Shorter heals sooner, longer survives slower metadata stores. Nothing acknowledged
    /// depends on it (R5). At least 2 s with etcd. Default: 5 s.
    #[serde(default = "default_lease", with = "humantime_serde")]
    pub lease: Duration,
    /// Partitions of a topic that is created without a number, as by a producer's first record
    /// (Kafka's `num.partitions`). Default: 1.
    #[serde(default = "default_partitions")]
    pub default_partitions: i32,
    /// Partitions of the internal topic that keeps group state. Counts only when the cluster is
    /// founded; groups are hashed onto it for ever. Fewer start faster, more spread the groups
    /// over more nodes. Default: 50.
    #[serde(default = "default_group_state_partitions")]
    pub group_state_partitions: i32,
    /// Which nodes get the partitions of topics that set no `thermocline.front`: those with a
    /// `disk` front, with an `object` front, or `any`. Default: `any`.
    #[serde(default)]
    pub default_front: FrontChoice,
    /// The most partitions one topic may have. Default: 10000.
    #[serde(default = "default_partitions_per_topic_max")]
    pub partitions_per_topic_max: i32,
    /// The most partitions the cluster may have, over all tenants. Every gateway and node keeps
    /// all of them in memory (below 200 bytes each). Default: 100000.
    #[serde(default = "default_partitions_max")]
    pub partitions_max: usize,
    /// How long the answer to a creation waits for the new partitions to serve. It is a success
    /// also when they do not yet. Default: 10 s.
    #[serde(default = "default_open_wait", with = "humantime_serde")]
    pub open_wait: Duration,
    /// How often the leader looks for work nobody told it of. Default: 5 s.
    #[serde(default = "default_reconcile_interval", with = "humantime_serde")]
    pub reconcile_interval: Duration,
    /// When a storage node counts as dead, and what then.
    #[serde(default)]
    pub failover: FailoverConfig,
    /// When partitions move between nodes that are all well.
    #[serde(default)]
    pub balance: BalanceConfig,
    /// Set on a site that stands by for the cluster in its bucket, or is to do so some day.
    #[serde(default)]
    pub standby: Option<StandbyConfig>,
    /// Which gateways the clients' name stands for.
    #[serde(default)]
    pub gateway_sets: GatewaySetsConfig,
    /// The API of `thermocline nodes`, `drain` and their like.
    #[serde(default)]
    pub admin: AdminConfig,
}

impl Config {
    /// All defaults, for process `control_id`.
    pub fn new(control_id: impl Into<String>) -> Self {
        Self {
            control_id: control_id.into(),
            listen: default_listen(),
            advertised: None,
            lease: default_lease(),
            default_partitions: default_partitions(),
            group_state_partitions: default_group_state_partitions(),
            default_front: FrontChoice::default(),
            partitions_per_topic_max: default_partitions_per_topic_max(),
            partitions_max: default_partitions_max(),
            open_wait: default_open_wait(),
            reconcile_interval: default_reconcile_interval(),
            failover: FailoverConfig::default(),
            balance: BalanceConfig::default(),
            standby: None,
            gateway_sets: GatewaySetsConfig::default(),
            admin: AdminConfig::default(),
        }
    }

    /// Refuses values that cannot work, naming the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason| Err(ConfigError { key, reason });
        if self.control_id.is_empty() {
            return refuse("control_id", "must not be empty");
        }
        if self.lease < Duration::from_secs(2) {
            return refuse("lease", "must be at least 2s");
        }
        if self.partitions_per_topic_max < 1 {
            return refuse("partitions_per_topic_max", "must be at least 1");
        }
        if !(1..=self.partitions_per_topic_max).contains(&self.default_partitions) {
            return refuse("default_partitions", "must be between 1 and partitions_per_topic_max");
        }
        if !(1..=self.partitions_per_topic_max).contains(&self.group_state_partitions) {
            return refuse(
                "group_state_partitions",
                "must be between 1 and partitions_per_topic_max",
            );
        }
        if self.reconcile_interval.is_zero() {
            return refuse("reconcile_interval", "must be more than 0s");
        }
        self.standby.as_ref().map_or(Ok(()), StandbyConfig::check)?;
        self.failover.check()?;
        self.balance.check()?;
        self.gateway_sets.check()?;
        let named = self.standby.as_ref().and_then(|standby| standby.gateway_set.as_ref());
        match named.is_some_and(|set| self.gateway_sets.set(set).is_none()) {
            true => refuse("standby.gateway_set", "must be one of `control.gateway_sets.sets`"),
            false => Ok(()),
        }
    }

    /// Where a promotion of this site sends clients; `None` where no sets are switched, or where it is
    /// not clear which of them is this site's.
    pub fn gateway_set_of_site(&self) -> Option<&GatewaySetConfig> {
        let StandbyConfig { site, gateway_set, .. } = self.standby.as_ref()?;
        if let Some(name) = gateway_set {
            return self.gateway_sets.set(name);
        }
        let only = match self.gateway_sets.sets.as_slice() {
            [set] => Some(set),
            _ => None,
        };
        self.gateway_sets.set(site).or(only)
    }
}

/// A value that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`control.{key}` {reason}")]
pub struct ConfigError {
    /// The key within the table.
    pub key: &'static str,
    /// What it must be.
    pub reason: &'static str,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9703))
}

fn default_lease() -> Duration {
    Duration::from_secs(5)
}

fn default_partitions() -> i32 {
    1
}

fn default_group_state_partitions() -> i32 {
    50
}

fn default_partitions_per_topic_max() -> i32 {
    10_000
}

fn default_partitions_max() -> usize {
    100_000
}

fn default_open_wait() -> Duration {
    Duration::from_secs(10)
}

fn default_reconcile_interval() -> Duration {
    Duration::from_secs(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_an_id_is_enough_and_unknown_keys_are_refused() {
        let config: Config = toml::from_str("control_id = 'a'\nlease = '7s'").unwrap();
        assert_eq!((config.check(), config.lease), (Ok(()), Duration::from_secs(7)));
        assert_eq!(config.default_partitions, Config::new("a").default_partitions);
        let error = toml::from_str::<Config>("control_id = 'a'\nleese = '7s'").unwrap_err();
        assert!(error.to_string().contains("leese"), "{error}");
    }

    #[test]
    fn a_site_has_the_gateway_set_that_is_named_or_that_goes_without_saying() {
        let set = |site: &str, named: Option<&str>, sets: &[&str]| {
            let mut config = Config::new("a");
            config.standby = Some(StandbyConfig {
                gateway_set: named.map(str::to_owned),
                ..StandbyConfig::new(site)
            });
            config.gateway_sets.sets = sets
                .iter()
                .map(|name| GatewaySetConfig {
                    name: (*name).to_owned(),
                    addresses: Vec::new(),
                    brokers: std::collections::BTreeMap::new(),
                    probe: Vec::new(),
                })
                .collect();
            config.gateway_set_of_site().map(|set| set.name.clone())
        };
        assert_eq!(set("fra-2", None, &["fra-1", "fra-2"]).as_deref(), Some("fra-2"));
        assert_eq!(set("b", Some("fra-1"), &["fra-1", "fra-2"]).as_deref(), Some("fra-1"));
        assert_eq!(set("b", None, &["gateways"]).as_deref(), Some("gateways"));
        assert_eq!(set("b", None, &["fra-1", "fra-2"]), None);
        assert_eq!(set("b", None, &[]), None);
        let mut config = Config::new("a");
        let gateway_set = Some("nowhere".to_owned());
        config.standby = Some(StandbyConfig { gateway_set, ..StandbyConfig::new("b") });
        assert_eq!(config.check().unwrap_err().key, "standby.gateway_set");
    }

    #[test]
    fn what_cannot_work_names_its_key() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::new("a");
            change(&mut config);
            config.check().unwrap_err().key
        };
        assert_eq!(Config::new("a").check(), Ok(()));
        assert_eq!(refused(|config| config.control_id.clear()), "control_id");
        assert_eq!(refused(|config| config.lease = Duration::from_secs(1)), "lease");
        assert_eq!(refused(|config| config.default_partitions = 0), "default_partitions");
        assert_eq!(refused(|config| config.group_state_partitions = 0), "group_state_partitions");
        assert_eq!(
            refused(|config| config.partitions_per_topic_max = 0),
            "partitions_per_topic_max"
        );
    }
}
