//! A storage node, as far as a gateway can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicI16, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use hop::internal::{OpenPartitionsRequest, OpenPartitionsResponse, PlanRequest, PlanResponse};
use hop::{Handler, HopRequest, Request, Response, expected_epoch, search_from};
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::fetch::{FetchPartition, FetchResponse, FetchTopic};
use protocol::ids::{PartitionId, TenantId, TopicId};
use protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use protocol::messages::list_offsets_response::ListOffsetsTopicResponse;
use protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use protocol::messages::produce_response::{
    LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeProducersRequest, DescribeProducersResponse, FetchRequest, ListOffsetsRequest,
    ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceRequest,
    ProduceResponse, ProducerId,
};
use tokio::time::{Instant, timeout_at};

use super::gate::Gate;
use super::group_coordinator::Groups;
use super::log::Logs;

/// A node that appends at once, answers when its gates are open, and remembers what it saw.
pub(crate) struct FakeNode {
    logs: Logs,
    /// Answers to produces pass here. The append is done before.
    pub(crate) produces: Gate,
    /// Fetches pass here before they read.
    pub(crate) fetches: Gate,
    /// Answers to those who want partitions opened pass here.
    pub(crate) opens: Gate,
    /// What produces are answered with, 0 for success.
    pub(crate) produce_error: AtomicI16,
    /// What questions about offsets are answered with, 0 for success.
    pub(crate) list_error: AtomicI16,
    pub(crate) groups: Groups,
    /// What questions about the ends of epochs are answered with, 0 for success.
    pub(crate) epoch_error: AtomicI16,
    /// How often it was asked where epochs end.
    epochs_asked: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

/// What a node was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Produce {
        partition: PartitionId,
        epoch: Option<i32>,
        records: Bytes,
    },
    /// A produce of a transaction, by a client that speaks this version.
    Transaction {
        id: String,
        version: Option<i16>,
    },
    Fetch {
        partitions: Vec<(PartitionId, i64)>,
        wait_ms: i32,
        min_bytes: i32,
    },
    Plan {
        partition: PartitionId,
        offset: i64,
    },
    List {
        partition: PartitionId,
        timestamp: i64,
        from: i64,
    },
    Open {
        partitions: Vec<PartitionId>,
    },
}

impl FakeNode {
    pub(crate) fn new(logs: Logs) -> Arc<Self> {
        Arc::new(Self {
            logs,
            produces: Gate::new(),
            fetches: Gate::new(),
            opens: Gate::new(),
            produce_error: AtomicI16::new(0),
            list_error: AtomicI16::new(0),
            groups: Groups::default(),
            epoch_error: AtomicI16::new(0),
            epochs_asked: AtomicUsize::new(0),
            seen: Mutex::default(),
        })
    }

    /// The records of all produces so far, in the order they came.
    pub(crate) fn produced(&self) -> Vec<Bytes> {
        let seen = self.seen.lock();
        let produced = seen.iter().filter_map(|seen| match seen {
            Seen::Produce { records, .. } => Some(records.clone()),
            _ => None,
        });
        produced.collect()
    }

