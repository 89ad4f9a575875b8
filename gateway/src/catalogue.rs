//! One tenant's topics: the only view of the cluster's topics that routes get.

use std::sync::Arc;

use metadata::settings::{SettingKind, Settings};
use metadata::{ClusterView, MetadataError, Topic};
use protocol::ids::{PartitionId, TenantId, TopicId};

/// The topics of one tenant, as the gateway knows them.
#[derive(Clone)]
pub(crate) struct Catalogue {
    view: ClusterView,
    tenant: TenantId,
}

impl Catalogue {
    pub(crate) fn new(view: ClusterView, tenant: TenantId) -> Self {
        assert_ne!(tenant, TenantId::SYSTEM, "no client is the system tenant");
        Self { view, tenant }
    }

    /// A topic, if this gateway has heard of it.
    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Topic>> {
        self.view.topic_by_name(self.tenant, name)
    }

    /// A topic, if this gateway has heard of it.
    pub(crate) fn by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.view.topic_by_id(self.tenant, id)
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.view.topics(self.tenant)
    }

    /// What the tenant has set of one kind.
    pub(crate) fn settings(&self, kind: SettingKind) -> Arc<Settings> {
        self.view.settings(self.tenant, kind)
    }

    /// Catches up with what the store holds now: after it, a topic that is still unknown does not
    /// exist, on whichever gateway it was created.
    pub(crate) async fn refresh(&self) -> Result<(), MetadataError> {
        self.view.refresh().await
    }

    /// The partition `index` of `topic`; `None` if it has no such partition.
    pub(crate) fn partition(&self, topic: &Topic, index: i32) -> Option<PartitionId> {
        let exists = (0..topic.partitions()).contains(&index);
        exists.then(|| PartitionId::new(self.tenant, topic.id(), index))
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
