//! Certificates for connections to etcd, from PEM files.
//!
//! The library takes them once, when a client is made, and connects again with those for ever. So
//! they are read again when an endpoint fails, and a client is made anew if they have changed: a
//! connection that stands needs no certificate.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use etcd_client::{Certificate, Identity, TlsOptions};

/// The PEM files for connections to etcd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcdTls {
    /// Issuers of etcd's certificates; whom the machine trusts, if none are named.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key, if etcd asks for one (`--client-cert-auth`).
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pems {
    ca: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl EtcdTls {
    /// Reads the files; an error names the one that cannot be read.
    pub(super) async fn read(&self) -> Result<Arc<Pems>, String> {
        let ca = match &self.ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        let client = match &self.client {
            Some((certificate, key)) => Some((read(certificate).await?, read(key).await?)),
            None => None,
        };
        Ok(Arc::new(Pems { ca, client }))
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, String> {
    let bytes: io::Result<_> = tokio::fs::read(path).await;
    bytes.map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

impl Pems {
    /// As the library wants them.
    pub(super) fn options(&self) -> TlsOptions {
        let options = match &self.ca {
            Some(ca) => TlsOptions::new().ca_certificate(Certificate::from_pem(ca)),
            None => TlsOptions::new().with_native_roots(),
        };
        match &self.client {
            Some((certificate, key)) => options.identity(Identity::from_pem(certificate, key)),
            None => options,
        }
    }
}
