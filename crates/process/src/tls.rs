//! What every use of TLS needs: one cryptographic provider, certificates from PEM files, and the
//! news when those files change.
//!
//! Files are compared by what they hold, every few seconds: a time of change says nothing of files
//! behind links that are swapped, as secrets of orchestrators are. Files that cannot be used
//! replace nothing (a half-written pair is seen again when it is whole).

mod follow;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use self::follow::follow;

/// The PEM files of one use of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Our certificate, followed by those that lead to its issuer.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Issuers of the other end's certificates, if it must have one.
    pub ca: Option<PathBuf>,
}

/// What the files held when they were read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Our certificates and their key, which belong together.
    pub key: Arc<CertifiedKey>,
    /// The issuers.
    pub roots: Option<Arc<RootCertStore>>,
    /// When the first of our certificates ends, in Unix seconds.
    pub expires_s: i64,
    /// Tells other issuers from these.
    pub ca_mark: u64,
    /// Tells other files from these.
    mark: u64,
}

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// One cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One does not hold what it should.
    #[error("`{}`: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The bytes of the files.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    ca: Option<Vec<u8>>,
}

/// The provider of every use of TLS: never the process's default, which two libraries could set.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The issuers in a PEM file.
pub async fn issuers(path: &Path) -> Result<RootCertStore, FilesError> {
    roots(path, &read(path).await?)
}

// === impl Loaded ===

impl Loaded {
    /// Whether a client that connects to `host` takes the certificate for that host's.
    pub fn is_of_host(&self, host: &str) -> bool {
        let Some(certificate) = self.key.cert.first() else { return false };
        let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
        let name = ServerName::try_from(host);
        name.is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
    }
}

// === impl Files ===

impl Files {
    /// Reads the files.
    pub async fn load(&self) -> Result<Loaded, FilesError> {
        self.parse(&self.read().await?)
    }

    async fn read(&self) -> Result<Contents, FilesError> {
        let ca = match &self.ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        let (certificate, key) = (read(&self.certificate).await?, read(&self.key).await?);
        Ok(Contents { certificate, key, ca })
    }

    fn parse(&self, contents: &Contents) -> Result<Loaded, FilesError> {
        let chain = certificates(&self.certificate, &contents.certificate)?;
        let expires_s = expiry(&self.certificate, &chain)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|error| unusable(&self.key, format!("no private key in PEM: {error}")))?;
        let key = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|error| unusable(&self.key, format!("no key of the certificate: {error}")))?;
        let roots = match (&self.ca, &contents.ca) {
            (Some(path), Some(pem)) => Some(Arc::new(roots(path, pem)?)),
            _ => None,
        };
        let (ca_mark, mark) = (mark(&contents.ca), contents.mark());
        Ok(Loaded { key: Arc::new(key), roots, expires_s, ca_mark, mark })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    let bytes = tokio::fs::read(path).await;
    bytes.map_err(|source| FilesError::Unreadable { path: path.to_owned(), source })
}

fn unusable(path: &Path, problem: impl Into<String>) -> FilesError {
    FilesError::Unusable { path: path.to_owned(), problem: problem.into() }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FilesError> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| unusable(path, format!("not PEM: {error}")))?;
    if all.is_empty() {
        return Err(unusable(path, "no certificate in PEM"));
    }
    Ok(all)
}

fn roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, FilesError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(path, format!("not an issuer's: {error}")))?;
    }
    Ok(roots)
}

/// When the first of `chain` ends.
fn expiry(path: &Path, chain: &[CertificateDer<'_>]) -> Result<i64, FilesError> {
    let mut first = i64::MAX;
    for certificate in chain {
        let (_, certificate) = X509Certificate::from_der(certificate)
            .map_err(|error| unusable(path, format!("not a certificate: {error}")))?;
        first = first.min(certificate.validity().not_after.timestamp());
    }
    Ok(first)
}

/// The URI among a certificate's alternative names, if there is one and no other: who the process is
/// that has it, as in SPIFFE.
pub fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a str> {
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let uri = uris.next()?;
    uris.next().is_none().then_some(uri)
}

fn mark(contents: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    hasher.finish()
}

// === impl Contents ===

impl Contents {
    fn mark(&self) -> u64 {
        mark(&(&self.certificate, &self.key, &self.ca))
    }
}
