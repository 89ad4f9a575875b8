//! The JSON of the admin API, for both ends. Fields may be added; none changes its meaning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `GET /v1/status`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster, as clients know it.
    pub cluster_id: String,
    /// The control process that leads, and answers this.
    pub leader: String,
    /// Nodes that are up.
    pub nodes_up: usize,
    /// Nodes that are not and still have partitions.
    pub nodes_missing: usize,
    /// Gateways that are up.
    pub gateways: usize,
    /// Cold readers that are up.
    pub readers: usize,
    /// Topics, internal ones included.
    pub topics: usize,
    /// Partitions, internal ones included.
    pub partitions: usize,
    /// Partitions that no node is assigned to.
    pub unassigned: usize,
    /// Partitions that are moving.
    pub moves_under_way: usize,
    /// Partitions that are to move.
    pub moves_waiting: usize,
}

/// `GET /v1/nodes` has a list of these, `GET /v1/nodes/{id}` one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its number.
    pub node: i32,
    /// `up`, `down` (its process is gone), `fenced` (it is being ended) or `ended`.
    pub state: String,
    /// `active`, `cordoned` or `draining`.
    pub duty: String,
    /// Its share of the load, beside those of the others.
    pub weight: u32,
    /// Where it stands.
    pub zone: String,
    /// `disk`, `shared-disk` or `object`.
    pub front: String,
    /// Its internal address.
    pub address: String,
    /// Counts its starts.
    pub incarnation: u64,
    /// It says itself that its clock is wrong, and gets no partitions.
    pub clock_is_wrong: bool,
    /// Partitions assigned to it.
    pub partitions: usize,
    /// What it said of late, if it did.
    pub load: Option<NodeLoadInfo>,
    /// Why it cannot be emptied, if it is to be and cannot.
    pub stuck: Option<String>,
}

/// A node's load: rates per second, smoothed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeLoadInfo {
    /// Partitions it serves.
    pub serving: u32,
    /// What they do.
    pub traffic: TrafficInfo,
    /// Its process's share of its machine's CPU time, 0 to 1.
    pub cpu: f64,
    /// Resident memory of its process.
    pub memory_bytes: u64,
}

/// Rates per second, smoothed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficInfo {
    /// Bytes produced.
    pub bytes_in: u64,
    /// Bytes fetched from memory.
    pub bytes_out: u64,
    /// Batches produced and fetches answered with records.
    pub requests: u64,
}

/// `GET /v1/topics` has a list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicInfo {
    /// Whose topic; 0 for the system's own.
    pub tenant: u32,
    /// Its name.
    pub topic: String,
    /// Its id.
    pub id: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many of them each node has.
    pub nodes: BTreeMap<i32, usize>,
    /// How many have none.
    pub unassigned: usize,
}

/// `GET /v1/partitions?tenant=&topic=&node=&limit=`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partitions {
    /// By topic and index.
    pub partitions: Vec<PartitionInfo>,
    /// How many more there are.
    pub left_out: usize,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionInfo {
    /// Whose topic.
    pub tenant: u32,
    /// The topic's name.
    pub topic: String,
    /// Its index.
    pub partition: i32,
    /// The node it is assigned to, if any.
    pub node: Option<i32>,
    /// The epoch of the assignment.
    pub epoch: Option<i32>,
    /// The node it is leaving, while it moves.
    pub moving_from: Option<i32>,
    /// Where an operator wants it.
    pub pin: Option<i32>,
    /// What it does, if that is known.
    pub traffic: Option<TrafficInfo>,
}

/// `GET /v1/moves`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MovesInfo {
    /// Under way, for `seconds`.
    pub under_way: Vec<MoveInfo>,
    /// How many are planned.
    pub waiting: usize,
    /// The next of those.
    pub next: Vec<MoveInfo>,
    /// Over, after `seconds`; the latest last.
    pub done: Vec<MoveInfo>,
}

/// One move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoveInfo {
    /// Whose topic.
    pub tenant: u32,
    /// The topic's name, or its id if it is gone.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
    /// The node it leaves.
    pub from: i32,
    /// The node that gets it.
    pub to: i32,
    /// `order`, `pin`, `drain` or `balance`.
    pub reason: String,
    /// How long it has taken.
    pub seconds: Option<f64>,
    /// Of one that is over: whether its node served it by then. Otherwise that node goes on trying.
    pub served: Option<bool>,
}

/// `GET /v1/pins` has a list of these; `PUT /v1/pins` takes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinInfo {
    /// Whose topic.
    #[serde(default = "default_tenant")]
    pub tenant: u32,
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
    /// Where it is to be. In `PUT`, none takes the pin away.
    pub node: Option<i32>,
}

/// `POST /v1/partitions/move`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    /// Whose topic.
    #[serde(default = "default_tenant")]
    pub tenant: u32,
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
    /// The node that is to have it.
    pub to: i32,
}

/// `PUT /v1/nodes/{id}/weight`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightRequest {
    /// Its share of the load, beside those of the others; 100 is everybody's at first.
    pub weight: u32,
}

/// `GET /v1/gateway-sets`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewaySets {
    /// What the clients' name stands for.
    pub active: ActiveSetInfo,
    /// What the last look came to.
    pub standing: String,
    /// What is wrong with DNS, if anything is.
    pub dns_problem: Option<String>,
    /// The preferred one first.
    pub sets: Vec<GatewaySetInfo>,
}

/// The active gateway set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveSetInfo {
    /// Its name.
    pub set: String,
    /// Counts the switches; the same number stands in DNS.
    pub generation: u64,
    /// Whether DNS says so too.
    pub applied: bool,
    /// `found`, `automatic`, `failover` or `failback`.
    pub cause: String,
    /// Since when, in Unix milliseconds.
    pub since_ms: i64,
}

/// One gateway set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewaySetInfo {
    /// Its name.
    pub set: String,
    /// Whether clients are sent there.
    pub is_active: bool,
    /// Whether it was left because it failed: nobody goes back but an operator.
    pub is_barred: bool,
    /// `serves`, `fails` or `disputed`.
    pub verdict: String,
    /// Its gateways that are registered.
    pub gateways: usize,
    /// Vantage points that produce and fetch through it.
    pub serves: usize,
    /// Vantage points that cannot.
    pub fails: usize,
    /// Vantage points that there should be; two thirds of them decide.
    pub of: usize,
    /// What each vantage point that cannot says.
    pub problems: BTreeMap<String, String>,
}

/// `POST /v1/gateway-sets/switch`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwitchRequest {
    /// Where to; none for the next set that serves, or with `back` the preferred one.
    pub to: Option<String>,
    /// Whether all is well again: no set is barred any more.
    pub back: bool,
    /// Also to a set that vantage points do not see serve.
    pub force: bool,
    /// Only answer what would be done.
    pub dry_run: bool,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchInfo {
    /// The set that is left.
    pub from: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// What follows. DNS does within seconds.
    pub next: ActiveSetInfo,
}

/// The answer with any status but 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, and what helps.
    pub error: String,
    /// Where the leader's admin API answers, with 421.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
}

fn default_tenant() -> u32 {
    1
}
