//! A cluster of fakes, and gateways in front of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use gateway::{Config, Deps};
use hop::{ClusterSecret, Handler, Peers, Role};
use metadata::keys::Key;
use metadata::model::{
    Assignment, ClusterRecord, LeaderRecord, NodeRecord, NodeState, ReaderRecord, Record,
    TopicRecord,
};
use metadata::{ClusterView, MemoryStore, MetadataStore, Txn};
use process::{Clock, Drain};
use protocol::ids::{NodeId, PartitionId, ReaderId, TenantId, TopicId};
use tokio::net::TcpListener;

use super::client::Client;
use super::control::{ControlHandler, FakeControl};
use super::eventually;
use super::log::Logs;
use super::node::{FakeNode, NodeHandler};
use super::reader::{FakeReader, ReaderHandler};

/// The leader epoch of every assignment that a test did not change.
pub(crate) const EPOCH: i32 = 5;

/// Internal partitions of the groups.
const GROUP_PARTITIONS: i32 = 4;

/// Two nodes, a reader and control.
pub(crate) struct Cluster {
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) logs: Logs,
    pub(crate) nodes: [Arc<FakeNode>; 2],
    pub(crate) reader: Arc<FakeReader>,
    pub(crate) control: Arc<FakeControl>,
    drain: Drain,
    secret: ClusterSecret,
    handlers: Vec<(String, Arc<dyn Handler>)>,
    /// Roles that are served over sockets, by the names that the others are called by.
    sockets: HashMap<String, String>,
    group_state_topic: TopicId,
}

/// A gateway under test.
pub(crate) struct Gateway {
    /// Of its first listener.
    pub(crate) address: SocketAddr,
    /// Of all its listeners.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) view: ClusterView,
    pub(crate) drain: Drain,
    pub(crate) handle: gateway::Handle,
}

impl Cluster {
    /// Registers a reader that nobody reaches; to be called before a gateway starts.
    pub(crate) async fn lost_reader(&self, number: i32) {
        let reader = ReaderRecord {
            reader: ReaderId(number),
            address: format!("lost-reader-{number}"),
            zone: String::new(),
            release: protocol::release::Release::THIS,
        };
        let txn = Txn::new().put(Key::Reader(ReaderId(number)), reader.encode());
        assert!(self.store.txn(txn).await.unwrap().is_committed());
    }

    pub(crate) async fn start() -> Self {
        let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
        let logs = Logs::new();
        let nodes = [FakeNode::new(logs.clone()), FakeNode::new(logs.clone())];
        let reader = FakeReader::new(logs.clone());
        let control = FakeControl::new(Arc::clone(&store));
        let mut handlers: Vec<(String, Arc<dyn Handler>)> = Vec::new();
        for (number, node) in (1..).zip(&nodes) {
            let owned = (0..GROUP_PARTITIONS).filter(|index| owner_of(*index) == NodeId(number));
            *node.groups.shards.lock() = owned.collect();
            handlers.push((node_address(number), Arc::new(NodeHandler(Arc::clone(node)))));
        }
        handlers.push(("reader".to_owned(), Arc::new(ReaderHandler(Arc::clone(&reader)))));
        handlers.push(("control".to_owned(), Arc::new(ControlHandler(Arc::clone(&control)))));
        let secret = ClusterSecret::new(&[7; 32]);
        let drain = Drain::new();
        let cluster = Self {
            store,
            logs,
            nodes,
            reader,
            control,
            drain,
            secret,
            handlers,
            sockets: HashMap::new(),
            group_state_topic: TopicId::random(),
        };
        cluster.write_records().await;
        cluster
    }

