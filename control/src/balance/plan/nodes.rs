//! The planner's books: what each node has, what it could give, and who is the fullest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use metadata::settings::placement::Duty;
use protocol::ids::{NodeId, TopicId};

use super::{Held, Situation};

/// Topics of one cost that are looked at for the one that a move spreads best.
const TOPICS_MAX: usize = 64;

/// All nodes, by index.
pub(super) struct Nodes {
    nodes: Vec<Books>,
    index: HashMap<NodeId, usize>,
    /// Partitions of a topic on a node, and in a zone.
    topic_on_node: HashMap<(usize, TopicId), i64>,
    topic_in_zone: HashMap<(usize, TopicId), i64>,
}

struct Books {
    id: NodeId,
    zone: usize,
    duty: Duty,
    weight: f64,
    takes: bool,
    load: u64,
    /// What it may give, by cost and topic.
    offers: BTreeMap<u64, BTreeMap<TopicId, BTreeSet<(i32, usize)>>>,
}

/// A node by how full it is, the emptiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// The bits of a ratio that is not negative: they have its order.
    ratio: u64,
    node: usize,
}

/// The nodes that are made even.
pub(super) struct Pool {
    order: BTreeSet<Target>,
    load: u64,
    weight: f64,
}

// === impl Target ===

impl Target {
    pub(super) fn node(&self) -> usize {
        self.node
    }
}

// === impl Nodes ===

impl Nodes {
    pub(super) fn new(situation: &Situation) -> Self {
        let mut zones: HashMap<&str, usize> = HashMap::new();
        let mut sorted: Vec<_> = situation.nodes.iter().collect();
        sorted.sort_unstable_by_key(|node| node.node);
        let books = sorted.iter().map(|node| {
            let next = zones.len();
            Books {
                id: node.node,
                zone: *zones.entry(&node.zone).or_insert(next),
                duty: node.duty,
                weight: f64::from(node.weight.max(1)),
                takes: node.takes,
                load: 0,
                offers: BTreeMap::new(),
            }
        });
        let nodes: Vec<Books> = books.collect();
        let index = nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect();
        let (topic_on_node, topic_in_zone) = (HashMap::new(), HashMap::new());
        let mut nodes = Self { nodes, index, topic_on_node, topic_in_zone };
        for held in &situation.partitions {
            if let Some(at) = nodes.find(held.node) {
                nodes.book(held.partition.topic, held.cost, at);
            }
        }
        nodes
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn find(&self, id: NodeId) -> Option<usize> {
        self.index.get(&id).copied()
    }

    pub(super) fn id(&self, at: usize) -> NodeId {
        self.nodes[at].id
    }

    pub(super) fn duty(&self, at: usize) -> Duty {
        self.nodes[at].duty
    }

    /// Load for its weight.
    pub(super) fn ratio(&self, at: usize) -> f64 {
        self.ratio_with(at, 0)
    }

    pub(super) fn ratio_with(&self, at: usize, more: u64) -> f64 {
        (self.nodes[at].load + more) as f64 / self.nodes[at].weight
    }

    pub(super) fn total(&self, nodes: impl Iterator<Item = usize>) -> (u64, f64) {
        nodes.fold((0, 0.0), |(load, weight), at| {
            (load + self.nodes[at].load, weight + self.nodes[at].weight)
        })
    }

    pub(super) fn as_target(&self, node: usize) -> Target {
        Target { ratio: self.ratio(node).to_bits(), node }
    }

    /// Active nodes that may get something; all active ones if none may.
    pub(super) fn targets(&self) -> BTreeSet<Target> {
        let active = (0..self.len()).filter(|at| self.duty(*at) == Duty::Active);
        let (taking, full): (Vec<_>, Vec<_>) = active.partition(|at| self.nodes[*at].takes);
        let targets = if taking.is_empty() { full } else { taking };
        targets.into_iter().map(|at| self.as_target(at)).collect()
    }

    /// How much of the topic is there already.
    pub(super) fn crowding(&self, at: usize, topic: TopicId) -> (i64, i64) {
        let zone = self.nodes[at].zone;
        let count = |counts: &HashMap<(usize, TopicId), i64>, place| {
            counts.get(&(place, topic)).copied().unwrap_or(0)
        };
        (count(&self.topic_on_node, at), count(&self.topic_in_zone, zone))
    }

    /// Moves a partition in the books.
    pub(super) fn carry(&mut self, topic: TopicId, cost: u64, from: usize, to: usize) {
        self.nodes[from].load -= cost;
        *self.topic_on_node.entry((from, topic)).or_default() -= 1;
        *self.topic_in_zone.entry((self.nodes[from].zone, topic)).or_default() -= 1;
        self.book(topic, cost, to);
    }

    fn book(&mut self, topic: TopicId, cost: u64, to: usize) {
        self.nodes[to].load += cost;
        *self.topic_on_node.entry((to, topic)).or_default() += 1;
        *self.topic_in_zone.entry((self.nodes[to].zone, topic)).or_default() += 1;
    }

    /// Says that a node may give this partition.
    pub(super) fn offer(&mut self, node: usize, at: usize, held: &Held) {
        let of_cost = self.nodes[node].offers.entry(held.cost).or_default();
        of_cost.entry(held.partition.topic).or_default().insert((held.partition.index, at));
    }

    /// The cost of what the one should give the other so that both come to the mean, if that makes them
    /// more alike at all. `gift` is the largest that may go, as a share of what makes them change places.
    fn best_offer(&self, from: usize, to: usize, mean: f64, gift: f64) -> Option<u64> {
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        let surplus = from.load as f64 - mean * from.weight;
        let lack = mean * to.weight - to.load as f64;
        // The larger deviation once something of this cost has moved.
        let left = |cost: f64| {
            f64::max((surplus - cost).abs() / from.weight, (lack - cost).abs() / to.weight)
        };
        // At twice the cost that would make them equal they have changed places.
        let apart = from.load as f64 / from.weight - to.load as f64 / to.weight;
        let places = 2.0 * apart / (1.0 / from.weight + 1.0 / to.weight);
        let limit = gift * places * (1.0 - 1e-9);
        let wanted = floor(surplus.min(lack));
        let below = from.offers.range(..=wanted).next_back();
        let above = from.offers.range(wanted + 1..).next();
        let candidates = below.into_iter().chain(above).map(|(cost, _)| *cost);
        candidates
            .filter(|cost| *cost > 0 && (*cost as f64) < limit)
            .min_by(|one, other| left(*one as f64).total_cmp(&left(*other as f64)))
    }

    /// Takes a partition of this cost, of the topic of which the one node has the most more than the
    /// other, the lowest of its partitions.
    pub(super) fn take_offer(&mut self, from: usize, to: usize, cost: u64) -> usize {
        let count = |node, topic| self.topic_on_node.get(&(node, topic)).copied().unwrap_or(0);
        let of_cost = self.nodes[from].offers.get(&cost).expect("the offer was found a moment ago");
        let surplus = |topic: &TopicId| count(from, *topic) - count(to, *topic);
        let some = of_cost.keys().take(TOPICS_MAX);
        let topic =
            *some.max_by_key(|topic| (surplus(topic), Reverse(**topic))).expect("not empty");
        let of_cost = self.nodes[from].offers.get_mut(&cost).expect("as above");
        let of_topic = of_cost.get_mut(&topic).expect("it is one of the keys");
        let (_, at) = of_topic.pop_first().expect("empty ones are removed");
        if of_topic.is_empty() {
            of_cost.remove(&topic);
        }
        if of_cost.is_empty() {
            self.nodes[from].offers.remove(&cost);
        }
        at
    }

    /// All active nodes.
    pub(super) fn pool(&self) -> Pool {
        let active: Vec<usize> =
            (0..self.len()).filter(|at| self.duty(*at) == Duty::Active).collect();
        let (load, weight) = self.total(active.iter().copied());
        Pool { order: active.into_iter().map(|at| self.as_target(at)).collect(), load, weight }
    }
}

// === impl Pool ===

impl Pool {
    /// The fullest node, and by how much it differs from the emptiest that may get something, as a
    /// share of the mean.
    pub(super) fn fullest(&self, nodes: &Nodes) -> Option<(usize, f64)> {
        let most = self.order.last()?.node;
        let least = self.takers(nodes).next()?;
        let mean = self.load as f64 / self.weight;
        let spread = (nodes.ratio(most) - nodes.ratio(least)) / mean;
        (mean > 0.0).then_some((most, spread))
    }

