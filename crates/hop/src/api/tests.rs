//! Every message, written and read at its pinned version, with every field that the version
//! has set to something: a field that gets lost shows.

mod samples;

use std::collections::HashSet;

use bytes::Buf;
use proptest::prelude::{any, proptest};
use protocol::preflight;

use super::*;
use samples::sample;

#[test]
fn every_request_comes_back() {
    for api in Api::ALL {
        let (request, _) = sample(*api);
        assert_eq!(request.api(), *api);
        let body = request.encode(api.version()).unwrap_or_else(|error| panic!("{api:?}: {error}"));
        let back = Request::decode(*api, api.version(), body.into_bytes());
        assert_eq!(back, Ok(request));
    }
}

#[test]
fn every_response_comes_back() {
    for api in Api::ALL {
        let (_, response) = sample(*api);
        assert_eq!(response.api(), *api);
        let body =
            response.encode(api.version()).unwrap_or_else(|error| panic!("{api:?}: {error}"));
        let back = Response::decode(*api, api.version(), body.into_bytes());
        assert_eq!(back, Ok(response));
    }
}

#[test]
fn every_kafka_request_passes_the_servers_preflight() {
    for api in Api::ALL.iter().filter(|api| api.key() < 10_000) {
        let body = sample(*api).0.encode(api.version()).unwrap().into_bytes();
        assert_eq!(preflight::walk(api.key(), api.version(), &body), Ok(()), "{api:?}");
    }
}

#[test]
fn leftover_bytes_are_refused() {
    for api in Api::ALL {
        let version = api.version();
        let (request, response) = sample(*api);
        let grown = |mut body: Rope| {
            // Not a tag of any protobuf field, nor the beginning of one.
            body.push(Bytes::from_static(&[0]));
            body.into_bytes()
        };
        assert!(
            Request::decode(*api, version, grown(request.encode(version).unwrap())).is_err(),
            "{api:?}"
        );
        // What follows the head of a cold fetch's answer is records, whatever it is.
        if *api != Api::ColdFetch {
            assert!(
                Response::decode(*api, version, grown(response.encode(version).unwrap())).is_err(),
                "{api:?}"
            );
        }
    }
}

#[test]
fn keys_are_unique_and_found_only_at_their_version() {
    let keys: HashSet<_> = Api::ALL.iter().map(|api| api.key()).collect();
    assert_eq!(keys.len(), Api::ALL.len());
    for api in Api::ALL {
        for release in [Release::PREVIOUS, Release::THIS] {
            let from_wire = |version| Api::from_wire(api.key(), version, release);
            match api.version_in(release) {
                Some(version) => {
                    assert_eq!(from_wire(version), Some(*api));
                    assert_eq!(from_wire(version + 1), None);
                }
                None => assert_eq!(from_wire(api.version()), None, "{api:?}"),
            }
        }
        assert_eq!(api.version_in(Release::THIS), Some(api.version()));
    }
    assert_eq!(Api::from_wire(9_999, 0, Release::THIS), None);
}

#[test]
fn a_row_has_a_version_per_release() {
    let both = |versions: Versions| [Release::PREVIOUS, Release::THIS].map(|it| versions.of(it));
    assert_eq!(both(versions!(5)), [Some(5), Some(5)]);
    assert_eq!(both(versions!(5 4)), [Some(4), Some(5)]);
    assert_eq!(both(versions!(0 none)), [None, Some(0)]);
    assert_eq!(Api::FinishRelease.version_in(Release::PREVIOUS), None);
}

#[test]
fn records_are_linked_and_sliced_but_never_copied() {
    let records = Bytes::from(vec![7; 64 * 1024]);
    for (name, rope) in samples::with_records(&records) {
        let linked = rope.chunks().any(|piece| piece.as_ptr() == records.as_ptr());
        assert!(linked, "{name} copies the records when it is written");
        assert!(rope.remaining() > records.len(), "{name}");
    }

    let body =
        samples::produce(records.clone()).encode(Api::Produce.version()).unwrap().into_bytes();
    let Request::Produce(back) =
        Request::decode(Api::Produce, Api::Produce.version(), body.clone()).unwrap()
    else {
        panic!("another request");
    };
    let read = back.topic_data[0].partition_data[0].records.clone().unwrap();
    assert!(body.as_ptr_range().contains(&read.as_ptr()), "copied when it is read");
}

#[test]
fn a_call_knows_its_answer() {
    let (request, response) = sample(Api::Heartbeat);
    let Request::Heartbeat(message) = request.clone() else { panic!("another request") };
    assert_eq!(message.into_request(), request);
    assert!(HeartbeatRequest::answer(response).is_some());
    assert!(HeartbeatRequest::answer(sample(Api::Plan).1).is_none());
}

proptest! {
    /// Ours are read without a preflight, so any bytes must do no harm.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        for api in Api::ALL.iter().filter(|api| api.key() >= 10_000) {
            let _ = Request::decode(*api, api.version(), Bytes::from(bytes.clone()));
            let _ = Response::decode(*api, api.version(), Bytes::from(bytes.clone()));
        }
    }
}
