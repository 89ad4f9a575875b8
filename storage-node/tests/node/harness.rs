//! A cluster without control and gateway: metadata and object store in memory or in a directory,
//! nodes that start, stop and crash, and a client that speaks the hop.

#[path = "producer_ids.rs"]
mod producer_ids;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use futures::FutureExt;
use futures::future::BoxFuture;
use hop::internal::{PlanRequest, PlanResponse};
use hop::{ClusterSecret, Handler, HopHeader, HopRequest, Peers, Request, Response, Role};
use metadata::keys::Key;
use metadata::model::{Assignment, ClusterRecord, LeaderRecord, NodeRecord, Record, TopicRecord};
use metadata::{ClusterView, MemoryStore, MetadataStore, Txn, TxnOutcome};
use process::{Clock, Drain};
use protocol::batch::BatchBuilder;
use protocol::fetch::FetchPartition;
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::delete_records_response::DeleteRecordsPartitionResult;
use protocol::messages::fetch_request::{
    FetchPartition as WantedPartition, FetchTopic as WantedTopic,
};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::messages::{DeleteRecordsRequest, FetchRequest, ListOffsetsRequest, ProduceRequest};
use protocol::{ErrorCode, StrBytes};
use segment::{Store, StoreConfig};
use storage_node::{Config, Deps, NodeError, NodeHandle};
use tempfile::TempDir;

use self::producer_ids::ProducerIdBlocks;

/// What every test waits for at most before it calls something hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// When the clusters' clocks stand still.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

pub(crate) const TENANT: TenantId = TenantId::DEFAULT;

/// A cluster's shared parts.
pub(crate) struct Cluster {
    pub(crate) metadata: Arc<MemoryStore>,
    pub(crate) store: Store,
    pub(crate) view: ClusterView,
    pub(crate) peers: Peers,
    pub(crate) clock: Clock,
    drain: Drain,
    directory: TempDir,
}

impl Cluster {
    /// With an object store in memory.
    pub(crate) async fn new() -> Self {
        Self::with_store(Store::memory("storage-node")).await
    }

