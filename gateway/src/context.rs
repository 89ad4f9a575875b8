//! What routes work with: the process's shared parts, and who asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hop::{Call, HopError, HopHeader};
use metadata::ClusterView;
use metadata::model::{Endpoint, GatewayRecord, NodeRecord, NodeState, ReaderRecord};
use process::{Clock, Drain};
use protocol::StrBytes;
use protocol::ids::{BrokerId, PartitionId, TenantId};

use crate::audit::Audit;
use crate::authoriser::Authorisers;
use crate::background::Background;
use crate::call::{Client, Identity};
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::connection::RequestMemory;
use crate::departure::Departure;
use crate::grants::Grants;
use crate::limits::READER_TIMEOUT;
use crate::quota::{Quotas, Toll};
use crate::rendezvous;
use crate::route::cold::ColdReads;
use crate::route::produce::recompress::Packers;
use crate::route::producer_id::ProducerIds;
use crate::route::sessions::Sessions;
use crate::route::tides::Tides;
use crate::route::tier::Policy;
use crate::sasl::Sasl;
use crate::takeover::{Place, Takeovers};
use crate::tenants::Directory;
use crate::upstream::Upstream;
use crate::usage::Usage;

/// The parts of one gateway that all its connections share.
pub(crate) struct Core {
    pub(crate) config: Config,
    /// This gateway as clients are told to reach it.
    pub(crate) advertised: GatewayRecord,
    /// The next connection's lane.
    pub(crate) lanes: AtomicU64,
    pub(crate) view: ClusterView,
    pub(crate) directory: Directory,
    pub(crate) clock: Clock,
    pub(crate) drain: Drain,
    pub(crate) background: Background,
    pub(crate) upstream: Upstream,
    pub(crate) takeovers: Takeovers,
    pub(crate) quotas: Arc<Quotas>,
    /// What listeners with SASL ask, by their names.
    pub(crate) sasl: HashMap<String, Arc<Sasl>>,
    /// What is enforced; none if everything is granted to everybody.
    pub(crate) authorisers: Option<Arc<Authorisers>>,
    pub(crate) audit: Audit,
    /// Memory for requests under way (R61).
    pub(crate) request_memory: RequestMemory,
    pub(crate) packers: Packers,
    pub(crate) sessions: Sessions,
    pub(crate) tides: Tides,
    pub(crate) cold: ColdReads,
    pub(crate) usage: Usage,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) traces: AtomicU64,
    /// Clients are to begin again at their bootstrap servers (KIP-1102).
    pub(crate) departure: Departure,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("advertised", &self.advertised).finish_non_exhaustive()
    }
}

/// A gateway, as the clients of one listener know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) broker_id: BrokerId,
    pub(crate) endpoint: Endpoint,
    pub(crate) zone: String,
}

/// One request's surroundings. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) core: Arc<Core>,
    pub(crate) client: Arc<Client>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) grants: Grants,
    pub(crate) catalogue: Catalogue,
    pub(crate) toll: Toll,
    /// The version of the API that the client speaks.
    pub(crate) version: i16,
    /// The name the client gives itself.
    pub(crate) client_id: StrBytes,
    pub(crate) trace_id: u64,
}

/// A node, and the epoch in which it has a partition.
pub(crate) type Owner = (Arc<NodeRecord>, i32);

/// Whether an owner's incarnation is not over.
pub(crate) fn is_live((node, _): &Owner) -> bool {
    node.state == NodeState::Live
}

// === impl Core ===

impl Core {
    /// The gateways that have a listener of the name this client came by, by id: those of the active
    /// set, or of this one's while none of that is up. Never nobody: clients would have nowhere to go.
    fn brokers(&self, client: &Client) -> Vec<Broker> {
        let gateways = self.view.gateways();
        let active = self.view.active_set();
        let shown = active.map(|active| self.brokers_of(&active.set, gateways.clone(), client));
        match shown {
            Some(shown) if !shown.is_empty() => shown,
            _ => self.brokers_of(&self.advertised.set, gateways, client),
        }
    }

