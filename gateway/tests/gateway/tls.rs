//! TLS listeners: who gets in, who does not, and what outlives a change of certificates.

use std::fs;
use std::net::SocketAddr;

use gateway::{ClientAuth, ListenerConfig};
use protocol::messages::{ApiVersionsRequest, MetadataRequest};
use rcgen::{DnType, date_time_ymd};
use rustix::process::{Signal, getpid, kill_process};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

use crate::support::{Authority, Client, Cluster, Gateway, Issued, TlsClient, raw_frame};

/// A cluster, and a gateway in front of it with one listener.
async fn gateway(cluster: &Cluster, listener: ListenerConfig) -> Gateway {
    gateway_of(cluster, 1, listener).await
}

async fn gateway_of(cluster: &Cluster, broker: i32, listener: ListenerConfig) -> Gateway {
    cluster.gateway_with(broker, |config| config.listeners = vec![listener]).await
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn versions(client: &mut Client) {
    let answer = client.call(0, ApiVersionsRequest::default()).await;
    assert_eq!(answer.error_code, 0);
}

/// The client does not get an answer: at the handshake or, as it is in TLS 1.3, after it.
async fn is_refused(address: SocketAddr, client: &TlsClient) {
    if let Ok(stream) = client.connect(address).await {
        let mut client = Client::over(stream);
        client.send(0, &ApiVersionsRequest::default()).await;
        client.closed().await;
    }
}

#[tokio::test]
async fn clients_speak_kafka_over_both_versions() {
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    for topic in 0..40 {
        cluster.topic(&format!("orders-{topic}"), &[1; 100]).await;
    }
    let gateway = gateway(&cluster, authority.listener(dir.path())).await;
    for version in [&TLS12, &TLS13] {
        let client = TlsClient::speaking(&authority, None, &[version]);
        let stream = client.connect(gateway.address).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let mut client = Client::over(stream);
        // Some hundred kilobytes: more than TLS holds back for itself at a time.
        let all = MetadataRequest::default().with_topics(None);
        let answer = client.call(12, all).await;
        assert_eq!(answer.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>(), 4_000);
        versions(&mut client).await;
    }
}

#[tokio::test]
async fn what_is_not_tls_costs_one_connection() {
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    let tls = gateway(&cluster, authority.listener(dir.path())).await;
    let plain = cluster.gateway(2).await;
    let client = TlsClient::new(&authority, None);
    let mut before = Client::over(client.connect(tls.address).await.unwrap());

    let mut kafka = TcpStream::connect(tls.address).await.unwrap();
    let versions_of_kafka = raw_frame(protocol::messages::ApiKey::ApiVersions, 0, 1, &[]);
    kafka.write_all(&versions_of_kafka).await.unwrap();
    let mut told = Vec::new();
    drop(kafka.read_to_end(&mut told).await);
    assert_eq!(told.first(), Some(&21), "an alert and the end: {told:?}");

    assert!(client.connect(plain.address).await.is_err(), "a hello is no frame");
    versions(&mut before).await;
    versions(&mut plain.client().await).await;
}

#[tokio::test]
async fn versions_before_1_2_are_refused() {
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    let gateway = gateway(&cluster, authority.listener(dir.path())).await;
    // A hello of TLS 1.1 that offers one cipher suite and one kind of signature.
    let mut hello = vec![22, 3, 1, 0, 55, 1, 0, 0, 51, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    let mut told = Vec::new();
    drop(stream.read_to_end(&mut told).await);
    assert_eq!(told, [21, 3, 3, 0, 2, 2, 70], "a fatal alert: protocol version");
}

#[tokio::test]
async fn a_listener_of_1_3_alone_refuses_1_2() {
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    let mut listener = authority.listener(dir.path());
    listener.tls.as_mut().unwrap().min_version = gateway::TlsVersion::V1_3;
    let gateway = gateway(&cluster, listener).await;
    let old = TlsClient::speaking(&authority, None, &[&TLS12]);
    assert!(old.connect(gateway.address).await.is_err());
    assert!(TlsClient::new(&authority, None).connect(gateway.address).await.is_ok());
}

#[tokio::test]
async fn clients_refuse_certificates_of_others_and_of_other_times() {
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    let gateway_1 = gateway(&cluster, authority.listener(dir.path())).await;
    let other = TlsClient::new(&Authority::new("ca"), None);
    assert!(other.connect(gateway_1.address).await.is_err(), "another issuer of the same name");

    let listener = authority.listener(dir.path());
    for (from, to) in [(2000, 2001), (2098, 2099)] {
        let issued = authority.issue(|params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        });
        issued.write(dir.path());
        let gateway = gateway_of(&cluster, from, listener.clone()).await;
        let client = TlsClient::new(&authority, None);
        assert!(client.connect(gateway.address).await.is_err(), "from {from} to {to}");
    }
}

#[tokio::test]
async fn clients_without_a_good_certificate_are_refused_where_one_is_required() {
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    let clients = Authority::new("clients");
    let listener = authority.mutual(dir.path(), &clients, ClientAuth::Required);
    let gateway = gateway(&cluster, listener).await;
    let issue = |from, to| {
        clients.issue(|params| {
            params.distinguished_name.push(DnType::CommonName, "orders");
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        })
    };
    let good = issue(2000, 2099);
    let client = TlsClient::new(&authority, Some(&good));
    versions(&mut Client::over(client.connect(gateway.address).await.unwrap())).await;

    let foreign = authority.issue(|_| {});
    let refused: [Option<&Issued>; 4] =
        [None, Some(&foreign), Some(&issue(2000, 2001)), Some(&issue(2098, 2099))];
    for identity in refused {
        is_refused(gateway.address, &TlsClient::new(&authority, identity)).await;
    }
}

#[tokio::test]
async fn a_requested_certificate_may_be_missing_but_not_wrong() {
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    let clients = Authority::new("clients");
    let listener = authority.mutual(dir.path(), &clients, ClientAuth::Requested);
    let gateway = gateway(&cluster, listener).await;
    let nobody = TlsClient::new(&authority, None);
    versions(&mut Client::over(nobody.connect(gateway.address).await.unwrap())).await;
    let foreign = authority.issue(|_| {});
    is_refused(gateway.address, &TlsClient::new(&authority, Some(&foreign))).await;
}

#[tokio::test]
async fn a_session_is_resumed_on_another_gateway() {
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    let clients = Authority::new("clients");
    let listener = authority.mutual(dir.path(), &clients, ClientAuth::Required);
    let one = gateway_of(&cluster, 1, listener.clone()).await;
    let two = gateway_of(&cluster, 2, listener).await;
    let identity = clients.issue(|_| {});
    for version in [&TLS12, &TLS13] {
        let client = TlsClient::speaking(&authority, Some(&identity), &[version]);
        for (gateway, expected) in [
            (&one, HandshakeKind::Full),
            (&two, HandshakeKind::Resumed),
            (&one, HandshakeKind::Resumed),
        ] {
            let stream = client.connect(gateway.address).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected), "{version:?}");
            // The ticket of 1.3 comes with the first answer.
            versions(&mut Client::over(stream)).await;
        }
    }
}

