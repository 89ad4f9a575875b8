//! A cluster in memory: stores, nodes that only remember what they were told, controls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use hop::{
    ClusterSecret, Handler, HopHeader, HopRequest, Peers, Request, Response, Role,
    internal::{
        AllocateProducerIdsRequest, AllocateProducerIdsResponse, ChangePlacementRequest,
        DescribeLoadResponse, OpenPartitionsResponse, PlacementChange, TopicLoad,
    },
};
use metadata::{
    ClusterView, LeaseId, MetadataStore, Topic, Txn, TxnOutcome,
    keys::Key,
    model::{LeaderRecord, NodeLiveRecord, NodeRecord, NodeState, Record},
    settings::placement::{Duty, NodePlacement, PlacementName},
};
use parking_lot::Mutex;
use process::{Clock, Drain};
use protocol::{
    ErrorCode, StrBytes,
    ids::{NodeId, PartitionId, TenantId},
    messages::{
        CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
        IncrementalAlterConfigsRequest, TopicName,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    release::Releases,
};
use segment::Store;

use super::super::{Control, Deps, start};
use crate::{BalanceConfig, Config, bootstrap_within};

pub(super) const TENANT: TenantId = TenantId(1);
/// Longer than anything that will happen.
pub(super) const SOON: Duration = Duration::from_secs(120);

/// One cluster with a metadata store of the test's choice.
pub(super) struct Cluster<M> {
    pub(super) metadata: Arc<M>,
    pub(super) store: Store,
    pub(super) view: ClusterView,
    pub(super) peers: Peers,
    pub(super) drain: Drain,
}

/// A control process of it.
pub(super) struct Process {
    pub(super) control: Control,
    pub(super) drain: Drain,
}

/// A node that opens whatever it is told to, unless it is stubborn.
pub(super) struct Node {
    pub(super) id: NodeId,
    address: String,
    front: String,
    lease: LeaseId,
    opened: Mutex<BTreeSet<PartitionId>>,
    stubborn: AtomicBool,
    load: Mutex<DescribeLoadResponse>,
}

impl<M: MetadataStore> Cluster<M> {
    pub(super) async fn found(metadata: M) -> Self {
        Self::found_within(metadata, Releases::OURS).await
    }

    /// The same by a process that knows no other releases than these.
    pub(super) async fn found_within(metadata: M, releases: Releases) -> Self {
        let (metadata, store) = (Arc::new(metadata), Store::memory("test"));
        let (config, clock) = (config("founder"), Clock::manual(1));
        let founded = bootstrap_within(releases, &config, &clock, &*metadata, &store);
        let record = founded.await.unwrap();
        let drain = Drain::new();
        let as_store: Arc<M> = Arc::clone(&metadata);
        let view = ClusterView::start(as_store, &drain).await.unwrap();
        let secret = ClusterSecret::new(&record.secret);
        let peers = Peers::new(Role::Control, secret, drain.clone());
        Self { metadata, store, view, peers, drain }
    }

    pub(super) async fn control(&self, control_id: &str) -> Process {
        self.control_with(config(control_id)).await
    }

    pub(super) async fn control_with(&self, config: Config) -> Process {
        let drain = self.drain.child();
        let metadata: Arc<M> = Arc::clone(&self.metadata);
        let deps = Deps {
            clock: Clock::manual(1),
            metadata,
            view: self.view.clone(),
            store: self.store.clone(),
            peers: self.peers.clone(),
            keeper: Arc::new(tenant_keys::NoWrapper),
        };
        let control = start(config, deps, drain.clone()).await.unwrap();
        Process { control, drain }
    }

    /// A control process that leads.
    pub(super) async fn leader(&self, control_id: &str) -> Process {
        let process = self.control(control_id).await;
        process.leads().await;
        process
    }

    /// A live node.
    pub(super) async fn node(&self, id: i32) -> Arc<Node> {
        self.node_with(id, "").await
    }

    /// A live node with this front.
    pub(super) async fn node_with(&self, id: i32, front: &str) -> Arc<Node> {
        let lease = self.metadata.grant_lease(100 * SOON).await.unwrap();
        let node = Arc::new(Node {
            id: NodeId(id),
            address: format!("node-{id}:1"),
            front: front.to_owned(),
            lease,
            opened: Mutex::default(),
            stubborn: AtomicBool::new(false),
            load: Mutex::default(),
        });
        let handler: Arc<Node> = Arc::clone(&node);
        self.peers.register_local(&node.address, handler);
        self.register(&node, 1, NodeState::Live).await;
        node
    }

    /// Writes a node's record and its sign of life.
    pub(super) async fn register(&self, node: &Node, incarnation: u64, state: NodeState) {
        let record = NodeRecord {
            node: node.id,
            incarnation,
            log_id: format!("log {incarnation}"),
            state,
            address: node.address.clone(),
            zone: String::new(),
            front: node.front.clone(),
            batch_bytes_max: 0,
        };
        let txn = Txn::new().put(Key::Node(node.id), record.encode()).put_leased(
            Key::NodeLive(node.id),
            "",
            node.lease,
        );
        self.commit(txn).await;
    }

    /// What a node says of itself while it is up.
    pub(super) async fn say(&self, node: &Node, word: NodeLiveRecord) {
        let key = Key::NodeLive(node.id);
        self.commit(Txn::new().put_leased(key, word.encode(), node.lease)).await;
    }

    /// The node's process is gone; nobody knows whether for good.
    pub(super) async fn vanish(&self, node: &Node) {
        self.metadata.revoke_lease(node.lease).await.unwrap();
        self.view.refresh().await.unwrap();
    }

    pub(super) async fn commit(&self, txn: Txn) {
        let TxnOutcome::Committed { revision } = self.metadata.txn(txn).await.unwrap() else {
            panic!("conflict")
        };
        assert!(self.view.wait_for_revision(revision, SOON).await);
    }

    /// Somebody else leads, who does nothing, and nobody tells who led before: its lease lives.
    pub(super) async fn depose(&self) {
        for txn in succession() {
            self.commit(txn).await;
        }
    }

    /// A topic as every gateway would see it now.
    pub(super) async fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.view.refresh().await.unwrap();
        self.view.topic_by_name(TENANT, name)
    }

    /// Waits until the metadata looks as it should.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&ClusterView) -> bool) {
        let mut changed = self.view.changed();
        let held = changed.wait_for(|_| holds(&self.view));
        let in_time = tokio::time::timeout(SOON, held).await;
        assert!(in_time.is_ok(), "never: {what}");
    }

    /// The owners of a topic: node and epoch of each partition.
    pub(super) async fn owners(&self, name: &str) -> Vec<Option<(i32, i32)>> {
        let topic = self.topic(name).await.expect("the topic exists");
        topic.owners.iter().map(|owner| owner.map(|owner| (owner.node.0, owner.epoch))).collect()
    }
}

