//! How each message is written and read. Record sets are linked into the rope on the way
//! out and sliced from the frame on the way in, never copied.

use bytes::{Buf, BufMut, Bytes};
use prost::Message as _;
use protocol::{
    Decodable, DecodeError, EncodeError,
    fetch::FetchResponse,
    messages::{
        AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AlterClientQuotasRequest,
        AlterClientQuotasResponse, AlterUserScramCredentialsRequest,
        AlterUserScramCredentialsResponse, ConsumerGroupDescribeRequest,
        ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse, CreateAclsRequest, CreateAclsResponse,
        CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
        CreateTopicsResponse, DeleteAclsRequest, DeleteAclsResponse, DeleteGroupsRequest,
        DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest,
        DeleteTopicsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
        DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest,
        DescribeProducersResponse, DescribeTransactionsRequest, DescribeTransactionsResponse,
        EndTxnRequest, EndTxnResponse, FetchRequest, HeartbeatRequest, HeartbeatResponse,
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, InitProducerIdRequest,
        InitProducerIdResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest,
        ListOffsetsResponse, ListTransactionsRequest, ListTransactionsResponse,
        OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
        OffsetFetchRequest, OffsetFetchResponse, OffsetForLeaderEpochRequest,
        OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse, SyncGroupRequest,
        SyncGroupResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    },
    rope::RopeMut,
};

