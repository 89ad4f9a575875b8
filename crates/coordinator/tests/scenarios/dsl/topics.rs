//! The topics of the scenarios, which come, grow and go.

use std::collections::BTreeMap;

use coordinator::{GroupConfigs, TopicShape, Topics};
use parking_lot::RwLock;
use protocol::StrBytes;
use protocol::ids::{TenantId, TopicId};

use super::topic;

/// Topics called `topic-1`, `topic-2`, … by their number, with their partitions.
#[derive(Debug, Default)]
pub(crate) struct TopicTable(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    partitions: BTreeMap<u128, i32>,
    group_configs: GroupConfigs,
    revision: u64,
}

impl TopicTable {
    /// Creates a topic or lets it grow; without partitions it is gone.
    pub(crate) fn set(&self, number: u128, partitions: i32) {
        let mut table = self.0.write();
        table.revision += 1;
        if partitions == 0 {
            table.partitions.remove(&number);
        } else {
            table.partitions.insert(number, partitions);
        }
    }

    /// Sets this on every group.
    pub(crate) fn set_on_groups(&self, configs: GroupConfigs) {
        self.0.write().group_configs = configs;
    }
}

impl Topics for TopicTable {
    /// Also of topics that are not in the table: groups that assign by themselves need no more.
    fn name(&self, _tenant: TenantId, topic: TopicId) -> Option<StrBytes> {
        Some(format!("topic-{}", topic.0.as_u128()).into())
    }

    fn find(&self, _tenant: TenantId, name: &str) -> Option<TopicShape> {
        let number = name.strip_prefix("topic-")?.parse().ok()?;
        let partitions = *self.0.read().partitions.get(&number)?;
        Some(TopicShape { id: topic(number), partitions })
    }

    fn all(&self, tenant: TenantId) -> Vec<(StrBytes, TopicShape)> {
        let numbers: Vec<u128> = self.0.read().partitions.keys().copied().collect();
        let names = numbers.into_iter().map(|number| format!("topic-{number}"));
        names
            .filter_map(|name| {
                let shape = self.find(tenant, &name)?;
                Some((name.into(), shape))
            })
            .collect()
    }

    fn revision(&self) -> u64 {
        self.0.read().revision
    }

    fn group_configs(&self, _tenant: TenantId, _group: &str) -> GroupConfigs {
        self.0.read().group_configs
    }
}
