//! A gateway from its configuration to its listeners, and back.
//!
//! ```text
//! bind ─► register ─► accept …… drain begins: unregister, stop accepting,
//!                               finish what is under way, close
//! ```

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hop::Peers;
use metadata::model::{Endpoint, GatewayRecord};
use metadata::{ClusterView, MetadataStore};
use process::net::{Listener, Net};
use process::{Clock, Drain};
use protocol::ids::BrokerId;
use protocol::release::Release;
use tokio::runtime::Handle as Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::authoriser::{Authorisers, Rules};
use crate::background::Background;
use crate::config::{Config, ConfigError, ListenerConfig};
use crate::connection::RequestMemory;
use crate::context::Core;
use crate::departure::{self, Departure};
use crate::layers::connection_limits::ConnectionLimitsLayer;
use crate::layers::tls::Door;
use crate::limits::{DEPARTURE_SPREAD, HANDSHAKES_PER_PROCESSOR};
use crate::quota::{Quotas, Reporter};
use crate::registration::{Registration, RegistrationError};
use crate::route::cold::ColdReads;
use crate::route::produce::recompress::Packers;
use crate::route::producer_id::ProducerIds;
use crate::route::sessions::Sessions;
use crate::route::tides::Tides;
use crate::strangers::Strangers;
use crate::takeover::{Follower, Takeovers};
use crate::tenants::Directory;
use crate::tls::{Tls, TlsError, TlsParts};
use crate::upstream::Upstream;
use crate::usage::Usage;
use crate::{accept, metrics, sasl, stack, usage};

/// What a gateway needs from its process.
#[derive(Clone)]
pub struct Deps {
    /// The time, for the life of plans.
    pub clock: Clock,
    /// Where the gateway registers itself.
    pub metadata: Arc<dyn MetadataStore>,
    /// Topics, owners, and the other roles.
    pub view: ClusterView,
    /// The way to the other roles.
    pub peers: Peers,
    /// Where the bytes of cold reads are moved: threads that give way to those of this runtime.
    pub background: Runtime,
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Handle {
    /// The addresses that were bound for clients, in the order of the configuration.
    pub addresses: Vec<SocketAddr>,
    /// The broker id clients know it by.
    pub broker_id: BrokerId,
    accepting: Vec<JoinHandle<()>>,
    core: Arc<Core>,
}

/// Why a gateway does not serve.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A listener cannot do TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener's address cannot be had.
    #[error("`listeners.bind`: cannot listen on `{address}`: {source}")]
    Bind {
        /// As configured.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The gateway cannot take its place in the cluster.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

/// Starts a gateway; returns when it serves. It runs until the drain has finished.
pub async fn start(config: Config, deps: Deps, drain: Drain) -> Result<Handle, RoleError> {
    config.check()?;
    metrics::describe();
    usage::describe();
    let doors = doors(&config, &deps, &drain).await?;
    let bound = bind(&config, deps.peers.net()).await?;
    let addresses: Vec<_> = bound.iter().map(|(address, _)| *address).collect();
    let release = deps.peers.credentials().releases().newest();
    let advertised = advertised(&config, &addresses, release);
    let lease = config.lease;
    let store = Arc::clone(&deps.metadata);
    let core = Arc::new(core(config, deps, advertised.clone(), drain.clone())?);
    let broker_id = advertised.slot;
    let of_tenants = (Arc::clone(&core), drain.clone());
    let watch = async move { of_tenants.0.directory.watch(of_tenants.1).await };
    drop(drain.spawn("gateway tenants", watch));
    // Clients that connect early wait in the accept queue, not in vain.
    let registration = Registration::take(store, advertised, lease).await?;
    drop(drain.spawn("gateway registration", registration.keep(drain.clone())));
    drop(drain.spawn("gateway set", departure::follow(Arc::clone(&core))));
    let strangers = Strangers::new(&core.config.limits);
    drop(drain.spawn("gateway strangers", Arc::clone(&strangers).watch(drain.clone())));
    let quotas = Arc::clone(&core.quotas);
    let limits = ConnectionLimitsLayer::new(&core.config.limits, strangers, quotas);
    let accept = |(door, (address, socket)): (Door, (SocketAddr, Listener))| {
        let listener = door.config.name().to_owned();
        let advertised = core.advertised.endpoints.get(&listener);
        let advertised = advertised.map(ToString::to_string).unwrap_or_default();
        tracing::info!(
            broker_id = broker_id.0,
            listener,
            security = door.config.security.protocol(),
            listening = %address,
            advertised,
            "gateway serves"
        );
        let stack = stack::connections(&core, limits.clone(), door);
        drain.spawn("gateway accept", accept::accept(socket, stack, drain.clone()))
    };
    let accepting = doors.into_iter().zip(bound).map(accept).collect();
    Ok(Handle { addresses, broker_id, accepting, core })
}

/// What each listener does with its connections, in their order.
async fn doors(config: &Config, deps: &Deps, drain: &Drain) -> Result<Vec<Door>, RoleError> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let parts = TlsParts {
        secret: deps.view.cluster().map(|cluster| cluster.secret).unwrap_or_default(),
        clock: deps.clock.clone(),
        handshakes: Arc::new(Semaphore::new(processors * HANDSHAKES_PER_PROCESSOR)),
    };
    let mut doors = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        let tls = match &listener.tls {
            Some(tls) => Some(Tls::start(listener, tls, parts.clone(), drain).await?),
            None => None,
        };
        doors.push(Door { config: Arc::new(listener.clone()), tls });
    }
    Ok(doors)
}

