//! Outcomes reach every partition, after they are durable (R39, R40); and offsets reach only
//! transactions that are open (R38, T8).

use std::time::Duration;

use hop::internal::{AddTxnPartitionsRequest, TxnMarker, TxnPartition, WriteTxnMarkersRequest};
use hop::{Response, transaction_version};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::{PartitionId, TopicId};
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::{
    DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ProducerId, TransactionalId,
    TxnOffsetCommitRequest,
};
use uuid::Uuid;

use super::harness::{Host, TENANT, fetch, fetched, internal_topic};
use super::memory_log::{MemoryLog, Mood};

fn id() -> TransactionalId {
    StrBytes::from("txn").into()
}

async fn init(host: &Host) -> (ErrorCode, i64, i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(60_000);
    let Response::InitProducerId(response) = host.call(request).await else { panic!("no id") };
    let code = ErrorCode::from_code(response.error_code);
    (code, response.producer_id.0, response.producer_epoch)
}

/// A producer that has written to partitions with these indexes.
async fn writing(host: &Host, indexes: &[i32]) -> (i64, i16) {
    let (code, producer_id, epoch) = init(host).await;
    assert_eq!(code, ErrorCode::None);
    let topic = TopicId(Uuid::from_u128(1));
    let partition = |index: &i32| TxnPartition::new(PartitionId::new(TENANT, topic, *index));
    let request = AddTxnPartitionsRequest {
        transactional_id: id().to_string(),
        producer_id,
        producer_epoch: epoch.into(),
        verify_only: false,
        partitions: indexes.iter().map(partition).collect(),
    };
    let Response::AddTxnPartitions(added) = host.call(request).await else { panic!() };
    assert_eq!(added.error_codes, vec![0; indexes.len()]);
    (producer_id, epoch)
}

fn commit((producer_id, epoch): (i64, i16)) -> EndTxnRequest {
    let mut request = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(producer_id))
        .with_producer_epoch(epoch)
        .with_committed(true);
    transaction_version::set(&mut request.unknown_tagged_fields, 2);
    request
}

fn ended(response: &Response) -> (ErrorCode, i16) {
    let Response::EndTxn(response) = response else { panic!("not an end: {response:?}") };
    (ErrorCode::from_code(response.error_code), response.producer_epoch)
}