use crate::internal::{
    Aborted, AddTxnPartitionsRequest, AddTxnPartitionsResponse, AllocateProducerIdsRequest,
    AllocateProducerIdsResponse, ChangePlacementRequest, ChangePlacementResponse,
    ChangeTenantRequest, ChangeTenantResponse, CleaningWorkRequest, CleaningWorkResponse,
    ColdFetchRequest, ColdFetchResponse, ColdSearchRequest, ColdSearchResponse,
    CommitCompactionRequest, CommitCompactionResponse, CompactionWorkRequest,
    CompactionWorkResponse, DescribeLoadRequest, DescribeLoadResponse, EndIncarnationRequest,
    EndIncarnationResponse, FinishReleaseRequest, FinishReleaseResponse, OpenPartitionsRequest,
    OpenPartitionsResponse, PingRequest, PingResponse, PlanRequest, PlanResponse, ProbeRequest,
    ProbeResponse, ReleasePartitionRequest, ReleasePartitionResponse, ShareQuotasRequest,
    ShareQuotasResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

/// A message that the hop can carry. `decode_wire` takes the whole body: bytes left over
/// mean that the two ends disagree about the message.
pub(crate) trait Wire: Sized {
    fn encode_wire(&self, version: i16, rope: &mut RopeMut) -> Result<(), EncodeError>;
    fn decode_wire(version: i16, body: Bytes) -> Result<Self, DecodeError>;
}

macro_rules! generated {
    ($($message:ident)*) => {$(
        impl Wire for $message {
            fn encode_wire(&self, version: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
                rope.message(self, version)
            }

            fn decode_wire(version: i16, body: Bytes) -> Result<Self, DecodeError> {
                decode_generated(version, body)
            }
        }
    )*};
}

generated! {
    ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse
    ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse
    AddOffsetsToTxnRequest AddOffsetsToTxnResponse
    AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse
    AlterClientQuotasRequest AlterClientQuotasResponse
    CreateAclsRequest CreateAclsResponse
    CreatePartitionsRequest CreatePartitionsResponse
    CreateTopicsRequest CreateTopicsResponse
    DeleteAclsRequest DeleteAclsResponse
    DeleteGroupsRequest DeleteGroupsResponse
    DeleteRecordsRequest DeleteRecordsResponse
    DeleteTopicsRequest DeleteTopicsResponse
    DescribeGroupsRequest DescribeGroupsResponse
    DescribeLogDirsRequest DescribeLogDirsResponse
    DescribeProducersRequest DescribeProducersResponse
    DescribeTransactionsRequest DescribeTransactionsResponse
    EndTxnRequest EndTxnResponse
    FetchRequest
    HeartbeatRequest HeartbeatResponse
    IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse
    InitProducerIdRequest InitProducerIdResponse
    JoinGroupRequest JoinGroupResponse
    LeaveGroupRequest LeaveGroupResponse
    ListGroupsRequest ListGroupsResponse
    ListOffsetsRequest ListOffsetsResponse
    ListTransactionsRequest ListTransactionsResponse
    OffsetCommitRequest OffsetCommitResponse
    OffsetDeleteRequest OffsetDeleteResponse
    OffsetFetchRequest OffsetFetchResponse
    OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse
    ProduceResponse
    SyncGroupRequest SyncGroupResponse
    TxnOffsetCommitRequest TxnOffsetCommitResponse
}

macro_rules! protobuf {
    ($($message:ident)*) => {$(
        impl Wire for $message {
            fn encode_wire(&self, _: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
                self.encode(rope.fields()).map_err(EncodeError::from_generated)
            }

            fn decode_wire(_: i16, body: Bytes) -> Result<Self, DecodeError> {
                Self::decode(body).map_err(DecodeError::from_generated)
            }
        }
    )*};
}

protobuf! {
    AddTxnPartitionsRequest AddTxnPartitionsResponse
    AllocateProducerIdsRequest AllocateProducerIdsResponse
    ChangeTenantRequest ChangeTenantResponse
    ChangePlacementRequest ChangePlacementResponse
    CleaningWorkRequest CleaningWorkResponse
    ColdFetchRequest
    ColdSearchRequest ColdSearchResponse
    CommitCompactionRequest CommitCompactionResponse
    CompactionWorkRequest CompactionWorkResponse
    DescribeLoadRequest DescribeLoadResponse
    EndIncarnationRequest EndIncarnationResponse
    FinishReleaseRequest FinishReleaseResponse
    OpenPartitionsRequest OpenPartitionsResponse
    PingRequest PingResponse
    PlanRequest PlanResponse
    ProbeRequest ProbeResponse
    ReleasePartitionRequest ReleasePartitionResponse
    ShareQuotasRequest ShareQuotasResponse
    WriteTxnMarkersRequest WriteTxnMarkersResponse
}

impl Wire for ProduceRequest {
    fn encode_wire(&self, version: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
        protocol::produce::encode_request(self, version, rope)
    }

    fn decode_wire(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        decode_generated(version, body)
    }
}

impl Wire for FetchResponse {
    fn encode_wire(&self, version: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
        self.encode_hop(version, rope)
    }

    fn decode_wire(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        Self::decode(version, body)
    }
}

/// A cold fetch's answer without its records, which follow it.
#[derive(Clone, PartialEq, prost::Message)]
struct ColdFetchHead {
    #[prost(int32, tag = "1")]
    error_code: i32,
    #[prost(int64, tag = "2")]
    high_watermark: i64,
    #[prost(int64, tag = "3")]
    last_stable_offset: i64,
    #[prost(int64, tag = "4")]
    log_start_offset: i64,
    #[prost(message, repeated, tag = "5")]
    aborted: Vec<Aborted>,
    #[prost(int64, tag = "6")]
    next_offset: i64,
}

impl Wire for ColdFetchResponse {
    /// `u32` length of the head, the head, the records to the end.
    fn encode_wire(&self, _: i16, rope: &mut RopeMut) -> Result<(), EncodeError> {
        let head = ColdFetchHead {
            error_code: self.error_code.into(),
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset,
            log_start_offset: self.log_start_offset,
            aborted: self.aborted.clone(),
            next_offset: self.next_offset,
        };
        let length = head.encoded_len();
        let prefix = u32::try_from(length).map_err(|_| EncodeError::FrameTooLong { length })?;
        rope.fields().put_u32(prefix);
        head.encode(rope.fields()).map_err(EncodeError::from_generated)?;
        for piece in &self.records {
            rope.link(piece.clone());
        }
        Ok(())
    }

    fn decode_wire(_: i16, mut body: Bytes) -> Result<Self, DecodeError> {
        let truncated = || DecodeError { reason: "cold fetch head is truncated".to_owned() };
        let length = body.try_get_u32().map_err(|_| truncated())? as usize;
        if body.len() < length {
            return Err(truncated());
        }
        let head =
            ColdFetchHead::decode(body.split_to(length)).map_err(DecodeError::from_generated)?;
        Ok(Self {
            error_code: i16::try_from(head.error_code).map_err(DecodeError::from_generated)?,
            high_watermark: head.high_watermark,
            last_stable_offset: head.last_stable_offset,
            log_start_offset: head.log_start_offset,
            next_offset: head.next_offset,
            aborted: head.aborted,
            records: if body.is_empty() { Vec::new() } else { vec![body] },
        })
    }
}

fn decode_generated<M: Decodable>(version: i16, mut body: Bytes) -> Result<M, DecodeError> {
    let message = M::decode(&mut body, version).map_err(DecodeError::from_generated)?;
    if body.has_remaining() {
        return Err(DecodeError { reason: format!("{} bytes are left over", body.len()) });
    }
    Ok(message)
}
