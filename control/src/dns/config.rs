//! The `[control.gateway_sets]` and `[vantage]` tables.

mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use self::probe::{ProbeConfig, ProbeMechanism, ProbeSaslConfig, ProbeTlsConfig};
use crate::config::ConfigError;
use crate::limits::{GATEWAY_SETS_MAX, VANTAGE_POINTS_MIN};

/// Which gateways the clients' name stands for, and when that changes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySetsConfig {
    /// The name in clients' `bootstrap.servers`, `kafka.example.org.`. Beside it, at `_thermocline.`
    /// before the name, a TXT record says which set it stands for. Default: none; nobody switches sets.
    pub name: String,
    /// The sets, the preferred one first.
    pub sets: Vec<GatewaySetConfig>,
    /// The name server that is told by RFC 2136. Either this or `webhook`.
    pub rfc2136: Option<Rfc2136Config>,
    /// What is called instead, for other providers.
    pub webhook: Option<WebhookConfig>,
    /// Whether a set that fails is left without an operator. It is never gone back to without one.
    /// Default: true.
    pub automatic: bool,
    /// Vantage points that there are: this cluster's control processes and every `thermocline
    /// vantage`. Two thirds of them must agree. At least 3. Default: 3.
    pub vantage_points: usize,
    /// How long a set must have failed before it is left. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub fail_after: Duration,
    /// How long nobody leaves a set that became the active one (R55). Default: 60 s.
    #[serde(with = "humantime_serde")]
    pub hold_down: Duration,
    /// How long resolvers may keep an answer. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// How long clients keep it on top of that: 30 s in a JVM. The gateways of a set that was left
    /// go on as if nothing had happened for both together, then send their clients away. Default: 30 s.
    #[serde(with = "humantime_serde")]
    pub client_cache: Duration,
    /// How this process looks at the sets: it is a vantage point too.
    pub probe: ProbeConfig,
}

/// A gateway set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySetConfig {
    /// Its name, as in its gateways' `gateway.set`.
    pub name: String,
    /// What the clients' name stands for when the set is the active one.
    pub addresses: Vec<IpAddr>,
    /// Names that move together with that one, each with its address in this set: what the
    /// gateways advertise as their hosts. Default: none.
    #[serde(default)]
    pub brokers: BTreeMap<String, IpAddr>,
    /// Where the set is tried, `host:port`: a listener of a tenant for probes alone, or clients' own.
    /// One that serves is enough.
    pub probe: Vec<String>,
}

/// A name server that takes updates.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rfc2136Config {
    /// The primary server of the zone, asked and told over TCP.
    pub server: SocketAddr,
    /// The zone.
    pub zone: String,
    /// The name of the TSIG key (HMAC-SHA256).
    pub key_name: String,
    /// A file with the key's secret, in Base64.
    pub key_file: PathBuf,
}

/// A web service that changes DNS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where it answers; see docs/operations.md for what it is asked.
    pub url: String,
    /// A file with the token that it is shown. Default: none.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// `[vantage]`: a process that does nothing but look at gateway sets, from where clients are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VantageConfig {
    /// Its name, unique among vantage points and control processes.
    pub name: String,
    /// Where it stands. Default: nobody says.
    #[serde(default)]
    pub zone: String,
    /// The sets.
    pub sets: Vec<VantageSetConfig>,
    /// How it looks at them.
    #[serde(default)]
    pub probe: ProbeConfig,
}

/// A set, as a vantage point has to know it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VantageSetConfig {
    /// Its name, as control knows it.
    pub name: String,
    /// Where it is tried, `host:port`.
    pub probe: Vec<String>,
}

impl Default for GatewaySetsConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            sets: Vec::new(),
            rfc2136: None,
            webhook: None,
            automatic: true,
            vantage_points: VANTAGE_POINTS_MIN,
            fail_after: Duration::from_secs(10),
            hold_down: Duration::from_secs(60),
            ttl: Duration::from_secs(10),
            client_cache: Duration::from_secs(30),
            probe: ProbeConfig::default(),
        }
    }
}

// === impl GatewaySetsConfig ===

impl GatewaySetsConfig {
    /// Whether there is nothing to switch.
    pub fn is_off(&self) -> bool {
        self.name.is_empty()
    }

    /// A set by name.
    pub(crate) fn set(&self, name: &str) -> Option<&GatewaySetConfig> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// The names of the sets, the preferred one first.
    pub(crate) fn order(&self) -> Vec<String> {
        self.sets.iter().map(|set| set.name.clone()).collect()
    }

    /// How long the gateways of a set that was left go on as before.
    pub(crate) fn grace(&self) -> Duration {
        self.ttl + self.client_cache
    }

