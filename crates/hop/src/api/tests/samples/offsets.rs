//! Samples of the offset APIs. Their name fields carry topic ids.

use protocol::messages::{
    BrokerId, DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, delete_records_request, delete_records_response,
    list_offsets_request, list_offsets_response, offset_commit_request, offset_commit_response,
    offset_delete_request, offset_delete_response, offset_fetch_request, offset_fetch_response,
    offset_for_leader_epoch_request, offset_for_leader_epoch_response,
};

use super::{Request, Response, group, text, topic_name};
use crate::search_from;

pub(super) fn list() -> (Request, Response) {
    let mut asked = list_offsets_request::ListOffsetsPartition::default()
        .with_partition_index(3)
        .with_current_leader_epoch(12)
        .with_timestamp(-2);
    search_from::set(&mut asked, 70);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(1)
        .with_topics(vec![
            list_offsets_request::ListOffsetsTopic::default()
                .with_name(topic_name())
                .with_partitions(vec![asked]),
        ]);
    let answered = list_offsets_response::ListOffsetsPartitionResponse::default()
        .with_partition_index(3)
        .with_error_code(6)
        .with_timestamp(1_700_000_000_000)
        .with_offset(77)
        .with_leader_epoch(12);
    let response = ListOffsetsResponse::default().with_throttle_time_ms(9).with_topics(vec![
        list_offsets_response::ListOffsetsTopicResponse::default()
            .with_name(topic_name())
            .with_partitions(vec![answered]),
    ]);
    (Request::ListOffsets(request), Response::ListOffsets(response))
}

pub(super) fn for_leader_epoch() -> (Request, Response) {
    let asked = offset_for_leader_epoch_request::OffsetForLeaderPartition::default()
        .with_partition(3)
        .with_current_leader_epoch(12)
        .with_leader_epoch(11);
    let request =
        OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![
            offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
                .with_topic(topic_name())
                .with_partitions(vec![asked]),
        ]);
    let answered = offset_for_leader_epoch_response::EpochEndOffset::default()
        .with_error_code(6)
        .with_partition(3)
        .with_leader_epoch(11)
        .with_end_offset(70);
    let response =
        OffsetForLeaderEpochResponse::default().with_throttle_time_ms(9).with_topics(vec![
            offset_for_leader_epoch_response::OffsetForLeaderTopicResult::default()
                .with_topic(topic_name())
                .with_partitions(vec![answered]),
        ]);
    (Request::OffsetForLeaderEpoch(request), Response::OffsetForLeaderEpoch(response))
}

pub(super) fn delete_records() -> (Request, Response) {
    let asked = delete_records_request::DeleteRecordsPartition::default()
        .with_partition_index(3)
        .with_offset(77);
    let request = DeleteRecordsRequest::default().with_timeout_ms(30_000).with_topics(vec![
        delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![asked]),
    ]);
    let answered = delete_records_response::DeleteRecordsPartitionResult::default()
        .with_partition_index(3)
        .with_low_watermark(77)
        .with_error_code(6);
    let response = DeleteRecordsResponse::default().with_throttle_time_ms(9).with_topics(vec![
        delete_records_response::DeleteRecordsTopicResult::default()
            .with_name(topic_name())
            .with_partitions(vec![answered]),
    ]);
    (Request::DeleteRecords(request), Response::DeleteRecords(response))
}

pub(super) fn commit() -> (Request, Response) {
    let committed = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_partition_index(3)
        .with_committed_offset(77)
        .with_committed_leader_epoch(12)
        .with_committed_metadata(Some(text("note")));
    let request = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(4)
        .with_member_id(text("member-1"))
        .with_group_instance_id(Some(text("static-1")))
        .with_topics(vec![
            offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(topic_name())
                .with_partitions(vec![committed]),
        ]);
    let answered = offset_commit_response::OffsetCommitResponsePartition::default()
        .with_partition_index(3)
        .with_error_code(25);
    let response = OffsetCommitResponse::default().with_throttle_time_ms(9).with_topics(vec![
        offset_commit_response::OffsetCommitResponseTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![answered]),
    ]);
    (Request::OffsetCommit(request), Response::OffsetCommit(response))
}

pub(super) fn fetch() -> (Request, Response) {
    let asked = offset_fetch_request::OffsetFetchRequestTopics::default()
        .with_name(topic_name())
        .with_partition_indexes(vec![3, 4]);
    let request = OffsetFetchRequest::default()
        .with_groups(vec![
            offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group())
                .with_member_id(Some(text("member-1")))
                .with_member_epoch(4)
                .with_topics(Some(vec![asked])),
        ])
        .with_require_stable(true);
    let answered = offset_fetch_response::OffsetFetchResponsePartitions::default()
        .with_partition_index(3)
        .with_committed_offset(77)
        .with_committed_leader_epoch(12)
        .with_metadata(Some(text("note")))
        .with_error_code(0);
    let topic = offset_fetch_response::OffsetFetchResponseTopics::default()
        .with_name(topic_name())
        .with_partitions(vec![answered]);
    let response = OffsetFetchResponse::default().with_throttle_time_ms(9).with_groups(vec![
        offset_fetch_response::OffsetFetchResponseGroup::default()
            .with_group_id(group())
            .with_topics(vec![topic])
            .with_error_code(25),
    ]);
    (Request::OffsetFetch(request), Response::OffsetFetch(response))
}

pub(super) fn delete() -> (Request, Response) {
    let asked =
        offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(3);
    let request = OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![
        offset_delete_request::OffsetDeleteRequestTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![asked]),
    ]);
    let answered = offset_delete_response::OffsetDeleteResponsePartition::default()
        .with_partition_index(3)
        .with_error_code(86);
    let response = OffsetDeleteResponse::default()
        .with_error_code(0)
        .with_throttle_time_ms(9)
        .with_topics(vec![
            offset_delete_response::OffsetDeleteResponseTopic::default()
                .with_name(topic_name())
                .with_partitions(vec![answered]),
        ]);
    (Request::OffsetDelete(request), Response::OffsetDelete(response))
}
