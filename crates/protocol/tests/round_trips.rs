//! Goal: every answer that we send can be read, in every version of the table.
//! Method: encode it as the gateway does, then read header and body with `kafka-protocol`, to the
//! last byte. Requests are in `populated_requests.rs`, filled answers in the end-to-end tests.

use std::fmt::Debug;

use bytes::{Buf, Bytes};
use protocol::fetch::FetchResponse;
use protocol::messages::{self, ResponseHeader};
use protocol::response::ClientResponse;
use protocol::versions::{self, APIS};
use protocol::{Decodable, HeaderVersion, Request};

const CORRELATION: i32 = 77;

/// Reads the body behind length and header, which must be those of this version.
fn body<R: Request>(sent: &ClientResponse, version: i16) -> Bytes {
    let what = format!("{:?} {version}", sent.api());
    let mut frame = sent.encode(version, CORRELATION).expect(&what).into_bytes();
    assert_eq!(frame.get_u32() as usize, frame.len(), "{what}");
    let header_version = R::Response::header_version(version);
    let header = ResponseHeader::decode(&mut frame, header_version).expect(&what);
    assert_eq!(header.correlation_id, CORRELATION, "{what}");
    frame
}

/// One API, in all its versions.
fn walk<R: Request>(sent: &ClientResponse) -> i16
where
    R::Response: Debug + Default + PartialEq,
{
    let api = versions::find(R::KEY).expect("served");
    assert_eq!(sent.api(), api.key);
    for version in api.served_min..=api.max {
        let mut body = body::<R>(sent, version);
        let read = R::Response::decode(&mut body, version);
        let read = read.unwrap_or_else(|error| panic!("{:?} {version}: {error}", api.key));
        assert_eq!(read, R::Response::default(), "{:?} {version}", api.key);
        assert!(body.is_empty(), "{:?} {version}", api.key);
    }
    R::KEY
}

macro_rules! walked {
    ($($request:ident)*) => {
        vec![$(walk::<messages::$request>(
            &<messages::$request as Request>::Response::default().into()
        )),*]
    };
}

#[test]
fn every_empty_answer_is_read_in_every_served_version() {
    let mut walked = walked! {
        ProduceRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest
        FindCoordinatorRequest JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest
        DescribeGroupsRequest ListGroupsRequest ApiVersionsRequest CreateTopicsRequest
        DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest
        AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest TxnOffsetCommitRequest
        DescribeAclsRequest CreateAclsRequest DeleteAclsRequest DescribeConfigsRequest
        AlterConfigsRequest AlterReplicaLogDirsRequest DescribeLogDirsRequest
        CreatePartitionsRequest DeleteGroupsRequest ElectLeadersRequest
        IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest
        ListPartitionReassignmentsRequest OffsetDeleteRequest DescribeClusterRequest
        DescribeProducersRequest DescribeTransactionsRequest ListTransactionsRequest
        ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest ListConfigResourcesRequest
        DescribeTopicPartitionsRequest DescribeUserScramCredentialsRequest
        AlterUserScramCredentialsRequest DescribeClientQuotasRequest AlterClientQuotasRequest
        SaslHandshakeRequest SaslAuthenticateRequest
    };
    // Our own type, written by our own encoder.
    walked.push(walk::<messages::FetchRequest>(&FetchResponse::default().into()));
    walked.sort_unstable();
    let served: Vec<i16> = APIS.iter().map(|api| api.key as i16).collect();
    assert_eq!(walked, served);
}
