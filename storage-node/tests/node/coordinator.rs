//! A transaction coordinator that says what the test wants, and what transactional clients send.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use hop::internal::{
    AddTxnPartitionsRequest, AddTxnPartitionsResponse, CleaningWorkResponse,
    CompactionWorkResponse, PlanRequest, TxnMarker, TxnPartition, WriteTxnMarkersRequest,
};
use hop::{Handler, HopRequest, Request, Response};
use metadata::keys::Key;
use metadata::model::{Assignment, NodeRecord, NodeState, Record, TopicRecord};
use metadata::{MetadataStore, Txn};
use parking_lot::Mutex;
use protocol::batch::BatchBuilder;
use protocol::fetch::FetchPartition;
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use protocol::messages::TransactionalId;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::describe_producers_response::ProducerState;
use protocol::messages::fetch_request::{FetchPartition as WantedPartition, FetchTopic};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::produce_request::PartitionProduceData;
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::messages::{DescribeProducersRequest, FetchRequest, ListOffsetsRequest};
use protocol::{ErrorCode, StrBytes};
use segment::Plan;
use tokio::sync::watch;

use crate::harness::{Client, Cluster, NOW_MS, TENANT, error, produce_request};

const ADDRESS: &str = "coordinator:1";
const NODE: i32 = 90;
/// The producer of all tests.
pub(crate) const PRODUCER: i64 = 4_000;
const READ_COMMITTED: i8 = 1;

/// See the module.
pub(crate) struct Coordinator {
    pub(crate) asked: Mutex<Vec<AddTxnPartitionsRequest>>,
    pub(crate) says: Mutex<ErrorCode>,
    /// It answers while this is true.
    pub(crate) answers: watch::Sender<bool>,
}

impl Handler for Coordinator {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        let tenant = request.header.tenant;
        let request = match request.body {
            Request::AddTxnPartitions(request) => request,
            // A compactor asks all nodes.
            Request::CompactionWork(_) => {
                return ready(Response::CompactionWork(CompactionWorkResponse::default())).boxed();
            }
            Request::CleaningWork(_) => {
                return ready(Response::CleaningWork(CleaningWorkResponse::default())).boxed();
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(tenant, TENANT);
        let code = i32::from(self.says.lock().code());
        let answer = AddTxnPartitionsResponse { error_codes: vec![code; request.partitions.len()] };
        self.asked.lock().push(request);
        let mut answers = self.answers.subscribe();
        async move {
            answers.wait_for(|answers| *answers).await.expect("the coordinator lives");
            Response::AddTxnPartitions(answer)
        }
        .boxed()
    }
}

impl Cluster {
    /// A coordinator of all transactional ids, which says yes.
    pub(crate) async fn coordinator(&self) -> Arc<Coordinator> {
        let topic = self.view.cluster().expect("there is a cluster").group_state_topic;
        let record = TopicRecord {
            tenant: TenantId::SYSTEM,
            id: topic,
            name: "__state".to_owned(),
            partitions: 1,
            configs: Default::default(),
            internal: true,
            created_ms: NOW_MS,
        };
        let node = NodeRecord {
            node: NodeId(NODE),
            incarnation: 1,
            log_id: String::new(),
            state: NodeState::Live,
            address: ADDRESS.to_owned(),
            zone: String::new(),
            front: String::new(),
            batch_bytes_max: 0,
        };
        let assignment = Assignment { node: NodeId(NODE), epoch: 0 };
        let txn = Txn::new()
            .put(Key::Topic(TenantId::SYSTEM, topic), record.encode())
            .put(Key::Node(NodeId(NODE)), node.encode())
            .put(Key::Partition(topic, 0), assignment.encode());
        assert!(self.metadata.txn(txn).await.expect("memory answers").is_committed());
        self.view.refresh().await.expect("memory answers");
        let coordinator = Arc::new(Coordinator {
            asked: Mutex::default(),
            says: Mutex::new(ErrorCode::None),
            answers: watch::Sender::new(true),
        });
        self.peers.register_local(ADDRESS, Arc::clone(&coordinator) as _);
        coordinator
    }
}

/// A batch of one record of a transaction.
pub(crate) fn transactional(epoch: i16, sequence: i32, value: &str) -> Bytes {
    let builder = BatchBuilder::new().producer(PRODUCER, epoch, sequence).transactional();
    builder.record(NOW_MS, None, Some(value.as_bytes())).build()
}

/// The end of a transaction of [`PRODUCER`] in `partitions` of a topic.
pub(crate) fn marker(topic: TopicId, partitions: &[i32], epoch: i32, commit: bool) -> TxnMarker {
    let partition = |index: &i32| TxnPartition::new(PartitionId::new(TENANT, topic, *index));
    TxnMarker {
        producer_id: PRODUCER,
        producer_epoch: epoch,
        coordinator_epoch: 1,
        commit,
        partitions: partitions.iter().map(partition).collect(),
        transaction_version: 1,
        coordinator: 0,
    }
}

impl Client {
    /// Produces a batch of a transaction, as a client of this Produce version.
    pub(crate) fn start_transactional(
        &self,
        version: i16,
        topic: TopicId,
        index: i32,
        records: Bytes,
    ) -> BoxFuture<'static, PartitionProduceResponse> {
        let data = PartitionProduceData::default().with_index(index).with_records(Some(records));
        let mut request = produce_request(topic, vec![data], -1);
        request.transactional_id = Some(TransactionalId("transfers".into()));
        hop::client_version::set(&mut request.unknown_tagged_fields, version);
        let answer = self.start(Request::Produce(request));
        async move {
            match answer.await {
                Response::Produce(answer) => answer.responses[0].partition_responses[0].clone(),
                other => panic!("{other:?}"),
            }
        }
        .boxed()
    }