    /// Who should get something from this node, the emptiest if it can, and of what cost.
    pub(super) fn best_gift(&self, from: usize, gift: f64, nodes: &Nodes) -> Option<(usize, u64)> {
        let mean = self.load as f64 / self.weight;
        let emptier = self.takers(nodes).take_while(|to| nodes.ratio(*to) < nodes.ratio(from));
        emptier.filter_map(|to| Some((to, nodes.best_offer(from, to, mean, gift)?))).next()
    }

    /// Who may get something, the emptiest first.
    fn takers(&self, nodes: &Nodes) -> impl Iterator<Item = usize> {
        self.order.iter().map(|it| it.node).filter(|at| nodes.nodes[*at].takes)
    }

    /// Goes on without a node that can give nothing.
    pub(super) fn leave_out(&mut self, node: usize, nodes: &Nodes) {
        self.order.remove(&nodes.as_target(node));
        self.load -= nodes.nodes[node].load;
        self.weight -= nodes.nodes[node].weight;
    }

    /// Before the two change. What they have together stays.
    pub(super) fn forget(&mut self, pair: [usize; 2], nodes: &Nodes) {
        for node in pair {
            self.order.remove(&nodes.as_target(node));
        }
    }

    /// After the two have changed.
    pub(super) fn remember(&mut self, pair: [usize; 2], nodes: &Nodes) {
        self.order.extend(pair.map(|node| nodes.as_target(node)));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a load")]
fn floor(cost: f64) -> u64 {
    cost.max(0.0) as u64
}
