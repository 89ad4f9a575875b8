//! Configuration of the gateway role: what an operator may set, with defaults that serve.
//!
//! Durations and sizes are text (`"30s"`, `"64MiB"`), unknown keys are refused. [`Config::check`]
//! refuses values that cannot work together and names the key.

mod authorisation;
mod listener;

use std::collections::HashSet;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

pub use self::authorisation::{AuditConfig, AuthorisationConfig, TenantSuperUsers};
pub use self::listener::{
    ClientAuth, ListenerConfig, PrincipalSource, Security, TlsConfig, TlsVersion, UnknownHost,
};
use crate::limits::{LISTENERS_MAX, PRODUCE_HOLD_MAX};

/// The gateway's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The id under which clients know this gateway. Must be unique among the cluster's gateways
    /// and stay the same over restarts; never negative.
    pub broker_id: i32,
    /// The gateway set it is in, as control's `gateway_sets` names it. Clients are shown the gateways of
    /// one set. Default: none, which is every set.
    #[serde(default)]
    pub set: String,
    /// The broker id that clients know it by, if that is another. The gateways of each set have the
    /// same, so that clients find the brokers they know in every set. Default: `broker_id`.
    #[serde(default)]
    pub slot: Option<i32>,
    /// Where clients connect. Default: one, in plain text on `127.0.0.1:9092`.
    #[serde(default = "default_listeners")]
    pub listeners: Vec<ListenerConfig>,
    /// Availability zone, shown to clients as the broker's rack. Default: none.
    #[serde(default)]
    pub zone: String,
    /// Whether asking for the metadata of an unknown topic creates it (Kafka's
    /// `auto.create.topics.enable`). Default: true.
    #[serde(default = "yes")]
    pub auto_create_topics: bool,
    /// How long the cluster waits for this gateway's sign of life before it stops naming it to
    /// clients. Shorter notices a dead gateway sooner, longer rides out a slow metadata store.
    /// Default: 10 s.
    #[serde(default = "default_lease", with = "humantime_serde")]
    pub lease: Duration,
    /// How long requests in flight may take to finish when the gateway stops. Default: 10 s.
    #[serde(default = "default_drain", with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// How long produces to a storage node's partitions wait after the node went or came back,
    /// rather than be refused and wait in their clients' back-off. Most takeovers end within the
    /// default. Everything else on the connection waits with them. Default: 1 s; at most 5 s.
    #[serde(default = "default_produce_hold", with = "humantime_serde")]
    pub produce_hold: Duration,
    /// Bounds on what clients may do to this process.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Fetch sessions and cold reads.
    #[serde(default)]
    pub fetch: FetchConfig,
    /// Who may do what.
    #[serde(default)]
    pub authorisation: AuthorisationConfig,
    /// What is kept of who did what.
    #[serde(default)]
    pub audit: AuditConfig,
}

/// Bounds on what clients may do to this process (R61, R62).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections at a time; one more is closed at once. Default: 10000.
    pub connections: usize,
    /// Connections of one address at a time. Default: as many as `connections`.
    pub connections_per_address: Option<usize>,
    /// Connections at a time that have not said who they are, or not asked anything where nobody
    /// has to. When there are so many, those that have the longest line of one address make room.
    /// Each may hold 64 KiB. Default: 5000.
    pub unauthenticated_connections: usize,
    /// As many of one address (of one /64 network, with IPv6) are served at a time; more wait.
    /// Raise it where clients come by few addresses, as behind a balancer that hides theirs.
    /// Default: 64.
    pub unauthenticated_connections_per_address: usize,
    /// Largest request (Kafka's `socket.request.max.bytes`). Default: 100 MiB.
    pub request_size: ByteSize,
    /// Memory for the requests that are being read or answered, over all connections. Default:
    /// 512 MiB.
    pub request_memory: ByteSize,
    /// What clients of one tenant may have of it, so that those of others go on. Default: half.
    pub request_memory_per_tenant: Option<ByteSize>,
    /// Requests of one connection that may be under way. Default: 64.
    pub requests_in_flight: usize,
    /// Bytes of such requests; one larger request is let through alone. Default: 64 MiB.
    pub bytes_in_flight: ByteSize,
    /// A connection must have sent one whole request by then, and have said who it is. What the
    /// client took for the handshake counts (R62). Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub first_request_timeout: Duration,
    /// A request that began to arrive must be whole by then, or arrive at 16 KiB/s at least.
    /// Default: 30 s.
    #[serde(with = "humantime_serde")]
    pub frame_timeout: Duration,
    /// A connection without requests is closed after this (Kafka's `connections.max.idle.ms`).
    /// Default: 10 min.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// A client that takes no byte of its answers for this long is closed, or that takes them slower
    /// than 16 KiB/s after it. Default: 60 s.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
}

/// Fetch sessions and cold reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FetchConfig {
    /// Fetch sessions kept (Kafka's `max.incremental.fetch.session.cache.slots`). A client
    /// without one sends its whole list each time. Default: 1000.
    pub sessions: usize,
    /// Partitions over all sessions. Default: 200000.
    pub session_partitions: usize,
    /// A session may be evicted for another once it was not used for this long. Default: 2 min.
    #[serde(with = "humantime_serde")]
    pub session_idle: Duration,
    /// Bytes of one answer, whatever the client asks for. Default: 64 MiB.
    pub response_size: ByteSize,
    /// Memory for cold reads that were not ready when their fetch was answered; they wait here
    /// for the next one. Default: 64 MiB.
    pub cold_memory: ByteSize,
    /// A consumer that catches up goes on reading from cold readers over this many percent of what
    /// its node has in memory. More gives it a longer lead over the node's eviction, less takes it
    /// to the node sooner. Default: 25.
    pub seam_percent: u8,
}

