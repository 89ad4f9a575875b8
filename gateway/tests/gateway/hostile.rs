//! Hostile bytes: one connection suffers, the process and the other connections do not (R61, R62).

use std::time::Duration;

use bytesize::ByteSize;
use protocol::ErrorCode;
use protocol::messages::{ApiKey, ApiVersionsRequest, MetadataRequest};
use uuid::Uuid;

use crate::produce::{outcome, produce};
use crate::support::{Client, Cluster, Gateway, frame, raw_frame};

/// An honest client, which must not notice anything.
struct Honest {
    client: Client,
    produced: i64,
}

impl Honest {
    async fn connect(gateway: &Gateway) -> Self {
        let mut honest = Self { client: gateway.client().await, produced: 0 };
        honest.is_served().await;
        honest
    }

    async fn is_served(&mut self) {
        let response = self.client.call(9, produce("orders", &[(0, "honest")])).await;
        assert_eq!(outcome(&response), [(0, 0, self.produced)]);
        self.produced += 1;
    }
}

async fn cluster() -> Cluster {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    cluster
}

#[tokio::test]
async fn random_frames_end_their_connection_only() {
    let cluster = cluster().await;
    let gateway = cluster.gateway(1).await;
    let mut honest = Honest::connect(&gateway).await;
    for round in 0..200_u64 {
        let mut client = gateway.client().await;
        // A plausible length, so that the bytes reach the decoders.
        let mut bytes = 24_i32.to_be_bytes().to_vec();
        bytes.extend(Uuid::new_v4().as_bytes());
        bytes.extend(round.to_be_bytes());
        client.send_bytes(&bytes).await;
        client.closed().await;
    }
    honest.is_served().await;
}

#[tokio::test]
async fn random_bodies_of_every_api_end_their_connection_or_are_answered() {
    let cluster = cluster().await;
    let gateway = cluster.gateway(1).await;
    let mut honest = Honest::connect(&gateway).await;
    for api in protocol::versions::APIS {
        for version in api.served_min..=api.max {
            let mut client = gateway.client().await;
            let body: Vec<u8> = [Uuid::new_v4(); 4].iter().flat_map(|u| *u.as_bytes()).collect();
            client.send_bytes(&raw_frame(api.key, version, 7, &body)).await;
            drop(client);
        }
    }
    honest.is_served().await;
}

#[tokio::test]
async fn giant_and_negative_lengths_end_the_connection_at_once() {
    let cluster = cluster().await;
    let gateway = cluster.gateway(1).await;
    let mut honest = Honest::connect(&gateway).await;
    for length in [i32::MAX, 100 * 1024 * 1024 + 1, -1, i32::MIN, 0, 7] {
        let mut client = gateway.client().await;
        client.send_bytes(&length.to_be_bytes()).await;
        client.closed().await;
    }
    honest.is_served().await;
}

#[tokio::test]
async fn giant_counts_end_the_connection_before_memory_is_asked_for() {
    let cluster = cluster().await;
    let gateway = cluster.gateway(1).await;
    let mut honest = Honest::connect(&gateway).await;
    // Bodies that made the generated decoder ask for hundreds of gigabytes.
    let bodies: [(ApiKey, i16, &[u8]); 3] = [
        (ApiKey::Metadata, 1, &[0x7f, 0xff, 0xff, 0xff]),
        (ApiKey::Metadata, 8, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0]),
        (ApiKey::Produce, 3, &[0xff, 0xff, 0, 1, 0, 0, 0, 9, 0x7f, 0xff, 0xff, 0xff]),
    ];
    for (api, version, body) in bodies {
        let mut client = gateway.client().await;
        client.send_bytes(&raw_frame(api, version, 7, body)).await;
        client.closed().await;
    }
    honest.is_served().await;
}

#[tokio::test]
async fn a_request_larger_than_configured_is_refused_by_its_length() {
    let cluster = cluster().await;
    let gateway =
        cluster.gateway_with(1, |config| config.limits.request_size = ByteSize::kib(64)).await;
    let mut honest = Honest::connect(&gateway).await;
    let mut client = gateway.client().await;
    client.send_bytes(&(64 * 1024_i32 + 1).to_be_bytes()).await;
    client.closed().await;
    honest.is_served().await;
}