    /// Everything so far but produces.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        let seen = self.seen.lock();
        seen.iter().filter(|seen| !matches!(seen, Seen::Produce { .. })).cloned().collect()
    }

    pub(crate) fn epochs_asked(&self) -> usize {
        self.epochs_asked.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    fn produce(&self, tenant: TenantId, request: ProduceRequest) -> ProduceResponse {
        if let Some(id) = &request.transactional_id {
            let (id, version) =
                (id.to_string(), hop::client_version::get(&request.unknown_tagged_fields));
            self.seen.lock().push(Seen::Transaction { id, version });
        }
        let code = self.produce_error.load(Ordering::SeqCst);
        let topics = request.topic_data.iter().map(|topic| {
            let partitions = topic.partition_data.iter().map(|data| {
                let partition = PartitionId::new(tenant, TopicId(topic.topic_id), data.index);
                let records = data.records.clone().unwrap_or_default();
                let epoch = expected_epoch::get(data);
                self.seen.lock().push(Seen::Produce { partition, epoch, records: records.clone() });
                let base = if code == 0 { self.logs.append(partition, &records) } else { -1 };
                PartitionProduceResponse::default()
                    .with_index(data.index)
                    .with_error_code(code)
                    .with_base_offset(base)
                    // A node's own number, which is for gateways only.
                    .with_current_leader(LeaderIdAndEpoch::default().with_leader_id(77.into()))
                    .with_log_start_offset(self.logs.of(partition).start)
            });
            TopicProduceResponse::default()
                .with_topic_id(topic.topic_id)
                .with_partition_responses(partitions.collect())
        });
        // Answered backwards: nothing may depend on the order within an answer.
        let mut topics: Vec<_> = topics.collect();
        topics.iter_mut().for_each(|topic| topic.partition_responses.reverse());
        topics.reverse();
        ProduceResponse::default().with_responses(topics)
    }

    fn fetch(
        self: Arc<Self>,
        tenant: TenantId,
        request: FetchRequest,
    ) -> BoxFuture<'static, Response> {
        let topics = request.topics.iter();
        let partitions = topics.flat_map(|topic| {
            topic.partitions.iter().map(move |asked| {
                let id = PartitionId::new(tenant, TopicId(topic.topic_id), asked.partition);
                (id, asked.fetch_offset)
            })
        });
        self.seen.lock().push(Seen::Fetch {
            partitions: partitions.collect(),
            wait_ms: request.max_wait_ms,
            min_bytes: request.min_bytes,
        });
        let passed = self.fetches.passed();
        async move {
            passed.await;
            let mut appended = self.logs.appended();
            let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap());
            let deadline = Instant::now() + wait;
            loop {
                appended.borrow_and_update();
                let answer = self.read(tenant, &request);
                let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let failed = partitions.any(|partition| partition.error_code != 0);
                let enough = answer.records_len() >= usize::try_from(request.min_bytes).unwrap();
                if failed
                    || (enough && answer.records_len() > 0)
                    || timeout_at(deadline, appended.changed()).await.is_err()
                {
                    return Response::Fetch(answer);
                }
            }
        }
        .boxed()
    }

    fn read(&self, tenant: TenantId, request: &FetchRequest) -> FetchResponse {
        let topics = request.topics.iter().map(|topic| {
            let id = TopicId(topic.topic_id);
            let partitions = topic.partitions.iter().map(|asked| {
                let log = self.logs.of(PartitionId::new(tenant, id, asked.partition));
                let mut answer = FetchPartition::new(asked.partition);
                answer.high_watermark = log.next;
                answer.last_stable_offset = log.next;
                answer.log_start_offset = log.start;
                answer.hot_floor = log.hot_floor;
                if let Some(code) = log.judge(asked.current_leader_epoch) {
                    answer = FetchPartition::error(asked.partition, code);
                } else if asked.fetch_offset > log.next {
                    answer.error_code = ErrorCode::OffsetOutOfRange.code();
                } else if asked.fetch_offset < log.hot_floor {
                    answer.error_code = ErrorCode::OffsetMovedToTieredStorage.code();
                } else {
                    let bytes = usize::try_from(asked.partition_max_bytes).unwrap();
                    answer.records = log.read(asked.fetch_offset, bytes);
                }
                answer
            });
            FetchTopic { id, name: Default::default(), partitions: partitions.collect() }
        });
        FetchResponse { topics: topics.collect(), ..FetchResponse::default() }
    }

    /// Serves what is assigned to it, whatever that is.
    fn open(&self, request: OpenPartitionsRequest) -> BoxFuture<'static, Response> {
        let partitions = request.partitions.iter().map(|open| open.partition().unwrap());
        let partitions: Vec<_> = partitions.collect();
        let error_codes = vec![0; partitions.len()];
        self.seen.lock().push(Seen::Open { partitions });
        let passed = self.opens.passed();
        async move {
            passed.await;
            Response::OpenPartitions(OpenPartitionsResponse { error_codes })
        }
        .boxed()
    }

    /// The token of a plan is the partition, in the clear.
    fn plan(&self, tenant: TenantId, request: &PlanRequest) -> PlanResponse {
        let partition = request.partition(tenant).unwrap();
        self.seen.lock().push(Seen::Plan { partition, offset: request.fetch_offset });
        let log = self.logs.of(partition);
        if request.fetch_offset < log.start {
            let error_code = ErrorCode::OffsetOutOfRange.code().into();
            return PlanResponse { error_code, ..PlanResponse::default() };
        }
        PlanResponse {
            plan: Bytes::from(format!("{}/{}/{}", tenant.0, partition.topic, partition.index)),
            start_offset: request.fetch_offset,
            end_offset: log.cold_end(),
            life_ms: u64::MAX,
            hot_floor: log.hot_floor,
            high_watermark: log.next,
            last_stable_offset: log.next,
            log_start_offset: log.start,
            ..PlanResponse::default()
        }
    }

    fn list_offsets(&self, tenant: TenantId, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let id: TopicId = topic.name.parse().unwrap();
            let partitions = topic.partitions.iter().map(|asked| {
                let partition = PartitionId::new(tenant, id, asked.partition_index);
                let from = search_from::get(asked);
                self.seen.lock().push(Seen::List { partition, timestamp: asked.timestamp, from });
                let answer =
                    self.logs.of(partition).list(asked.partition_index, asked.timestamp, from);
                match self.list_error.load(Ordering::SeqCst) {
                    0 => answer,
                    code => answer.with_error_code(code).with_offset(-1),
                }
            });
            ListOffsetsTopicResponse::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name)
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }
}

