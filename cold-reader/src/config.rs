//! Configuration of the role: the `[cold_reader]` table.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

/// How a cold reader runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of this reader, unique in the cluster. Two readers under one number
    /// hide each other from the gateways.
    pub reader_id: i32,
    /// Address of the internal port. Keep it inside the cluster's network.
    /// Default: `127.0.0.1:9702`.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Address that gateways connect to, `host:port`, when it differs from `listen`.
    #[serde(default)]
    pub advertised: Option<String>,
    /// Zone, for gateways that prefer near readers. Default: none.
    #[serde(default)]
    pub zone: String,
    /// Memory for blocks that were read. All groups that replay the same records
    /// share it, so a larger cache saves GETs as long as the groups are no further
    /// apart than it holds. Default: 512 MiB.
    #[serde(default = "default_cache")]
    pub cache: ByteSize,
    /// How far to read ahead of a sequential consumer. Too little waits for the
    /// store at every window, too much evicts what others still need. 0 turns it
    /// off. Default: 16 MiB.
    #[serde(default = "default_readahead")]
    pub readahead: ByteSize,
    /// Bytes being fetched from the store at one time, over all consumers: bounds
    /// the memory beyond the cache. Default: 256 MiB.
    #[serde(default = "default_in_flight")]
    pub in_flight: ByteSize,
    /// How long the cluster believes in a reader that fell silent. Shorter routes
    /// around a dead reader sooner, longer survives slower metadata stores.
    /// Default: 10 s.
    #[serde(default = "default_lease", with = "humantime_serde")]
    pub lease: Duration,
}

impl Config {
    /// All defaults, for reader `reader_id`.
    pub fn new(reader_id: i32) -> Self {
        Self {
            reader_id,
            listen: default_listen(),
            advertised: None,
            zone: String::new(),
            cache: default_cache(),
            readahead: default_readahead(),
            in_flight: default_in_flight(),
            lease: default_lease(),
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9702))
}

fn default_cache() -> ByteSize {
    ByteSize::mib(512)
}

fn default_readahead() -> ByteSize {
    ByteSize::mib(16)
}

fn default_in_flight() -> ByteSize {
    ByteSize::mib(256)
}

fn default_lease() -> Duration {
    Duration::from_secs(10)
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn a_number_is_enough_and_unknown_keys_are_refused() {
        let config: Config = toml::from_str("reader_id = 3\ncache = \"1GiB\"").unwrap();
        assert_eq!((config.reader_id, config.cache.as_u64()), (3, 1 << 30));
        assert!(toml::from_str::<Config>("").is_err());
        assert!(toml::from_str::<Config>("reader_id = 3\ncahce = \"1GiB\"").is_err());
    }
}
