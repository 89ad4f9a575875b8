//! One request and one response of every API, no field of the pinned version left out.

use bytes::Bytes;
use protocol::{
    StrBytes,
    fetch::{AbortedTransaction, FetchPartition, FetchResponse, FetchTopic},
    ids::{PartitionId, TenantId, TopicId},
    messages::{
        BrokerId, GroupId, ProduceRequest, ProduceResponse, TopicName, TransactionalId,
        fetch_request, produce_request, produce_response,
    },
    rope::Rope,
};

use super::super::{Api, Request, Response};
use crate::{
    client_version, expected_epoch,
    internal::{
        Aborted, AllocateProducerIdsRequest, AllocateProducerIdsResponse, ChangeTenantRequest,
        ChangeTenantResponse, CleaningWorkRequest, CleaningWorkResponse, ColdFetchRequest,
        ColdFetchResponse, ColdSearchRequest, ColdSearchResponse, CommitCompactionRequest,
        CommitCompactionResponse, CompactedRun, CompactionOffer, CompactionWorkRequest,
        CompactionWorkResponse, FinishReleaseRequest, FinishReleaseResponse, FoundRecord,
        OpenPartition, OpenPartitionsRequest, OpenPartitionsResponse, PlanRequest, PlanResponse,
        TenantChange,
    },
};

mod acls;
mod consumer_groups;
mod credentials;
mod failover;
mod groups;
mod load;
mod offsets;
mod topics;
mod transactions;

pub(super) fn sample(api: Api) -> (Request, Response) {
    match api {
        Api::Produce => (produce(Bytes::from_static(b"batches")), produced()),
        Api::Fetch => (fetch(), fetched(Bytes::from_static(b"batches"))),
        Api::ListOffsets => offsets::list(),
        Api::OffsetCommit => offsets::commit(),
        Api::OffsetFetch => offsets::fetch(),
        Api::OffsetDelete => offsets::delete(),
        Api::DeleteRecords => offsets::delete_records(),
        Api::OffsetForLeaderEpoch => offsets::for_leader_epoch(),
        Api::JoinGroup => groups::join(),
        Api::SyncGroup => groups::sync(),
        Api::Heartbeat => groups::heartbeat(),
        Api::LeaveGroup => groups::leave(),
        Api::DescribeGroups => groups::describe(),
        Api::ListGroups => groups::list(),
        Api::DeleteGroups => groups::delete(),
        Api::ConsumerGroupHeartbeat => consumer_groups::heartbeat(),
        Api::ConsumerGroupDescribe => consumer_groups::describe(),
        Api::CreateTopics => topics::create(),
        Api::DeleteTopics => topics::delete(),
        Api::CreatePartitions => topics::create_partitions(),
        Api::IncrementalAlterConfigs => topics::alter_configs(),
        Api::AlterUserScramCredentials => credentials::alter(),
        Api::ChangeTenant => change_tenant(),
        Api::FinishRelease => (
            Request::FinishRelease(FinishReleaseRequest { release: 2 }),
            Response::FinishRelease(FinishReleaseResponse {
                error_code: 42,
                message: "gateway 1 is of release 1".to_owned(),
                release: 2,
            }),
        ),
        Api::AlterClientQuotas => topics::alter_client_quotas(),
        Api::CreateAcls => acls::create(),
        Api::DeleteAcls => acls::delete(),
        Api::DescribeLogDirs => topics::describe_log_dirs(),
        Api::InitProducerId => topics::init_producer_id(),
        Api::Plan => plan(),
        Api::ColdFetch => (cold_fetch(), cold_fetched(Bytes::from_static(b"batches"))),
        Api::ColdSearch => cold_search(),
        Api::OpenPartitions => open_partitions(),
        Api::CompactionWork => compaction_work(),
        Api::CommitCompaction => commit_compaction(),
        Api::CleaningWork => cleaning_work(),
        Api::AllocateProducerIds => (
            Request::AllocateProducerIds(AllocateProducerIdsRequest {}),
            Response::AllocateProducerIds(AllocateProducerIdsResponse {
                error_code: 0,
                first: 1 << 47,
                count: 1_000,
            }),
        ),
        Api::ShareQuotas => share_quotas(),
        Api::Ping => failover::ping(),
        Api::Probe => failover::probe(),
        Api::EndIncarnation => failover::end_incarnation(),
        Api::ReleasePartition => failover::release_partition(),
        Api::DescribeLoad => load::describe(),
        Api::ChangePlacement => load::change_placement(),
        Api::DescribeProducers => transactions::describe_producers(),
        Api::AddOffsetsToTxn => transactions::add_offsets(),
        Api::EndTxn => transactions::end(),
        Api::TxnOffsetCommit => transactions::commit_offsets(),
        Api::DescribeTransactions => transactions::describe(),
        Api::ListTransactions => transactions::list(),
        Api::WriteTxnMarkers => transactions::write_markers(),
        Api::AddTxnPartitions => transactions::add_partitions(),
    }
}