    /// Refuses values that cannot work, naming the key.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason| Err(ConfigError { key, reason });
        if self.is_off() {
            let nothing = self.sets.is_empty() && self.rfc2136.is_none() && self.webhook.is_none();
            return match nothing {
                true => Ok(()),
                false => refuse("gateway_sets.name", "must be set where there are sets"),
            };
        }
        if self.rfc2136.is_some() == self.webhook.is_some() {
            return refuse(
                "gateway_sets.rfc2136",
                "or `gateway_sets.webhook` must be set, not both",
            );
        }
        if !(1..=GATEWAY_SETS_MAX).contains(&self.sets.len()) {
            return refuse("gateway_sets.sets", "must be 1 to 16");
        }
        let names: BTreeSet<_> = self.sets.iter().map(|set| &set.name).collect();
        if names.len() < self.sets.len() || names.iter().any(|name| !is_name(name)) {
            let reason = "must be unique, of 1 to 32 lower-case letters, digits and `-`";
            return refuse("gateway_sets.sets.name", reason);
        }
        if self.sets.iter().any(|set| set.addresses.is_empty()) {
            return refuse("gateway_sets.sets.addresses", "must not be empty");
        }
        if self.sets.iter().any(|set| set.probe.is_empty()) {
            return refuse("gateway_sets.sets.probe", "must not be empty");
        }
        if self.vantage_points < VANTAGE_POINTS_MIN {
            return refuse("gateway_sets.vantage_points", "must be at least 3");
        }
        if self.ttl < Duration::from_secs(1) {
            return refuse("gateway_sets.ttl", "must be at least 1s");
        }
        self.probe.problem().map_or(Ok(()), |reason| refuse("gateway_sets.probe", reason))
    }
}

// === impl VantageConfig ===

impl VantageConfig {
    /// Refuses values that cannot work, naming the key.
    pub fn check(&self) -> Result<(), VantageConfigError> {
        let refuse = |key, reason| Err(VantageConfigError { key, reason });
        if !is_name(&self.name) {
            return refuse("name", "must be 1 to 32 lower-case letters, digits and `-`");
        }
        if self.sets.is_empty() || self.sets.iter().any(|set| set.probe.is_empty()) {
            return refuse("sets.probe", "must not be empty");
        }
        self.probe.problem().map_or(Ok(()), |reason| refuse("probe", reason))
    }
}

/// A value of `[vantage]` that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`vantage.{key}` {reason}")]
pub struct VantageConfigError {
    key: &'static str,
    reason: &'static str,
}

/// Names stand in a TXT record, between blanks.
fn is_name(name: &str) -> bool {
    let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        name = "kafka.example."
        ttl = "5s"
        [[sets]]
        name = "primary"
        addresses = ["192.0.2.1", "2001:db8::1"]
        brokers = { "b1.kafka.example." = "192.0.2.1" }
        probe = ["192.0.2.1:9094"]
        [[sets]]
        name = "standby"
        addresses = ["192.0.2.2"]
        probe = ["192.0.2.2:9094"]
        [rfc2136]
        server = "192.0.2.53:53"
        zone = "example."
        key_name = "thermocline."
        key_file = "/etc/thermocline/tsig"
    "#;

    #[test]
    fn a_table_as_documented_is_read_and_none_at_all_is_off() {
        let config: GatewaySetsConfig = toml::from_str(FILE).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.order(), ["primary", "standby"]);
        assert_eq!(config.grace(), Duration::from_secs(35));
        let none = GatewaySetsConfig::default();
        assert!(none.is_off() && none.check().is_ok());
    }

    #[test]
    fn what_cannot_work_names_its_key() {
        let refused = |change: fn(&mut GatewaySetsConfig)| {
            let mut config: GatewaySetsConfig = toml::from_str(FILE).unwrap();
            change(&mut config);
            config.check().unwrap_err().key
        };
        assert_eq!(refused(|it| it.name.clear()), "gateway_sets.name");
        assert_eq!(refused(|it| it.rfc2136 = None), "gateway_sets.rfc2136");
        assert_eq!(refused(|it| it.sets[0].name = "A b".to_owned()), "gateway_sets.sets.name");
        assert_eq!(refused(|it| it.sets[1].name = "primary".to_owned()), "gateway_sets.sets.name");
        assert_eq!(refused(|it| it.sets[1].addresses.clear()), "gateway_sets.sets.addresses");
        assert_eq!(refused(|it| it.sets[1].probe.clear()), "gateway_sets.sets.probe");
        assert_eq!(refused(|it| it.vantage_points = 2), "gateway_sets.vantage_points");
        assert_eq!(refused(|it| it.ttl = Duration::ZERO), "gateway_sets.ttl");
    }
}