    /// With an object store in a directory, which a test can take away.
    pub(crate) async fn on_disk() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let objects = directory.path().join("objects");
        std::fs::create_dir(&objects).expect("a directory for objects");
        let mut config = StoreConfig::new(format!("file://{}", objects.display()));
        config.write_deadline = Duration::from_millis(100);
        let store = Store::open(&config, "storage-node").expect("a directory opens");
        Self { directory, ..Self::with_store(store).await }
    }

    async fn with_store(store: Store) -> Self {
        Self::in_generation(1, store).await
    }

    pub(crate) async fn in_generation(generation: u16, store: Store) -> Self {
        let drain = Drain::new();
        let metadata = Arc::new(MemoryStore::new());
        let cluster = ClusterRecord {
            cluster_id: "test".to_owned(),
            generation,
            secret: [7; 32],
            group_state_topic: TopicId::random(),
            group_state_partitions: 1,
            retired: false,
            release: protocol::release::Release::THIS,
        };
        put(&*metadata, Key::Cluster, cluster.encode()).await;
        let shared: Arc<dyn MetadataStore> = Arc::clone(&metadata) as _;
        let view = ClusterView::start(shared, &drain).await.expect("a view of memory");
        let peers = Peers::new(Role::Dev, ClusterSecret::new(&[7; 32]), drain.clone());
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { metadata, store, view, peers, clock: Clock::manual(NOW_MS), drain, directory }
    }

    /// A topic whose partitions are all assigned to `node`.
    pub(crate) async fn topic(
        &self,
        node: i32,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> TopicId {
        let id = TopicId::random();
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let record = TopicRecord {
            tenant: TENANT,
            id,
            name: format!("topic-{id}"),
            partitions,
            configs: configs.collect(),
            internal: false,
            created_ms: NOW_MS,
        };
        put(&*self.metadata, Key::Topic(TENANT, id), record.encode()).await;
        for index in 0..partitions {
            self.assign(id, index, node, 0).await;
        }
        id
    }

    pub(crate) async fn assign(&self, topic: TopicId, index: i32, node: i32, epoch: i32) {
        let assignment = Assignment { node: NodeId(node), epoch };
        put(&*self.metadata, Key::Partition(topic, index), assignment.encode()).await;
    }

    pub(crate) async fn assignment(&self, topic: TopicId, index: i32) -> Assignment {
        let key = Key::Partition(topic, index).to_string();
        let entry = self.metadata.get(&key).await.expect("memory answers").expect("is assigned");
        Assignment::decode(&entry.value).expect("an assignment")
    }

    pub(crate) async fn delete_topic(&self, topic: TopicId) {
        let txn = Txn::new().delete(Key::Topic(TENANT, topic));
        let outcome = self.metadata.txn(txn).await.expect("memory answers");
        assert!(matches!(outcome, TxnOutcome::Committed { .. }));
    }

    /// Takes the cluster's record away.
    pub(crate) async fn forget_identity(&self) {
        let txn = Txn::new().delete(Key::Cluster);
        let outcome = self.metadata.txn(txn).await.expect("memory answers");
        assert!(matches!(outcome, TxnOutcome::Committed { .. }));
    }

    pub(crate) async fn node_record(&self, node: i32) -> NodeRecord {
        let key = Key::Node(NodeId(node)).to_string();
        let entry = self.metadata.get(&key).await.expect("memory answers").expect("registered");
        NodeRecord::decode(&entry.value).expect("a node record")
    }

    /// A control process that only hands out producer ids.
    pub(crate) async fn control(&self) {
        let leader = LeaderRecord {
            control_id: "c".to_owned(),
            address: "control:1".to_owned(),
            admin: String::new(),
        };
        put(&*self.metadata, Key::Leader, leader.encode()).await;
        self.view.refresh().await.expect("memory answers");
        self.peers.register_local("control:1", Arc::new(ProducerIdBlocks::default()));
    }

    /// A configuration that keeps uploads to those a test asks for by size, unless it changes
    /// `upload.interval`.
    pub(crate) fn config(&self, node: i32) -> Config {
        let mut config = Config::new(node, self.wal_path(node));
        config.wal.size = ByteSize::mib(8);
        config.upload.size = ByteSize::mib(2);
        config.upload.interval = Duration::from_secs(3_600);
        config.upload.backoff_max = Duration::from_millis(200);
        config
    }

    pub(crate) fn wal_path(&self, node: i32) -> PathBuf {
        self.directory.path().join(format!("wal-{node}"))
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.directory.path().join("objects")
    }

    pub(crate) async fn start(&self, config: Config) -> TestNode {
        self.try_start(config).await.expect("the node starts")
    }

    pub(crate) async fn try_start(&self, config: Config) -> Result<TestNode, NodeError> {
        let deps = Deps {
            clock: self.clock.clone(),
            metadata: Arc::clone(&self.metadata) as _,
            view: self.view.clone(),
            store: self.store.clone(),
            disks: storage_node::Disks::machine(),
            peers: self.peers.clone(),
        };
        let drain = self.drain.child();
        let handle = storage_node::start(config, deps, drain.clone()).await?;
        let client = Client { handler: handle.handler(), tenant: TENANT };
        Ok(TestNode { handle, client, drain })
    }

    /// Crashes `node`: its ring file as it is at this instant is what a restart finds. The process
    /// itself lives on as a zombie that knows nothing of its end.
    pub(crate) fn crash(&self, node: i32) -> Config {
        let image = self.directory.path().join(format!("wal-{node}-image-{}", TopicId::random()));
        std::fs::copy(self.wal_path(node), &image).expect("the ring file is copied");
        Config { wal: wal_at(&self.config(node), &image), ..self.config(node) }
    }
}

fn wal_at(config: &Config, path: &Path) -> storage_node::config::WalConfig {
    let mut wal = config.wal.clone();
    wal.path = path.to_owned();
    wal
}

pub(crate) async fn put(metadata: &dyn MetadataStore, key: Key, value: Bytes) {
    let outcome = metadata.txn(Txn::new().put(key, value)).await.expect("memory answers");
    assert!(matches!(outcome, TxnOutcome::Committed { .. }));
}

/// A node and a client of it.
pub(crate) struct TestNode {
    pub(crate) handle: NodeHandle,
    pub(crate) client: Client,
    drain: Drain,
}

