//! An etcd that speaks TLS and asks for certificates.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

/// The certificates of an etcd and its client, of one issuer.
#[derive(Clone)]
pub(super) struct Pki(Arc<TempDir>);

impl Pki {
    fn new() -> Self {
        let pki = Self(Arc::new(TempDir::new().unwrap()));
        pki.issue();
        pki
    }

    /// A new issuer, and certificates for both.
    fn issue(&self) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        for name in ["etcd", "client"] {
            let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &ca).unwrap();
            fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        fs::write(self.file("ca.pem"), ca.pem()).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn of_client(&self) -> EtcdTls {
        let client = Some((self.file("client.pem"), self.file("client.key")));
        EtcdTls { ca: Some(self.file("ca.pem")), client }
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        let file = |option, name| format!("--{option}={}", self.file(name).display());
        vec![
            "--client-cert-auth".to_owned(),
            file("trusted-ca-file", "ca.pem"),
            file("cert-file", "etcd.pem"),
            file("key-file", "etcd.key"),
        ]
    }
}

#[tokio::test]
async fn only_who_has_a_certificate_gets_in() {
    let pki = Pki::new();
    let server = Server::start_over(Some(pki.clone())).await;
    let url = server.url("tls");
    let over = |tls| EtcdStore::over(&url, tls).unwrap();
    over(Some(pki.of_client())).check().await.unwrap();
    assert!(over(None).check().await.is_err(), "plain text");
    let nobody = EtcdTls { client: None, ..pki.of_client() };
    assert!(over(Some(nobody)).check().await.is_err(), "no certificate");
    let other = EtcdTls { ca: Pki::new().of_client().ca, ..pki.of_client() };
    assert!(over(Some(other)).check().await.is_err(), "an issuer that the client does not know");
}

/// Goal: a process that runs for months outlives the certificates it began with.
#[tokio::test]
async fn certificates_are_read_again_when_a_connection_fails() {
    let pki = Pki::new();
    let mut server = Server::start_over(Some(pki.clone())).await;
    let url = server.url("tls");
    let store: Arc<dyn MetadataStore> =
        Arc::new(EtcdStore::over(&url, Some(pki.of_client())).unwrap());
    put(&store, "a").await;
    let mut watch = store.watch("", 1).await.unwrap();
    assert_eq!(next_key(&mut watch).await, "a");

    server.kill();
    pki.issue();
    server.restart().await;
    while store.get("a").await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    put(&store, "b").await;
    assert_eq!(next_key(&mut watch).await, "b");
}
