//! A whole cluster in this process, as `thermocline dev` is one: the real roles, on stores in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hop::internal::{ChangeTenantRequest, TenantChange};
use hop::{Call, ClusterSecret, HopHeader, Peers, Role};
use metadata::{ClusterView, MemoryStore, MetadataStore};
use process::{Clock, Drain};
use protocol::ids::TenantId;
use segment::Store;
use storage_node::config::WalKind;

/// Longer than a test runs: nothing may happen because of the time that it takes.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest that a step of the start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of each role, and a listener for each tenant.
pub(crate) struct Cluster {
    /// Where the clients of each tenant connect, in the order in which they were named.
    pub(crate) addresses: Vec<SocketAddr>,
    plumbing: Plumbing,
    _gateway: gateway::Handle,
}

/// What each role is given.
struct Plumbing {
    clock: Clock,
    store: Store,
    metadata: Arc<dyn MetadataStore>,
    view: ClusterView,
    peers: Peers,
    drain: Drain,
}

impl Cluster {
    /// A cluster with `tenants`, and listeners for all of `listeners`, whether there is such a
    /// tenant or not: what a gateway is configured to may not differ.
    pub(crate) async fn start(tenants: &[&str], listeners: &[&str]) -> Self {
        let plumbing = Plumbing::found().await;
        plumbing.start_node().await;
        plumbing.start_reader().await;
        for tenant in tenants {
            plumbing.create_tenant(tenant).await;
        }
        let gateway = plumbing.start_gateway(listeners).await;
        Self { addresses: gateway.addresses.clone(), plumbing, _gateway: gateway }
    }

    /// Asks the storage node as a gateway does, in the name of a tenant.
    pub(crate) async fn ask_node<M: Call>(&self, tenant: TenantId, message: M) -> M::Answer {
        let Plumbing { view, peers, .. } = &self.plumbing;
        let address = view.nodes()[0].address.clone();
        let header = HopHeader::internal(tenant, PATIENCE);
        peers.peer(&address).ask(header, message).await.unwrap()
    }

    /// Ends all roles.
    pub(crate) async fn end(self) {
        self.plumbing.drain.finish(PATIENCE).await;
    }
}

impl Plumbing {
    /// Founds the cluster, and has control run.
    async fn found() -> Self {
        let (clock, store, drain) = (Clock::system(), Store::memory("control"), Drain::new());
        let metadata: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
        let mut config = control::Config {
            listen: loopback(),
            group_state_partitions: 2,
            ..control::Config::new("control-1")
        };
        config.admin.enabled = false;
        control::bootstrap(&config, &clock, &*metadata, &store).await.unwrap();
        let view = ClusterView::start(Arc::clone(&metadata), &drain).await.unwrap();
        let cluster = view.wait_for_cluster(PATIENCE).await.unwrap();
        let secret = ClusterSecret::new(&cluster.secret);
        let peers = Peers::new(Role::Dev, secret, drain.clone());
        let plumbing = Self { clock, store, metadata, view, peers, drain };
        let deps = control::Deps {
            clock: plumbing.clock.clone(),
            metadata: Arc::clone(&plumbing.metadata),
            view: plumbing.view.clone(),
            store: plumbing.store.clone(),
            peers: plumbing.peers.clone(),
            keeper: Arc::new(tenant_keys::NoWrapper),
        };
        let control = control::start(config, deps, plumbing.drain.clone()).await.unwrap();
        plumbing.peers.register_local(&control.advertised, control.handler);
        plumbing
    }

    /// Nothing is uploaded, moved or expired while the test runs.
    async fn start_node(&self) {
        let mut config = storage_node::Config::new(1, "");
        config.listen = loopback().to_string();
        config.wal.kind = WalKind::Object;
        config.wal.object.window = Duration::from_millis(10);
        config.upload.interval = NEVER;
        config.groups.initial_rebalance_delay = Duration::ZERO;
        config.groups.consumer_session_timeout = NEVER;
        let deps = storage_node::Deps {
            clock: self.clock.clone(),
            metadata: Arc::clone(&self.metadata),
            view: self.view.clone(),
            store: self.store.for_role("storage-node"),
            disks: storage_node::Disks::machine(),
            peers: self.peers.clone(),
        };
        let node = storage_node::start(config, deps, self.drain.clone()).await.unwrap();
        self.peers.register_local(node.address(), node.handler());
        tokio::time::timeout(PATIENCE, node.caught_up()).await.unwrap();
    }

    async fn start_reader(&self) {
        let mut config = cold_reader::Config::new(1);
        config.listen = loopback();
        let deps = cold_reader::Deps {
            peers: self.peers.clone(),
            metadata: Arc::clone(&self.metadata),
            view: self.view.clone(),
            store: self.store.for_role("cold-reader"),
        };
        let reader = cold_reader::start(config, deps, self.drain.clone()).await.unwrap();
        self.peers.register_local(&reader.advertised, reader.handler);
    }

    async fn create_tenant(&self, name: &str) {
        let leader = self.view.leader().unwrap();
        let header = HopHeader::internal(TenantId::DEFAULT, PATIENCE);
        let change = TenantChange::Create.into();
        let request = ChangeTenantRequest { name: name.to_owned(), change, hosts: Vec::new() };
        let answer = self.peers.peer(&leader.address).ask(header, request).await.unwrap();
        assert_eq!(answer.error_code, 0, "{}", answer.message);
    }

    async fn start_gateway(&self, listeners: &[&str]) -> gateway::Handle {
        let listener = |tenant: &&str| gateway::ListenerConfig {
            name: Some((*tenant).to_owned()),
            bind: loopback().to_string(),
            // Ports differ between clusters by nature.
            advertised_port: Some(9_092),
            tenant: Some((*tenant).to_owned()),
            ..gateway::ListenerConfig::default()
        };
        let mut config = gateway::Config::new(1);
        config.listeners = listeners.iter().map(listener).collect();
        config.authorisation.enabled = true;
        config.authorisation.allow_everyone_if_no_acl_found = true;
        let deps = gateway::Deps {
            clock: self.clock.clone(),
            metadata: Arc::clone(&self.metadata),
            view: self.view.clone(),
            peers: self.peers.clone(),
            background: tokio::runtime::Handle::current(),
        };
        self.view.refresh().await.unwrap();
        gateway::start(config, deps, self.drain.clone()).await.unwrap()
    }
}

/// Any free port.
fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
