//! What the members of a group subscribe to, as the cluster's topics are now.
//!
//! A regular expression is resolved here, when the subscription or the topics change; the client
//! never sees the names of topics that it does not read (KIP-848).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use protocol::StrBytes;
use protocol::ids::{TenantId, TopicId};
use regex::{Regex, RegexBuilder};

use super::assignor::SubscribedTopics;
use crate::coordinator::{TopicShape, Topics};
use crate::limits::REGEX_BYTES_MAX;
use crate::record::ConsumerMember;

/// Compiles a subscription's regular expression. The whole name must match, as in Kafka, whose
/// RE2/J speaks the same language.
pub(super) fn compile(regex: &str) -> Option<Regex> {
    let whole_name = format!(r"\A(?:{regex})\z");
    RegexBuilder::new(&whole_name).size_limit(REGEX_BYTES_MAX).build().ok()
}

/// Resolves the subscriptions of one group's members, each distinct one once.
pub(super) struct Resolver<'a> {
    tenant: TenantId,
    topics: &'a dyn Topics,
    /// Every topic of the tenant, read when the first regular expression asks for it.
    all: Option<Vec<(StrBytes, TopicShape)>>,
    by_regex: BTreeMap<StrBytes, Vec<StrBytes>>,
    by_subscription: BTreeMap<(BTreeSet<StrBytes>, Option<StrBytes>), SubscribedTopics>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(tenant: TenantId, topics: &'a dyn Topics) -> Self {
        Self {
            tenant,
            topics,
            all: None,
            by_regex: BTreeMap::new(),
            by_subscription: BTreeMap::new(),
        }
    }

    /// The names that a member subscribes to, whether or not there are such topics.
    pub(super) fn names(&mut self, member: &ConsumerMember) -> BTreeSet<StrBytes> {
        let mut names = member.topics.clone();
        if let Some(regex) = &member.regex {
            names.extend(self.matching(regex).iter().cloned());
        }
        names
    }

    /// The topics that a member subscribes to and that exist.
    pub(super) fn topics(&mut self, member: &ConsumerMember) -> SubscribedTopics {
        let subscription = (member.topics.clone(), member.regex.clone());
        if let Some(known) = self.by_subscription.get(&subscription) {
            return Rc::clone(known);
        }
        let names = self.names(member);
        let found = names.iter().filter_map(|name| self.topics.find(self.tenant, name));
        let topics: BTreeMap<TopicId, i32> =
            found.map(|shape| (shape.id, shape.partitions)).collect();
        let topics = Rc::new(topics);
        self.by_subscription.insert(subscription, Rc::clone(&topics));
        topics
    }

    fn matching(&mut self, regex: &StrBytes) -> &[StrBytes] {
        if !self.by_regex.contains_key(regex) {
            let all = self.all.get_or_insert_with(|| self.topics.all(self.tenant));
            // One that does not compile was refused when it came; nothing matches it.
            let compiled = compile(regex);
            let matches =
                |name: &StrBytes| compiled.as_ref().is_some_and(|compiled| compiled.is_match(name));
            let names = all.iter().map(|(name, _)| name).filter(|name| matches(name));
            self.by_regex.insert(regex.clone(), names.cloned().collect());
        }
        &self.by_regex[regex]
    }
}

/// A hash of topics and their sizes. Kept in the log, so it must never change: FNV-1a.
pub(super) fn hash(topics: &BTreeMap<TopicId, i32>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = topics.iter().flat_map(|(topic, partitions)| {
        topic.as_bytes().iter().copied().chain(partitions.to_be_bytes())
    });
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_regular_expression_must_match_the_whole_name() {
        let matches = |regex, name| compile(regex).is_some_and(|regex| regex.is_match(name));
        assert!(matches("orders-.*", "orders-eu"));
        assert!(!matches("orders", "orders-eu"));
        assert!(!matches("orders|x", "my-orders"));
        assert!(matches("a|b", "b"));
        assert!(matches("(?i)ORDERS", "orders"));
    }

    #[test]
    fn what_is_no_regular_expression_or_a_bomb_is_refused() {
        for regex in ["(", "a{2,1}", "[", "(?=look)", "((a{999}){999}){999}"] {
            assert!(compile(regex).is_none(), "{regex}");
        }
    }

    #[test]
    fn the_hash_of_the_log_never_changes_and_sees_every_change() {
        let topic = |number| TopicId(Uuid::from_u128(number));
        assert_eq!(hash(&BTreeMap::new()), 0xcbf2_9ce4_8422_2325);
        let one = hash(&BTreeMap::from([(topic(1), 3)]));
        assert_ne!(one, hash(&BTreeMap::from([(topic(1), 4)])));
        assert_ne!(one, hash(&BTreeMap::from([(topic(2), 3)])));
    }
}
