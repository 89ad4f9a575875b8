//! Our bytes are those of the generated encoder, and read back as what was written.

use bytes::{Buf, BytesMut};
use kafka_protocol::messages::fetch_response as kafka;
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::rope::{Rope, RopeMut};

fn partition() -> impl Strategy<Value = FetchPartition> {
    let offsets = (any::<i64>(), any::<i64>(), any::<i64>());
    let aborted = prop::collection::vec((any::<i64>(), any::<i64>()), 0..3);
    // Long enough to be linked, or short enough to be copied.
    let records = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..1200), 0..4);
    let diverging = prop::option::of((0..i32::MAX, 0..i64::MAX));
    let leader = prop::option::of((0..i32::MAX, 0..i32::MAX));
    (
        (any::<i32>(), any::<i16>(), offsets, prop::option::of(aborted)),
        (any::<i32>(), diverging, records, -1..i64::MAX, leader),
    )
        .prop_map(
            |(
                (index, error_code, offsets, aborted),
                (replica, diverging, records, floor, leader),
            )| {
                FetchPartition {
                    index,
                    error_code,
                    high_watermark: offsets.0,
                    last_stable_offset: offsets.1,
                    log_start_offset: offsets.2,
                    aborted_transactions: aborted.map(|all| {
                        all.into_iter()
                            .map(|(producer_id, first_offset)| AbortedTransaction {
                                producer_id,
                                first_offset,
                            })
                            .collect()
                    }),
                    preferred_read_replica: replica,
                    diverging_epoch: diverging,
                    current_leader: leader,
                    records: records.into_iter().map(Bytes::from).collect(),
                    hot_floor: floor,
                }
            },
        )
}

fn response() -> impl Strategy<Value = FetchResponse> {
    let name = "[a-z.]{0,12}".prop_map(|name| TopicName(StrBytes::from_string(name)));
    let id = any::<[u8; 16]>().prop_map(|id| TopicId(uuid::Uuid::from_bytes(id)));
    let topic = (id, name, prop::collection::vec(partition(), 0..4))
        .prop_map(|(id, name, partitions)| FetchTopic { id, name, partitions });
    let endpoint = (0..i32::MAX, "[a-z.]{0,12}", 0..65_536, prop::option::of("[a-z]{1,5}"));
    let endpoint = endpoint.prop_map(|(id, host, port, rack)| {
        NodeEndpoint::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_string(host))
            .with_port(port)
            .with_rack(rack.map(StrBytes::from_string))
    });
    let endpoints = prop::collection::vec(endpoint, 0..3);
    let topics = prop::collection::vec(topic, 0..3);
    (any::<i32>(), any::<i16>(), any::<i32>(), topics, endpoints).prop_map(
        |(throttle_time_ms, error_code, session_id, topics, node_endpoints)| FetchResponse {
            throttle_time_ms,
            error_code,
            session_id,
            topics,
            node_endpoints,
            cold: false,
        },
    )
}

/// The response without what is for clients only, which nothing of ours reads back.
fn without_leaders(mut response: FetchResponse) -> FetchResponse {
    response.node_endpoints.clear();
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.current_leader = None;
    }
    response
}

/// The response as `version` can carry it: everything else has its default.
fn as_of(version: i16, mut response: FetchResponse, hop: bool) -> FetchResponse {
    if version < 7 {
        (response.error_code, response.session_id) = (0, 0);
    }
    if version < LEADERS_FROM {
        response.node_endpoints.clear();
    }
    for topic in &mut response.topics {
        if version >= TOPIC_ID_FROM {
            topic.name = TopicName::default();
        } else {
            topic.id = TopicId::NIL;
        }
        for partition in &mut topic.partitions {
            if version < 5 {
                partition.log_start_offset = -1;
            }
            if version < 11 {
                partition.preferred_read_replica = -1;
            }
            if version < FLEXIBLE_FROM {
                partition.diverging_epoch = None;
            }
            if version < FLEXIBLE_FROM || !hop {
                partition.hot_floor = -1;
            }
            if version < LEADERS_FROM {
                partition.current_leader = None;
            }
            let joined = Rope::from(std::mem::take(&mut partition.records));
            partition.records =
                Some(joined.into_bytes()).filter(|r| !r.is_empty()).into_iter().collect();
        }
    }
    response
}

