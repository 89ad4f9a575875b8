//! One list out of those of all coordinators: each entry once, or no list at all.
//!
//! Nodes list what the shards that they have know, and say which these are. A shard that moves
//! meanwhile may be in no answer, or in two. Half a list looks like groups that are gone, so clients are
//! told to ask again, in the only words upon which all of them do: COORDINATOR_LOAD_IN_PROGRESS.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hop::listed_shards;
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId, coordinator_index};

use crate::context::Context;

/// There is no whole list at the moment.
pub(in crate::route) const INCOMPLETE: ErrorCode = ErrorCode::CoordinatorLoadInProgress;

/// What is still to be listed.
#[derive(Debug)]
pub(in crate::route) struct Lists {
    tenant: TenantId,
    shards: i32,
    missing: BTreeSet<i32>,
}

impl Lists {
    /// Everything, and the addresses of those who have it.
    pub(in crate::route) fn begin(
        context: &Context,
    ) -> Result<(Self, BTreeSet<String>), ErrorCode> {
        let cluster = context.core.view.cluster().ok_or(INCOMPLETE)?;
        let shards = cluster.group_state_partitions;
        let owners = (0..shards).map(|index| {
            let partition = PartitionId::new(TenantId::SYSTEM, cluster.group_state_topic, index);
            let (node, _) = context.core.owner(partition).ok_or(INCOMPLETE)?;
            Ok(node.address.clone())
        });
        Ok((Self::of(context.tenant(), shards), owners.collect::<Result<_, _>>()?))
    }

    fn of(tenant: TenantId, shards: i32) -> Self {
        Self { tenant, shards, missing: (0..shards).collect() }
    }

    /// What is new of a node's list, whose tagged fields these are.
    pub(in crate::route) fn add<T>(
        &mut self,
        fields: &BTreeMap<i32, Bytes>,
        items: Vec<T>,
        key: impl Fn(&T) -> &str,
    ) -> Vec<T> {
        let mut shards = listed_shards::get(fields);
        shards.retain(|shard| self.missing.remove(shard));
        let is_new =
            |item: &T| shards.contains(&coordinator_index(self.tenant, key(item), self.shards));
        items.into_iter().filter(is_new).collect()
    }

    /// Whether nothing is missing.
    pub(in crate::route) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node's tagged fields.
    fn fields(shards: &[i32]) -> BTreeMap<i32, Bytes> {
        let mut fields = BTreeMap::new();
        listed_shards::set(&mut fields, shards);
        fields
    }

    fn group_in(shard: i32) -> String {
        let mut names = (0..).map(|number| format!("g{number}"));
        let is_in = |name: &String| coordinator_index(TenantId::DEFAULT, name, 3) == shard;
        names.find(is_in).expect("some name hashes there")
    }

    #[test]
    fn a_shard_that_moves_while_it_is_listed_is_listed_once_or_missed() {
        let (zero, one, two) = (group_in(0), group_in(1), group_in(2));
        let mut lists = Lists::of(TenantId::DEFAULT, 3);
        let add = |lists: &mut Lists, shards: &[i32], items: &[&String]| -> Vec<String> {
            let items = items.iter().map(|item| (*item).clone()).collect();
            lists.add(&fields(shards), items, String::as_str)
        };
        assert_eq!(add(&mut lists, &[0, 1], &[&zero, &one]), [zero.as_str(), &one]);
        assert!(!lists.is_complete(), "nobody had the third shard");
        assert_eq!(add(&mut lists, &[1, 2], &[&one, &two]), [two.as_str()], "one came over");
        assert!(lists.is_complete());
        assert_eq!(add(&mut lists, &[2], &[&two]), Vec::<String>::new());
    }

    #[test]
    fn a_node_that_does_not_say_what_it_lists_has_listed_nothing() {
        let mut lists = Lists::of(TenantId::DEFAULT, 1);
        let listed = lists.add(&BTreeMap::new(), vec![group_in(0)], String::as_str);
        assert_eq!(listed.len(), 0);
        assert!(!lists.is_complete());
    }
}