/// Binds every listener, in their order.
async fn bind(config: &Config, net: &Net) -> Result<Vec<(SocketAddr, Listener)>, RoleError> {
    let mut bound = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        let address = listener.bind.clone();
        let socket = net.listen(&address).await;
        let socket = socket.and_then(|socket| Ok((socket.local_addr()?, socket)));
        bound.push(socket.map_err(|source| RoleError::Bind { address, source })?);
    }
    Ok(bound)
}

/// Runs a gateway until the drain begins; what is under way then hangs on the drain.
pub async fn run(config: Config, deps: Deps, drain: Drain) -> Result<(), RoleError> {
    start(config, deps, drain).await?.stopped().await;
    Ok(())
}

// === impl Handle ===

impl Handle {
    /// From now on clients that ask for metadata are told to begin again at their bootstrap servers
    /// (KIP-1102), where another cluster has taken this one's place, and those that are connected are
    /// disconnected. Clients that do not know how go on being served.
    pub fn rebootstrap_clients(&self) {
        self.core.departure.for_good();
    }

    /// The same, for a gateway that is about to end: returns when everybody who was connected has
    /// been disconnected.
    pub async fn send_clients_away(&self) {
        self.rebootstrap_clients();
        tokio::time::sleep(DEPARTURE_SPREAD).await;
    }

    /// Waits until the gateway accepts no more.
    pub async fn stopped(self) {
        for accepting in self.accepting {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "gateway accept task failed");
            }
        }
    }
}

fn core(
    config: Config,
    deps: Deps,
    advertised: GatewayRecord,
    drain: Drain,
) -> Result<Core, ConfigError> {
    let takeovers = Takeovers::new(config.produce_hold);
    let follower = Follower::new(takeovers.clone(), deps.view.clone(), deps.peers.clone());
    drop(drain.spawn("gateway takeovers", follower.run(drain.clone())));
    let rules = Rules::of(&config.authorisation);
    let authorisers = rules.map(|rules| Authorisers::new(rules, deps.view.clone()));
    let upstream = Upstream::new(deps.peers, deps.view.clone());
    let quotas = Quotas::new(deps.view.clone());
    let reporter = Reporter::new(Arc::clone(&quotas), upstream.clone(), advertised.broker_id);
    drop(drain.spawn("gateway quotas", reporter.run(drain.clone())));
    let request_memory = config.limits.request_memory.as_u64();
    let share =
        config.limits.request_memory_per_tenant.map_or(request_memory / 2, |it| it.as_u64());
    let seed = uuid::Uuid::new_v4().as_u64_pair().0;
    let cold_bytes = usize::try_from(config.fetch.cold_memory.as_u64()).unwrap_or(usize::MAX);
    let audit = Audit::start(&config.audit, &deps.clock, &drain);
    let sasl = sasl::of_listeners(&config.listeners, &deps.view, &deps.clock, &audit, &drain)?;
    Ok(Core {
        advertised,
        sasl,
        upstream,
        takeovers,
        quotas,
        authorisers: authorisers.map(Arc::new),
        audit,
        request_memory: RequestMemory::new(request_memory, share),
        packers: Packers::default(),
        sessions: Sessions::new(&config.fetch, config.broker_id, seed),
        tides: Tides::default(),
        cold: ColdReads::new(cold_bytes),
        usage: Usage::default(),
        producer_ids: ProducerIds::default(),
        traces: AtomicU64::new(seed),
        departure: Departure::default(),
        // Lane 0 is for requests that no client asked for.
        lanes: AtomicU64::new(1),
        directory: Directory::new(deps.view.clone()),
        view: deps.view,
        clock: deps.clock,
        background: Background::new(deps.background, drain.clone()),
        drain,
        config,
    })
}