    /// From now on gateways reach every role over a socket of its own instead of a function call.
    pub(crate) async fn serve_over_sockets(&mut self) {
        for (address, handler) in std::mem::take(&mut self.handlers) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            self.sockets.insert(address, listener.local_addr().unwrap().to_string());
            let (secret, drain) = (self.secret.clone(), self.drain.clone());
            let serve = hop::serve(listener, handler, secret, drain);
            drop(self.drain.spawn("fake role", serve));
        }
        self.write_records().await;
    }

    /// Where a role is reached.
    fn address(&self, name: &str) -> String {
        self.sockets.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// A gateway with all defaults, on any port.
    pub(crate) async fn gateway(&self, broker_id: i32) -> Gateway {
        self.gateway_with(broker_id, |_| {}).await
    }

    pub(crate) async fn gateway_with(
        &self,
        broker_id: i32,
        configure: impl FnOnce(&mut Config),
    ) -> Gateway {
        let mut config = Config::new(broker_id);
        config.listeners[0].bind = "127.0.0.1:0".to_owned();
        configure(&mut config);
        let drain = self.drain.child();
        let view = ClusterView::start(Arc::clone(&self.store), &drain).await.unwrap();
        let peers = Peers::new(Role::Gateway, self.secret.clone(), drain.clone());
        for (address, handler) in &self.handlers {
            peers.register_local(address, Arc::clone(handler));
        }
        let deps = Deps {
            clock: Clock::system(),
            metadata: Arc::clone(&self.store),
            view: view.clone(),
            peers,
            background: tokio::runtime::Handle::current(),
        };
        let handle = gateway::start(config, deps, drain.clone()).await.unwrap();
        let (address, addresses) = (handle.addresses[0], handle.addresses.clone());
        Gateway { address, addresses, view, drain, handle }
    }

    /// A topic of the default tenant; its partitions belong to `owners`.
    pub(crate) async fn topic(&self, name: &str, owners: &[i32]) -> TopicId {
        self.control.put_topic(TenantId::DEFAULT, name, owners).await
    }

    /// The same with these configs.
    pub(crate) async fn topic_with(
        &self,
        name: &str,
        owners: &[i32],
        configs: &[(&str, &str)],
    ) -> TopicId {
        self.control.put_topic_with(TenantId::DEFAULT, name, owners, configs).await
    }

    /// Moves a partition, and waits until `gateway` has seen it.
    pub(crate) async fn reassign(
        &self,
        gateway: &Gateway,
        partition: PartitionId,
        node: i32,
        epoch: i32,
    ) {
        let assignment = Assignment { node: NodeId(node), epoch };
        let key = Key::Partition(partition.topic, partition.index);
        let txn = Txn::new().put(key, assignment.encode());
        assert!(self.store.txn(txn).await.unwrap().is_committed());
        eventually("the move is seen", || {
            gateway.view.owner(partition).is_some_and(|(_, seen)| seen == epoch)
        })
        .await;
    }

    /// Changes a node's record, and waits until `gateway` has seen it.
    pub(crate) async fn change_node(
        &self,
        gateway: &Gateway,
        number: i32,
        state: NodeState,
        incarnation: u64,
    ) {
        let log_id = format!("{number}-1-{incarnation}-0000000000000001");
        let record = NodeRecord { state, incarnation, log_id, ..self.node_record(number) };
        let txn = Txn::new().put(Key::Node(NodeId(number)), record.encode());
        assert!(self.store.txn(txn).await.unwrap().is_committed());
        eventually("the change is seen", || {
            gateway.view.node(NodeId(number)).is_some_and(|seen| *seen == record)
        })
        .await;
    }

    async fn write_records(&self) {
        let group_state_topic = self.group_state_topic;
        let cluster = ClusterRecord {
            cluster_id: "thermoclineTestCluster".to_owned(),
            generation: 1,
            secret: [7; 32],
            group_state_topic,
            group_state_partitions: GROUP_PARTITIONS,
            retired: false,
            release: protocol::release::Release::THIS,
        };
        let leader = LeaderRecord {
            control_id: "control-1".to_owned(),
            address: self.address("control"),
            admin: String::new(),
        };
        let reader = ReaderRecord {
            reader: ReaderId(1),
            address: self.address("reader"),
            zone: String::new(),
            release: protocol::release::Release::THIS,
        };
        let groups = TopicRecord {
            tenant: TenantId::SYSTEM,
            id: group_state_topic,
            name: "__group_state".to_owned(),
            partitions: GROUP_PARTITIONS,
            configs: Default::default(),
            internal: true,
            created_ms: 0,
        };
        let mut txn = Txn::new()
            .put(Key::Cluster, cluster.encode())
            .put(Key::Leader, leader.encode())
            .put(Key::Reader(ReaderId(1)), reader.encode())
            .put(Key::Topic(TenantId::SYSTEM, group_state_topic), groups.encode());
        for index in 0..GROUP_PARTITIONS {
            let assignment = Assignment { node: owner_of(index), epoch: EPOCH };
            txn = txn.put(Key::Partition(group_state_topic, index), assignment.encode());
        }
        for number in [1, 2] {
            txn = txn.put(Key::Node(NodeId(number)), self.node_record(number).encode());
        }
        assert!(self.store.txn(txn).await.unwrap().is_committed());
    }
}

impl Gateway {
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }
}

impl Cluster {
    fn node_record(&self, number: i32) -> NodeRecord {
        NodeRecord {
            node: NodeId(number),
            incarnation: 1,
            log_id: format!("{number}-1-1-0000000000000001"),
            state: NodeState::Live,
            address: self.address(&node_address(number)),
            zone: String::new(),
            front: String::new(),
            batch_bytes_max: 0,
        }
    }

    /// The partition `index` of a topic of the default tenant.
    pub(crate) fn partition(topic: TopicId, index: i32) -> PartitionId {
        PartitionId::new(TenantId::DEFAULT, topic, index)
    }
}

fn node_address(number: i32) -> String {
    format!("node-{number}")
}

/// The node that coordinates the groups of an internal partition.
fn owner_of(index: i32) -> NodeId {
    NodeId(1 + index % 2)
}
