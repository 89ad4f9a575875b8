//! Configuration of the storage-node role: what an operator may set, with defaults that serve.
//!
//! Durations and sizes are text (`"5s"`, `"64MiB"`), unknown keys are refused. [`Config::check`]
//! refuses values that cannot work together and names the key.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use crate::groups::GroupsConfig;
use segment::seqlog::IN_FLIGHT_MAX;

use crate::limits::{OBJECT_BYTES_MAX, PLAN_LIFE_MS_MAX};
use crate::wal::{FrontDescriptor, ObjectTuning};

/// The storage node's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node's id. Unique among the cluster's storage nodes, the same over restarts, never
    /// negative.
    pub node_id: i32,
    /// Where gateways, cold readers and control reach this node. Port 0 takes any free port.
    /// Default: `127.0.0.1:0`.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// The address told to the others, `host:port`. Default: the one that was bound.
    #[serde(default)]
    pub advertised_address: Option<String>,
    /// Availability zone, for placement. Default: none.
    #[serde(default)]
    pub zone: String,
    /// The write-ahead log.
    pub wal: WalConfig,
    /// Memory for recent batches, which serve consumers near the end of their logs. Batches not
    /// yet uploaded stay beyond it, up to the size of the write-ahead log. More memory lets
    /// consumers lag longer before their reads go to a cold reader. Default: 256 MiB.
    #[serde(default = "default_cache")]
    pub cache_size: ByteSize,
    /// Uploads to the object store.
    #[serde(default)]
    pub upload: UploadConfig,
    /// Consumer groups.
    #[serde(default)]
    pub groups: GroupsConfig,
    /// What one plan for a cold reader covers, about. Larger plans ask the owner less often,
    /// smaller ones keep tokens short. Default: 64 MiB.
    #[serde(default = "default_plan_size")]
    pub plan_size: ByteSize,
    /// How long a plan may be used. At most 10 min. Default: 5 min.
    #[serde(default = "default_plan_life", with = "humantime_serde")]
    pub plan_life: Duration,
    /// How long the cluster waits for this node's sign of life before it counts as down. Nothing
    /// is taken from it for that alone: control looks for itself, and asks others. Default: 5 s.
    #[serde(default = "default_lease", with = "humantime_serde")]
    pub lease: Duration,
    /// A process that was suspended for longer (stopped, migrated, swapped out) ends instead of
    /// going on: its partitions are another node's by then. Counts only for fronts that other nodes
    /// can drain. Default: 10 s.
    #[serde(default = "default_suspend_max", with = "humantime_serde")]
    pub suspend_max: Duration,
    /// An incarnation that has lived for this long ends its log and makes room for the next, so that
    /// the slots of its log can be collected; up to a tenth earlier, by chance. Partitions are away
    /// for about as long as at a restart. Shorter keeps less twice in the object store. At least
    /// 1 s. Default: 12 h.
    #[serde(default = "default_incarnation_max", with = "humantime_serde")]
    pub incarnation_max: Duration,
    /// How long a silent idempotent producer is remembered (Kafka's `producer.id.expiration.ms`).
    /// Default: 1 day.
    #[serde(default = "default_producer_expiration", with = "humantime_serde")]
    pub producer_id_expiration: Duration,
    /// How often it is looked for records that are older, or more, than their topics keep
    /// (Kafka's `log.retention.check.interval.ms`). Default: 5 min.
    #[serde(default = "default_retention_interval", with = "humantime_serde")]
    pub retention_interval: Duration,
    /// Partitions opened at the same time: each is a few requests to the object store.
    /// Default: 32.
    #[serde(default = "default_open_concurrency")]
    pub open_concurrency: usize,
}

/// The write-ahead log: where batches become durable before they are acknowledged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalConfig {
    /// A file, or the object store. Default: `"disk"`.
    #[serde(default)]
    pub kind: WalKind,
    /// The ring file, for `kind = "disk"`. Its directory must exist and belong to this node alone.
    /// Acknowledged records are in here until they are uploaded: it must survive whatever the node
    /// must survive.
    #[serde(default)]
    pub path: PathBuf,
    /// What may wait for upload, and so how long the object store may be away. A disk log is a file
    /// of this size, all of it written once when it is created, and takes batches of up to a
    /// sixteenth of it, whatever `max.message.bytes` allows. Default: 256 MiB.
    #[serde(default = "default_wal_size")]
    pub size: ByteSize,
    /// Writes in flight to the file. More hide the latency of a device that takes several at a
    /// time. Default: 3.
    #[serde(default = "default_wal_writers")]
    pub writers: usize,
    /// The file is on a volume that another machine attaches at the same path when this one is gone.
    /// Then another node may drain it, and this one keeps a promise in the metadata store: without
    /// that store it acknowledges nothing after 2 s. Default: false.
    #[serde(default)]
    pub shared: bool,
    /// How the object store is written, for `kind = "object"`.
    #[serde(default)]
    pub object: ObjectWalConfig,
}