fn generated(response: &FetchResponse) -> kafka_protocol::messages::FetchResponse {
    let partition = |partition: &FetchPartition| {
        let aborted = |aborted: &AbortedTransaction| {
            kafka::AbortedTransaction::default()
                .with_producer_id(aborted.producer_id.into())
                .with_first_offset(aborted.first_offset)
        };
        let mut message = kafka::PartitionData::default()
            .with_partition_index(partition.index)
            .with_error_code(partition.error_code)
            .with_high_watermark(partition.high_watermark)
            .with_last_stable_offset(partition.last_stable_offset)
            .with_log_start_offset(partition.log_start_offset)
            .with_aborted_transactions(
                partition
                    .aborted_transactions
                    .as_ref()
                    .map(|all| all.iter().map(aborted).collect()),
            )
            .with_preferred_read_replica(partition.preferred_read_replica.into())
            .with_records(Some(Rope::from(partition.records.clone()).into_bytes()));
        if let Some((epoch, end_offset)) = partition.diverging_epoch {
            message.diverging_epoch =
                kafka::EpochEndOffset::default().with_epoch(epoch).with_end_offset(end_offset);
        }
        if let Some((id, epoch)) = partition.current_leader {
            message.current_leader = kafka::LeaderIdAndEpoch::default()
                .with_leader_id(id.into())
                .with_leader_epoch(epoch);
        }
        message
    };
    let topic = |topic: &FetchTopic| {
        kafka::FetchableTopicResponse::default()
            .with_topic(topic.name.clone())
            .with_topic_id(topic.id.0)
            .with_partitions(topic.partitions.iter().map(partition).collect())
    };
    kafka_protocol::messages::FetchResponse::default()
        .with_throttle_time_ms(response.throttle_time_ms)
        .with_error_code(response.error_code)
        .with_session_id(response.session_id)
        .with_responses(response.topics.iter().map(topic).collect())
        .with_node_endpoints(response.node_endpoints.clone())
}

fn encoded(response: &FetchResponse, version: i16) -> Bytes {
    let mut rope = RopeMut::new();
    response.encode(version, &mut rope).unwrap();
    rope.finish().into_bytes()
}

proptest! {
    #[test]
    fn the_bytes_are_those_of_the_generated_encoder(response in response()) {
        for version in VERSIONS {
            let mut expected = BytesMut::new();
            let generated = generated(&as_of(version, response.clone(), false));
            generated.encode(&mut expected, version).unwrap();
            prop_assert_eq!(encoded(&response, version), expected, "v{}", version);
        }
    }

    #[test]
    fn a_response_reads_back_as_written(response in response()) {
        for version in VERSIONS {
            let client = FetchResponse::decode(version, encoded(&response, version));
            let read = |hop| Ok(without_leaders(as_of(version, response.clone(), hop)));
            prop_assert_eq!(client, read(false), "v{}", version);
            let mut rope = RopeMut::new();
            response.encode_hop(version, &mut rope).unwrap();
            let hop = FetchResponse::decode(version, rope.finish().into_bytes());
            prop_assert_eq!(hop, read(true), "v{}", version);
        }
    }

    #[test]
    fn damaged_responses_never_panic(
        response in response(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        length in any::<prop::sample::Index>(),
    ) {
        for version in VERSIONS {
            let mut bytes = encoded(&response, version).to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let cut = bytes[..length.index(bytes.len())].to_vec();
            let _ = FetchResponse::decode(version, bytes.into());
            let cut = FetchResponse::decode(version, cut.into());
            prop_assert!(cut.is_err() || cut.unwrap().records_len() <= response.records_len());
        }
    }
}

#[test]
fn records_are_linked_and_not_copied() {
    let slices: Vec<Bytes> = (0..3u8).map(|byte| Bytes::from(vec![byte; 4096])).collect();
    let partition = FetchPartition { records: slices.clone(), ..FetchPartition::new(0) };
    let topic = FetchTopic {
        id: TopicId::random(),
        name: TopicName::default(),
        partitions: vec![partition],
    };
    let response = FetchResponse { topics: vec![topic], ..FetchResponse::default() };
    let mut rope = RopeMut::new();
    response.encode(17, &mut rope).unwrap();
    let rope = rope.finish();
    for slice in &slices {
        assert!(rope.chunks().any(|piece| piece.as_ptr() == slice.as_ptr()));
    }
    assert_eq!(response.records_len(), 3 * 4096);
    assert!(rope.remaining() < 3 * 4096 + 100);
}

#[test]
fn unknown_versions_are_refused() {
    for version in [3, 19] {
        let mut rope = RopeMut::new();
        assert!(FetchResponse::default().encode(version, &mut rope).is_err());
        assert!(FetchResponse::decode(version, Bytes::new()).is_err());
    }
}