    /// Produces a batch that must be acknowledged; its offset.
    pub(crate) async fn acked_transactional(&self, topic: TopicId, records: Bytes) -> i64 {
        let answer = self.start_transactional(12, topic, 0, records).await;
        assert_eq!(error(answer.error_code), ErrorCode::None, "{:?}", answer.error_message);
        answer.base_offset
    }

    pub(crate) async fn write_markers(&self, markers: Vec<TxnMarker>) -> Vec<ErrorCode> {
        let request = WriteTxnMarkersRequest { markers };
        match self.start(Request::WriteTxnMarkers(request)).await {
            Response::WriteTxnMarkers(answer) => {
                let code = |code: i32| error(i16::try_from(code).expect("a Kafka code"));
                answer.error_codes.into_iter().map(code).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Ends the transaction in partition 0, which must succeed.
    pub(crate) async fn end_transaction(&self, topic: TopicId, epoch: i32, commit: bool) {
        let marker = marker(topic, &[0], epoch, commit);
        assert_eq!(self.write_markers(vec![marker]).await, [ErrorCode::None]);
    }

    /// A fetch of committed records from partition 0.
    pub(crate) fn start_committed(
        &self,
        topic: TopicId,
        offset: i64,
        wait_ms: i32,
    ) -> BoxFuture<'static, FetchPartition> {
        let wanted = WantedPartition::default()
            .with_fetch_offset(offset)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(-1)
            .with_partition_max_bytes(i32::MAX);
        let topic = FetchTopic::default().with_topic_id(topic.0).with_partitions(vec![wanted]);
        let request = FetchRequest::default()
            .with_isolation_level(READ_COMMITTED)
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(i32::MAX)
            .with_topics(vec![topic]);
        let answer = self.start(Request::Fetch(request));
        async move {
            match answer.await {
                Response::Fetch(mut answer) => answer.topics.remove(0).partitions.remove(0),
                other => panic!("{other:?}"),
            }
        }
        .boxed()
    }

    /// How many bytes of committed records there are from `offset` on, and the first offsets of the
    /// aborted transactions among them.
    pub(crate) async fn committed(&self, topic: TopicId, offset: i64) -> (usize, Vec<i64>) {
        let answer = self.start_committed(topic, offset, 0).await;
        assert_eq!(error(answer.error_code), ErrorCode::None);
        let aborted = answer.aborted_transactions.clone().expect("committed reads list them");
        (answer.records_len(), aborted.iter().map(|it| it.first_offset).collect())
    }

    /// A plan for committed reads: where it ends, and the first offsets of aborted transactions.
    pub(crate) async fn committed_plan(&self, topic: TopicId, offset: i64) -> (i64, Vec<i64>) {
        let mut request = PlanRequest::new(PartitionId::new(self.tenant, topic, 0), offset);
        request.read_committed = true;
        let answer = match self.start(Request::Plan(request)).await {
            Response::Plan(answer) => answer,
            other => panic!("{other:?}"),
        };
        assert_eq!(answer.error_code, 0);
        if answer.plan.is_empty() {
            return (answer.end_offset, Vec::new());
        }
        let plan = Plan::open(&answer.plan, &[7; 32], std::time::Duration::ZERO).expect("ours");
        assert_eq!(plan.end_offset, answer.end_offset);
        (plan.end_offset, plan.aborted.iter().map(|it| it.first_offset).collect())
    }

    /// What the owner knows of a partition's producers.
    pub(crate) async fn producers(&self, topic: TopicId, index: i32) -> Vec<ProducerState> {
        let topic = TopicRequest::default()
            .with_name(StrBytes::from_string(topic.simple_text()).into())
            .with_partition_indexes(vec![index]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        match self.start(Request::DescribeProducers(request)).await {
            Response::DescribeProducers(mut answer) => {
                let partition = answer.topics.remove(0).partitions.remove(0);
                assert_eq!(error(partition.error_code), ErrorCode::None);
                partition.active_producers
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn last_stable(&self, topic: TopicId) -> i64 {
        let wanted =
            ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(-1);
        let topic = ListOffsetsTopic::default()
            .with_name(StrBytes::from_string(topic.simple_text()).into())
            .with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default()
            .with_isolation_level(READ_COMMITTED)
            .with_topics(vec![topic]);
        match self.start(Request::ListOffsets(request)).await {
            Response::ListOffsets(answer) => answer.topics[0].partitions[0].offset,
            other => panic!("{other:?}"),
        }
    }
}