/// How clients reach this gateway.
fn advertised(config: &Config, bound: &[SocketAddr], release: Release) -> GatewayRecord {
    let endpoint = |(listener, bound): (&ListenerConfig, &SocketAddr)| {
        (listener.name().to_owned(), endpoint(listener, *bound))
    };
    GatewayRecord {
        broker_id: BrokerId(config.broker_id),
        set: config.set.clone(),
        slot: BrokerId(config.slot.unwrap_or(config.broker_id)),
        endpoints: config.listeners.iter().zip(bound).map(endpoint).collect(),
        zone: config.zone.clone(),
        address: String::new(),
        release,
    }
}

/// How clients reach a listener: as configured, or as it was bound.
fn endpoint(listener: &ListenerConfig, bound: SocketAddr) -> Endpoint {
    let bind_host = listener.bind.rsplit_once(':').map_or("", |(host, _)| host);
    let host = match &listener.advertised_host {
        Some(host) => host.clone(),
        // An address that stands for all of them is none that a client can connect to.
        None if bound.ip().is_unspecified() => "localhost".to_owned(),
        None => bind_host.trim_matches(['[', ']']).to_owned(),
    };
    let tenant_host = listener.tenant_host.clone().unwrap_or_default();
    Endpoint { host, port: listener.advertised_port.unwrap_or_else(|| bound.port()), tenant_host }
}

#[cfg(test)]
impl Core {
    /// A gateway's parts around an empty cluster.
    pub(crate) async fn for_tests() -> Arc<Self> {
        Self::for_tests_in("").await.0
    }

    /// The same, in a gateway set; with what it has its metadata from.
    pub(crate) async fn for_tests_in(set: &str) -> (Arc<Self>, Arc<dyn MetadataStore>) {
        let drain = Drain::new();
        let store: Arc<dyn MetadataStore> = Arc::new(metadata::MemoryStore::new());
        let view = ClusterView::start(Arc::clone(&store), &drain).await.unwrap();
        let secret = hop::ClusterSecret::new(&[0; 32]);
        let peers = Peers::new(hop::Role::Gateway, secret, drain.clone());
        let config = Config { set: set.to_owned(), ..Config::new(1) };
        let bound = SocketAddr::from(([127, 0, 0, 1], 9092));
        let advertised = advertised(&config, &[bound], Release::THIS);
        let background = Runtime::current();
        let metadata = Arc::clone(&store);
        let deps = Deps { clock: Clock::manual(0), metadata, view, peers, background };
        (Arc::new(core(config, deps, advertised, drain).unwrap()), store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_the_bound_address_unless_configured_otherwise() {
        let bound = SocketAddr::from(([0, 0, 0, 0], 4_000));
        let mut listener =
            ListenerConfig { bind: "gateway.internal:0".to_owned(), ..ListenerConfig::default() };
        let loopback = SocketAddr::from(([127, 0, 0, 1], 4_000));
        assert_eq!(endpoint(&listener, loopback).to_string(), "gateway.internal:4000");

        listener.bind = "0.0.0.0:0".to_owned();
        assert_eq!(endpoint(&listener, bound).to_string(), "localhost:4000");

        listener.advertised_host = Some("kafka.example".to_owned());
        listener.advertised_port = Some(9_092);
        assert_eq!(endpoint(&listener, bound).to_string(), "kafka.example:9092");
    }
}
