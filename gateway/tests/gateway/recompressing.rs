//! Topics with a `compression.type`: owners get batches in it, in their order, and nothing else changes.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::batch::{BatchBuilder, BatchView, Compression, recompressed};
use protocol::messages::ProduceRequest;

use crate::produce::{outcome, produce};
use crate::support::{Cluster, batch, values};

const TYPES: [(&str, Compression); 5] = [
    ("uncompressed", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

/// A produce of one batch to partition 0.
fn produce_of(topic: &str, records: Bytes) -> ProduceRequest {
    let mut request = produce(topic, &[(0, "")]);
    request.topic_data[0].partition_data[0].records = Some(records);
    request
}

fn in_codec(records: &Bytes, compression: Compression) -> Bytes {
    let view = BatchView::whole(records).unwrap();
    recompressed(&view, compression.into(), 1 << 20).unwrap()
}

fn compression(records: &Bytes) -> Compression {
    let view = BatchView::whole(records).unwrap();
    view.verify().unwrap();
    view.compression().unwrap()
}

#[tokio::test]
async fn batches_reach_their_owner_in_the_topic_s_type() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for (name, wanted) in TYPES {
        cluster.topic_with(name, &[1], &[("compression.type", name)]).await;
        for (_, sent) in TYPES {
            let sent = in_codec(&batch(&["a", "b"]), sent);
            let response = client.call(9, produce_of(name, sent.clone())).await;
            assert_eq!(outcome(&response)[0].1, 0);
            let stored = cluster.nodes[0].produced().pop().unwrap();
            assert_eq!(compression(&stored), wanted);
            assert_eq!(values(&stored), values(&sent));
            if compression(&sent) == wanted {
                assert_eq!(stored, sent, "untouched");
            }
        }
    }
}

#[tokio::test]
async fn levels_are_the_topic_s() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let text: String = (0..4_000).map(|n| format!("{} ", n * n % 977)).collect();
    let mut sizes = Vec::new();
    for level in ["1", "9"] {
        let configs = [("compression.type", "gzip"), ("compression.gzip.level", level)];
        cluster.topic_with(level, &[1], &configs).await;
        gateway.client().await.call(9, produce(level, &[(0, &text)])).await;
        sizes.push(cluster.nodes[0].produced().pop().unwrap().len());
    }
    assert!(sizes[1] < sizes[0], "{sizes:?}");
}

#[tokio::test]
async fn what_is_packed_stays_before_what_was_sent_after_it() {
    let cluster = Cluster::start().await;
    cluster.topic_with("packed", &[1], &[("compression.type", "zstd")]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let large = "x".repeat(500_000);
    let mut sent = Vec::new();
    for number in 0..10 {
        let records = batch(&[&number.to_string(), &large]);
        // Every other batch needs no packing, and would overtake.
        let codec = if number % 2 == 0 { Compression::None } else { Compression::Zstd };
        sent.push(client.send(9, &produce_of("packed", in_codec(&records, codec))).await);
    }
    for (correlation, offset) in sent.into_iter().zip(0..) {
        let response = client.receive::<ProduceRequest>(9, correlation).await;
        assert_eq!(outcome(&response), [(0, 0, 2 * offset)]);
    }
    let stored = cluster.nodes[0].produced();
    let firsts: Vec<_> = stored.iter().map(|batch| values(batch)[0].1.clone()).collect();
    let expected: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(firsts, expected);
}

#[tokio::test]
async fn a_batch_that_cannot_be_packed_is_refused_and_the_rest_is_appended() {
    let cluster = Cluster::start().await;
    cluster.topic_with("packed", &[1, 1, 1], &[("compression.type", "gzip")]).await;
    let gateway = cluster.gateway(1).await;
    let mut request = produce("packed", &[(0, "a"), (1, ""), (2, "")]);
    let zeros = vec![0; protocol::limits::RECOMPRESSED_BATCH_INFLATED_BYTES_MAX];
    let bomb = BatchBuilder::new().compressed(Compression::Zstd).record(0, None, Some(&zeros));
    request.topic_data[0].partition_data[1].records = Some(bomb.build());
    // Not snappy at all, under a checksum that is right.
    let mut broken = BatchBuilder::new().record(0, None, Some(&[0xff; 40])).build().to_vec();
    broken[22] = 2;
    let crc = crc32c::crc32c(&broken[21..]);
    broken[17..21].copy_from_slice(&crc.to_be_bytes());
    request.topic_data[0].partition_data[2].records = Some(broken.into());

    let response = gateway.client().await.call(9, request).await;
    let (large, corrupt) = (ErrorCode::MessageTooLarge.code(), ErrorCode::CorruptMessage.code());
    assert_eq!(outcome(&response), [(0, 0, 0), (1, large, -1), (2, corrupt, -1)]);
    let reason = response.responses[0].partition_responses[1].error_message.as_deref();
    assert!(reason.unwrap().contains("inflate to more than"), "{reason:?}");
    assert_eq!(cluster.nodes[0].produced().len(), 1);
}

#[tokio::test]
async fn what_a_node_refuses_anyway_goes_there_as_it_is() {
    let cluster = Cluster::start().await;
    let configs = [("compression.type", "gzip"), ("max.message.bytes", "200")];
    cluster.topic_with("small", &[1], &configs).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    // It would fit once compressed; Kafka looks at what comes first.
    let large = batch(&[&"x".repeat(1_000)]);
    let mut damaged = batch(&["a"]).to_vec();
    damaged[65] ^= 1;
    for records in [large, damaged.into()] {
        client.call(9, produce_of("small", records.clone())).await;
        assert_eq!(cluster.nodes[0].produced().pop(), Some(records));
    }
}

#[tokio::test]
async fn without_memory_for_what_has_grown_a_batch_comes_again() {
    let cluster = Cluster::start().await;
    cluster.topic_with("plain", &[1, 1], &[("compression.type", "uncompressed")]).await;
    let gateway = cluster
        .gateway_with(1, |config| {
            config.limits.request_size = bytesize::ByteSize::mib(1);
            config.limits.request_memory = bytesize::ByteSize::mib(1);
        })
        .await;
    let mut client = gateway.client().await;
    let large = in_codec(&batch(&[&"x".repeat(900_000)]), Compression::Zstd);
    let mut both = produce("plain", &[(0, ""), (1, "")]);
    for data in &mut both.topic_data[0].partition_data {
        data.records = Some(large.clone());
    }
    let response = client.call(9, both).await;
    let later = ErrorCode::NotEnoughReplicas.code();
    assert_eq!(outcome(&response), [(0, 0, 0), (1, later, -1)]);
    // What the first took is free again.
    let response = client.call(9, produce_of("plain", large)).await;
    assert_eq!(outcome(&response), [(0, 0, 1)]);
}
