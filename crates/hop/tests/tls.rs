//! The hop over TLS: what a role's certificate is good for, and what the secret still is.

use std::{fs, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use hop::{
    ClusterSecret, ClusterTls, Credentials, Handler, HopError, HopHeader, HopRequest, Peers,
    Request, Response, Role,
    internal::{ColdFetchRequest, ColdFetchResponse, EndIncarnationRequest},
};
use process::{Clock, Drain, tls::Files};
use protocol::{
    ids::TenantId,
    messages::{ProduceRequest, ProduceResponse},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Longer than any test; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers everything that it is asked here.
struct Anything;

impl Handler for Anything {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        let response = match request.body {
            Request::Produce(_) => Response::Produce(ProduceResponse::default()),
            Request::ColdFetch(fetch) => Response::ColdFetch(ColdFetchResponse {
                records: vec![fetch.plan],
                ..ColdFetchResponse::default()
            }),
            other => panic!("{other:?} must not get here"),
        };
        std::future::ready(response).boxed()
    }
}

/// A cluster with an issuer of certificates.
struct Cluster {
    ca: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
    drain: Drain,
}

impl Cluster {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("an issuer");
        Self { ca, dir: TempDir::new().expect("a folder"), drain: Drain::new() }
    }

    async fn credentials(&self, role: Role, secret: &[u8]) -> Credentials {
        let mut params = CertificateParams::default();
        let uri = format!("spiffe://blue/{role}");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("ASCII"))];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.ca).expect("a certificate");
        let write = |name: &str, text: String| {
            let path = self.dir.path().join(format!("{role}.{name}"));
            fs::write(&path, text).expect("it is written");
            path
        };
        let files = Files {
            certificate: write("pem", certificate.pem()),
            key: write("key", key.serialize_pem()),
            ca: Some(write("ca", self.ca.pem())),
        };
        let tls = ClusterTls::start(files, Clock::system(), &self.drain).await.expect("files");
        Credentials::new(ClusterSecret::new(secret), Some(tls))
    }

    /// A process of this role that listens; its address.
    async fn serve(&self, credentials: Credentials) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let serve = hop::serve(listener, Arc::new(Anything), credentials, self.drain.clone());
        self.drain.spawn("server", serve);
        address
    }

    async fn node(&self) -> String {
        self.serve(self.credentials(Role::StorageNode, b"secret").await).await
    }

    async fn peers(&self, role: Role) -> Peers {
        Peers::new(role, self.credentials(role, b"secret").await, self.drain.clone())
    }
}

fn header() -> HopHeader {
    HopHeader::internal(TenantId(1), PATIENCE)
}

async fn produce(peers: &Peers, address: &str) -> Result<ProduceResponse, HopError> {
    peers.peer(address).ask(header(), ProduceRequest::default()).await
}

#[tokio::test]
async fn a_gateway_produces_and_is_not_control() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let gateway = cluster.peers(Role::Gateway).await;
    produce(&gateway, &node).await.expect("its business");
    let ending = EndIncarnationRequest::default();
    let refused = gateway.peer(&node).ask(header(), ending).await;
    assert!(matches!(refused, Err(HopError::Protocol(_))), "{refused:?}");
    produce(&gateway, &node).await.expect("on the same connection");
}

#[tokio::test]
async fn megabytes_pass_both_ways() {
    let cluster = Cluster::new();
    let reader = cluster.serve(cluster.credentials(Role::ColdReader, b"secret").await).await;
    let gateway = cluster.peers(Role::Gateway).await;
    let plan = Bytes::from_iter((0..5_000_000_u32).map(|at| (at % 251) as u8));
    let asked = ColdFetchRequest { plan: plan.clone(), ..ColdFetchRequest::default() };
    let answer = gateway.peer(&reader).ask(header(), asked).await.expect("an answer");
    assert_eq!(answer.records, [plan]);
}

#[tokio::test]
async fn a_reader_does_not_produce() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let reader = cluster.peers(Role::ColdReader).await;
    let refused = produce(&reader, &node).await;
    assert!(matches!(refused, Err(HopError::Protocol(_))), "{refused:?}");
}

#[tokio::test]
async fn a_role_that_the_certificate_does_not_give_is_not_let_in() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let credentials = cluster.credentials(Role::ColdReader, b"secret").await;
    let liar = Peers::new(Role::Gateway, credentials, cluster.drain.clone());
    assert_eq!(produce(&liar, &node).await, Err(HopError::Unreachable));
}

#[tokio::test]
async fn a_node_s_address_that_is_a_reader_s_now_gets_no_records() {
    let cluster = Cluster::new();
    let reader = cluster.serve(cluster.credentials(Role::ColdReader, b"secret").await).await;
    let gateway = cluster.peers(Role::Gateway).await;
    // Definite: the gateway may look for the owner elsewhere.
    assert_eq!(produce(&gateway, &reader).await, Err(HopError::Unreachable));
    let asked = ColdFetchRequest { plan: Bytes::from_static(b"x"), ..ColdFetchRequest::default() };
    gateway.peer(&reader).ask(header(), asked).await.expect("what it answers");
}

#[tokio::test]
async fn a_certificate_without_the_secret_is_not_enough() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let credentials = cluster.credentials(Role::Gateway, b"of another generation").await;
    let old = Peers::new(Role::Gateway, credentials, cluster.drain.clone());
    assert_eq!(produce(&old, &node).await, Err(HopError::Unreachable));
}

#[tokio::test]
async fn the_secret_without_a_certificate_is_not_enough() {
    let cluster = Cluster::new();
    let node = cluster.node().await;
    let secret = ClusterSecret::new(b"secret");
    let plain = Peers::new(Role::Gateway, secret.clone(), cluster.drain.clone());
    assert_eq!(produce(&plain, &node).await, Err(HopError::Unreachable));

    let plain_node = cluster.serve(secret.into()).await;
    let gateway = cluster.peers(Role::Gateway).await;
    assert_eq!(
        produce(&gateway, &plain_node).await,
        Err(HopError::Unreachable),
        "nor does it tell"
    );
}