impl Process {
    pub(super) async fn call(&self, body: Request) -> Response {
        let header = HopHeader::internal(TENANT, SOON);
        self.control.handler.call(HopRequest { header, body }).await
    }

    /// Waits until it leads.
    pub(super) async fn leads(&self) {
        for _ in 0..1000 {
            if self.producer_ids().await.error_code == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it never leads");
    }

    /// Creates one topic of `partitions`.
    pub(super) async fn create(&self, name: &str, partitions: i32) -> ErrorCode {
        self.create_with(name, partitions, Vec::new()).await
    }

    /// Creates one topic with configs.
    pub(super) async fn create_with(
        &self,
        name: &str,
        partitions: i32,
        configs: Vec<CreatableTopicConfig>,
    ) -> ErrorCode {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
            .with_configs(configs);
        let request =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(60_000);
        match self.call(Request::CreateTopics(request)).await {
            Response::CreateTopics(response) => ErrorCode::from_code(response.topics[0].error_code),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn delete(&self, name: &str) -> ErrorCode {
        let topic = DeleteTopicState::default().with_name(Some(topic_name(name)));
        let request = DeleteTopicsRequest::default().with_topics(vec![topic]);
        match self.call(Request::DeleteTopics(request)).await {
            Response::DeleteTopics(response) => {
                ErrorCode::from_code(response.responses[0].error_code)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn grow(&self, name: &str, count: i32) -> ErrorCode {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        match self.call(Request::CreatePartitions(request)).await {
            Response::CreatePartitions(response) => {
                ErrorCode::from_code(response.results[0].error_code)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sets one config of a topic.
    pub(super) async fn configure(&self, topic: &str, name: &str, value: &str) -> ErrorCode {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let config = AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(topic))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        match self.call(Request::IncrementalAlterConfigs(request)).await {
            Response::IncrementalAlterConfigs(response) => {
                ErrorCode::from_code(response.responses[0].error_code)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Says something about a node.
    pub(super) async fn say_of(&self, node: i32, duty: Duty, weight: u32) -> i32 {
        let value = NodePlacement { duty, weight }.encode();
        self.place(PlacementName::Node(NodeId(node)), Some(value)).await
    }

    /// Changes one entry of what operators say; the answer's code.
    pub(super) async fn place(&self, name: PlacementName, value: Option<Bytes>) -> i32 {
        let changes = vec![PlacementChange { name: name.to_string(), value }];
        let request = ChangePlacementRequest { changes };
        match self.call(Request::ChangePlacement(request)).await {
            Response::ChangePlacement(response) => response.error_code,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn producer_ids(&self) -> AllocateProducerIdsResponse {
        match self.call(Request::AllocateProducerIds(AllocateProducerIdsRequest {})).await {
            Response::AllocateProducerIds(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// Stops it in good order.
    pub(super) async fn stop(self) {
        assert!(self.drain.finish(SOON).await, "{:?}", self.drain.running());
    }
}

impl Node {
    /// From now on it opens nothing, or opens again.
    pub(super) fn set_stubborn(&self, stubborn: bool) {
        self.stubborn.store(stubborn, Ordering::SeqCst);
    }

    /// What it says of its load from now on, as incarnation `log 1`.
    pub(super) fn set_load(&self, topics: Vec<TopicLoad>) {
        let log_id = "log 1".to_owned();
        *self.load.lock() = DescribeLoadResponse { log_id, topics, ..Default::default() };
    }

    /// How many partitions of each topic it was told to open.
    pub(super) fn opened(&self, topic: &Topic) -> BTreeSet<i32> {
        let opened = self.opened.lock();
        opened.iter().filter(|id| id.topic == topic.id()).map(|id| id.index).collect()
    }
}

impl Handler for Node {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        let request = match request.body {
            Request::OpenPartitions(request) => request,
            Request::DescribeLoad(_) => {
                let response = Response::DescribeLoad(self.load.lock().clone());
                return async move { response }.boxed();
            }
            _ => panic!("not for a node"),
        };
        let stubborn = self.stubborn.load(Ordering::SeqCst);
        let open = |partition: &hop::internal::OpenPartition| {
            if stubborn {
                return i32::from(ErrorCode::NotLeaderOrFollower.code());
            }
            self.opened.lock().insert(partition.partition().expect("control sends ids"));
            0
        };
        let error_codes = request.partitions.iter().map(open).collect();
        let response = Response::OpenPartitions(OpenPartitionsResponse { error_codes });
        async move { response }.boxed()
    }
}

/// What makes a stranger the leader.
pub(super) fn succession() -> [Txn; 2] {
    let stranger = LeaderRecord {
        control_id: "z".to_owned(),
        address: "z:1".to_owned(),
        admin: String::new(),
    };
    [Txn::new().delete(Key::Leader), Txn::new().put(Key::Leader, stranger.encode())]
}

pub(super) fn config(control_id: &str) -> Config {
    let listen = "127.0.0.1:0".parse().expect("an address");
    // Tests of everything else say themselves where partitions are.
    let balance = BalanceConfig { enabled: false, ..BalanceConfig::default() };
    Config { listen, group_state_partitions: 2, balance, ..Config::new(control_id) }
}

/// How many partitions each node has.
pub(super) fn spread(owners: &[Option<(i32, i32)>]) -> BTreeMap<i32, usize> {
    let mut spread = BTreeMap::new();
    for (node, _) in owners.iter().flatten() {
        *spread.entry(*node).or_default() += 1;
    }
    spread
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
