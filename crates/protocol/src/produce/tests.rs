//! Our bytes are those of the generated encoder.

use bytes::BytesMut;
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert_eq, proptest};

use super::*;
use crate::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::messages::{TopicName, TransactionalId};

fn partition() -> impl Strategy<Value = PartitionProduceData> {
    let records = prop::option::of(prop::collection::vec(any::<u8>(), 0..1500));
    let tags = prop::collection::btree_map(0..20_000i32, "[a-z]{0,4}".prop_map(Bytes::from), 0..2);
    (any::<i32>(), records, tags).prop_map(|(index, records, tags)| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(records.map(Bytes::from))
            .with_unknown_tagged_fields(tags)
    })
}

fn request() -> impl Strategy<Value = ProduceRequest> {
    let topic = ("[a-z]{0,9}", any::<[u8; 16]>(), prop::collection::vec(partition(), 0..4));
    let topic = topic.prop_map(|(name, id, partitions)| {
        TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(name)))
            .with_topic_id(uuid::Uuid::from_bytes(id))
            .with_partition_data(partitions)
    });
    let id = prop::option::of("[a-z]{0,9}");
    (id, any::<i16>(), any::<i32>(), prop::collection::vec(topic, 0..4)).prop_map(
        |(id, acks, timeout_ms, topics)| {
            ProduceRequest::default()
                .with_transactional_id(id.map(|id| TransactionalId(StrBytes::from_string(id))))
                .with_acks(acks)
                .with_timeout_ms(timeout_ms)
                .with_topic_data(topics)
        },
    )
}

fn without_tags(mut request: ProduceRequest) -> ProduceRequest {
    for topic in &mut request.topic_data {
        topic.partition_data.iter_mut().for_each(|data| data.unknown_tagged_fields.clear());
    }
    request
}

proptest! {
    #[test]
    fn the_bytes_are_those_of_the_generated_encoder(request in request()) {
        for version in 3..=13 {
            let request = match version {
                FLEXIBLE_FROM.. => request.clone(),
                _ => without_tags(request.clone()),
            };
            let mut expected = BytesMut::new();
            request.encode(&mut expected, version).unwrap();
            let mut rope = RopeMut::new();
            encode_request(&request, version, &mut rope).unwrap();
            prop_assert_eq!(rope.finish().into_bytes(), expected, "v{}", version);
        }
    }
}

#[test]
fn records_are_linked_and_not_copied() {
    let records = Bytes::from(vec![1; 4096]);
    let partition = PartitionProduceData::default().with_records(Some(records.clone()));
    let topic = TopicProduceData::default().with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_topic_data(vec![topic]);
    let mut rope = RopeMut::new();
    encode_request(&request, 13, &mut rope).unwrap();
    assert!(rope.finish().chunks().any(|piece| piece.as_ptr() == records.as_ptr()));
    assert!(encode_request(&request, 2, &mut RopeMut::new()).is_err());
    assert!(encode_request(&request, 14, &mut RopeMut::new()).is_err());
}
