//! Two processes over a pipe, with certificates in files.

use std::fs;
use std::path::Path;

use process::net::joined;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

use super::*;
use crate::Role;

/// 2026.
const NOW_MS: i64 = 1_780_000_000_000;

/// An issuer of certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The files of one process.
struct Member {
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn member(&self, uri: &str) -> Member {
        let member = Member { dir: TempDir::new().unwrap() };
        self.issue(member.path(), uri, |_| {});
        member
    }

    fn issue(&self, dir: &Path, uri: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        fs::write(dir.join("member.pem"), certificate).unwrap();
        fs::write(dir.join("member.key"), key.serialize_pem()).unwrap();
        fs::write(dir.join("ca.pem"), self.0.pem()).unwrap();
    }
}

impl Member {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn files(&self) -> Files {
        let file = |name| self.path().join(name);
        Files { certificate: file("member.pem"), key: file("member.key"), ca: Some(file("ca.pem")) }
    }

    async fn start(&self) -> Result<ClusterTls, TlsError> {
        ClusterTls::start(self.files(), Clock::manual(NOW_MS), &Drain::new()).await
    }

    async fn tls(&self) -> ClusterTls {
        self.start().await.unwrap()
    }
}

type Outcome = Result<Secured, TlsRefusal>;

/// A handshake: what either end makes of it. With TLS 1.3 a client hears of the server's refusal
/// when it reads, so it reads.
async fn shake(client: &ClusterTls, server: &ClusterTls) -> (Outcome, Outcome) {
    let (near, far) = duplex(64 * 1024);
    let pipe = |end| {
        let (read, write) = split(end);
        joined(Box::new(read), Box::new(write))
    };
    let accepting = async {
        let mut accepted = server.accept(pipe(far)).await?;
        accepted.stream.write_all(b"!").await.map_err(TlsRefusal::Failed)?;
        accepted.stream.flush().await.map_err(TlsRefusal::Failed)?;
        Ok(accepted)
    };
    let connecting = async {
        let mut connected = client.connect(pipe(near), "node-1:9000").await?;
        connected.stream.read_u8().await.map_err(TlsRefusal::Failed)?;
        Ok(connected)
    };
    tokio::join!(connecting, accepting)
}

fn refusal(outcome: Outcome) -> String {
    match outcome {
        Ok(secured) => panic!("{} was let in", secured.peer),
        Err(refusal) => refusal.to_string(),
    }
}

#[tokio::test]
async fn both_ends_know_the_role_of_the_other() {
    let ca = Authority::new();
    let gateway = ca.member("spiffe://blue/gateway/1").tls().await;
    let node = ca.member("spiffe://blue/storage-node/2").tls().await;
    let (client, server) = shake(&gateway, &node).await;
    assert_eq!(client.unwrap().peer.role(), Role::StorageNode);
    let server = server.unwrap();
    assert_eq!(server.peer.to_string(), "spiffe://blue/gateway/1");
    assert!(!server.is_resumed);
}

#[tokio::test]
async fn a_session_is_resumed_by_the_same_two() {
    let ca = Authority::new();
    let gateway = ca.member("spiffe://blue/gateway/1").tls().await;
    let node = ca.member("spiffe://blue/storage-node/2").tls().await;
    let (first, _) = shake(&gateway, &node).await;
    assert!(!first.unwrap().is_resumed);
    let (client, server) = shake(&gateway, &node).await;
    let (client, server) = (client.unwrap(), server.unwrap());
    assert!(client.is_resumed && server.is_resumed);
    assert_eq!(client.peer.role(), Role::StorageNode, "known from the first handshake");
    assert_eq!(server.peer.role(), Role::Gateway);
    // The name is the same, the peer another: nothing to resume, and nobody is mistaken.
    let other = ca.member("spiffe://blue/cold-reader").tls().await;
    let (client, _) = shake(&gateway, &other).await;
    let client = client.unwrap();
    assert_eq!((client.peer.role(), client.is_resumed), (Role::ColdReader, false));
}

#[tokio::test]
async fn a_resumed_session_ends_with_its_certificate() {
    let ca = Authority::new();
    let member = ca.member("spiffe://blue/gateway/1");
    ca.issue(member.path(), "spiffe://blue/gateway/1", |params| {
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    });
    let gateway = member.tls().await;
    let node = ca.member("spiffe://blue/storage-node/2");
    let clock = Clock::manual(NOW_MS);
    let node = ClusterTls::start(node.files(), clock.clone(), &Drain::new()).await.unwrap();
    let (_, server) = shake(&gateway, &node).await;
    server.unwrap();
    clock.advance(std::time::Duration::from_secs(15 * 366 * 24 * 3600));
    let (_, server) = shake(&gateway, &node).await;
    let refused = refusal(server);
    assert_eq!(refused, "the certificate of spiffe://blue/gateway/1 has expired");
}

#[tokio::test]
async fn certificates_of_other_issuers_are_refused_by_either_end() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let gateway = ours.member("spiffe://blue/gateway").tls().await;
    let imposter = theirs.member("spiffe://blue/storage-node").tls().await;
    let (client, _) = shake(&gateway, &imposter).await;
    assert!(refusal(client).contains("invalid peer certificate"));
    // And if the client would believe anybody:
    let credulous = theirs.member("spiffe://blue/gateway");
    fs::write(credulous.path().join("ca.pem"), ours.0.pem()).unwrap();
    let node = ours.member("spiffe://blue/storage-node").tls().await;
    let (client, server) = shake(&credulous.tls().await, &node).await;
    assert!(refusal(server).contains("invalid peer certificate"));
    let told = client.err().expect("refused");
    assert!(told.is_foreign(), "somebody has to correct it: {told}");
}