/// Every message that carries records, carrying these.
pub(super) fn with_records(records: &Bytes) -> [(&'static str, Rope); 3] {
    [
        ("Produce", produce(records.clone()).encode(Api::Produce.version()).unwrap()),
        ("Fetch", fetched(records.clone()).encode(Api::Fetch.version()).unwrap()),
        ("ColdFetch", cold_fetched(records.clone()).encode(Api::ColdFetch.version()).unwrap()),
    ]
}

pub(super) fn produce(records: Bytes) -> Request {
    let mut partition =
        produce_request::PartitionProduceData::default().with_index(3).with_records(Some(records));
    expected_epoch::set(&mut partition, 12);
    let topic = produce_request::TopicProduceData::default()
        .with_topic_id(topic().0)
        .with_partition_data(vec![partition]);
    let mut request = ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text("transfers"))))
        .with_acks(-1)
        .with_timeout_ms(1_500)
        .with_topic_data(vec![topic]);
    client_version::set(&mut request.unknown_tagged_fields, 12);
    Request::Produce(request)
}

fn produced() -> Response {
    let partition = produce_response::PartitionProduceResponse::default()
        .with_index(3)
        .with_error_code(6)
        .with_base_offset(77)
        .with_log_append_time_ms(1_700_000_000_000)
        .with_log_start_offset(5)
        .with_record_errors(vec![
            produce_response::BatchIndexAndErrorMessage::default()
                .with_batch_index(1)
                .with_batch_index_error_message(Some(text("too old"))),
        ])
        .with_error_message(Some(text("not the owner")))
        .with_current_leader(
            produce_response::LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(2))
                .with_leader_epoch(13),
        );
    let topic = produce_response::TopicProduceResponse::default()
        .with_topic_id(topic().0)
        .with_partition_responses(vec![partition]);
    Response::Produce(
        ProduceResponse::default()
            .with_responses(vec![topic])
            .with_throttle_time_ms(9)
            .with_node_endpoints(vec![
                produce_response::NodeEndpoint::default()
                    .with_node_id(BrokerId(2))
                    .with_host(text("127.0.0.1"))
                    .with_port(9092)
                    .with_rack(Some(text("a"))),
            ]),
    )
}

fn fetch() -> Request {
    let partition = fetch_request::FetchPartition::default()
        .with_partition(3)
        .with_current_leader_epoch(12)
        .with_fetch_offset(77)
        .with_last_fetched_epoch(11)
        .with_log_start_offset(5)
        .with_partition_max_bytes(1 << 20);
    Request::Fetch(
        protocol::messages::FetchRequest::default()
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(50 << 20)
            .with_isolation_level(1)
            .with_session_id(4)
            .with_session_epoch(2)
            .with_topics(vec![
                fetch_request::FetchTopic::default()
                    .with_topic_id(topic().0)
                    .with_partitions(vec![partition]),
            ])
            .with_forgotten_topics_data(vec![
                fetch_request::ForgottenTopic::default()
                    .with_topic_id(topic().0)
                    .with_partitions(vec![1, 2]),
            ])
            .with_rack_id(text("a")),
    )
}

fn fetched(records: Bytes) -> Response {
    let partition = FetchPartition {
        error_code: 1,
        high_watermark: 100,
        last_stable_offset: 90,
        log_start_offset: 5,
        aborted_transactions: Some(vec![AbortedTransaction { producer_id: 8, first_offset: 80 }]),
        preferred_read_replica: 2,
        diverging_epoch: Some((11, 70)),
        records: vec![records],
        hot_floor: 60,
        ..FetchPartition::new(3)
    };
    Response::Fetch(FetchResponse {
        throttle_time_ms: 9,
        error_code: 0,
        session_id: 4,
        topics: vec![FetchTopic {
            id: topic(),
            name: TopicName::default(),
            partitions: vec![partition],
        }],
        ..FetchResponse::default()
    })
}

fn plan() -> (Request, Response) {
    let partition = PartitionId::new(TenantId(1), topic(), 3);
    let request =
        PlanRequest { read_committed: true, max_bytes: 1 << 20, ..PlanRequest::new(partition, 77) };
    assert_eq!(request.partition(TenantId(1)), Some(partition));
    let response = PlanResponse {
        error_code: 0,
        plan: Bytes::from_static(b"sealed"),
        start_offset: 77,
        end_offset: 90,
        life_ms: 300_000,
        hot_floor: 95,
        high_watermark: 100,
        last_stable_offset: 99,
        log_start_offset: 5,
    };
    (Request::Plan(request), Response::Plan(response))
}

