//! A server's certificate for loopback, and clients that believe its issuer.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::{ClientConfig, RootCertStore};

/// Files of a server, and how its clients are configured. The key is ECDSA P-256.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// TLS 1.3 with AES-128-GCM, and no resumption: every handshake is a whole one.
    pub(crate) client: Arc<ClientConfig>,
}

impl Certificates {
    /// Makes them below `dir`.
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);
        let pair = KeyPair::generate()?;
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let server = CertificateParams::new(names)?.signed_by(&pair, &issuer)?;
        let (certificate, key) = (dir.join("server.pem"), dir.join("server.key"));
        fs::write(&certificate, server.pem())?;
        fs::write(&key, pair.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(authority_certificate.der().clone())?;
        Ok(Self { certificate, key, client: Arc::new(client(roots)?) })
    }

    /// A listener with them, as a table of a gateway's file.
    pub(crate) fn listener(&self, bind: SocketAddr, security: &str) -> String {
        format!(
            "[[gateway.listeners]]\nbind = \"{bind}\"\nsecurity = \"{security}\"\n\
             [gateway.listeners.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            self.certificate.display(),
            self.key.display()
        )
    }
}

fn client(roots: RootCertStore) -> Result<ClientConfig> {
    let provider = CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    };
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    Ok(client)
}