#[tokio::test]
async fn certificates_of_other_times_and_uses_are_refused() {
    let ca = Authority::new();
    let node = ca.member("spiffe://blue/storage-node").tls().await;
    let gateway = ca.member("spiffe://blue/gateway");
    let uri = "spiffe://blue/gateway";
    ca.issue(gateway.path(), uri, |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    assert!(matches!(
        gateway.start().await.err().expect("no use in starting"),
        TlsError::Identity(IdentityError::Expired(_))
    ));
    ca.issue(gateway.path(), uri, |params| params.not_before = rcgen::date_time_ymd(3000, 1, 1));
    let (_, server) = shake(&gateway.tls().await, &node).await;
    assert!(refusal(server).contains("not valid yet"));
    ca.issue(gateway.path(), uri, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let (_, server) = shake(&gateway.tls().await, &node).await;
    assert!(refusal(server).contains("extended key usage"), "a server's is no client's");
}

#[tokio::test]
async fn another_cluster_s_members_are_strangers() {
    let ca = Authority::new();
    let blue = ca.member("spiffe://blue/gateway").tls().await;
    let green = ca.member("spiffe://green/storage-node").tls().await;
    let (client, _) = shake(&blue, &green).await;
    let told = "spiffe://green/storage-node is of another cluster than spiffe://blue/gateway";
    assert_eq!(refusal(client), told);
    // And if the client would speak with anybody:
    let (near, far) = duplex(64 * 1024);
    let (read, write) = split(far);
    let accepting = green.accept(joined(Box::new(read), Box::new(write)));
    let connector = blue.shared.current.load().client.clone();
    let connecting = connector.connect(session_name("node-1:9000"), near);
    let (client, server) = tokio::join!(connecting, accepting);
    client.unwrap();
    let told = "spiffe://blue/gateway is of another cluster than spiffe://green/storage-node";
    assert_eq!(refusal(server), told);
}

#[tokio::test]
async fn who_shows_no_certificate_is_refused() {
    let ca = Authority::new();
    let member = ca.member("spiffe://blue/storage-node");
    let node = member.tls().await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.0.der().clone()).unwrap();
    let verifier = ChainVerifier::new(Arc::new(roots), &provider());
    let nobody = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let (near, far) = duplex(64 * 1024);
    let (read, write) = split(far);
    let accepting = node.accept(joined(Box::new(read), Box::new(write)));
    let connecting = async {
        let connector = TlsConnector::from(Arc::new(nobody));
        let mut stream = connector.connect(session_name("node-1:9000"), near).await?;
        stream.read_u8().await
    };
    let (client, server) = tokio::join!(connecting, accepting);
    assert!(client.unwrap_err().to_string().contains("CertificateRequired"));
    assert!(refusal(server).contains("no certificates"));
}

#[tokio::test]
async fn plain_bytes_are_no_handshake() {
    let ca = Authority::new();
    let node = ca.member("spiffe://blue/storage-node").tls().await;
    let (mut near, far) = duplex(1024);
    near.write_all(b"TCLNHOP\x01, and whatever follows it").await.unwrap();
    let (read, write) = split(far);
    let refused = node.accept(joined(Box::new(read), Box::new(write))).await;
    assert!(refused.err().expect("refused").is_foreign());
}

#[tokio::test]
async fn new_certificates_are_for_new_connections() {
    let (old_ca, new_ca) = (Authority::new(), Authority::new());
    let [gateway, node] = ["spiffe://blue/gateway", "spiffe://blue/storage-node"];
    let (gateway_files, node_files) = (old_ca.member(gateway), old_ca.member(node));
    let (gateway_tls, node_tls) = (gateway_files.tls().await, node_files.tls().await);
    let (client, server) = shake(&gateway_tls, &node_tls).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());

    // Half-written: the key is not the certificate's.
    let key = fs::read(node_files.path().join("member.key")).unwrap();
    new_ca.issue(node_files.path(), node, |_| {});
    let new_key = fs::read(node_files.path().join("member.key")).unwrap();
    fs::write(node_files.path().join("member.key"), key).unwrap();
    node_tls.shared.reload(node_files.files().load().await);
    shake(&gateway_tls, &node_tls).await.0.unwrap();

    fs::write(node_files.path().join("member.key"), new_key).unwrap();
    node_tls.shared.reload(node_files.files().load().await);
    let (refused, _) = shake(&gateway_tls, &node_tls).await;
    assert!(refusal(refused).contains("invalid peer certificate"), "its sessions ended as well");
    new_ca.issue(gateway_files.path(), gateway, |_| {});
    gateway_tls.shared.reload(gateway_files.files().load().await);
    let (client_again, _) = shake(&gateway_tls, &node_tls).await;
    assert!(!client_again.unwrap().is_resumed);

    server.stream.write_all(b"?").await.unwrap();
    server.stream.flush().await.unwrap();
    assert_eq!(client.stream.read_u8().await.unwrap(), b'?', "what stands goes on");
}

#[tokio::test]
async fn nobody_becomes_somebody_else_by_a_reload() {
    let ca = Authority::new();
    let files = ca.member("spiffe://blue/gateway/1");
    let tls = files.tls().await;
    for other in ["spiffe://blue/control", "spiffe://green/gateway/1", "https://blue/gateway"] {
        ca.issue(files.path(), other, |_| {});
        tls.shared.reload(files.files().load().await);
        assert_eq!(tls.identity().to_string(), "spiffe://blue/gateway/1");
    }
    ca.issue(files.path(), "spiffe://blue/gateway/2", |_| {});
    tls.shared.reload(files.files().load().await);
    assert_eq!(tls.identity().to_string(), "spiffe://blue/gateway/2", "the same role");
}
