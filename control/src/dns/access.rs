//! How a vantage point gets in where clients do: TLS, then a user with a password.
//!
//! Files are read for each look: certificates and passwords are changed while processes run, and a
//! look is rare. What they hold is in nobody's log: errors name files.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use metadata::settings::credential::ScramMechanism;
use process::net::{self, Stream};
use process::tls::{Files, FilesError, issuers, provider};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::config::{ProbeConfig, ProbeSaslConfig, ProbeTlsConfig};

/// What is shown and asked at the door.
#[derive(Clone, Default)]
pub(super) struct Access {
    tls: Option<Tls>,
    pub(super) login: Option<Arc<Login>>,
}

#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    /// Whom certificates must name; the host that is tried, if nobody is named.
    server_name: Option<String>,
}

/// A user and what proves who it is.
pub(super) struct Login {
    pub(super) mechanism: ScramMechanism,
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

/// Why this vantage point cannot look: nothing that a gateway can do anything about.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccessError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("`probe.tls`: {0}")]
    Tls(#[from] rustls::Error),
    #[error("`probe.sasl.password_file`, `{}`: {cause}", path.display())]
    Password { path: PathBuf, cause: io::Error },
}

// === impl Access ===

impl Access {
    pub(super) async fn load(config: &ProbeConfig) -> Result<Self, AccessError> {
        let tls = match &config.tls {
            Some(tls) => Some(Tls::load(tls).await?),
            None => None,
        };
        let login = match &config.sasl {
            Some(sasl) => Some(Arc::new(Login::load(sasl).await?)),
            None => None,
        };
        Ok(Self { tls, login })
    }

    /// The connection to `address` as it goes on, encrypted if it is to be.
    pub(super) async fn secure(&self, stream: Stream, address: &str) -> io::Result<Stream> {
        let Some(Tls { connector, server_name }) = &self.tls else { return Ok(stream) };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let name = server_name.as_deref().unwrap_or_else(|| host.trim_matches(['[', ']']));
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let stream = connector.connect(name, stream).await?;
        let (read, write) = tokio::io::split(stream);
        Ok(net::joined(Box::new(read), Box::new(write)))
    }
}

impl Tls {
    async fn load(config: &ProbeTlsConfig) -> Result<Self, AccessError> {
        let ProbeTlsConfig { ca, server_name, certificate, key } = config.clone();
        let roots: Arc<RootCertStore> = Arc::new(issuers(&ca).await?);
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let ours = Files { certificate, key, ca: None }.load().await?;
                client.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(ours.key)))
            }
            _ => client.with_no_client_auth(),
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(client)), server_name })
    }
}

impl Login {
    async fn load(config: &ProbeSaslConfig) -> Result<Self, AccessError> {
        let ProbeSaslConfig { mechanism, user, password_file: path } = config.clone();
        let read = tokio::fs::read_to_string(&path).await.map(Zeroizing::new);
        let text = read.map_err(|cause| AccessError::Password { path, cause })?;
        let password = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
        Ok(Self { mechanism: mechanism.into(), user, password })
    }
}
