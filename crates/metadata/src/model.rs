//! What the keys hold. The bytes are in `wire`; everyone else sees these types.
//!
//! Each value is one version byte and then a protobuf message, so that fields may be added
//! without a new version and an incompatible change is refused instead of misread.

pub(crate) mod wire;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use protocol::{
    ids::{BrokerId, NodeId, ReaderId, TenantId, TopicId},
    release::{Release, Releases},
};

pub(crate) use self::wire::{open, seal};

/// A value of the metadata store.
pub trait Record: Sized {
    /// The bytes to store.
    fn encode(&self) -> Bytes;

    /// Reads stored bytes.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// Why a stored value is not readable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer version, or not by us.
    #[error("version {0} is not known")]
    Version(u8),
    /// Cut short.
    #[error("no version byte")]
    Empty,
    /// Not the message it should be.
    #[error("not a {record}: {reason}")]
    Malformed {
        /// The kind of record.
        record: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// Identity of the cluster, written once when it is born.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterRecord {
    /// What clients see: 22 characters, as Kafka makes them.
    pub cluster_id: String,
    /// Raised whenever the metadata is rebuilt or taken over; part of every id handed out (R9).
    pub generation: u16,
    /// Key of the internal ports and of plans (R36).
    pub secret: [u8; 32],
    /// The internal topic that keeps group state.
    pub group_state_topic: TopicId,
    /// Its partition count. Never changes: groups are hashed onto it.
    pub group_state_partitions: i32,
    /// Another cluster took the bucket over: every process of this one leaves (R50).
    pub retired: bool,
    /// The newest release whose formats are written; who does not know it must not act (ADR 0035).
    pub release: Release,
}

/// A cluster of a release that a process cannot behave as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cluster's release is {cluster}, and this process knows release {ours}; {}",
    fix(*.cluster, *.ours)
)]
pub struct Beyond {
    cluster: Release,
    ours: Releases,
}

/// A process that is in no other record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRecord {
    /// Its role's name.
    pub role: String,
    /// The newest release that it can behave as.
    pub release: Release,
}

/// A control process that follows another cluster's bucket, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandbyRecord {
    /// The name under which it would take over.
    pub site: String,
    /// The first slot of the metadata log that it has not read.
    pub next_slot: u64,
}

fn fix(cluster: Release, ours: Releases) -> &'static str {
    if cluster > ours.newest() {
        "start a newer program, and raise cluster.release if that is what holds it back"
    } else {
        "upgrade one release at a time: run the one before this, and finish it with \
         `thermocline release finish`, first"
    }
}

impl Beyond {
    /// Whether a process of these releases may act in a cluster whose release is `cluster`.
    pub fn check(cluster: Release, ours: Releases) -> Result<(), Self> {
        if ours.contains(cluster) { Ok(()) } else { Err(Self { cluster, ours }) }
    }
}

impl fmt::Debug for ClusterRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterRecord")
            .field("cluster_id", &self.cluster_id)
            .field("generation", &self.generation)
            .field("group_state_topic", &self.group_state_topic)
            .field("group_state_partitions", &self.group_state_partitions)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}

/// Who leads control. The key's create_revision is the term (R11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderRecord {
    /// The control process.
    pub control_id: String,
    /// Its internal address.
    pub address: String,
    /// Where its admin API answers; empty when it has none.
    pub admin: String,
}

/// How far a node's incarnation has come. It only ever moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// The incarnation may acknowledge.
    Live,
    /// Somebody is ending it; its log has no END yet.
    Fenced,
    /// Its log carries END: its partitions may be claimed (R2, R3).
    Ended,
}

/// A storage node's incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// The node.
    pub node: NodeId,
    /// Counts the node's starts.
    pub incarnation: u64,
    /// The incarnation's data log.
    pub log_id: String,
    /// Whether its partitions may be claimed.
    pub state: NodeState,
    /// Its internal address, `host:port`.
    pub address: String,
    /// Where it stands; empty when nobody said.
    pub zone: String,
    /// The front it acknowledges from: kind and whatever recovery needs.
    pub front: String,
    /// The largest record batch that the front takes; 0 while nobody has said.
    pub batch_bytes_max: u64,
}

/// What a node's process says of itself while it is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeLiveRecord {
    /// Its clock is wrong: it keeps what it has, and gets no more partitions (R71).
    pub clock_is_wrong: bool,
    /// The newest release that it can behave as.
    pub release: Release,
}

/// A host and port that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The host, as clients are told it.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The host that clients are told who came by a host name of their tenant, with `{host}` for
    /// that name; empty for the name alone.
    pub tenant_host: String,
}

/// A gateway, as clients reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRecord {
    /// Its broker id: the only one of its kind in the cluster.
    pub broker_id: BrokerId,
    /// The gateway set it is in; empty where there are none.
    pub set: String,
    /// The broker id that clients know it by. Gateways of different sets have the same, so that
    /// clients find the brokers they know in whichever set serves them.
    pub slot: BrokerId,
    /// Where clients connect, by the name of the listener: who came by one of a name is told of the
    /// others of that name.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Where it stands.
    pub zone: String,
    /// Its internal address; empty when it has none.
    pub address: String,
    /// The newest release that it can behave as.
    pub release: Release,
}

/// A cold reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderRecord {
    /// The reader.
    pub reader: ReaderId,
    /// Its internal address.
    pub address: String,
    /// Where it stands.
    pub zone: String,
    /// The newest release that it can behave as.
    pub release: Release,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// Whose topic.
    pub tenant: TenantId,
    /// Its id, never used again.
    pub id: TopicId,
    /// Its name within the tenant.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// The configs that were set; all others have their defaults.
    pub configs: BTreeMap<String, String>,
    /// Whether the cluster itself made it.
    pub internal: bool,
    /// When, in Unix milliseconds.
    pub created_ms: i64,
}

/// Which node should own a partition. An intent: the manifest on the object store decides (R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// The node.
    pub node: NodeId,
    /// The least leader epoch it may claim the partition with.
    pub epoch: i32,
}

/// How far producer ids are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdRecord {
    /// The next id to hand out (R43).
    pub next: i64,
}

// === impl Endpoint ===

impl Endpoint {
    /// The endpoint as clients know it who came by this host name of their tenant.
    pub fn for_tenant(self, host: &str) -> Self {
        let host = match self.tenant_host.as_str() {
            "" => host.to_owned(),
            template => template.replace("{host}", host),
        };
        Self { host, ..self }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
