//! Configuration of the role: the `[compactor]` table.

use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

/// How a compactor works.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Pause between rounds over the storage nodes. Default: 30 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// A partition is compacted as soon as this much of it lies in the logs of nodes. Larger
    /// objects are fewer and cheaper to write and read, smaller ones free the logs sooner.
    /// Default: 128 MiB.
    pub object_min: ByteSize,
    /// No object becomes larger: it is one PUT, which must fit into `store.request_timeout`. With the
    /// defaults that takes 55 Mbit/s. Default: 128 MiB.
    pub object_max: ByteSize,
    /// Larger objects are written in parts of this size, which costs two requests more than there are
    /// parts: above `object_max` with its footer, so that there is one PUT. Default: 144 MiB.
    pub part_size: ByteSize,
    /// What is smaller shares an object with other partitions. Default: 16 MiB.
    pub own_object_from: ByteSize,
    /// However small, a partition is compacted after this time, packed together with others.
    /// Shorter frees the logs sooner and writes more manifests. Default: 1 h.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// Or as soon as its owner has to remember this many blocks of it. Default: 512.
    pub max_blocks: u32,
    /// As soon as a partition has this many small objects in a row, they are joined. More keep
    /// manifests longer, fewer rewrite more. Default: 16.
    pub merge_objects: u32,
    /// Records in memory at one time; a unit of work is not larger. More take more partitions at a
    /// time out of the same log slots, and so fewer requests. Default: 512 MiB.
    pub memory: ByteSize,
    /// Bytes per second read from and written to the object store, together, so that uploads and
    /// readers keep theirs. Default: 128 MiB.
    pub rate: ByteSize,
    /// How long one unit of work may take. At most 10 min. Default: 10 min.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Memory for the keys of one partition that is compacted by key: 28 keys per KiB. With more keys
    /// in its new part it takes several times. Default: 128 MiB.
    pub clean_memory: ByteSize,
    /// Partitions with more than this are not compacted by key: it has to be done within `lease`, and
    /// all of the partition is read and written at `rate`. Default: 16 GiB.
    pub clean_max: ByteSize,
    /// Garbage collection.
    pub gc: GcConfig,
}

/// When unneeded objects are deleted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GcConfig {
    /// Pause between two looks at the whole bucket: one listing of it and one read of each
    /// manifest. Default: 30 min.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long an object stays after it was first seen to be unneeded. Plans made before live up
    /// to 10 min, so it must be longer than that. Default: 30 min.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// Objects that no manifest names are deleted at this age at the earliest, by the store's own
    /// clock: a compaction under way has not been committed yet. Default: 24 h.
    #[serde(with = "humantime_serde")]
    pub orphan_age: Duration,
}

/// A configuration that cannot work: which key, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config: `{key}`: {problem}")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            object_min: ByteSize::mib(128),
            object_max: ByteSize::mib(128),
            part_size: ByteSize::mib(144),
            own_object_from: ByteSize::mib(16),
            max_age: Duration::from_secs(60 * 60),
            max_blocks: 512,
            merge_objects: 16,
            memory: ByteSize::mib(512),
            rate: ByteSize::mib(128),
            lease: Duration::from_secs(10 * 60),
            clean_memory: ByteSize::mib(128),
            clean_max: ByteSize::gib(16),
            gc: GcConfig::default(),
        }
    }
}

impl Default for GcConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            grace: Duration::from_secs(30 * 60),
            orphan_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Config {
    /// Refuses what cannot work, by the name of its key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let require = |holds: bool, key, problem| match holds {
            true => Ok(()),
            false => Err(ConfigError { key, problem }),
        };
        require(!self.interval.is_zero(), "interval", "must not be zero")?;
        require(!self.gc.interval.is_zero(), "gc.interval", "must not be zero")?;
        require(self.rate.as_u64() > 0, "rate", "must not be zero")?;
        require(self.memory.as_u64() > 0, "memory", "must not be zero")?;
        require(
            self.object_min <= self.object_max,
            "object_min",
            "must not be above `object_max`",
        )?;
        require(
            self.part_size >= ByteSize::mib(5),
            "part_size",
            "must be at least 5MiB, as in S3",
        )?;
        require(self.merge_objects >= 2, "merge_objects", "must be at least 2")?;
        require(self.max_blocks >= 1, "max_blocks", "must be at least 1")?;
        require(self.lease <= crate::limits::LEASE_MAX, "lease", "must be at most 10min")?;
        require(
            self.gc.orphan_age >= self.lease * 2,
            "gc.orphan_age",
            "must be at least twice `lease`, or objects vanish before they are committed (R30)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_check_and_unknown_keys_are_refused() {
        let config: Config = toml::from_str("").unwrap();
        assert_eq!(config.check(), Ok(()));
        assert!(toml::from_str::<Config>("intervall = \"1s\"").is_err());
        assert!(toml::from_str::<Config>("[gc]\ngrace = \"1s\"").is_ok());
    }

    #[test]
    fn an_object_may_not_be_collected_before_it_can_be_committed() {
        let mut config = Config::default();
        config.gc.orphan_age = Duration::from_secs(19 * 60);
        assert_eq!(config.check().map_err(|error| error.key), Err("gc.orphan_age"));
        config.lease = Duration::from_secs(5 * 60);
        assert_eq!(config.check(), Ok(()));
    }
}
