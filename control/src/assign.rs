//! Giving partitions to nodes: those that have none, and those whose node has ended.
//!
//! R2: a partition leaves a node only when the node's record says *Ended*, that is when its log
//! carries END and nothing it acknowledged can be missing. A node that is merely gone, its lease
//! expired, keeps everything: it may still be acknowledging.
//!
//! What looks like work in the view is read again from the store, and each transaction compares
//! everything its decision was based on (R10): that we lead, that the topic is still the same,
//! that the partition was not assigned meanwhile, and, when it moves, that its old node has not
//! come back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use metadata::{
    ClusterView, Entry, MetadataError, Topic, Txn,
    keys::{self, Key},
    model::{Assignment, NodeRecord, NodeState, Record, TopicRecord},
    settings::placement::Duty,
};
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};

use crate::{
    balance::survey,
    front_choice::FrontChoice,
    guard::{Guard, GuardError},
    limits::{ASSIGNMENTS_PER_TXN, OWN_VIEW_WAIT},
    placement::{NodeLoad, place},
};

/// A partition and the node that should open it.
pub(crate) type Assigned = (NodeId, PartitionId);

/// Assigns partitions for one term's leader.
pub(crate) struct Assigner {
    guard: Guard,
    view: ClusterView,
    /// For topics that ask for none.
    default_front: FrontChoice,
}

/// A partition that needs a node, and what must still hold when it gets one.
struct Vacancy {
    index: i32,
    /// Revision of its assignment; 0 if it has none.
    mod_revision: i64,
    epoch: i32,
    /// The node it leaves, with the revision at which that node's record said Ended.
    leaves: Option<(NodeId, i64)>,
}

/// A topic's vacancies, from one look at the store.
struct Vacancies {
    topic: TopicRecord,
    created_at: i64,
    partitions: Vec<Vacancy>,
}

/// Which nodes have ended, each read once.
#[derive(Default)]
struct EndedNodes(HashMap<NodeId, Option<i64>>);

impl Assigner {
    pub(crate) fn new(guard: Guard, view: ClusterView, default_front: FrontChoice) -> Self {
        Self { guard, view, default_front }
    }

    /// Assigns whatever the view shows as vacant.
    pub(crate) async fn assign_all(&self) -> Result<Vec<Assigned>, GuardError> {
        let topics = self.view.all_topics();
        let vacant = topics.iter().filter(|topic| self.looks_vacant(topic));
        let ids: Vec<_> = vacant.map(|topic| (topic.record.tenant, topic.id())).collect();
        self.assign(&ids).await
    }

    /// Assigns the vacant partitions of these topics. Without a live node that has the topic's
    /// front they stay vacant: another front would be another promise.
    pub(crate) async fn assign(
        &self,
        topics: &[(TenantId, TopicId)],
    ) -> Result<Vec<Assigned>, GuardError> {
        let mut assigned = Vec::new();
        if topics.is_empty() || self.loads(FrontChoice::Any).is_empty() {
            return Ok(assigned);
        }
        let mut ended = EndedNodes::default();
        for &(tenant, topic) in topics {
            if let Some(vacancies) = self.vacancies(tenant, topic, &mut ended).await? {
                for some in vacancies.partitions.chunks(ASSIGNMENTS_PER_TXN) {
                    assigned.extend(self.fill(&vacancies, some).await?);
                }
            }
        }
        Ok(assigned)
    }

    /// Only a hint; the store is asked before anything is done.
    fn looks_vacant(&self, topic: &Topic) -> bool {
        let is_vacant = |owner: &Option<Assignment>| match owner {
            None => true,
            Some(owner) => {
                let node = self.view.node(owner.node);
                node.is_some_and(|node| node.state == NodeState::Ended)
            }
        };
        // Neighbours mostly share few nodes, so look at each node once.
        let owners: BTreeSet<_> =
            topic.owners.iter().map(|owner| owner.map(|owner| owner.node)).collect();
        owners.into_iter().any(|node| is_vacant(&node.map(|node| Assignment { node, epoch: 0 })))
    }

    /// Nodes with this front that may get partitions, and how much they have: those that are up, but
    /// none that is to be empty. The active ones whose clock is right (R71); without any the best
    /// that are left: a partition on a wrong clock is better than one on no node.
    fn loads(&self, front: FrontChoice) -> Vec<NodeLoad> {
        let nodes = self.view.nodes();
        let suitable = nodes.iter().filter(|record| front.suits(&record.front));
        let live = suitable.map(|record| record.node).filter(|&node| self.view.node_is_up(node));
        let placement = survey::placement(&self.view);
        let mut by_fitness: BTreeMap<_, Vec<NodeLoad>> = BTreeMap::new();
        for node in live {
            let said = placement.node(node);
            if said.duty == Duty::Draining {
                continue;
            }
            let fitness = (self.view.node_clock_is_wrong(node), said.duty != Duty::Active);
            let partitions = self.view.assigned_to(node).len();
            let load = NodeLoad { node, partitions, weight: said.weight };
            by_fitness.entry(fitness).or_default().push(load);
        }
        by_fitness.pop_first().map(|(_, fittest)| fittest).unwrap_or_default()
    }