impl TestNode {
    /// Stops in good order.
    pub(crate) async fn stop(self) -> Result<(), NodeError> {
        self.drain.begin();
        let Self { handle, client, drain } = self;
        let ended = tokio::time::timeout(PATIENCE, handle.finished()).await.expect("it ends");
        assert!(drain.finish(PATIENCE).await, "its tasks end");
        drop(client);
        ended
    }

    /// Waits until the partition serves in the epoch that the cluster shows.
    pub(crate) async fn serving(&self, cluster: &Cluster, topic: TopicId, index: i32) -> i32 {
        let serves = async {
            loop {
                let answer = self.client.produce_in(topic, index, Bytes::new(), None).await;
                let epoch = cluster.assignment(topic, index).await.epoch;
                // An empty record set is refused by an owner, and by nobody else.
                if answer.error_code != ErrorCode::NotLeaderOrFollower.code() {
                    let owned = self.client.fetch(topic, index, 0).epoch(epoch).send().await;
                    if owned.error_code != ErrorCode::FencedLeaderEpoch.code() {
                        return epoch;
                    }
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, serves).await.expect("the partition opens")
    }

    /// Waits until everything below `offset` is uploaded and can be planned for.
    pub(crate) async fn uploaded(&self, topic: TopicId, index: i32, offset: i64) {
        let uploaded = async {
            // A plan may end before the last upload; the next one begins there.
            let mut upto = 0;
            while upto < offset {
                let answer = self.client.plan(topic, index, upto).await;
                if answer.end_offset == upto {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                upto = answer.end_offset;
            }
        };
        tokio::time::timeout(PATIENCE, uploaded).await.expect("uploads catch up");
    }
}

/// What a gateway sends.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) tenant: TenantId,
}

impl Client {
    /// Starts a request; it has its place in the node's order when this returns.
    pub(crate) fn start(&self, body: Request) -> BoxFuture<'static, Response> {
        let header = HopHeader::internal(self.tenant, Duration::from_secs(5));
        let answer = self.handler.call(HopRequest { header, body });
        async { tokio::time::timeout(PATIENCE, answer).await.expect("an answer") }.boxed()
    }

    pub(crate) fn start_produce(
        &self,
        topic: TopicId,
        index: i32,
        records: Bytes,
        expected_epoch: Option<i32>,
    ) -> BoxFuture<'static, PartitionProduceResponse> {
        let mut data = PartitionProduceData::default().with_index(index);
        data.records = (!records.is_empty()).then_some(records);
        if let Some(epoch) = expected_epoch {
            hop::expected_epoch::set(&mut data, epoch);
        }
        let answer = self.start(Request::Produce(produce_request(topic, vec![data], -1)));
        async move {
            match answer.await {
                Response::Produce(answer) => answer.responses[0].partition_responses[0].clone(),
                other => panic!("{other:?}"),
            }
        }
        .boxed()
    }

    pub(crate) async fn produce_in(
        &self,
        topic: TopicId,
        index: i32,
        records: Bytes,
        expected_epoch: Option<i32>,
    ) -> PartitionProduceResponse {
        self.start_produce(topic, index, records, expected_epoch).await
    }

    pub(crate) async fn produce(
        &self,
        topic: TopicId,
        index: i32,
        records: Bytes,
    ) -> PartitionProduceResponse {
        self.produce_in(topic, index, records, None).await
    }

    /// Produces what must be acknowledged; its offset.
    pub(crate) async fn acked(&self, topic: TopicId, index: i32, records: Bytes) -> i64 {
        let answer = self.produce(topic, index, records).await;
        assert_eq!(error(answer.error_code), ErrorCode::None, "{:?}", answer.error_message);
        answer.base_offset
    }