fn cold_fetch() -> Request {
    Request::ColdFetch(ColdFetchRequest {
        plan: Bytes::from_static(b"sealed"),
        fetch_offset: 77,
        max_bytes: 1 << 20,
        plan_age_ms: 1_500,
    })
}

fn cold_fetched(records: Bytes) -> Response {
    Response::ColdFetch(ColdFetchResponse {
        error_code: -1,
        high_watermark: 100,
        last_stable_offset: 99,
        log_start_offset: 5,
        next_offset: 90,
        aborted: vec![Aborted { producer_id: 8, first_offset: 80 }],
        records: vec![records],
    })
}

fn cold_search() -> (Request, Response) {
    let request = ColdSearchRequest {
        plan: Bytes::from_static(b"sealed"),
        from_offset: 77,
        timestamp: 1_700_000_000_000,
        plan_age_ms: 1_500,
    };
    let found = FoundRecord { offset: 80, timestamp: 1_700_000_000_001, leader_epoch: 12 };
    let response = ColdSearchResponse { error_code: -1, found: Some(found), next_offset: 81 };
    (Request::ColdSearch(request), Response::ColdSearch(response))
}

fn open_partitions() -> (Request, Response) {
    let partition = PartitionId::new(TenantId(1), topic(), 3);
    let open = OpenPartition::new(partition);
    assert_eq!(open.partition(), Some(partition));
    (
        Request::OpenPartitions(OpenPartitionsRequest { partitions: vec![open] }),
        Response::OpenPartitions(OpenPartitionsResponse { error_codes: vec![0, -1] }),
    )
}

/// The same every time: requests are compared.
fn topic() -> TopicId {
    "0123456789abcdef0123456789abcdef".parse().expect("32 hexadecimal digits")
}

/// The topic where only its name field can carry it.
fn topic_name() -> TopicName {
    TopicName(StrBytes::from_string(topic().simple_text()))
}

fn group() -> GroupId {
    GroupId(text("readers"))
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn change_tenant() -> (Request, Response) {
    let request = ChangeTenantRequest {
        name: "acme".to_owned(),
        change: TenantChange::Create.into(),
        hosts: vec!["acme.example".to_owned()],
    };
    let response = ChangeTenantResponse { error_code: 37, message: "taken".to_owned(), tenant: 2 };
    (Request::ChangeTenant(request), Response::ChangeTenant(response))
}

fn compaction_work() -> (Request, Response) {
    let request = CompactionWorkRequest {
        min_bytes: 64 << 20,
        max_bytes: 256 << 20,
        max_age_ms: 3_600_000,
        max_extents: 256,
        merge_objects: 16,
        budget_bytes: 1 << 30,
        lease_ms: 600_000,
    };
    let plans = vec![Bytes::from_static(b"plan"), Bytes::from_static(b"other")];
    let response = CompactionWorkResponse { plans };
    (Request::CompactionWork(request), Response::CompactionWork(response))
}

fn cleaning_work() -> (Request, Response) {
    let request = CleaningWorkRequest { max_bytes: 16 << 30, lease_ms: 600_000 };
    let plan = Bytes::from_static(b"plan");
    let response = CleaningWorkResponse { plan, cleaned_upto: 40, delete_retention_ms: 86_400_000 };
    (Request::CleaningWork(request), Response::CleaningWork(response))
}

fn commit_compaction() -> (Request, Response) {
    let object = CompactedRun {
        key: "d/00/packs/1".to_owned(),
        base_offset: 40,
        last_offset: 77,
        size: 1_000,
        max_timestamp: -1,
    };
    let plan = Bytes::from_static(b"plan");
    let offer = CompactionOffer { plan, objects: vec![object], cleaned_upto: 70 };
    let given_back = vec![Bytes::from_static(b"another plan")];
    let request = CommitCompactionRequest { offers: vec![offer], given_back };
    let response = CommitCompactionResponse { error_codes: vec![0, 6] };
    (Request::CommitCompaction(request), Response::CommitCompaction(response))
}

fn share_quotas() -> (Request, Response) {
    use crate::internal::{QuotaWant, ShareQuotasRequest, ShareQuotasResponse};
    let want = QuotaWant { key: Bytes::from_static(b"1/k/user=a"), rate: 1024.0, demand: 0.5 };
    let request = ShareQuotasRequest { gateway: 3, adopted: 7, wants: vec![want] };
    let response = ShareQuotasResponse { error_code: 41, sequence: 8, shares: vec![512.5] };
    (Request::ShareQuotas(request), Response::ShareQuotas(response))
}