    async fn vacancies(
        &self,
        tenant: TenantId,
        id: TopicId,
        ended: &mut EndedNodes,
    ) -> Result<Option<Vacancies>, GuardError> {
        let metadata = self.guard.metadata();
        let Some(entry) = metadata.get(&Key::Topic(tenant, id).to_string()).await? else {
            return Ok(None);
        };
        let topic: TopicRecord = decode(&entry)?;
        let listing = metadata.list(&keys::partitions_of(id)).await?;
        let mut entries = HashMap::new();
        for entry in &listing.entries {
            if let Some(Key::Partition(_, index)) = Key::parse(&entry.key) {
                entries.insert(index, entry);
            }
        }
        let mut partitions = Vec::new();
        for index in 0..topic.partitions {
            partitions.extend(self.vacancy(index, entries.get(&index).copied(), ended).await?);
        }
        Ok(Some(Vacancies { topic, created_at: entry.create_revision, partitions }))
    }

    async fn vacancy(
        &self,
        index: i32,
        entry: Option<&Entry>,
        ended: &mut EndedNodes,
    ) -> Result<Option<Vacancy>, GuardError> {
        let Some(entry) = entry else {
            return Ok(Some(Vacancy { index, mod_revision: 0, epoch: 0, leaves: None }));
        };
        let Assignment { node, epoch } = decode(entry)?;
        let ended_at = ended.ended_at(&self.guard, node).await?;
        Ok(ended_at.map(|revision| Vacancy {
            index,
            mod_revision: entry.mod_revision,
            epoch: epoch + 1,
            leaves: Some((node, revision)),
        }))
    }

    /// Chooses nodes and commits. Nothing if the metadata changed since it was read: the next
    /// round looks again.
    async fn fill(
        &self,
        vacancies: &Vacancies,
        partitions: &[Vacancy],
    ) -> Result<Vec<Assigned>, GuardError> {
        let TopicRecord { tenant, id, .. } = vacancies.topic;
        let front = FrontChoice::asked(&vacancies.topic.configs).unwrap_or(self.default_front);
        let nodes = place(&self.loads(front), partitions.len());
        if nodes.is_empty() {
            let waiting = partitions.len();
            tracing::warn!(topic = %id, ?front, waiting, "no live node has the topic's front");
            return Ok(Vec::new());
        }
        let mut txn = Txn::new().when_created(Key::Topic(tenant, id), vacancies.created_at);
        let left: BTreeSet<_> = partitions.iter().filter_map(|vacancy| vacancy.leaves).collect();
        for (node, revision) in left {
            txn = txn.when_mod(Key::Node(node), revision);
        }
        let mut assigned = Vec::new();
        for (vacancy, &node) in partitions.iter().zip(&nodes) {
            let key = Key::Partition(id, vacancy.index);
            let assignment = Assignment { node, epoch: vacancy.epoch };
            txn = txn.when_mod(key, vacancy.mod_revision).put(key, assignment.encode());
            assigned.push((node, PartitionId::new(tenant, id, vacancy.index)));
        }
        match self.guard.commit(txn).await {
            Ok(revision) => {
                tracing::info!(topic = %id, partitions = assigned.len(), "partitions assigned");
                // So that the next placement counts these.
                self.view.wait_for_revision(revision, OWN_VIEW_WAIT).await;
                Ok(assigned)
            }
            Err(GuardError::Conflict) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

// === impl EndedNodes ===

impl EndedNodes {
    /// The revision at which the node's record says Ended; `None` if it does not.
    async fn ended_at(&mut self, guard: &Guard, node: NodeId) -> Result<Option<i64>, GuardError> {
        if let Some(&known) = self.0.get(&node) {
            return Ok(known);
        }
        let entry = guard.metadata().get(&Key::Node(node).to_string()).await?;
        let ended_at = match entry {
            Some(entry) => {
                let record: NodeRecord = decode(&entry)?;
                (record.state == NodeState::Ended).then_some(entry.mod_revision)
            }
            None => None,
        };
        self.0.insert(node, ended_at);
        Ok(ended_at)
    }
}

fn decode<R: Record>(entry: &Entry) -> Result<R, GuardError> {
    let unreadable = |error| MetadataError::Refused(format!("`{}`: {error}", entry.key));
    Ok(R::decode(&entry.value).map_err(unreadable)?)
}
