//! What a role's configuration file may contain: the shared tables and the role's own.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use metadata::EtcdTls;
use process::tls::Files;
use protocol::release::{Release, Releases};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The whole file of a role.
pub(crate) trait RoleFile: DeserializeOwned {
    /// Refuses values that cannot work, by the name of their key.
    fn check(&self) -> Result<()>;
}

/// `[metadata]`: where the cluster's metadata lives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    /// `etcd://host:port,host:port` for a cluster, `redb:///path` for one process.
    pub(crate) url: String,
    /// How etcd is spoken to over TLS. Default: it is not.
    #[serde(default)]
    pub(crate) tls: Option<MetadataTls>,
}

/// `[metadata.tls]`: certificates for connections to etcd. Read again when a connection fails.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetadataTls {
    /// PEM file with the issuers of etcd's certificates. Default: whom the machine trusts.
    #[serde(default)]
    pub(crate) ca: Option<PathBuf>,
    /// PEM file with the certificate that etcd is shown, if it asks for one.
    #[serde(default)]
    pub(crate) certificate: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    #[serde(default)]
    pub(crate) key: Option<PathBuf>,
}

/// `[cluster]`: how the processes of a cluster speak with each other.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterConfig {
    /// Mutual TLS. Default: plain text, and the cluster's secret alone proves who is a member.
    #[serde(default)]
    pub(crate) tls: Option<ClusterTlsConfig>,
    /// The newest release that this process behaves as, of those that its program knows: with that of
    /// the release before, a new program is for everybody else a process of that release. For trying
    /// out upgrades; an upgrade does not need it. Default: the newest, see `thermocline release show`.
    #[serde(default)]
    pub(crate) release: Option<u16>,
}

/// `[cluster.tls]`: certificates for connections between the processes of a cluster, all of which
/// have them or none. Read again every 5 s and at SIGHUP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterTlsConfig {
    /// PEM file with this process's certificate, for server and client, and those that lead to its
    /// issuer. Its one URI is `spiffe://<cluster>/<role>` or `spiffe://<cluster>/<role>/<name>`.
    pub(crate) certificate: PathBuf,
    /// PEM file with the certificate's private key.
    pub(crate) key: PathBuf,
    /// PEM file with the issuers of the other processes' certificates.
    pub(crate) ca: PathBuf,
}

/// `[http]`: the admin endpoint with `/metrics`, `/healthz` and `/readyz`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// Where it listens. Keep it inside the cluster's network. Default: `127.0.0.1:9644`.
    #[serde(default = "http_listen")]
    pub(crate) listen: SocketAddr,
}

/// `[log]`: what the process says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// `text` for people, `json` for collectors. Default: `text`.
    pub(crate) format: LogFormat,
    /// A level (`info`) or filters by module (`info,gateway=debug`). Default: `info`.
    pub(crate) filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

impl Metadata {
    /// The files for etcd, if it is spoken to over TLS.
    pub(crate) fn etcd_tls(&self) -> Result<Option<EtcdTls>> {
        let Some(tls) = self.tls.clone() else { return Ok(None) };
        let client = match (tls.certificate, tls.key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => bail!("metadata.tls: certificate and key belong together"),
        };
        Ok(Some(EtcdTls { ca: tls.ca, client }))
    }
}

impl ClusterConfig {
    /// The releases that this process can behave as.
    pub(crate) fn releases(&self) -> Result<Releases> {
        let Some(number) = self.release else { return Ok(Releases::OURS) };
        let releases = Release::new(number).and_then(Releases::up_to);
        releases.with_context(|| {
            format!("cluster.release = {number}: this program knows release {}", Releases::OURS)
        })
    }
}

impl ClusterTlsConfig {
    pub(crate) fn files(&self) -> Files {
        let Self { certificate, key, ca } = self.clone();
        Files { certificate, key, ca: Some(ca) }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: http_listen() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

fn http_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9644))
}

/// `thermocline gateway --config FILE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayFile {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) cluster: ClusterConfig,
    #[serde(default)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) log: Log,
    pub(crate) gateway: gateway::Config,
}

/// `thermocline storage-node --config FILE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StorageNodeFile {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) cluster: ClusterConfig,
    pub(crate) store: segment::StoreConfig,
    #[serde(default)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) log: Log,
    #[serde(default)]
    pub(crate) encryption: tenant_keys::EncryptionConfig,
    pub(crate) storage_node: storage_node::Config,
}

/// `thermocline cold-reader --config FILE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColdReaderFile {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) cluster: ClusterConfig,
    pub(crate) store: segment::StoreConfig,
    #[serde(default)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) log: Log,
    #[serde(default)]
    pub(crate) encryption: tenant_keys::EncryptionConfig,
    pub(crate) cold_reader: cold_reader::Config,
}

/// `thermocline compactor --config FILE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompactorFile {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) cluster: ClusterConfig,
    pub(crate) store: segment::StoreConfig,
    #[serde(default)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) log: Log,
    #[serde(default)]
    pub(crate) encryption: tenant_keys::EncryptionConfig,
    #[serde(default)]
    pub(crate) compactor: compactor::Config,
}

/// `thermocline control --config FILE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlFile {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) cluster: ClusterConfig,
    pub(crate) store: segment::StoreConfig,
    #[serde(default)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) log: Log,
    #[serde(default)]
    pub(crate) encryption: tenant_keys::EncryptionConfig,
    pub(crate) control: control::Config,
}

/// `thermocline vantage --config FILE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VantageFile {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) log: Log,
    pub(crate) vantage: control::dns::VantageConfig,
}

impl RoleFile for VantageFile {
    fn check(&self) -> Result<()> {
        Ok(self.vantage.check()?)
    }
}

impl RoleFile for GatewayFile {
    fn check(&self) -> Result<()> {
        self.cluster.releases()?;
        Ok(self.gateway.check()?)
    }
}

impl RoleFile for StorageNodeFile {
    fn check(&self) -> Result<()> {
        self.cluster.releases()?;
        Ok(self.storage_node.check()?)
    }
}

impl RoleFile for ColdReaderFile {
    fn check(&self) -> Result<()> {
        self.cluster.releases().map(drop)
    }
}

impl RoleFile for CompactorFile {
    fn check(&self) -> Result<()> {
        self.cluster.releases()?;
        Ok(self.compactor.check()?)
    }
}

impl RoleFile for ControlFile {
    fn check(&self) -> Result<()> {
        self.cluster.releases()?;
        Ok(self.control.check()?)
    }
}
