//! The system under test: gateway and storage node as processes of their own, a directory as object
//! store (SeaweedFS would cost more CPU than everything measured here).

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::servers::EtcdVersion;

/// A running Thermocline of one gateway and one node.
#[derive(Debug)]
pub(crate) struct Subject {
    cluster: Cluster,
    pub(crate) address: SocketAddr,
}

impl Subject {
    /// Starts it below `dir`.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        Self::start_with(dir, "")
    }

    /// Starts it below `dir` with more in the gateway's file, such as another listener.
    pub(crate) fn start_with(dir: &Path, gateway_tables: &str) -> Result<Self> {
        let spec = Spec {
            nodes: 1,
            gateways: 1,
            readers: 1,
            etcd: EtcdVersion::Debian,
            store: StoreKind::Directory,
            front: FrontKind::Disk,
            hot_cache: "512MiB".to_owned(),
            wal_size: "1GiB".to_owned(),
            gateway_tables: gateway_tables.to_owned(),
            ..Spec::default()
        };
        let cluster = Cluster::start(dir, &spec)?;
        let address = cluster.gateways.first().context("a gateway")?.address();
        Ok(Self { cluster, address })
    }

    /// The processes whose CPU counts: gateway first, then storage node.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let roles = self.cluster.gateways.iter().chain(&self.cluster.nodes);
        roles.filter_map(|role| role.process()).map(|process| process.id()).collect()
    }
}