/// Where the write-ahead log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WalKind {
    /// A file on this node's disk: milliseconds, and the node's partitions wait for its return.
    #[default]
    Disk,
    /// Slots in the object store: tens of milliseconds more, and any node takes over.
    Object,
}

/// The write-ahead log in the object store.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectWalConfig {
    /// The least time between two PUTs, 10 ms to 250 ms. Shorter costs more requests, longer makes
    /// producers wait. Default: 50 ms, at most 20 PUTs a second.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// PUTs in flight, 1 to 4. Acknowledgements leave in order, so more help only where a PUT takes
    /// longer than the window. Default: 2.
    pub in_flight: usize,
}

/// When and how much to upload.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UploadConfig {
    /// The longest a record waits before its upload begins. Shorter costs more PUTs, longer more
    /// memory and a longer recovery. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// As soon as this much waits, it is uploaded. Larger costs fewer PUTs per GiB; a PUT is at most
    /// 32 MiB. Default: 32 MiB.
    pub size: ByteSize,
    /// Longest pause between attempts while the object store fails. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
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
    /// All defaults, for this node id and ring file.
    pub fn new(node_id: i32, wal_path: impl Into<PathBuf>) -> Self {
        Self {
            node_id,
            listen: default_listen(),
            advertised_address: None,
            zone: String::new(),
            wal: WalConfig {
                kind: WalKind::Disk,
                path: wal_path.into(),
                size: default_wal_size(),
                writers: default_wal_writers(),
                shared: false,
                object: ObjectWalConfig::default(),
            },
            cache_size: default_cache(),
            upload: UploadConfig::default(),
            groups: GroupsConfig::default(),
            plan_size: default_plan_size(),
            plan_life: default_plan_life(),
            lease: default_lease(),
            suspend_max: default_suspend_max(),
            incarnation_max: default_incarnation_max(),
            producer_id_expiration: default_producer_expiration(),
            retention_interval: default_retention_interval(),
            open_concurrency: default_open_concurrency(),
        }
    }

    /// Refuses what cannot work, by the name of its key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let plan_life_max = Duration::from_millis(PLAN_LIFE_MS_MAX.unsigned_abs());
        let upload_size = self.upload.size.as_u64();
        require(self.node_id >= 0, "node_id", "must not be negative")?;
        self.wal.check()?;
        require(self.lease >= Duration::from_secs(2), "lease", "must be at least 2s")?;
        require(
            self.suspend_max >= Duration::from_secs(3),
            "suspend_max",
            "must be at least 3s, or a busy machine ends its nodes",
        )?;
        require(
            self.incarnation_max >= Duration::from_secs(1),
            "incarnation_max",
            "must be at least 1s",
        )?;
        require(!self.retention_interval.is_zero(), "retention_interval", "must not be zero")?;
        require(self.open_concurrency > 0, "open_concurrency", "must be at least 1")?;
        require(
            self.groups.min_session_timeout <= self.groups.max_session_timeout,
            "groups.max_session_timeout",
            "must not be below `groups.min_session_timeout`",
        )?;
        require(self.groups.max_size > 0, "groups.max_size", "must be at least 1")?;
        require(
            self.groups.consumer_heartbeat_interval < self.groups.consumer_session_timeout,
            "groups.consumer_heartbeat_interval",
            "must be below `groups.consumer_session_timeout`, or members expire between heartbeats",
        )?;
        require(
            self.groups.consumer_max_size > 0,
            "groups.consumer_max_size",
            "must be at least 1",
        )?;
        require(self.groups.snapshot_records > 0, "groups.snapshot_records", "must be at least 1")?;
        require(self.plan_life <= plan_life_max, "plan_life", "must be at most 10min")?;
        require(
            self.plan_life >= Duration::from_secs(10),
            "plan_life",
            "must be at least 10s, or plans expire on their way",
        )?;
        require(
            (1..=OBJECT_BYTES_MAX as u64).contains(&upload_size),
            "upload.size",
            "must be between 1 B and 32 MiB",
        )?;
        require(
            self.wal.size.as_u64() >= 2 * upload_size,
            "upload.size",
            "must be at most half of `wal.size`, or producers wait for every upload",
        )?;
        require(!self.upload.interval.is_zero(), "upload.interval", "must not be zero")
    }
}

