//! Certificates, listeners that have them, and clients that believe them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use gateway::{ClientAuth, ListenerConfig, Security, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An issuer of certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A client that believes one issuer; its sessions are resumed where they can be.
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for `localhost`, and for whatever a client wants to be.
    pub(crate) fn issue(&self, configure: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        configure(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Issued { certificate, key: key.serialize_pem() }
    }

    /// A listener in `dir` with a certificate of this issuer.
    pub(crate) fn listener(&self, dir: &Path) -> ListenerConfig {
        self.issue(|_| {}).write(dir);
        let tls = TlsConfig::new(dir.join("listener.pem"), dir.join("listener.key"));
        ListenerConfig {
            bind: "localhost:0".to_owned(),
            security: Security::Tls,
            tls: Some(tls),
            ..ListenerConfig::default()
        }
    }

    /// The same, for clients that have certificates of `clients`.
    pub(crate) fn mutual(&self, dir: &Path, clients: &Self, auth: ClientAuth) -> ListenerConfig {
        let mut listener = self.listener(dir);
        fs::write(dir.join("clients.pem"), clients.0.pem()).unwrap();
        if let Some(tls) = &mut listener.tls {
            tls.client_auth = auth;
            tls.client_ca = Some(dir.join("clients.pem"));
        }
        listener
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

// === impl Issued ===

impl Issued {
    /// Puts the files where [`Authority::listener`] has them.
    pub(crate) fn write(&self, dir: &Path) {
        fs::write(dir.join("listener.key"), &self.key).unwrap();
        fs::write(dir.join("listener.pem"), &self.certificate).unwrap();
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()]
    }
}

// === impl TlsClient ===

impl TlsClient {
    pub(crate) fn new(authority: &Authority, identity: Option<&Issued>) -> Self {
        Self::speaking(authority, identity, rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn speaking(
        authority: &Authority,
        identity: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(authority.roots());
        let config = match identity {
            Some(issued) => {
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                config.with_client_auth_cert(issued.chain(), key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        Self { config: Arc::new(config) }
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        self.connect_to(address, "localhost").await
    }

    /// Asks for a host by this name.
    pub(crate) async fn connect_to(
        &self,
        address: SocketAddr,
        host: &'static str,
    ) -> io::Result<TlsStream<TcpStream>> {
        self.over(TcpStream::connect(address).await?, host).await
    }

    /// Speaks TLS over a connection that stands.
    pub(crate) async fn over(
        &self,
        stream: TcpStream,
        host: &'static str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let host = ServerName::try_from(host).unwrap();
        TlsConnector::from(Arc::clone(&self.config)).connect(host, stream).await
    }
}