#[tokio::test]
async fn new_certificates_are_used_and_no_connection_is_dropped() {
    // From here on the signal does not end the process.
    let _handled = signal(SignalKind::hangup()).unwrap();
    let (cluster, authority, dir) = (Cluster::start().await, Authority::new("ca"), dir());
    let gateway = gateway(&cluster, authority.listener(dir.path())).await;
    let client = TlsClient::new(&authority, None);
    let mut before = Client::over(client.connect(gateway.address).await.unwrap());
    versions(&mut before).await;

    // Half of a pair, then nonsense: neither is used.
    let renewed = Authority::new("renewed");
    let issued = renewed.issue(|_| {});
    fs::write(dir.path().join("listener.pem"), &issued.certificate).unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
    fs::write(dir.path().join("listener.key"), "nonsense").unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
    let same = TlsClient::new(&authority, None).connect(gateway.address).await;
    assert!(same.is_ok(), "the old certificate is still the one");

    issued.write(dir.path());
    let client = TlsClient::new(&renewed, None);
    let mut after = loop {
        kill_process(getpid(), Signal::HUP).unwrap();
        if let Ok(stream) = client.connect(gateway.address).await {
            break Client::over(stream);
        }
        tokio::task::yield_now().await;
    };
    versions(&mut after).await;
    versions(&mut before).await;
}
