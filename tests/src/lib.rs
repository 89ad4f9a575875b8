//! The harness: starts real processes on loopback (etcd, an S3 server, every Thermocline role) and
//! drives them with real Kafka clients. Tests in `tests/` read as scenarios in its words.
//!
//! In: binaries built or installed by `tests/scripts/setup`. Out: a running cluster, its log files,
//! its metrics. Never: anything beyond 127.0.0.1.

pub mod attempts;
pub mod chaos;
pub mod clients;
pub mod cluster;
pub mod compat;
pub mod dev;
pub mod direct;
pub mod drill;
pub mod groups;
pub mod identities;
pub mod kafka_proxy;
pub mod named;
pub mod netns;
pub mod pki;
pub mod process;
pub mod raw;
pub mod registry;
pub mod s3_proxy;
pub mod servers;
pub mod transactions;
pub mod wait;
pub mod witness;

mod times;

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_path_buf()
}

/// The binary under test: `THERMOCLINE_BIN`, else the `dev` profile's.
pub fn thermocline_binary() -> PathBuf {
    std::env::var_os("THERMOCLINE_BIN")
        .map_or_else(|| root().join("target/debug/thermocline"), PathBuf::from)
}