/// A configuration that cannot work: which key, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config: `{key}`: {problem}")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

// === impl Config ===

impl Config {
    /// All defaults, for this broker id.
    pub fn new(broker_id: i32) -> Self {
        Self {
            broker_id,
            set: String::new(),
            slot: None,
            listeners: default_listeners(),
            zone: String::new(),
            auto_create_topics: true,
            lease: default_lease(),
            drain_timeout: default_drain(),
            produce_hold: default_produce_hold(),
            limits: LimitsConfig::default(),
            fetch: FetchConfig::default(),
            authorisation: AuthorisationConfig::default(),
            audit: AuditConfig::default(),
        }
    }

    /// Refuses what cannot work, by the name of its key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        self.check_listeners()?;
        self.authorisation.check()?;
        require(self.broker_id >= 0, "broker_id", "must not be negative")?;
        require(self.slot.is_none_or(|slot| slot >= 0), "slot", "must not be negative")?;
        require(self.lease >= Duration::from_secs(2), "lease", "must be at least 2s")?;
        require(self.produce_hold <= PRODUCE_HOLD_MAX, "produce_hold", "must be at most 5s")?;
        require(limits.connections > 0, "limits.connections", "must be at least 1")?;
        require(
            limits.unauthenticated_connections > 0,
            "limits.unauthenticated_connections",
            "must be at least 1",
        )?;
        require(
            limits.unauthenticated_connections_per_address > 0,
            "limits.unauthenticated_connections_per_address",
            "must be at least 1",
        )?;
        require(limits.requests_in_flight > 0, "limits.requests_in_flight", "must be at least 1")?;
        require(
            limits.request_size.as_u64() <= protocol::limits::FRAME_BYTES_MAX as u64,
            "limits.request_size",
            "must be at most 100MiB",
        )?;
        require(
            limits.request_memory >= limits.request_size,
            "limits.request_memory",
            "must be at least `limits.request_size`, or that request could never be read",
        )?;
        require(
            self.fetch.response_size.as_u64() <= i32::MAX as u64,
            "fetch.response_size",
            "must be below 2GiB",
        )?;
        // At 100 a consumer that came from below would never get hot while records come in.
        require(self.fetch.seam_percent <= 75, "fetch.seam_percent", "must be at most 75")
    }

    fn check_listeners(&self) -> Result<(), ConfigError> {
        require(!self.listeners.is_empty(), "listeners", "must name one at least")?;
        require(self.listeners.len() <= LISTENERS_MAX, "listeners", "must be at most 64")?;
        let mut names = HashSet::new();
        for listener in &self.listeners {
            listener.check()?;
            let is_new = names.insert(listener.name());
            require(is_new, "listeners.name", "must differ between listeners; give each a name")?;
        }
        Ok(())
    }
}

fn require(holds: bool, key: &'static str, problem: &str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { key, problem: problem.to_owned() }) }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: None,
            unauthenticated_connections: 5_000,
            unauthenticated_connections_per_address: 64,
            request_size: ByteSize::b(protocol::limits::FRAME_BYTES_MAX as u64),
            request_memory: ByteSize::mib(512),
            request_memory_per_tenant: None,
            requests_in_flight: 64,
            bytes_in_flight: ByteSize::mib(64),
            first_request_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(10 * 60),
            write_timeout: Duration::from_secs(60),
        }
    }
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            session_partitions: 200_000,
            session_idle: Duration::from_secs(2 * 60),
            response_size: ByteSize::mib(64),
            cold_memory: ByteSize::mib(64),
            seam_percent: 25,
        }
    }
}

fn default_listeners() -> Vec<ListenerConfig> {
    vec![ListenerConfig::default()]
}

fn yes() -> bool {
    true
}

fn default_lease() -> Duration {
    Duration::from_secs(10)
}

fn default_produce_hold() -> Duration {
    Duration::from_secs(1)
}

fn default_drain() -> Duration {
    Duration::from_secs(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert_eq!(Config::new(1).check(), Ok(()));
    }

    #[test]
    fn a_refused_value_is_named_by_its_key() {
        let mut config = Config::new(-1);
        assert_eq!(config.check().map_err(|error| error.key), Err("broker_id"));
        config.broker_id = 1;
        config.limits.request_memory = ByteSize::mib(1);
        assert_eq!(config.check().map_err(|error| error.key), Err("limits.request_memory"));
    }

    #[test]
    fn two_listeners_of_one_name_are_refused() {
        let mut config = Config::new(1);
        config.listeners.push(ListenerConfig::default());
        assert_eq!(config.check().map_err(|error| error.key), Err("listeners.name"));
        config.listeners[1].name = Some("INSIDE".to_owned());
        assert_eq!(config.check(), Ok(()));
        config.listeners.clear();
        assert_eq!(config.check().map_err(|error| error.key), Err("listeners"));
    }

    #[test]
    fn tls_needs_a_certificate() {
        for security in [Security::Tls, Security::SaslTls] {
            let mut config = Config::new(1);
            config.listeners[0].security = security;
            assert_eq!(config.check().map_err(|error| error.key), Err("listeners.tls"));
        }
    }
}