/// Keeps what it has and answers as an owner that moved its log start.
fn delete_records(request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            DeleteRecordsPartitionResult::default()
                .with_partition_index(asked.partition_index)
                .with_low_watermark(asked.offset)
        });
        DeleteRecordsTopicResult::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

/// Every partition has as many kilobytes as its number says.
fn log_dirs(request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let topics = request.topics.unwrap().into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            DescribeLogDirsPartition::default()
                .with_partition_index(*index)
                .with_partition_size(i64::from(*index) * 1_000)
        });
        let partitions = partitions.collect();
        DescribeLogDirsTopic::default().with_name(topic.topic).with_partitions(partitions)
    });
    let dir = DescribeLogDirsResult::default().with_topics(topics.collect());
    DescribeLogDirsResponse::default().with_results(vec![dir])
}

/// One producer in every partition.
fn producers(request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let producer = ProducerState::default().with_producer_id(ProducerId(4_000));
            PartitionResponse::default()
                .with_partition_index(*index)
                .with_active_producers(vec![producer])
        });
        TopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn epoch_ends(request: OffsetForLeaderEpochRequest, error: i16) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            EpochEndOffset::default()
                .with_partition(asked.partition)
                .with_leader_epoch(asked.leader_epoch)
                .with_end_offset(77)
                .with_error_code(error)
        });
        OffsetForLeaderTopicResult::default()
            .with_partitions(partitions.collect())
            .with_topic(topic.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// The node as the hop calls it.
pub(crate) struct NodeHandler(pub(crate) Arc<FakeNode>);

impl Handler for NodeHandler {
    fn call(&self, HopRequest { header, body }: HopRequest) -> BoxFuture<'static, Response> {
        let node = Arc::clone(&self.0);
        let tenant = header.tenant;
        match body {
            Request::Produce(request) => {
                let answer = node.produce(tenant, request);
                let passed = node.produces.passed();
                async move {
                    passed.await;
                    Response::Produce(answer)
                }
                .boxed()
            }
            Request::Fetch(request) => node.fetch(tenant, request),
            Request::Plan(request) => ready(Response::Plan(node.plan(tenant, &request))),
            Request::ListOffsets(request) => {
                ready(Response::ListOffsets(node.list_offsets(tenant, request)))
            }
            Request::DeleteRecords(request) => {
                ready(Response::DeleteRecords(delete_records(request)))
            }
            Request::DescribeProducers(request) => {
                ready(Response::DescribeProducers(producers(request)))
            }
            Request::OffsetForLeaderEpoch(request) => {
                node.epochs_asked.fetch_add(1, Ordering::SeqCst);
                let error = node.epoch_error.load(Ordering::SeqCst);
                ready(Response::OffsetForLeaderEpoch(epoch_ends(request, error)))
            }
            Request::DescribeLogDirs(request) => {
                ready(Response::DescribeLogDirs(log_dirs(request)))
            }
            Request::OpenPartitions(request) => node.open(request),
            request => ready(node.groups.answer(request)),
        }
    }
}

fn ready(response: Response) -> BoxFuture<'static, Response> {
    std::future::ready(response).boxed()
}