    /// Those of one set, and of none. With this one, if it belongs there: whoever asks has reached it,
    /// whatever became of its registration.
    fn brokers_of(&self, set: &str, all: Vec<GatewayRecord>, client: &Client) -> Vec<Broker> {
        let belongs = |gateway: &GatewayRecord| gateway.set == set || gateway.set.is_empty();
        let ours = belongs(&self.advertised).then(|| self.advertised.clone());
        // Two that claim the same slot are one to clients.
        let brokers: BTreeMap<BrokerId, GatewayRecord> = all
            .into_iter()
            .filter(belongs)
            .chain(ours)
            .map(|gateway| (gateway.slot, gateway))
            .collect();
        brokers.into_values().filter_map(|gateway| Broker::new(gateway, client)).collect()
    }

    /// This gateway's id, as clients know it.
    pub(crate) fn own_id(&self) -> BrokerId {
        self.advertised.slot
    }

    /// The owner of a partition and the epoch of its assignment. `None` also while its incarnation
    /// is over and nobody has taken its place: asking it would be waiting in vain.
    pub(crate) fn owner(&self, partition: PartitionId) -> Option<Owner> {
        self.view.owner(partition).filter(is_live)
    }

    /// The node that serves the partition as far as is known, and whether that is the one it leaves.
    pub(crate) fn serving(&self, partition: PartitionId) -> Option<(Owner, bool)> {
        let owner = self.view.owner(partition)?;
        match self.takeovers.place(partition, &owner, &self.view) {
            Place::Before(before) => Some((before, true)),
            _ => Some(owner).filter(is_live).map(|it| (it, false)),
        }
    }

    /// How the tier of a fetch is chosen.
    pub(crate) fn tier_policy(&self) -> Policy {
        Policy { seam_percent: self.config.fetch.seam_percent }
    }

    /// A number that joins the log lines of one request over processes.
    pub(crate) fn next_trace(&self) -> u64 {
        let count = self.traces.fetch_add(1, Ordering::Relaxed);
        rendezvous::mix(count ^ ((self.config.broker_id as u64) << 48))
    }
}

// === impl Broker ===

impl Broker {
    /// `None` if the gateway has no listener of this name.
    fn new(mut gateway: GatewayRecord, client: &Client) -> Option<Self> {
        let mut endpoint = gateway.endpoints.remove(client.listener.name())?;
        if let Some(host) = &client.tenant_host {
            endpoint = endpoint.for_tenant(host);
        }
        Some(Self { broker_id: gateway.slot, endpoint, zone: gateway.zone })
    }
}

// === impl Context ===

impl Context {
    /// The gateways as this client is told of them, by id.
    pub(crate) fn gateways(&self) -> Vec<Broker> {
        self.core.brokers(&self.client)
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.identity.tenant
    }

    /// The header of a call on this request's behalf.
    pub(crate) fn header(&self, deadline: Duration) -> HopHeader {
        HopHeader {
            tenant: self.identity.tenant,
            principal: self.identity.principal.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client.host.clone(),
            deadline,
            trace_id: self.trace_id,
            lane: self.client.lane,
        }
    }

    /// Asks another process. The request has its place in this connection's lane when this
    /// returns (R45).
    pub(crate) fn ask<M: Call>(
        &self,
        address: &str,
        deadline: Duration,
        message: M,
    ) -> impl Future<Output = Result<M::Answer, HopError>> + Send + use<M> {
        self.core.upstream.ask(address, self.header(deadline), message)
    }

    /// Asks a cold reader: what it answers is moved where it hurts nobody.
    pub(crate) async fn ask_reader<M: Call>(
        &self,
        reader: &ReaderRecord,
        message: M,
    ) -> Result<M::Answer, HopError> {
        let ask = || self.ask(&reader.address, READER_TIMEOUT, message);
        // Its threads end with the process.
        self.core.background.start("reader call", ask).await.unwrap_or(Err(HopError::Lost))
    }
}
