//! The walker accepts what Kafka encodes and refuses what would hurt the decoder.

use bytes::Bytes;
use proptest::prelude::{any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::shape::{Field, Kind};
use super::*;
use crate::header::RequestHeader;
use crate::request;
use crate::rope::RopeMut;
use crate::versions::APIS;

mod draw;

fn header(api_key: i16, api_version: i16) -> RequestHeader {
    RequestHeader { api_key, api_version, correlation_id: 1, client_id: None }
}

fn served() -> impl Iterator<Item = (ApiKey, i16)> {
    APIS.iter().flat_map(|api| (api.served_min..=api.max).map(|version| (api.key, version)))
}

proptest! {
    /// The shape is the schema: what is drawn from it, the generated decoder reads to the last
    /// byte, and the generated encoder writes the same bytes again.
    #[test]
    fn bytes_drawn_from_a_shape_are_read_and_written_alike(
        entropy in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        for (key, version) in served() {
            let shape = shapes::of(key).expect("every served request has a shape");
            let body = draw::body(shape, version, &entropy);
            prop_assert_eq!(walk(key as i16, version, &body), Ok(()), "{:?} v{}", key, version);
            let request = request::decode(&header(key as i16, version), Bytes::from(body.clone()));
            let mut again = RopeMut::new();
            request.expect("a well-formed request").encode_body(version, &mut again).unwrap();
            prop_assert_eq!(again.finish().into_bytes(), body, "{:?} v{}", key, version);
        }
    }

    #[test]
    fn no_bytes_make_the_walk_or_the_decoder_panic(
        entropy in prop::collection::vec(any::<u8>(), 0..200),
        api in 0..APIS.len(),
        version in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in any::<prop::sample::Index>(),
        raw in any::<bool>(),
    ) {
        let api = &APIS[api];
        let versions = (api.max - api.served_min + 1) as usize;
        let version = api.served_min + version.index(versions) as i16;
        let shape = shapes::of(api.key).expect("every served request has a shape");
        let mut body = if raw { entropy } else { draw::body(shape, version, &entropy) };
        for (at, byte) in damage {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        if body.len() > 1 && keep.index(3) == 0 {
            body.truncate(keep.index(body.len()));
        }
        let walked = walk(api.key as i16, version, &body);
        let decoded = request::decode(&header(api.key as i16, version), Bytes::from(body));
        prop_assert!(walked.is_ok() || decoded.is_err());
    }
}

/// Bodies that make the bare decoder abort the process.
#[test]
fn counts_that_would_abort_the_process_are_refused() {
    let metadata = walk(3, 12, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    let count = u32::MAX as usize - 1;
    assert_eq!(metadata, Err(PreflightError::ImpossibleCount { at: 0, count }));
    let count = i32::MAX as usize;
    let metadata = walk(3, 1, &[0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(metadata, Err(PreflightError::ImpossibleCount { at: 0, count }));
    let produce = walk(0, 9, &[0, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(produce, Err(PreflightError::ImpossibleCount { at: 7, .. })));
}

#[test]
fn lengths_and_varints_are_held_to_the_body() {
    let negative = walk(3, 1, &[0xff, 0xff, 0xff, 0xfe]);
    assert_eq!(negative, Err(PreflightError::NegativeLength { at: 0 }));
    let overflow = walk(3, 12, &[0xff, 0xff, 0xff, 0xff, 0x10]);
    assert_eq!(overflow, Err(PreflightError::VarintOverflow { at: 0 }));
    let endless = walk(3, 12, &[0xff; 12]);
    assert_eq!(endless, Err(PreflightError::VarintOverflow { at: 0 }));
    assert_eq!(walk(3, 12, &[0x80]), Err(PreflightError::Truncated { at: 1 }));
    let long_group = walk(12, 0, &[0, 5, b'g']);
    assert_eq!(long_group, Err(PreflightError::Truncated { at: 2 }));
    let trailing = walk(3, 1, &[0, 0, 0, 0, 7]);
    assert_eq!(trailing, Err(PreflightError::TrailingBytes { count: 1 }));
}

#[test]
fn librdkafka_s_question_for_all_topics_may_be_followed_by_three_bytes() {
    // The null array in four bytes, then two flags and no tagged fields.
    let asked = [0, 0, 0, 0, 1, 0, 0];
    assert_eq!(walk(3, 13, &asked), Ok(()));
    let longer = [asked.as_slice(), &[0]].concat();
    assert_eq!(walk(3, 13, &longer), Err(PreflightError::TrailingBytes { count: 4 }));
}

#[test]
fn a_tagged_field_must_be_as_long_as_it_says() {
    // Fetch v15, no topics, then replica_state (tag 1): 4 + 8 + 1 bytes.
    let mut body = vec![0; 12 + 1 + 8];
    body.extend([1, 1, 1]); // topics, forgotten topics, rack: all empty
    body.extend([1, 1, 13]);
    let length_at = body.len() - 1;
    body.extend([0; 13]);
    assert_eq!(walk(1, 15, &body), Ok(()));
    body[length_at] = 12;
    assert_eq!(walk(1, 15, &body), Err(PreflightError::TagLength { at: length_at + 1 }));
    body[length_at] = 14;
    assert_eq!(walk(1, 15, &body), Err(PreflightError::Truncated { at: length_at + 1 }));
}

#[test]
fn elements_have_a_budget() {
    // DescribeGroups v0: a list of empty strings, two bytes each.
    let body = |count: usize| {
        let mut body = (count as i32).to_be_bytes().to_vec();
        body.resize(4 + 2 * count, 0);
        body
    };
    assert_eq!(walk(15, 0, &body(REQUEST_ELEMENTS_MAX)), Ok(()));
    let over = walk(15, 0, &body(REQUEST_ELEMENTS_MAX + 1));
    assert_eq!(over, Err(PreflightError::TooManyElements));
}

#[test]
fn only_served_versions_are_walked() {
    let no_shape = |api_key, version| Err(PreflightError::NoShape { api_key, version });
    assert_eq!(walk(0, 2, &[]), no_shape(0, 2));
    assert_eq!(walk(3, 14, &[]), no_shape(3, 14));
    assert_eq!(walk(4, 0, &[]), no_shape(4, 0), "LeaderAndIsr is between brokers");
    assert_eq!(walk(-1, 0, &[]), no_shape(-1, 0));
}

/// Nesting is what bounds the walker's stack.
#[test]
fn shapes_are_shallow() {
    fn depth_of(fields: &[Field]) -> usize {
        1 + fields.iter().map(|field| depth(&field.kind)).max().unwrap_or(0)
    }
    fn depth(kind: &Kind) -> usize {
        match kind {
            Kind::Array(fields) | Kind::Struct(fields) => depth_of(fields),
            Kind::List(element) => 1 + depth(element),
            _ => 0,
        }
    }
    for api in APIS {
        let shape = shapes::of(api.key).expect("every served request has a shape");
        assert!(depth_of(shape.fields) <= 4, "{:?}", api.key);
    }
}