impl WalConfig {
    /// What the rest of the cluster is told.
    pub(crate) fn descriptor(&self) -> FrontDescriptor {
        match self.kind {
            WalKind::Disk if self.shared => FrontDescriptor::SharedDisk { path: self.path.clone() },
            WalKind::Disk => FrontDescriptor::Disk { path: self.path.clone() },
            WalKind::Object => FrontDescriptor::Object,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let windows = Duration::from_millis(10)..=Duration::from_millis(250);
        let ObjectWalConfig { window, in_flight } = self.object;
        let has_place = self.kind == WalKind::Object || !self.path.as_os_str().is_empty();
        require(has_place, "wal.path", "must name a file, or set `wal.kind` to \"object\"")?;
        require(self.writers > 0, "wal.writers", "must be at least 1")?;
        let shares_a_file = !self.shared || self.kind == WalKind::Disk;
        require(shares_a_file, "wal.shared", "is for `wal.kind = \"disk\"` only")?;
        require(windows.contains(&window), "wal.object.window", "must be from 10ms to 250ms")?;
        let in_flight_fits = (1..=IN_FLIGHT_MAX).contains(&in_flight);
        require(in_flight_fits, "wal.object.in_flight", "must be from 1 to 4")
    }
}

impl Default for ObjectWalConfig {
    fn default() -> Self {
        let ObjectTuning { window, in_flight, .. } = ObjectTuning::default();
        Self { window, in_flight }
    }
}

fn require(holds: bool, key: &'static str, problem: &str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { key, problem: problem.to_owned() }) }
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            size: ByteSize::mib(32),
            backoff_max: Duration::from_secs(10),
        }
    }
}

fn default_listen() -> String {
    "127.0.0.1:0".to_owned()
}

fn default_wal_size() -> ByteSize {
    ByteSize::mib(256)
}

fn default_wal_writers() -> usize {
    3
}

fn default_cache() -> ByteSize {
    ByteSize::mib(256)
}

fn default_plan_size() -> ByteSize {
    ByteSize::mib(64)
}

fn default_plan_life() -> Duration {
    Duration::from_secs(5 * 60)
}

fn default_lease() -> Duration {
    Duration::from_secs(5)
}

fn default_suspend_max() -> Duration {
    Duration::from_secs(10)
}

fn default_incarnation_max() -> Duration {
    Duration::from_secs(12 * 60 * 60)
}

fn default_producer_expiration() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

fn default_retention_interval() -> Duration {
    Duration::from_secs(5 * 60)
}

fn default_open_concurrency() -> usize {
    32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert_eq!(Config::new(1, "wal").check(), Ok(()));
    }

    #[test]
    fn a_refused_value_is_named_by_its_key() {
        let mut config = Config::new(1, "wal");
        config.wal.size = ByteSize::mib(8);
        assert_eq!(config.check().map_err(|error| error.key), Err("upload.size"));
        config.plan_life = Duration::from_secs(11 * 60);
        assert_eq!(config.check().map_err(|error| error.key), Err("plan_life"));
        config.node_id = -1;
        assert_eq!(config.check().map_err(|error| error.key), Err("node_id"));
    }

    #[test]
    fn a_log_is_a_file_unless_it_is_in_the_object_store() {
        let mut config = Config::new(1, "");
        assert_eq!(config.check().map_err(|error| error.key), Err("wal.path"));
        config.wal.kind = WalKind::Object;
        assert_eq!(config.check(), Ok(()));
        config.wal.object.in_flight = 5;
        assert_eq!(config.check().map_err(|error| error.key), Err("wal.object.in_flight"));
        config.wal.object.window = Duration::from_millis(5);
        assert_eq!(config.check().map_err(|error| error.key), Err("wal.object.window"));
    }

    #[test]
    fn a_group_cannot_have_a_shortest_timeout_above_the_longest() {
        let mut config = Config::new(1, "wal");
        config.groups.max_session_timeout = Duration::from_secs(1);
        let refused = config.check().expect_err("the default minimum is 6 s");
        assert_eq!(refused.key, "groups.max_session_timeout");
    }
}