    pub(crate) fn fetch(&self, topic: TopicId, index: i32, offset: i64) -> Fetching<'_> {
        let wanted = WantedPartition::default()
            .with_partition(index)
            .with_fetch_offset(offset)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(-1)
            .with_partition_max_bytes(i32::MAX);
        Fetching { client: self, topic, wanted, bytes_min: 0, bytes_max: i32::MAX, wait_ms: 0 }
    }

    /// Every hot batch from `offset` on, joined.
    pub(crate) async fn read(&self, topic: TopicId, index: i32, offset: i64) -> Bytes {
        let answer = self.fetch(topic, index, offset).send().await;
        assert_eq!(error(answer.error_code), ErrorCode::None);
        Bytes::from(answer.records.concat())
    }

    pub(crate) async fn list_offsets(
        &self,
        topic: TopicId,
        index: i32,
        timestamp: i64,
    ) -> ListOffsetsPartitionResponse {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(StrBytes::from_string(topic.simple_text()).into())
            .with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        match self.start(Request::ListOffsets(request)).await {
            Response::ListOffsets(answer) => answer.topics[0].partitions[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn delete_records(
        &self,
        topic: TopicId,
        index: i32,
        offset: i64,
    ) -> DeleteRecordsPartitionResult {
        let wanted =
            DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(StrBytes::from_string(topic.simple_text()).into())
            .with_partitions(vec![wanted]);
        let request =
            DeleteRecordsRequest::default().with_timeout_ms(5_000).with_topics(vec![topic]);
        match self.start(Request::DeleteRecords(request)).await {
            Response::DeleteRecords(answer) => answer.topics[0].partitions[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn plan(&self, topic: TopicId, index: i32, offset: i64) -> PlanResponse {
        let request = PlanRequest::new(PartitionId::new(self.tenant, topic, index), offset);
        match self.start(Request::Plan(request)).await {
            Response::Plan(answer) => answer,
            other => panic!("{other:?}"),
        }
    }
}

/// A fetch of one partition, being written.
pub(crate) struct Fetching<'a> {
    client: &'a Client,
    topic: TopicId,
    wanted: WantedPartition,
    bytes_min: i32,
    bytes_max: i32,
    wait_ms: i32,
}

impl Fetching<'_> {
    pub(crate) fn epoch(mut self, epoch: i32) -> Self {
        self.wanted.current_leader_epoch = epoch;
        self
    }

    pub(crate) fn last_epoch(mut self, epoch: i32) -> Self {
        self.wanted.last_fetched_epoch = epoch;
        self
    }

    pub(crate) fn partition_bytes(mut self, bytes: i32) -> Self {
        self.wanted.partition_max_bytes = bytes;
        self
    }

    pub(crate) fn wait(mut self, wait_ms: i32, bytes_min: i32) -> Self {
        (self.wait_ms, self.bytes_min) = (wait_ms, bytes_min);
        self
    }

    pub(crate) fn start(self) -> BoxFuture<'static, FetchPartition> {
        let topic =
            WantedTopic::default().with_topic_id(self.topic.0).with_partitions(vec![self.wanted]);
        let request = FetchRequest::default()
            .with_max_wait_ms(self.wait_ms)
            .with_min_bytes(self.bytes_min)
            .with_max_bytes(self.bytes_max)
            .with_topics(vec![topic]);
        let answer = self.client.start(Request::Fetch(request));
        async move {
            match answer.await {
                Response::Fetch(mut answer) => answer.topics.remove(0).partitions.remove(0),
                other => panic!("{other:?}"),
            }
        }
        .boxed()
    }

    pub(crate) async fn send(self) -> FetchPartition {
        self.start().await
    }
}

pub(crate) fn produce_request(
    topic: TopicId,
    partitions: Vec<PartitionProduceData>,
    acks: i16,
) -> ProduceRequest {
    let topic = TopicProduceData::default().with_topic_id(topic.0).with_partition_data(partitions);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(5_000).with_topic_data(vec![topic])
}

/// A batch of one record per value, a millisecond apart from [`NOW_MS`] on.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_at(NOW_MS, values)
}

pub(crate) fn batch_at(timestamp: i64, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for (timestamp, value) in (timestamp..).zip(values) {
        builder.push(timestamp, None, Some(value.as_bytes()));
    }
    builder.build()
}

/// A batch of an idempotent producer.
pub(crate) fn sequenced(producer: (i64, i16), sequence: i32, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new().producer(producer.0, producer.1, sequence);
    for (timestamp, value) in (NOW_MS..).zip(values) {
        builder.push(timestamp, None, Some(value.as_bytes()));
    }
    builder.build()
}

/// A batch of one record with `length` bytes of value.
pub(crate) fn large(length: usize) -> Bytes {
    batch(&["x".repeat(length).as_str()])
}

pub(crate) fn error(code: i16) -> ErrorCode {
    ErrorCode::from_code(code)
}