async fn state(host: &Host) -> String {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    let Response::DescribeTransactions(response) = host.call(request).await else { panic!() };
    response.transaction_states[0].transaction_state.to_string()
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_told_to_nobody_before_it_is_durable() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    let producer = writing(&host, &[0, 1, 2]).await;
    log.set(Mood::Held);
    let end = host.call(commit(producer));
    host.idle().await;
    assert!(host.neighbours.written().is_empty());
    log.set(Mood::Well);
    assert_eq!(ended(&end.await), (ErrorCode::None, producer.1 + 1));
    host.idle().await;
    let mut written = host.neighbours.written();
    written.sort_unstable();
    assert_eq!(written, [(0, true), (1, true), (2, true)]);
    assert_eq!(state(&host).await, "CompleteCommit");
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_told_again_until_it_has_its_marker() {
    let host = Host::on(&MemoryLog::new()).await;
    let producer = writing(&host, &[0, 1, 2]).await;
    let away = [ErrorCode::NotLeaderOrFollower, ErrorCode::NotEnoughReplicas];
    host.neighbours.refuse(1, &away);
    assert_eq!(ended(&host.call(commit(producer)).await).0, ErrorCode::None);
    assert_eq!(state(&host).await, "PrepareCommit");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(state(&host).await, "CompleteCommit");
    let written = host.neighbours.written();
    assert_eq!(written.len(), 3, "nobody else was told twice: {written:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_topic_keeps_no_transaction_from_ending() {
    let host = Host::on(&MemoryLog::new()).await;
    let producer = writing(&host, &[0, 1]).await;
    host.neighbours.delete(1);
    host.call(commit(producer)).await;
    host.idle().await;
    assert_eq!(state(&host).await, "CompleteCommit");
    assert_eq!(host.neighbours.written(), [(0, true)]);
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_over_tells_what_was_decided() {
    let log = MemoryLog::new();
    let before = Host::on(&log).await;
    let producer = writing(&before, &[0, 1]).await;
    before.neighbours.refuse(1, &[ErrorCode::NotLeaderOrFollower; 100]);
    before.call(commit(producer)).await;
    before.idle().await;
    before.shards.stop(0);
    let after = Host::on(&log).await;
    after.idle().await;
    assert_eq!(after.neighbours.written().len(), 2);
    assert_eq!(state(&after).await, "CompleteCommit");
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_a_partition_calls_replaced_looks_at_its_log() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    let producer = writing(&host, &[0]).await;
    host.neighbours.refuse(0, &[ErrorCode::TransactionCoordinatorFenced]);
    host.call(commit(producer)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(log.replays(), 2);
    assert_eq!(state(&host).await, "CompleteCommit", "it was not: the partition was mistaken");
}

#[tokio::test(start_paused = true)]
async fn a_producer_waits_until_there_are_ids() {
    let host = Host::of(1);
    host.neighbours.withhold_producer_ids(true);
    host.start(0, &MemoryLog::new()).await;
    assert_eq!(init(&host).await.0, ErrorCode::CoordinatorLoadInProgress);
    host.neighbours.withhold_producer_ids(false);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(init(&host).await.0, ErrorCode::None);
}

fn commit_offset(version: i16) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(5);
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(StrBytes::from(TopicId(Uuid::from_u128(1)).simple_text()).into())
        .with_partitions(vec![partition]);
    let mut request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(StrBytes::from("g").into())
        .with_producer_id(ProducerId(7))
        .with_producer_epoch(3)
        .with_topics(vec![topic]);
    transaction_version::set(&mut request.unknown_tagged_fields, version);
    request
}

fn offset_code(response: &Response) -> ErrorCode {
    let Response::TxnOffsetCommit(response) = response else { panic!("{response:?}") };
    ErrorCode::from_code(response.topics[0].partitions[0].error_code)
}

fn marker(producer_epoch: i32) -> WriteTxnMarkersRequest {
    let here = PartitionId::new(TENANT, internal_topic(), 0);
    let marker = TxnMarker {
        producer_id: 7,
        producer_epoch,
        coordinator_epoch: 1,
        commit: true,
        partitions: vec![TxnPartition::new(here)],
        transaction_version: 2,
        coordinator: 0,
    };
    WriteTxnMarkersRequest { markers: vec![marker] }
}

async fn stable_offset(host: &Host) -> (i16, i64) {
    let groups = fetched(host.call(fetch(&["g"]).with_require_stable(true)).await);
    let partition = &groups[0].topics[0].partitions[0];
    (partition.error_code, partition.committed_offset)
}

#[tokio::test(start_paused = true)]
async fn an_offset_is_pending_until_its_marker_comes() {
    let host = Host::on(&MemoryLog::new()).await;
    assert_eq!(offset_code(&host.call(commit_offset(2)).await), ErrorCode::None);
    let unstable = ErrorCode::UnstableOffsetCommit.code();
    assert_eq!(stable_offset(&host).await, (unstable, -1));
    let Response::WriteTxnMarkers(written) = host.call(marker(4)).await else { panic!() };
    assert_eq!(written.error_codes, [0]);
    assert_eq!(stable_offset(&host).await, (0, 5));
}

#[tokio::test(start_paused = true)]
async fn an_offset_is_taken_only_for_a_transaction_that_its_coordinator_confirms() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    for (said, heard) in [
        (ErrorCode::InvalidTxnState, ErrorCode::InvalidTxnState),
        (ErrorCode::ProducerFenced, ErrorCode::InvalidProducerEpoch),
        (ErrorCode::ConcurrentTransactions, ErrorCode::CoordinatorLoadInProgress),
        (ErrorCode::NotCoordinator, ErrorCode::CoordinatorLoadInProgress),
    ] {
        host.neighbours.say(said);
        assert_eq!(offset_code(&host.call(commit_offset(1)).await), heard);
    }
    assert_eq!(log.records(), 0);
    host.neighbours.say(ErrorCode::None);
    host.call(commit_offset(2)).await;
    let asked: Vec<bool> =
        host.neighbours.questions().iter().map(|question| question.verify_only).collect();
    assert_eq!(asked, [true, true, true, true, false], "version 2 adds, version 1 has added");
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_the_marker_has_overtaken_is_not_taken() {
    let log = MemoryLog::new();
    let host = Host::on(&log).await;
    host.neighbours.answer(false);
    let late = tokio::time::timeout(Duration::from_secs(30), host.call(commit_offset(1)));
    let (late, ()) = tokio::join!(late, async {
        host.idle().await;
        host.call(marker(3)).await;
        host.neighbours.answer(true);
    });
    let late = late.expect("the coordinator has answered");
    assert_eq!(offset_code(&late), ErrorCode::CoordinatorLoadInProgress, "asks again");
    assert_eq!(log.records(), 0);
}
