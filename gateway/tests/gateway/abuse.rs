//! Abuse over sockets: many of one address that say nothing, clients that send or read too slowly, and
//! what is announced and never comes (R61, R62).

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use gateway::{Config, ListenerConfig, Security};
use protocol::ErrorCode;
use protocol::messages::{
    ApiKey, ApiVersionsRequest, FetchRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::fetch::{at_once, fetch};
use crate::produce::{outcome, produce};
use crate::support::{
    Authority, Client, Cluster, Gateway, PATIENCE, Seen, TlsClient, eventually, frame, raw_frame,
    text,
};

/// Sockets of one address that never get as far as to say who they are.
const SLOWLORIS: usize = 300;

/// What they begin with, and then add a byte to now and then, by listener.
fn beginnings() -> [Vec<Vec<u8>>; 3] {
    let handshake = SaslHandshakeRequest::default().with_mechanism(text("SCRAM-SHA-512"));
    let half = frame(1, 1, &handshake)[..20].to_vec();
    let long = 16_000_i32.to_be_bytes().to_vec();
    let kafka = vec![Vec::new(), long, half];
    // Half a hello.
    let hello = vec![22, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3];
    [kafka.clone(), kafka, vec![Vec::new(), hello]]
}

/// A cluster, and a gateway with a plain, a SASL and a TLS listener.
async fn gateway(configure: impl FnOnce(&mut Config)) -> (Cluster, Gateway, TlsClient) {
    let (cluster, authority) = (Cluster::start().await, Authority::new("ca"));
    cluster.topic("orders", &[1]).await;
    let dir = tempfile::tempdir().unwrap();
    let gateway = cluster
        .gateway_with(1, |config| {
            config.listeners.push(ListenerConfig {
                bind: "127.0.0.1:0".to_owned(),
                security: Security::SaslPlaintext,
                ..ListenerConfig::default()
            });
            config.listeners.push(authority.listener(dir.path()));
            configure(config);
        })
        .await;
    let client = TlsClient::new(&authority, None);
    (cluster, gateway, client)
}

/// Connects from an address of its own.
async fn from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// Opens so many sockets from an address, to all listeners.
async fn slowloris(last: u8, count: usize, gateway: &Gateway) -> Vec<TcpStream> {
    let beginnings = beginnings();
    let mut sockets = Vec::new();
    for number in 0..count {
        let (listener, round) = (number % 3, number / 3);
        let mut socket = from(last, gateway.addresses[listener]).await;
        let beginning = &beginnings[listener][round % beginnings[listener].len()];
        socket.write_all(beginning).await.unwrap();
        sockets.push(socket);
    }
    sockets
}

/// Adds a byte to each, again and again. Those that were closed do not answer.
async fn drip(mut sockets: Vec<TcpStream>) {
    loop {
        for socket in &mut sockets {
            drop(socket.write_all(&[0]).await);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a client of this address gets an answer from a listener.
async fn is_served(last: u8, gateway: &Gateway, listener: usize, tls: &TlsClient) -> bool {
    let stream = from(last, gateway.addresses[listener]).await;
    let mut client = match listener {
        2 => match tls.over(stream, "localhost").await {
            Ok(stream) => Client::over(stream),
            Err(_) => return false,
        },
        _ => Client::over(stream),
    };
    client.send(0, &ApiVersionsRequest::default()).await;
    client.receive_frame().await.is_some()
}

async fn versions(client: &mut Client) {
    assert_eq!(client.call(0, ApiVersionsRequest::default()).await.error_code, 0);
}

fn endless(config: &mut Config) {
    let patience = Duration::from_secs(600);
    config.limits.first_request_timeout = patience;
    config.limits.frame_timeout = patience;
    config.listeners[2].tls.as_mut().unwrap().handshake_timeout = patience;
}

/// Nobody is idle for longer than it may be: that is not what makes room.
#[tokio::test]
async fn sockets_that_say_nothing_keep_nobody_out() {
    let (_cluster, gateway, tls) = gateway(|config| {
        config.limits.unauthenticated_connections_per_address = 16;
        endless(config);
    })
    .await;
    let attackers = slowloris(2, SLOWLORIS, &gateway).await;
    let others = async {
        for listener in 0..3 {
            assert!(is_served(1, &gateway, listener, &tls).await, "another address");
            assert!(is_served(2, &gateway, listener, &tls).await, "the last of that address");
        }
    };
    tokio::select! {
        () = drip(attackers) => unreachable!("it has no end"),
        () = others => {}
    }
}

#[tokio::test]
async fn sockets_of_many_addresses_have_to_make_room() {
    let (_cluster, gateway, tls) = gateway(|config| {
        config.limits.unauthenticated_connections = 100;
        config.limits.unauthenticated_connections_per_address = 16;
        endless(config);
    })
    .await;
    let mut attackers = Vec::new();
    for last in 10..20 {
        attackers.extend(slowloris(last, 12, &gateway).await);
    }
    let others = async {
        for listener in 0..3 {
            // Refused while all places are taken, as long as the silence of those who have them is
            // short; it comes again, as clients do.
            let served = async {
                while !is_served(1, &gateway, listener, &tls).await {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PATIENCE, served).await.expect("it is served");
        }
    };
    tokio::select! {
        () = drip(attackers) => unreachable!("it has no end"),
        () = others => {}
    }
}

/// All of one address come at once, as after a failover.
#[tokio::test]
async fn a_storm_of_one_address_is_served() {
    let (_cluster, gateway, tls) = gateway(|config| {
        config.limits.unauthenticated_connections_per_address = 4;
    })
    .await;
    let storm = (0..60).map(|_| async { while !is_served(1, &gateway, 2, &tls).await {} });
    let all = tokio::time::timeout(PATIENCE, futures::future::join_all(storm)).await;
    assert_eq!(all.expect("all are served").len(), 60);
}

/// A byte now and then is not a request: 1 KiB was announced, and 100 MiB.
#[tokio::test]
async fn a_length_that_was_announced_gives_no_time() {
    let (_cluster, gateway, _) =
        gateway(|config| config.limits.frame_timeout = Duration::from_millis(300)).await;
    let mut honest = gateway.client().await;
    versions(&mut honest).await;
    for length in [1_000_i32, 100 * 1024 * 1024] {
        let mut stream = TcpStream::connect(gateway.addresses[0]).await.unwrap();
        stream.write_all(&frame(0, 1, &ApiVersionsRequest::default())).await.unwrap();
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let drip = async {
            while write.write_all(&[0]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let mut answers = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, async {
            tokio::join!(drip, read.read_to_end(&mut answers))
        });
        // By a reset, for there is more to read.
        drop(closed.await.expect("it is closed"));
        assert!(!answers.is_empty(), "it was served before");
    }
    versions(&mut honest).await;
}

/// What a tenant announces is taken of its own share, and nothing of it is needed to log in.
#[tokio::test]
async fn announced_requests_take_no_memory_of_others() {
    let (_cluster, gateway, _) = gateway(|config| {
        config.limits.request_size = ByteSize::mib(1);
        config.limits.request_memory = ByteSize::mib(4);
        config.limits.request_memory_per_tenant = Some(ByteSize::mib(1));
    })
    .await;
    let mut announcing = gateway.client().await;
    versions(&mut announcing).await;
    announcing.send_bytes(&(1024 * 1024_i32 - 4).to_be_bytes()).await;
    // The next of its tenant waits for it; a stranger, who may be of any, does not.
    let mut waiting = gateway.client().await;
    let asked = waiting.send(0, &ApiVersionsRequest::default()).await;
    let mut stranger = Client::connect(gateway.addresses[1]).await;
    versions(&mut stranger).await;
    let handshake = SaslHandshakeRequest::default().with_mechanism(text("SCRAM-SHA-512"));
    assert_eq!(stranger.call(1, handshake).await.error_code, 0);
    drop(announcing);
    assert_eq!(waiting.receive::<ApiVersionsRequest>(0, asked).await.error_code, 0);
}

/// A stranger's frames are short, and may be longer only where a token is due.
#[tokio::test]
async fn a_stranger_announces_little() {
    let (_cluster, gateway, _) = gateway(|_| {}).await;
    let stranger = || Client::connect(gateway.addresses[1]);
    // A version that nobody speaks is answered, whatever follows.
    let mut client = stranger().await;
    client.send_bytes(&raw_frame(ApiKey::ApiVersions, 99, 1, &[0; 16_000])).await;
    assert!(client.receive_frame().await.is_some());
    client.send_bytes(&(17 * 1024_i32).to_be_bytes()).await;
    client.closed().await;

    let handshake = SaslHandshakeRequest::default().with_mechanism(text("SCRAM-SHA-512"));
    let mut client = stranger().await;
    assert_eq!(client.call(1, handshake.clone()).await.error_code, 0);
    let token = SaslAuthenticateRequest::default().with_auth_bytes(vec![0; 60_000].into());
    let refused = client.call(1, token).await;
    assert_eq!(refused.error_code, ErrorCode::SaslAuthenticationFailed.code());
    let mut client = stranger().await;
    assert_eq!(client.call(1, handshake).await.error_code, 0);
    client.send_bytes(&(65 * 1024_i32).to_be_bytes()).await;
    client.closed().await;
}

/// Answers that nobody reads are not piled up: of many fetches one is under way.
#[tokio::test]
async fn fetches_of_a_connection_are_answered_one_by_one() {
    let (cluster, gateway, _) = gateway(|_| {}).await;
    let node = &cluster.nodes[0];
    let fetches = || node.asked().iter().filter(|it| matches!(it, Seen::Fetch { .. })).count();
    node.fetches.close();
    let (mut client, mut other) = (gateway.client().await, gateway.client().await);
    let mut sent = Vec::new();
    for _ in 0..8 {
        sent.push(client.send(12, &at_once(fetch("orders", &[(0, 0)]))).await);
    }
    eventually("the first is under way", || fetches() > 0).await;
    // Time for the others, had they begun.
    let produced = other.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(outcome(&produced), [(0, 0, 0)]);
    assert_eq!(fetches(), 1);
    node.fetches.open();
    for correlation in sent {
        client.receive::<FetchRequest>(12, correlation).await;
    }
}
