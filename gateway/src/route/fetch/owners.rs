//! The owners of a fetch's hot parts, and what each is asked.

use std::time::Duration;

use protocol::ids::NodeId;
use protocol::messages::FetchRequest;
use protocol::messages::fetch_request::{FetchPartition as Question, FetchTopic};

use super::Terms;
use super::part::Part;
use crate::limits::FETCH_CALLS_PER_OWNER;

/// The nodes that own parts of a fetch.
pub(super) struct Owners(Vec<Owner>);

struct Owner {
    node: NodeId,
    address: String,
    /// Has a question that it did not answer yet.
    asked: bool,
    calls: u32,
}

// === impl Owners ===

impl Owners {
    pub(super) fn of(parts: &[Part]) -> Self {
        let mut owners: Vec<Owner> = Vec::new();
        let places = parts.iter().filter_map(|part| part.place.as_ref());
        for (node, address) in places.filter_map(|place| place.owner.as_ref()) {
            if !owners.iter().any(|owner| owner.node == *node) {
                let address = address.clone();
                owners.push(Owner { node: *node, address, asked: false, calls: 0 });
            }
        }
        Self(owners)
    }

    pub(super) fn is_single(&self) -> bool {
        self.0.len() == 1
    }

    pub(super) fn any_asked(&self) -> bool {
        self.0.iter().any(|owner| owner.asked)
    }

    pub(super) fn node(&self, owner: usize) -> NodeId {
        self.0[owner].node
    }

    /// Marks an owner as asked; where to ask it.
    pub(super) fn asking(&mut self, owner: usize) -> &str {
        let owner = &mut self.0[owner];
        owner.asked = true;
        owner.calls += 1;
        &owner.address
    }

    pub(super) fn answered(&mut self, owner: usize) {
        self.0[owner].asked = false;
    }

    /// A question for every owner of hot parts that is not being asked already.
    ///
    /// With several owners each waits for its part of the bytes that are missing: if they have
    /// enough together, at least one has that much and answers, and the rest is asked for anew.
    pub(super) fn questions(
        &self,
        parts: &[Part],
        terms: &Terms,
        wait: Duration,
    ) -> Vec<(usize, FetchRequest)> {
        let hot = |node: NodeId| parts.iter().filter(move |part| part.is_hot() && part.is_of(node));
        let holders = self.0.iter().filter(|owner| hot(owner.node).next().is_some()).count();
        let there: usize = parts.iter().map(Part::bytes).sum();
        let missing = terms.min_bytes.saturating_sub(there).div_ceil(holders.max(1));
        let free = self.0.iter().enumerate().filter(|(_, owner)| {
            !owner.asked && owner.calls < FETCH_CALLS_PER_OWNER && hot(owner.node).next().is_some()
        });
        let questions = free.map(|(at, owner)| {
            let bytes: usize = hot(owner.node).map(Part::bytes).sum();
            let own: usize = hot(owner.node).map(Part::max_bytes).sum();
            let question = FetchRequest::default()
                .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
                .with_min_bytes(i32::try_from(bytes + missing).unwrap_or(i32::MAX))
                .with_max_bytes(budget(own, parts, terms))
                .with_isolation_level(terms.isolation_level)
                .with_topics(by_topic(hot(owner.node)));
            (at, question)
        });
        questions.collect()
    }
}

/// What an owner may answer of the whole: all of it if the limits of the partitions keep to it
/// anyway, else its proportion.
fn budget(own: usize, parts: &[Part], terms: &Terms) -> i32 {
    let all: usize = parts.iter().filter(|part| part.is_hot()).map(Part::max_bytes).sum();
    let bytes = if all <= terms.max_bytes {
        terms.max_bytes
    } else {
        usize::try_from(terms.max_bytes as u128 * own as u128 / all as u128)
            .unwrap_or(terms.max_bytes)
    };
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

fn by_topic<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for part in parts {
        let Some(place) = &part.place else { continue };
        let id = place.partition.topic.0;
        let question = Question::default()
            .with_partition(part.asked.index)
            .with_current_leader_epoch(part.asked.current_leader_epoch)
            .with_fetch_offset(part.asked.fetch_offset)
            .with_last_fetched_epoch(part.asked.last_fetched_epoch)
            .with_partition_max_bytes(part.asked.max_bytes);
        match topics.last_mut() {
            Some(topic) if topic.topic_id == id => topic.partitions.push(question),
            _ => {
                topics.push(FetchTopic::default().with_topic_id(id).with_partitions(vec![question]))
            }
        }
    }
    topics
}