#[tokio::test]
async fn apis_and_versions_that_are_not_served_end_the_connection() {
    let cluster = cluster().await;
    let gateway = cluster.gateway(1).await;
    let mut honest = Honest::connect(&gateway).await;
    let unserved = [
        (ApiKey::Produce, 0), // advertised for librdkafka, refused as Kafka does
        (ApiKey::Produce, 2),
        (ApiKey::Fetch, 3),
        (ApiKey::Metadata, 99),
        (ApiKey::WriteTxnMarkers, 1),
    ];
    for (api, version) in unserved {
        let mut client = gateway.client().await;
        client.send_bytes(&raw_frame(api, version, 7, &[0; 64])).await;
        client.closed().await;
    }
    honest.is_served().await;
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let cluster = cluster().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.send_bytes(&raw_frame(ApiKey::ApiVersions, 99, 7, &[1, 2, 3])).await;
    let answer = client.receive::<ApiVersionsRequest>(0, 7).await;
    assert_eq!(answer.error_code, ErrorCode::UnsupportedVersion.code());
    let itself: Vec<_> = answer.api_keys.iter().map(|api| (api.api_key, api.max_version)).collect();
    assert_eq!(itself, [(18, 4)]);
    // The connection goes on, at a version that the client learned just now.
    let answer = client.call(0, ApiVersionsRequest::default()).await;
    assert_eq!(answer.error_code, 0);
}

#[tokio::test]
async fn a_client_without_a_proper_name_is_told_so() {
    let cluster = cluster().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let nameless = client.call(3, ApiVersionsRequest::default()).await;
    assert_eq!(nameless.error_code, ErrorCode::InvalidRequest.code());
    let named = ApiVersionsRequest::default()
        .with_client_software_name(crate::support::text("librdkafka"))
        .with_client_software_version(crate::support::text("2.12.1"));
    assert_eq!(client.call(3, named).await.error_code, 0);
}

#[tokio::test]
async fn silent_and_slow_connections_are_closed_and_others_are_not() {
    let cluster = cluster().await;
    let gateway = cluster
        .gateway_with(1, |config| {
            config.limits.first_request_timeout = Duration::from_millis(200);
            config.limits.frame_timeout = Duration::from_millis(200);
        })
        .await;
    let mut honest = Honest::connect(&gateway).await;

    let mut silent = gateway.client().await;
    let mut half = gateway.client().await;
    let request = frame(12, 1, &MetadataRequest::default().with_topics(None));
    half.send_bytes(&request[..request.len() - 1]).await;
    let mut stopped = gateway.client().await;
    stopped.call(12, MetadataRequest::default().with_topics(None)).await;
    stopped.send_bytes(&request[..6]).await;
    for client in [&mut silent, &mut half, &mut stopped] {
        client.closed().await;
    }
    // It was silent as long as they were, after a request of its own.
    honest.is_served().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_but_not_one_that_waits_for_an_answer() {
    let cluster = cluster().await;
    let gateway = cluster
        .gateway_with(1, |config| config.limits.idle_timeout = Duration::from_millis(200))
        .await;
    cluster.nodes[0].produces.close();
    let mut waiting = gateway.client().await;
    let sent = waiting.send(9, &produce("orders", &[(0, "a")])).await;
    let mut idle = gateway.client().await;
    idle.call(12, MetadataRequest::default().with_topics(None)).await;
    idle.closed().await;
    cluster.nodes[0].produces.open();
    waiting.receive::<protocol::messages::ProduceRequest>(9, sent).await;
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_and_places_come_back() {
    let cluster = cluster().await;
    let gateway = cluster.gateway_with(1, |config| config.limits.connections = 2).await;
    let mut honest = Honest::connect(&gateway).await;
    let mut second = Honest::connect_second(&gateway).await;
    gateway.client().await.closed().await;
    second.call(12, MetadataRequest::default().with_topics(None)).await;
    drop(second);
    honest.is_served().await;
    // The place is free once the gateway has noticed; until then new ones are closed.
    for attempt in 0.. {
        let mut next = gateway.client().await;
        next.send(12, &MetadataRequest::default().with_topics(None)).await;
        if next.receive_frame().await.is_some() {
            break;
        }
        assert!(attempt < 1_000, "the place never came back");
    }
}

impl Honest {
    /// Another connection of the kind that stays open.
    async fn connect_second(gateway: &Gateway) -> Client {
        let mut client = gateway.client().await;
        client.call(12, MetadataRequest::default().with_topics(None)).await;
        client
    }
}
