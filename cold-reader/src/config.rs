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
    /// Memory for blocks: being fetched, cached, and being answered; no more is ever
    /// taken, and not less than 32 MiB. All groups that replay the same records share
    /// what is cached, so more saves GETs as long as the groups are no further apart
    /// than it holds; 16 MiB for each consumer that replays at the same time keeps
    /// GETs long. Besides it, one compressed batch at a time is inflated for searches
    /// by time, of 128 MiB at the most. Default: 512 MiB.
    #[serde(default = "default_memory")]
    pub memory: ByteSize,
    /// How far to read ahead of a sequential consumer at the most. It begins with
    /// 8 MiB and takes its share of half of the memory. Too little waits for the store
    /// at every window, too much evicts what others still need. 0 turns it off.
    /// Default: 32 MiB.
    #[serde(default = "default_readahead")]
    pub readahead: ByteSize,
    /// Bytes being fetched from the store at one time, over all consumers: what a
    /// second of the store's bandwidth is worth, or a tenth. While the store refuses
    /// or does not answer it is less. Default: 256 MiB.
    #[serde(default = "default_in_flight")]
    pub in_flight: ByteSize,
    /// Bytes per second that are read from the store, over all consumers. Uploads and
    /// compaction come first where they share a link: leave them theirs. Default: as
    /// many as the store gives.
    #[serde(default)]
    pub bandwidth: Option<ByteSize>,
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
            memory: default_memory(),
            readahead: default_readahead(),
            in_flight: default_in_flight(),
            bandwidth: None,
            lease: default_lease(),
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9702))
}

fn default_memory() -> ByteSize {
    ByteSize::mib(512)
}

fn default_readahead() -> ByteSize {
    ByteSize::mib(32)
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
        let config: Config = toml::from_str("reader_id = 3\nmemory = \"1GiB\"").unwrap();
        assert_eq!((config.reader_id, config.memory.as_u64()), (3, 1 << 30));
        assert!(toml::from_str::<Config>("").is_err());
        assert!(toml::from_str::<Config>("reader_id = 3\nmemroy = \"1GiB\"").is_err());
    }
}
